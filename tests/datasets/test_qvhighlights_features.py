"""QVHighlights as Moment-DETR publishes it, from the folders to the scores, on a tiny copy of their layout."""
import json

import numpy as np
import pytest
from runs import run_command

from mmvmr.evaluation.predictions import read_predictions

SCENES = ('A man cooks rice.', 'A woman rides a bike.', 'Two dogs play outside.')


@pytest.fixture
def folder(tmp_path):
    rng, root = np.random.default_rng(0), tmp_path / 'qvhighlights'
    for name in ('slowfast_features', 'clip_features', 'clip_text_features'):
        (root / 'features' / name).mkdir(parents=True)
    qid = 0
    for split, count in (('train', 24), ('val', 4)):
        lines = []
        for number in range(count):
            vid = f'{split}{number}_60.0_210.0'
            np.savez(root / 'features/slowfast_features' / f'{vid}.npz', features=rng.normal(size=(75, 2304)))
            np.savez(root / 'features/clip_features' / f'{vid}.npz',
                     features=rng.normal(size=(75 - number % 2, 512)).astype(np.float16))
            tokens = rng.normal(size=(6 + number % 3, 512)).astype(np.float32)  # with start and end, in pieces of words
            np.savez(root / 'features/clip_text_features' / f'qid{qid}.npz', last_hidden_state=tokens,
                     pooler_output=tokens[-1])
            lines.append(json.dumps(dict(
                qid=qid, query=SCENES[number % 3], vid=vid, duration=150, relevant_windows=[[0, 10], [20, 40]],
                relevant_clip_ids=[0, 1], saliency_scores=[[4, 3, 2], [1, 1, 1]])))
            qid += 1
        (root / f'highlight_{split}_release.jsonl').write_text('\n'.join(lines))
    return root


@pytest.mark.parametrize('config', ['mscl_qvhighlights_slowfast_clip', 'cpl_qvhighlights_slowfast_clip'])
def test_the_published_folders_are_trained_on_tested_and_scored(folder, tmp_path, monkeypatch, capsys, config):
    monkeypatch.chdir(tmp_path)
    options = [f'dataset.data_root={folder}', 'dataset.protocol=None', 'loader.num_workers=0',
               'loader.persistent_workers=False', 'training_files.val_fraction=0.2']
    if 'cpl' in config:
        run_command('vocabulary', folder / 'vocabulary.npz', '--vectors', 'random', '--sentences',
                    folder / 'highlight_train_release.jsonl')
    run_command('train', config, '--cfg-options', *options, 'train_cfg.max_epochs=1', 'train_dataloader.batch_size=8',
                'dim=16')
    run_command('test', tmp_path / 'work_dirs' / config)
    text = capsys.readouterr().out
    assert 'custom (highlight_val_release): 4 queries, 4 videos' in text
    predictions = next((tmp_path / 'work_dirs' / config).rglob('predictions.jsonl'))
    assert read_predictions(predictions)['gt_spans'][0] == [[0, 10], [20, 40]]
    run_command('score', predictions, '--protocol', 'custom (highlight_val_release)')
    assert '4 queries, 4 videos' in capsys.readouterr().out
