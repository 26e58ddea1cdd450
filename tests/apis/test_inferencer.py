import json
import shutil
from contextlib import nullcontext

import h5py
import numpy as np
import pytest
import torch
from runs import make_runner, run_tool, write_config

from mmvmr.apis import MomentRetrievalInferencer, VideoFeatures, feature_reader
from mmvmr.apis import inferencer as inferencer_module
from mmvmr.apis.page_records import page_records
from mmvmr.features.stores.packed_store import write_packed_store
from mmvmr.registry import DATASETS, EXTRACTORS
from mmvmr.text.sentences import read_sentences

QUERIES = ['a red ball moves.', 'a blue ball spins.', 'a green ball moves.']


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The tiny data set, a config file and the folder of a run of one epoch."""
    from tiny import make_tiny_dataset
    root = tmp_path_factory.mktemp('trained')
    data = make_tiny_dataset(root / 'tiny')
    file = write_config(root / 'config.py', data, 'cpl', train_cfg=dict(max_epochs=1))
    make_runner(file, root / 'run').train()
    return data, file, root / 'run'


@pytest.fixture
def inferencer(trained):
    return MomentRetrievalInferencer(trained[2], device='cpu', show_progress=False)


def _rows(data, video_id='test_0'):
    with h5py.File(data.features) as file:
        return file[video_id][()]


def _video(data, video_id='test_0', repeat=1):
    """The features of a video of 20 s, or of several copies in a row."""
    return VideoFeatures.from_array(np.tile(_rows(data, video_id), (repeat, 1)), video_id, row_seconds=0.5)


def test_inputs_are_those_of_the_data_set_bit_for_bit(trained, inferencer):
    data, *_ = trained
    dataset = DATASETS.build(data.test)
    texts = [dataset.data_list[row]['query'] for row in range(2)]  # both of test_0
    sentences = read_sentences(texts, inferencer.text, inferencer.recipe.max_words)
    batch, = inferencer.preprocess(_video(data), 8, sentences)
    expected = dataset.__getitems__([0, 1])['inputs']
    assert torch.equal(batch['inputs'].video, expected.video)
    for field in ('features', 'mask', 'word_ids', 'word_weights'):
        assert torch.equal(getattr(batch['inputs'].query, field), getattr(expected.query, field)), field


def test_moments_are_those_of_the_test_tool(tmp_path, trained, inferencer):
    data, file, run = trained
    run_tool(['tools/test.py', file, run, '--work-dir', tmp_path])
    rows = [json.loads(line) for line in (tmp_path / 'predictions.jsonl').read_text().splitlines()]
    for row in rows:
        prediction, = inferencer(_video(data, row['video_id']), row['query'], top_k=8)['predictions']
        found = [[moment['start'], moment['end']] for moment in prediction['moments']]
        assert found[0] == pytest.approx(row['pred_spans'][0], abs=2e-3)
        assert all(any(span == pytest.approx(other, abs=2e-3) for other in row['pred_spans']) for span in found)
    assert len(rows) == 8


def test_a_sentence_is_cut_where_those_of_the_training_were(trained, inferencer):
    def moments(query):
        prediction, = inferencer(_video(trained[0]), query)['predictions']
        record, = page_records(inferencer, _video(trained[0]), [prediction])
        return prediction['moments'], len(record['words'])

    long, short = moments('a red ball moves.'), moments('a red')
    assert long != short
    inferencer.recipe = inferencer.recipe._replace(max_words=2)
    assert moments('a red ball moves.') == short


def test_results_are_plain_and_complete(trained, inferencer):
    result = inferencer(_video(trained[0]), QUERIES, top_k=2)
    assert json.loads(json.dumps(result)) == result
    assert [prediction['query'] for prediction in result['predictions']] == QUERIES and result['errors'] == []
    for prediction in result['predictions']:
        assert (prediction['video'], prediction['duration'], prediction['unknown_words']) == ('test_0', 20.0, [])
        assert 1 <= len(prediction['moments']) <= 2
        assert all(0 <= moment['start'] < moment['end'] <= 20 for moment in prediction['moments'])


def test_no_moments_are_no_answer(trained, inferencer):
    with pytest.raises(ValueError, match='top_k must be at least 1, got 0'):
        inferencer(np.zeros((8, 8), np.float32), 'a red ball moves.', top_k=0)


def test_the_match_is_the_likelihood_of_the_words_given_the_moment(trained, inferencer):
    data, *_ = trained
    dataset = DATASETS.build(data.test)
    batch = inferencer.model.data_preprocessor(dataset[0], False)['inputs']
    with torch.no_grad():
        nll = inferencer.model.retrieve(batch).nll['query']['positive'][0]  # (K,)
    prediction, = inferencer(_video(data), dataset.data_list[0]['query'], top_k=8)['predictions']
    matches = [moment['match'] for moment in prediction['moments']]
    assert all(min(abs(match - likelihood) for likelihood in (-nll).exp().tolist()) < 1e-4 for match in matches)


@pytest.mark.parametrize('batch_size', [1, 4, 1000])
def test_a_long_video_is_the_best_of_its_windows(trained, inferencer, batch_size):
    data, *_ = trained
    video = _video(data, repeat=3)  # 60 s, windows of 20 s
    long = inferencer(video, QUERIES[:2], top_k=3, batch_size=batch_size)['predictions']
    for query, prediction in zip(QUERIES, long):
        assert prediction['duration'] == 60.0
        matches = [moment['match'] for moment in prediction['moments']]
        assert matches == sorted(matches, reverse=True)
        parts = [inferencer(VideoFeatures.from_array(video.rows[first:first + 40], row_seconds=0.5), query, top_k=8)
                 for first in (0, 20, 40, 60, 80)]
        best = max(moment['match'] for part in parts for moment in part['predictions'][0]['moments'])
        assert matches[0] >= best - 1e-4


def test_unknown_words_are_named_in_a_warning(trained, inferencer, monkeypatch):
    warnings = []
    monkeypatch.setattr(inferencer_module, 'print_log', lambda message, *_: warnings.append(message))
    prediction, = inferencer(_video(trained[0]), 'a red zebra moves élégamment.')['predictions']
    assert prediction['unknown_words'] == ['zebra', 'élégamment']
    warning, = warnings
    assert "'zebra', 'élégamment'" in warning
    same, = inferencer(_video(trained[0]), 'a red moves.')['predictions']
    assert [moment['start'] for moment in prediction['moments']] == [moment['start'] for moment in same['moments']]


def test_words_that_are_too_many_are_named_in_a_warning(trained, inferencer, monkeypatch):
    warnings, longest = [], inferencer.recipe.max_words
    monkeypatch.setattr(inferencer_module, 'print_log', lambda message, *_: warnings.append(message))
    sentence = ' '.join(['red'] * (longest - 1) + ['ball'])
    inferencer(_video(trained[0]), sentence)
    assert not warnings
    inferencer(_video(trained[0]), f'zebra {sentence} moves')
    assert f'reads {longest} words' in warnings[0] and "nothing from 'moves' on" in warnings[0]
    assert "does not know 'zebra'" in warnings[1]


@pytest.mark.parametrize('bad', ['', '   ', '...', 'zebra.', '人が歩く', 'Ein Haus', 'a zebra is seen.', 'a .'])
def test_a_sentence_that_says_nothing_to_the_model_stops_no_other(trained, inferencer, bad):
    result = inferencer(_video(trained[0]), [QUERIES[0], bad, QUERIES[1]])
    assert [prediction['query'] for prediction in result['predictions']] == QUERIES[:2]
    error, = result['errors']
    assert error['query'] == bad and repr(bad) in error['error']
    with pytest.raises(ValueError, match='no word|none of the words|names nothing'):
        inferencer(_video(trained[0]), bad)


def test_no_sentences_at_all_are_refused(trained, inferencer):
    with pytest.raises(ValueError, match='no sentence to look for'):
        inferencer(_video(trained[0]), [])


def test_a_run_folder_is_enough(tmp_path, trained):
    shutil.copytree(trained[2], tmp_path / 'moved')
    config, = (tmp_path / 'moved').glob('*.py')
    config.write_text(config.read_text().replace(str(trained[0].root), '/absent'))
    moved = MomentRetrievalInferencer(str(tmp_path / 'moved'), device='cpu')
    here = MomentRetrievalInferencer(trained[2], device='cpu')
    assert moved(_video(trained[0]), QUERIES) == here(_video(trained[0]), QUERIES)
    by_config = MomentRetrievalInferencer(trained[1], trained[2] / 'epoch_1.pth', device='cpu')
    assert by_config(_video(trained[0]), QUERIES) == here(_video(trained[0]), QUERIES)


def test_the_config_of_a_run_is_run_and_that_of_a_stranger_need_not_be(tmp_path, trained):
    shutil.copytree(trained[2], tmp_path / 'strangers')
    config, = (tmp_path / 'strangers').glob('*.py')
    config.write_text(f'{config.read_text()}\n__import__("os").mkdir({str(tmp_path / "owned")!r})\n')
    MomentRetrievalInferencer(trained[1], tmp_path / 'strangers' / 'epoch_1.pth', device='cpu')
    assert not (tmp_path / 'owned').exists()
    MomentRetrievalInferencer(tmp_path / 'strangers', device='cpu')
    assert (tmp_path / 'owned').exists()


def test_a_run_without_a_recipe_reads_the_files_of_its_config(tmp_path, trained):
    shutil.copytree(trained[2], tmp_path / 'old')
    (tmp_path / 'old' / 'inputs.json').unlink()
    old = MomentRetrievalInferencer(tmp_path / 'old', device='cpu')
    here = MomentRetrievalInferencer(trained[2], device='cpu')
    assert old.recipe[1:] == here.recipe[1:]
    assert old(_video(trained[0]), QUERIES) == here(_video(trained[0]), QUERIES)
    config, = (tmp_path / 'old').glob('*.py')
    config.write_text(config.read_text().replace(str(trained[0].root), '/absent'))
    with pytest.raises(FileNotFoundError, match='no inputs.json(?s:.*)/absent/train.json'):
        MomentRetrievalInferencer(tmp_path / 'old', device='cpu')


def test_what_does_not_make_a_model_is_explained(tmp_path, trained):
    with pytest.raises(ValueError, match='give a checkpoint or the folder of a run'):
        MomentRetrievalInferencer(trained[1], device='cpu')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='it holds no config'):
        MomentRetrievalInferencer(tmp_path / 'empty', device='cpu')


def test_features_come_as_file_array_or_from_a_store(tmp_path, trained, inferencer):
    data, *_ = trained
    rows = _rows(data)
    np.save(tmp_path / 'rows.npy', rows)
    sources = [VideoFeatures.from_file(tmp_path / 'rows.npy', duration=20.0),
               VideoFeatures.from_file(data.features, 'test_0', duration=20.0),
               VideoFeatures.from_array(rows, row_seconds=0.5)]
    first, *others = [inferencer(source, QUERIES[0])['predictions'][0]['moments'] for source in sources]
    assert all(other == first for other in others)
    inferencer.read.features = dict(dim=8, clip_seconds=0.5)
    for source in (tmp_path / 'rows.npy', rows):
        assert inferencer(source, QUERIES[0])['predictions'][0]['moments'] == first


def test_a_store_says_how_long_its_clips_are(tmp_path, trained, inferencer):
    rows = _rows(trained[0])
    write_packed_store(tmp_path / 'store', {'a': rows}, manifest=dict(clip_seconds=0.25))
    assert VideoFeatures.from_file(tmp_path / 'store', 'a', row_seconds=0.5).duration == len(rows) / 4
    write_packed_store(tmp_path / 'silent', {'a': rows})
    assert VideoFeatures.from_file(tmp_path / 'silent', 'a', row_seconds=0.5).duration == len(rows) / 2


CLIP = dict(extractor=dict(type='ClipExtractor', weights='here', clip_seconds=1.0), weights_sha256='ab',
            text=dict(type='TransformersText', sha256='cd', layer=None))


@pytest.mark.parametrize('change, problem', [
    (dict(weights_sha256='ef'), "weights_sha256 is 'ef', its is 'ab'"),
    (dict(extractor=dict(type='Other')), "extractor is {'type': 'Other'}, its is {'type': 'ClipExtractor'}"),
    (dict(extractor=None, weights_sha256=None, text=dict(type='TransformersText', sha256='gh')),
     "text sha256 is 'gh', its is 'cd'"),
    (dict(text=dict(type='AdapterText', adapter=dict(type='Mine'))), "text type is 'AdapterText'"),
    (dict(extractor=dict(type='ClipExtractor', weights='there', clip_seconds=2.0), clip_seconds=2.0), None),
    (dict(extractor=None, weights_sha256=None, text=None), None)])
def test_features_from_elsewhere_are_refused(tmp_path, trained, inferencer, change, problem):
    manifest = {key: value for key, value in dict(CLIP, **change).items() if value is not None}
    write_packed_store(tmp_path / 'store', {'a': _rows(trained[0])}, manifest=manifest)
    inferencer.read.features = dict(CLIP, dim=8)
    video = VideoFeatures.from_file(tmp_path / 'store', 'a', duration=20.0)
    with pytest.raises(ValueError, match=problem) if problem else nullcontext():
        assert inferencer.read(video).rows is video.rows


@pytest.mark.parametrize('rows, message', [
    (np.zeros((4, 8), np.float32), 'Give the duration'),
    (np.zeros((4, 8, 2), np.float32), r'shape \(4, 8, 2\)'),
])
def test_features_that_cannot_be_used_are_refused(inferencer, rows, message):
    with pytest.raises(ValueError, match=message):
        inferencer(rows, QUERIES[0])


def test_features_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match='"a" has NaN or infinite features'):
        VideoFeatures.from_array(np.full((4, 8), np.nan), 'a', duration=4.0)


@pytest.mark.parametrize('change, message', [
    (dict(rows=np.full((4, 8), np.nan)), '"a" has NaN'), (dict(rows=np.zeros((0, 8))), r'shape \(0, 8\)'),
    (dict(duration=0.0), 'duration of "a" must be a positive'), (dict(row_seconds=-1.0), 'duration of "a" must be')])
def test_features_made_by_hand_are_checked_as_well(inferencer, change, message):
    video = VideoFeatures('a', np.zeros((4, 8)), 1.0, 4.0)._replace(**change)
    with pytest.raises(ValueError, match=message):
        inferencer(video, QUERIES[0])


def test_weights_that_are_no_numbers_give_no_answer(trained):
    broken = MomentRetrievalInferencer(trained[2], device='cpu', show_progress=False)
    torch.nn.init.constant_(next(broken.model.encoder.parameters()), np.nan)
    with pytest.raises(ValueError, match='gives NaN or infinite numbers'):
        broken(_video(trained[0]), QUERIES[0])
    unsure = MomentRetrievalInferencer(trained[2], device='cpu', show_progress=False)
    unsure.model.ranker.register_forward_hook(lambda ranker, given, scores: scores * np.nan)
    with pytest.raises(ValueError, match='gives NaN or infinite numbers'):
        unsure(_video(trained[0]), QUERIES[0])


def test_features_of_another_size_are_refused(inferencer):
    with pytest.raises(ValueError, match='9 dimensions, the model was trained on 8'):
        inferencer(VideoFeatures.from_array(np.zeros((4, 9)), duration=4.0), QUERIES[0])


@pytest.mark.parametrize('extractor', [
    None, 'descriptor-1', dict(type='os.system', command='false'), dict(type='antigravity'), dict(fps=3),
    dict(type='DescriptorExtractor', _scope_='antigravity')])
def test_a_video_file_is_refused_where_the_extractor_is_unknown(inferencer, extractor, monkeypatch):
    monkeypatch.setattr(feature_reader, 'probe_video', lambda path: feature_reader.VideoFeatures('', None, 1, 1))
    inferencer.read.features = dict(dim=8, extractor=extractor)
    with pytest.raises(ValueError, match='do not say how to make them'):
        inferencer('video.mp4', QUERIES[0])


class _Extractor:
    clip_seconds = 0.5


def test_other_weights_of_the_extractor_are_refused(inferencer, monkeypatch):
    inferencer.read.features = dict(dim=8, extractor=dict(type='X'), weights_sha256='ab')
    monkeypatch.setitem(EXTRACTORS.module_dict, 'X', _Extractor)
    with pytest.raises(ValueError, match='their sha256 is None, it was ab'):
        inferencer.read.extractor  # noqa: B018


def test_features_of_a_video_are_extracted_once_and_broken_videos_are_reported(
        tmp_path, trained, inferencer, monkeypatch):
    seen = []

    def extract(path, extractor):
        seen.append(path.name)
        if path.stem == 'broken':
            raise ValueError(f'"{path}" cannot be decoded as a video.')
        return _rows(trained[0])

    for name in ('a.mp4', 'broken.mp4', 'c.mkv', 'notes.txt'):
        (tmp_path / name).touch()
    inferencer.read.features = dict(dim=8, extractor=dict(type='X'))
    monkeypatch.setitem(EXTRACTORS.module_dict, 'X', _Extractor)
    monkeypatch.setattr(feature_reader, 'extract_video', extract)
    monkeypatch.setattr(feature_reader, 'probe_video', lambda path: VideoFeatures('', None, 0.5, duration=19.9))
    result = inferencer(str(tmp_path), QUERIES)
    assert seen == ['a.mp4', 'broken.mp4', 'c.mkv']
    assert inferencer([str(tmp_path)], QUERIES) == result, 'a folder may be one of a list'
    assert [(p['video'], p['query']) for p in result['predictions']] == [
        (str(tmp_path / name), query) for name in ('a.mp4', 'c.mkv') for query in QUERIES]
    assert {p['duration'] for p in result['predictions']} == {19.9}
    assert result['errors'] == [dict(video=str(tmp_path / 'broken.mp4'),
                                     error=f'"{tmp_path}/broken.mp4" cannot be decoded as a video.')]
    with pytest.raises(ValueError, match='cannot be decoded'):
        inferencer(tmp_path / 'broken.mp4', QUERIES)


def test_results_are_repeated(trained, inferencer):
    assert inferencer(_video(trained[0]), QUERIES) == inferencer(_video(trained[0]), QUERIES)
