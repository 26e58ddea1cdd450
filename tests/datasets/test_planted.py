"""Features made up for real annotations."""
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from runs import run_command

from mmvmr.cli.vocabulary import read_annotations
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.datasets.planted import Planting, planted_features
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.places import find_config
from mmvmr.features.stores.feature_store import open_feature_store
from mmvmr.features.stores.packed_store import write_packed_store

PAIRS = [dict(video_id='a', duration=40.0, query='a dog runs', spans=[[5, 15]]),
         dict(video_id='a', duration=40.0, query='the person opens a door', spans=[[20, 30], [34, 40]]),
         dict(video_id='b', duration=25.4, query='a cat sleeps', spans=[])]
CLEAN = Planting(background=0, noise=0, distractors=0)


def planted(**changes):
    return dict(planted_features(PAIRS, CLEAN._replace(**changes)))


def test_a_sentence_is_seen_in_all_of_its_moments_and_nowhere_else():
    found = planted(blur=0)
    assert {name: rows.shape for name, rows in found.items()} == {'a': (40, 128), 'b': (26, 128)}
    lengths = np.linalg.norm(found['a'], axis=1)
    assert lengths.nonzero()[0].tolist() == [*range(5, 15), *range(20, 30), *range(34, 40)]
    np.testing.assert_allclose(lengths[lengths > 0], 1, rtol=1e-6)
    assert not found['b'].any() and abs(found['a'][5] @ found['a'][20]) < 0.5
    np.testing.assert_array_equal(found['a'][20], found['a'][34])


def test_an_edge_rises_from_a_quarter_to_three_quarters_in_the_given_seconds():
    rows = planted(blur=4, seconds=2.0)['a']  # rows in the middle of 2 s: the start at 5 lies in that of the third
    lengths = np.linalg.norm(rows, axis=1)
    assert lengths[2] == pytest.approx(0.5, abs=0.01)
    rise = np.linalg.norm(planted(blur=4)['a'], axis=1)
    assert np.interp(3, np.arange(40) + 0.5, rise) == pytest.approx(0.25, abs=0.01)
    assert np.interp(7, np.arange(40) + 0.5, rise) == pytest.approx(0.75, abs=0.02)


def test_what_hides_a_sentence_has_the_given_strength():
    assert np.linalg.norm(planted(strength=3)['a'][10]) == pytest.approx(3, rel=0.01)
    noise = planted(noise=2)['b']
    assert np.linalg.norm(noise, axis=1).mean() == pytest.approx(2, rel=0.1) and abs(noise[0] @ noise[1]) < 1.5
    scene = planted(background=1.5)
    assert np.allclose(scene['b'], scene['b'][0]) and np.linalg.norm(scene['b'][0]) == pytest.approx(1.5, rel=1e-5)
    assert abs(scene['a'][0] @ scene['b'][0]) < 1.2, 'a scene is that of one video'
    visited = planted(distractors=8, blur=0)['b']
    assert visited.any() and not planted(blur=0)['b'].any()
    own = {tuple(np.round(row / max(np.linalg.norm(row), 1e-9), 3)) for row in planted(blur=0)['a']}
    assert any(tuple(np.round(row / max(np.linalg.norm(row), 1e-9), 3)) in own for row in visited if row.any())


def test_what_a_video_says_is_planted_nowhere_else_in_it():
    pairs = [PAIRS[0], dict(video_id='c', duration=40.0, query='The dog runs.', spans=[])]  # the same content words
    for rows in dict(planted_features(pairs, CLEAN._replace(distractors=8, blur=0))).values():
        assert set(np.linalg.norm(rows, axis=1).nonzero()[0]) <= set(range(5, 15))


def test_features_of_a_video_depend_on_the_seed_and_not_on_the_order():
    again = dict(planted_features(PAIRS[::-1], CLEAN._replace(noise=1)))
    for name, rows in planted(noise=1).items():
        np.testing.assert_array_equal(rows, again[name])
    assert not np.array_equal(planted(noise=1)['b'], planted(noise=1, seed=1)['b'])


def test_a_config_is_planted_and_its_results_are_named_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path('train.json').write_text(json.dumps([['a', 40, [5, 15], 'A dog runs.'], ['b', 30, [0, 9], 'He sits.']]))
    Path('test.json').write_text(json.dumps([['c', 20, [5, 15], 'A dog sits.']]))
    Path('config.py').write_text(
        "dataset = dict(type='MomentDataset', num_clips=8)\n"
        "train_dataloader = dict(dataset=dict(**dataset, ann_file='train.json', features='absent', split='train'))\n"
        "test_dataloader = dict(dataset=dict(**dataset, ann_file='test.json', features='absent', split='test'))\n")
    options = dict(dim=6, seconds=2, strength=1.5, background=0.3, noise=0.5, distractors=1, blur=3, seed=4)
    flags = [word for name, value in options.items() for word in (f'--{name}', value)]
    assert run_command('plant', 'config.py', 'planted', *flags) == 0
    text = capsys.readouterr().out
    assert '3 sentences planted in 3 videos' in text and 'mmvmr train CONFIG' in text, 'which has no model'
    store = open_feature_store('planted/features')
    assert sorted(store.video_ids) == ['a', 'b', 'c'] and store.read('a').shape == (20, 6)
    assert store.manifest['planted'] == options and store.manifest['clip_seconds'] == 2
    dataset = MomentDataset('test.json', 'planted/features', 'planted/vocabulary.npz', split='test', num_clips=8,
                            test_mode=True)
    assert dataset.metainfo['protocol'] == 'custom (test) (planted features)'
    assert set(dataset.vocabulary.words) == {'a', 'dog', 'runs', 'he', 'sits', '.'}, 'of the training sentences alone'
    normalized = MomentDataset('test.json', dict(path='planted/features', normalize=True), 'planted/vocabulary.npz',
                               split='test', num_clips=8, test_mode=True)
    assert normalized.metainfo['protocol'] == 'custom (test) (planted features)', 'whatever is made of them'
    with pytest.raises(FileExistsError, match='--force'):
        run_command('plant', 'config.py', 'planted')
    Path('model.py').write_text("model = dict(type='MomentRetriever')\n")
    with pytest.raises(ValueError, match='no data set to plant moments for'):
        run_command('plant', 'model.py', 'other')
    assert run_command('plant', 'config.py', 'planted', '--force') == 0
    assert run_command('plant', 'config.py', 'with blanks') == 0
    capsys.readouterr()
    Path('model.py').write_text(Path('config.py').read_text() + "model = dict(type='MomentRetriever')\n")
    change = 'train_dataloader.dataset.num_clips=4'
    assert run_command('plant', 'model.py', 'with blanks', '--force', '--cfg-options', change) == 0
    typed = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert typed == ['mmvmr', 'train', 'model.py', '--work-dir', 'work_dirs/planted', '--cfg-options', change,
                     *(f'{part}_dataloader.dataset.{change}' for part in ('train', 'test') for change in (
                         f'features={tmp_path}/with blanks/features',
                         f'vocabulary={tmp_path}/with blanks/vocabulary.npz', 'feature_dim=128'))]


@pytest.mark.parametrize('protocol, train, test', [('filtered', 10602, 3158), ('official', 12408, 3720)])
def test_pairs_are_held_out_of_the_training_file(shared_data, protocol, train, test):
    config = read_config(find_config('cpl_charades'), {'dataset.data_root': str(shared_data / 'charades_sta'),
                                                       'dataset.protocol': protocol})
    pairs = [len(read_annotations(config[f'{part}_dataloader'].dataset)) for part in ('train', 'val', 'test')]
    assert pairs == [train, train, test]


def test_all_of_a_config_is_planted_and_where_it_reads_features_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pairs = [dict(vid='a', duration=40, query='A dog runs.', relevant_windows=[[5, 15]]),
             dict(vid='b', duration=40, query='A cat runs.', relevant_windows=[])]
    Path('train.jsonl').write_text('\n'.join(map(json.dumps, pairs)))
    Path('config.py').write_text(
        "dataset = dict(type='MomentDataset', num_clips=8, features='absent', ann_file='train.jsonl', indices=1)\n"
        "train_dataloader = dict(dataset=dict(**dataset, split='train'))\n"
        "val_dataloader = dict(dataset=dict(**dataset, split='val', val_fraction=0.5))\n")
    assert run_command('plant', 'config.py', 'planted') == 0
    text = capsys.readouterr().out
    assert '1 sentences planted in 2 videos; 1 have no moment, and are seen nowhere' in text
    assert shlex.split(text)[-3:] == [
        f'dataset.features={tmp_path}/planted/features', f'dataset.vocabulary={tmp_path}/planted/vocabulary.npz',
        'dataset.feature_dim=128']


def test_features_that_were_not_planted_are_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_packed_store('mine/features', dict(a=np.ones((4, 3))))
    Path('words').mkdir()
    Path('words/vocabulary.npz').write_text('mine')
    for folder in ('mine', 'words'):
        before = {path: path.read_bytes() for path in Path(folder).rglob('*') if path.is_file()}
        with pytest.raises(FileExistsError, match='was not made by `mmvmr plant`'):
            run_command('plant', 'cpl_charades', folder, '--force')
        assert {path: path.read_bytes() for path in Path(folder).rglob('*') if path.is_file()} == before
