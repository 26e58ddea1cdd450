"""QVHighlights with captioned clips: the published files, and what is measured on them without training."""
import json

import numpy as np
import pytest
from runs import start_tool

from mmvmr.datasets.qvhighlights_captions import QVHighlightsCaptions
from mmvmr.features.stores.feature_store import open_feature_store
from mmvmr.features.stores.quantized_store import QuantizedStore
from mmvmr.registry import DATASETS

IDS, OFFSETS = ['a_0.0_150.0', 'b_0.0_150.0'], [0, 3, 8]
PAIRS = [dict(qid=7, query='A ball moves', duration=150, vid=IDS[0], relevant_windows=[[0, 10], [60, 150]]),
         dict(qid=9, query='A dog runs', duration=150, vid=IDS[1])]


def write_files(folder, rows=None):
    rng = np.random.default_rng(0)
    rows = rng.integers(-127, 128, (8, 4)).astype(np.int8) if rows is None else rows
    np.savez(folder / 'video_val.npz', ids=IDS, offsets=OFFSETS, rows=rows, scale=np.float32([1, 0.5, 0.25, 2]))
    np.savez(folder / 'queries_val.npz', qid=[9, 7], vectors=rng.normal(size=(2, 3, 4)).astype(np.float16))
    (folder / 'pairs_val.jsonl').write_text('\n'.join(map(json.dumps, PAIRS)))
    return rows


def build(folder, **changes):
    return DATASETS.build(dict(
        dict(type='QVHighlightsCaptions', data_root=str(folder), ann_file='pairs_val.jsonl', features='video_val.npz',
             text=dict(type='PrecomputedText', features='queries_val.npz'), num_clips=3, split='test', test_mode=True),
        **changes))


def test_all_windows_of_a_query_and_its_own_vectors_are_read(tmp_path):
    write_files(tmp_path)
    dataset = build(tmp_path)
    batch = dataset.__getitems__([0, 1])
    assert batch['data_samples'][0].gt_spans.tolist() == [[0, 10], [60, 150]]
    assert batch['data_samples'][1].gt_spans.shape == (0, 2)  # not known
    vectors = np.load(tmp_path / 'queries_val.npz')['vectors']
    assert np.array_equal(batch['inputs'].query.sentences, vectors[[1, 0]].astype(np.float32))
    assert dataset.metainfo['protocol'] == 'custom (pairs_val)'


def test_features_are_integers_times_scale_of_unit_length(tmp_path):
    rows = write_files(tmp_path)
    store = open_feature_store(tmp_path / 'video_val.npz')
    assert isinstance(store, QuantizedStore) and store.video_ids == IDS and store.dim == 4 and 'c' not in store
    expected = rows[3:8] * np.array([1, 0.5, 0.25, 2])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(store.read(IDS[1]), expected, rtol=1e-6)
    np.testing.assert_allclose(store.read_clips([IDS[0]], 3)[0], store.read(IDS[0]))


@pytest.mark.parametrize('change', [dict(offsets=[0, 3, 7]), dict(offsets=[0, 8]), dict(ids=[IDS[0]] * 2),
                                    dict(scale=np.float32([1, 2]))])
def test_a_store_that_does_not_fit_itself_is_refused(tmp_path, change):
    write_files(tmp_path)
    arrays = dict(np.load(tmp_path / 'video_val.npz'))
    np.savez(tmp_path / 'video_val.npz', **dict(arrays, **change))
    with pytest.raises(ValueError, match='Expected V ids that differ'):
        open_feature_store(tmp_path / 'video_val.npz')
    np.savez(tmp_path / 'video_val.npz', rows=arrays['rows'], ids=IDS, offsets=OFFSETS)
    with pytest.raises(ValueError, match='Expected a .npz with ids, offsets, rows and scale'):
        open_feature_store(tmp_path / 'video_val.npz')


@pytest.mark.parametrize('line, message', [
    ('{"qid": 1', 'line 2 is not JSON'), ('[]', 'entry 1: expected vid, duration, query'),
    ('{"qid": 1, "query": "a"}', r'entry 1: expected vid, .*KeyError: .vid')])
def test_a_line_of_another_form_is_named(tmp_path, line, message):
    write_files(tmp_path)
    (tmp_path / 'pairs_val.jsonl').write_text(json.dumps(PAIRS[0]) + '\n' + line)
    with pytest.raises(ValueError, match=f'pairs_val.jsonl", {message}'):
        build(tmp_path)


def test_protocol_counts_the_pairs_and_absent_files_say_where_they_come_from(tmp_path):
    write_files(tmp_path)
    with pytest.raises(ValueError, match='has 1550 pairs in its test file'):
        build(tmp_path, protocol='val')
    with pytest.raises(FileNotFoundError, match='(?s)pairs_val.jsonl.*jayleicn/moment_detr'):
        build(tmp_path / 'nowhere')


def test_a_model_without_weights_is_tested_without_a_checkpoint(tmp_path):
    write_files(tmp_path)
    options = [f'dataset.data_root={tmp_path}', 'dataset.protocol=None', 'dataset.feature_dim=4', 'dataset.num_clips=8']
    done = start_tool(['tools/test.py', 'configs/zero_shot_otsu_qvhighlights.py', '--work-dir', tmp_path / 'out',
                       '--cfg-options', *options])
    text = done.communicate()[0]
    assert done.returncode == 0 and 'Testing a model that was not trained on 2 pairs' in text, text
    lines = [json.loads(line) for line in (tmp_path / 'out' / 'predictions.jsonl').read_text().splitlines()]
    assert [len(line['pred_spans']) for line in lines] == [10, 10]
    assert json.loads((tmp_path / 'out' / 'test.json').read_text())['weights'] is None
    trained = start_tool(['tools/test.py', 'configs/cnm_moving_shapes.py', '--work-dir', tmp_path / 'other'])
    assert 'What is to be tested? ' in trained.communicate()[0] and trained.returncode


def test_halves_part_the_pairs_and_keep_the_pieces_of_a_source_together(tmp_path):
    write_files(tmp_path)
    pairs = [dict(PAIRS[1], qid=number, vid=f'{number // 2}_x_{60 * (number % 2)}.0_150.0') for number in range(40)]
    (tmp_path / 'pairs_val.jsonl').write_text('\n'.join(map(json.dumps, pairs)))
    halves = [{pair['video_id'] for pair in build(tmp_path, features=None, half=half).data_list}
              for half in ('choosing', 'reporting')]
    sources = [{video.rsplit('_', 2)[0] for video in half} for half in halves]
    assert all(halves) and len(halves[0]) + len(halves[1]) == 40 and not sources[0] & sources[1]
    with pytest.raises(ValueError, match="half must be 'choosing', 'reporting' or None for all pairs, got 'best'"):
        build(tmp_path, half='best')


def test_rewritten_queries_are_pairs_of_their_own_in_training(tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.setitem(QVHighlightsCaptions.PROTOCOLS, 'rewrites', dict(train=4, test=2))
    pairs = [PAIRS[0], dict(PAIRS[1], rephrased_query=['A dog is running', 'There runs a dog'])]
    (tmp_path / 'pairs_val.jsonl').write_text('\n'.join(map(json.dumps, pairs)))
    found = build(tmp_path, features=None, protocol='rewrites', split='train', test_mode=False).data_list
    assert [(pair['qid'], pair['query']) for pair in found] == [
        (7, 'A ball moves'), (9, 'A dog runs'), (9, 'A dog is running'), (9, 'There runs a dog')]
    assert {pair['video_id'] for pair in found[1:]} == {IDS[1]}
    assert [pair['query'] for pair in build(tmp_path, features=None, protocol='rewrites').data_list] == [
        'A ball moves', 'A dog runs']


@pytest.fixture
def published(shared_data):
    folder = shared_data / 'qvhighlights_captions'
    if not folder.exists():
        pytest.skip(f'the files of QVHighlights with captions are not at {folder}')
    return folder


def test_pairs_of_the_protocol_are_those_that_were_published(published):
    for name, split, windows in (('val', 'test', True), ('test', 'train', False)):
        dataset = QVHighlightsCaptions(str(published / f'pairs_{name}.jsonl'), split=split, protocol='val')
        assert all(bool(pair['spans']) == windows for pair in dataset.data_list)
    assert len({pair['qid'] for pair in dataset.data_list}) == 1542
    for name, split in (('val', 'test'), ('test', 'train')):
        dataset = QVHighlightsCaptions(str(published / f'pairs_{name}.jsonl'), split=split, protocol='rewrites')
        assert len(dataset.data_list) == (9252 if split == 'train' else 1550)


@pytest.mark.parametrize('name, reached', [
    ('zero_shot_otsu_qvhighlights', (54.65, 37.16, 31.68)),
    ('zero_shot_otsu_paraphrases_qvhighlights', (54.84, 37.23, 31.98)),
    ('zero_shot_vote_qvhighlights', (59.81, 43.61, 39.83))])
def test_retrieval_without_training_reaches_the_scores_of_the_docs(published, tmp_path, name, reached):
    done = start_tool(['tools/test.py', f'configs/{name}.py', '--work-dir', tmp_path, '--cfg-options',
                       f'dataset.data_root={published}'])
    text = done.communicate()[0]
    assert done.returncode == 0, text
    words = text.split('Epoch(test)')[-1].split()
    found = [float(words[words.index(f'{key}:') + 1]) for key in ('R@1,IoU=0.5', 'R@1,IoU=0.7', 'mAP')]
    assert found == pytest.approx(reached, abs=0.07), found  # a query of 1,550 may fall on the other side
