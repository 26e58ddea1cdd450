"""Data sets over features of several extractors, or with ids that differ by a suffix; from training to an answer."""
import json

import numpy as np
import pytest
from runs import make_runner, run_command, write_config
from tiny import write_annotations
from videos import grey, write_frames

from mmvmr.apis import MomentRetrievalInferencer
from mmvmr.datasets.verification import check_lengths, seconds_per_row
from mmvmr.engine.run.input_recipe import InputRecipe, fingerprint
from mmvmr.features.extract import extract_video, make_manifest
from mmvmr.features.stores.feature_store import open_feature_store, write_packed_store
from mmvmr.features.stores.resampling import resample_clips
from mmvmr.registry import DATASETS, EXTRACTORS

PAIR = ['train_0.mp4', 20.0, None, 'a red ball moves.']
DESCRIPTOR = dict(type='DescriptorExtractor', clip_seconds=0.5)


def test_videos_with_a_suffix_find_their_features_and_the_log_says_so(tiny_dataset, monkeypatch):
    said = []
    monkeypatch.setattr('mmvmr.datasets.moment_dataset.print_log', lambda message, *_: said.append(message))
    dataset = DATASETS.build(dict(tiny_dataset.train, ann_file=write_annotations(tiny_dataset.root / 'a.json', [PAIR])))
    store = open_feature_store(tiny_dataset.features)
    np.testing.assert_array_equal(dataset[0]['inputs'].video, store.read_clips(['train_0'], 16))
    assert any('train_0.mp4 -> train_0' in message and 'without the suffix of a video file' in message
               for message in said)


def test_two_videos_do_not_share_features(tiny_dataset):
    ann_file = write_annotations(tiny_dataset.root / 'a.json', [PAIR, ['v_train_0', *PAIR[1:]]])
    with pytest.raises(ValueError, match="videos 'train_0.mp4' and 'v_train_0', which would both get .*'train_0'"):
        DATASETS.build(dict(tiny_dataset.train, ann_file=ann_file))


def test_an_id_with_a_suffix_is_extracted_and_verified(tmp_path, capsys):
    (tmp_path / 'videos').mkdir()
    write_frames(tmp_path / 'videos' / 's13-d21.avi', [grey(number) for number in range(20)], fps=10)
    run_command('extract', tmp_path / 'videos', tmp_path / 'features', '--extractor', 'DescriptorExtractor')
    (tmp_path / 'a.json').write_text(json.dumps([['s13-d21.avi', 2.0, [0, 1], 'He sits.']]))
    assert run_command('verify', '--annotations', tmp_path / 'a.json', '--features', tmp_path / 'features') == 0
    text = capsys.readouterr().out
    assert 's13-d21.avi -> s13-d21' in text and 'a row covers 0.5 s, as the manifest says' in text


# ------------------------------------------------------------------------------------------------------------- streams
def _streams(tiny, seconds=(0.5, 0.5)):
    """Two streams of the descriptor's dimensions for all videos of the tiny data set; the second is normalised."""
    rng, paths = np.random.default_rng(0), []
    for name, clip_seconds in zip(('one', 'two'), seconds):
        config = dict(DESCRIPTOR, clip_seconds=clip_seconds)
        rows = {video_id: rng.normal(size=(int(20 / clip_seconds), 57)) for video_id in
                open_feature_store(tiny.features).video_ids}
        write_packed_store(tiny.root / name, rows, manifest=make_manifest(config, EXTRACTORS.build(dict(config))))
        paths.append(dict(path=name, normalize=name == 'two'))
    return dict(features=paths, data_root=str(tiny.root), vocabulary='vocabulary.npz')


def _trained(tiny, tmp_path, **changes):
    splits = {split: dict(getattr(tiny, split), **dict(changes, ann_file=f'{split}.json'))
              for split in ('train', 'val', 'test')}
    file = write_config(tmp_path / 'config.py', tiny._replace(**splits), 'cnm', train_cfg=dict(max_epochs=1))
    options = {'model.encoder.video_dim': 114}
    make_runner(file, tmp_path / 'run', options).train()
    return tmp_path / 'run'


def test_a_data_set_of_streams_has_their_clips_side_by_side(tiny_dataset):
    dataset = DATASETS.build(dict(tiny_dataset.train, **_streams(tiny_dataset), ann_file='train.json'))
    one, two = dataset.store.stores
    found = dataset[0]['inputs'].video[0]
    assert found.shape == (16, 114)
    np.testing.assert_array_equal(found[:, :57], resample_clips(one.read('train_0'), 16))
    assert np.linalg.norm(found[:, 57:], axis=1).max() <= 1 < np.linalg.norm(found[:, :57], axis=1).min()


def test_an_absent_stream_is_named(tiny_dataset):
    changes = dict(_streams(tiny_dataset), features=['one', 'three'], ann_file='train.json')
    with pytest.raises(FileNotFoundError, match=r'tiny/three'):
        DATASETS.build(dict(tiny_dataset.train, **changes))


def test_a_model_of_two_streams_answers_for_a_video_file_as_for_its_features(tiny_dataset, tmp_path):
    run = _trained(tiny_dataset, tmp_path, **_streams(tiny_dataset))
    recipe = json.loads((run / 'inputs.json').read_text())['features']
    assert recipe == dict(dim=114, clip_seconds=0.5, streams=[
        dict(extractor=DESCRIPTOR, weights_sha256=None, clip_seconds=0.5, dim=57, normalize=normalize)
        for normalize in (False, True)])
    video = tmp_path / 'v.mkv'
    write_frames(video, [grey(number) for number in range(20)], fps=4)
    inferencer = MomentRetrievalInferencer(run, device='cpu', show_progress=False)
    rows = extract_video(video, EXTRACTORS.build(dict(DESCRIPTOR)))
    unit = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(inferencer.read(video).rows, np.concatenate([rows, unit], axis=1), rtol=1e-5)
    assert inferencer(video, 'a red ball moves.')['predictions'][0]['moments']
    with pytest.raises(ValueError, match='trained on 2 streams .*--annotations'):
        inferencer.read.extractor  # noqa: B018


def test_streams_of_other_times_are_trained_on_but_not_extracted(tiny_dataset, tmp_path):
    run = _trained(tiny_dataset, tmp_path, **_streams(tiny_dataset, seconds=(0.5, 1.0)))
    write_frames(tmp_path / 'v.mkv', [grey(number) for number in range(8)], fps=4)
    with pytest.raises(ValueError, match=r'rows of \[0\.5, 1\.0\] seconds'):
        MomentRetrievalInferencer(run, device='cpu', show_progress=False)(tmp_path / 'v.mkv', 'a red ball moves.')


def test_a_fingerprint_of_streams_does_not_depend_on_where_they_ran(tiny_dataset):
    recipe = InputRecipe.from_dataset(
        DATASETS.build(dict(tiny_dataset.train, **_streams(tiny_dataset), ann_file='train.json')))
    moved = json.loads(json.dumps(recipe.features))
    moved['streams'][0]['extractor']['device'] = 'cuda:1'
    text = recipe.text_encoder
    assert fingerprint(text, moved) == fingerprint(text, recipe.features)


# -------------------------------------------------------------------------------------------------------- verification
@pytest.mark.parametrize('manifest, seconds', [(dict(clip_seconds=0.5), 0.5), (dict(stride=8, fps=24.0), 1 / 3),
                                               (dict(fps=24.0), None), ({}, None)])
def test_the_seconds_of_a_row_are_those_of_the_manifest(manifest, seconds):
    assert seconds_per_row(manifest) == seconds


def test_rows_are_compared_with_durations():
    problems = dict.fromkeys(['rows do not fit the duration'], [])
    line = check_lengths(dict(a=20, b=40, c=40), dict(a=20.0, b=40.0, c=50.0), 1.0, problems)
    assert line == 'a row covers 1 s, as the manifest says'
    assert problems['rows do not fit the duration'] == ['c: 40 rows x 1 s = 40.0 s, but it lasts 50.0 s']


def test_the_seconds_of_a_row_are_told_from_most_videos_where_no_manifest_says_them():
    problems = dict.fromkeys(['rows do not fit the duration'], [])
    line = check_lengths(dict(a=10, b=20, c=20), dict(a=20.0, b=40.0, c=70.0), None, problems)
    assert line == 'a row covers 2 s, as most videos suggest'
    assert problems['rows do not fit the duration'] == ['c: 20 rows x 2 s = 40.0 s, but it lasts 70.0 s']
    assert 'resampled before' in check_lengths(dict(a=5, b=5, c=5), dict(a=2.0, b=4.0, c=6.0), None, problems)
