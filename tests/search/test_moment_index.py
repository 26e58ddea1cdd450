import io
import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from mmengine.config import Config
from runs import REPO, make_runner, run_command, run_tool, write_config
from tiny import make_tiny_dataset
from videos import write_frames

from mmvmr.apis import MomentRetrievalInferencer, VideoFeatures
from mmvmr.features.extract import extract_video, make_manifest
from mmvmr.features.extractors.descriptor import DescriptorExtractor
from mmvmr.features.stores.packed_store import write_packed_store
from mmvmr.search import MomentIndex
from mmvmr.search import build_index as building
from mmvmr.search.answers import subtitles_by_video
from mmvmr.search.build_index import build_index, read_pairs
from mmvmr.search.quality import _overlaps, evaluate_search, right_spans

QUERIES = ['a red ball moves.', 'a blue ball spins.']
EXTRACTOR = dict(type='DescriptorExtractor', clip_seconds=0.5)


@pytest.fixture(scope='module', params=['cpl', 'mscl'])
def trained(request, tmp_path_factory):
    """A run, a store with the features of four videos, one of them long, and their annotations without spans."""
    root = tmp_path_factory.mktemp('trained')
    data = make_tiny_dataset(root / 'tiny')
    file = write_config(root / 'config.py', data, request.param, train_cfg=dict(max_epochs=1),
                        val_evaluator=dict(type='MomentRecall'))
    make_runner(file, root / 'run').train()
    with h5py.File(data.features) as source, h5py.File(root / 'store.h5', 'w') as target:
        for number in range(4):
            target[f'vidéo {number}'] = np.tile(source[f'test_{number}'][()], (3 if number == 2 else 1, 1))
    _annotate(root / 'all.json', range(4))
    return root


def _annotate(path, numbers):
    path.write_text(json.dumps([[f'vidéo {number}', 60.0 if number == 2 else 20.0, None, 'a red ball moves.']
                                for number in numbers]))
    return str(path)


def _index(root, folder, annotations='all.json'):
    build_index(root / 'run', root / 'store.h5', folder, str(root / annotations), device='cpu')
    return MomentIndex(folder, device='cpu', show_progress=False)


def _files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@pytest.mark.parametrize('query', QUERIES)
def test_a_search_of_all_windows_gives_the_answers_of_the_inferencer(tmp_path, trained, query):
    index = _index(trained, tmp_path / 'index')
    inferencer = MomentRetrievalInferencer(trained / 'run', device='cpu', show_progress=False)
    with h5py.File(trained / 'store.h5') as file:
        videos = [VideoFeatures.from_array(rows[()], name, row_seconds=0.5) for name, rows in file.items()]
    answers = inferencer(videos, query, top_k=30, batch_size=8)['predictions']
    expected = [dict(moment, video=answer['video']) for answer in answers for moment in answer['moments']]
    found = index.search(query, top_k=1000, num_windows=len(index.windows))
    assert len(index.windows) == 8  # one of each video, five of the long one
    assert [moment['match'] for moment in found] == sorted((moment['match'] for moment in found), reverse=True)
    key = lambda moment: (moment['video'], moment['start'], moment['end'])  # noqa: E731
    assert [key(moment) for moment in sorted(found, key=key)] == [key(moment) for moment in sorted(expected, key=key)]
    assert index.search(query, top_k=1000, num_windows=8) == found


def test_the_shortlist_is_the_best_sum_over_words_of_any_piece(tmp_path, trained):
    index = _index(trained, tmp_path / 'index')
    sentence = index.read('a red ball moves.')
    words = index.inferencer.text.encode(['a red ball moves.'], 20)
    words = words.word_ids[0, :words.lengths[0]]
    scores = [max(sum(float(index.files.coarse[word, window, piece]) for word in words) for piece in range(16))
              for window in range(8)]
    order = index.shortlist(sentence)
    assert sorted(order) == list(range(8))
    assert np.diff([scores[number] for number in order]).max() < 1e-4


def test_the_model_looks_at_so_many_windows(tmp_path, trained):
    index = _index(trained, tmp_path / 'index')
    first = index.shortlist(index.read(QUERIES[0]))[0]
    video, window = index.windows[first]
    for moment in index.search(QUERIES[0], num_windows=1):
        assert moment['video'] == video
        assert window.start <= moment['start'] <= moment['end'] <= window.start + window.duration


def test_an_index_that_has_grown_is_the_one_made_at_once(tmp_path, trained):
    _index(trained, tmp_path / 'at_once')
    for step in ([1, 3], [0, 1, 2, 3], [0]):
        _annotate(tmp_path / 'part.json', step)
        build_index(trained / 'run', trained / 'store.h5', tmp_path / 'grown', str(tmp_path / 'part.json'))
    assert _files(tmp_path / 'grown') == _files(tmp_path / 'at_once')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['at_once', 'grown', 'part.json']


def test_features_that_have_changed_are_read_again(tmp_path, trained, capsys):
    def index(source, annotations):
        run_command('search', 'index', trained / 'run', source, tmp_path / 'index', '--annotations', annotations,
                    '--device', 'cpu')
        return capsys.readouterr().out

    index(trained / 'store.h5', trained / 'all.json')
    assert '(nothing has changed)' in index(trained / 'store.h5', trained / 'all.json')
    with h5py.File(trained / 'store.h5') as source, h5py.File(tmp_path / 'new.h5', 'w') as target:
        for name in source:
            target[name] = source[name][()] + (name == 'vidéo 1')
    assert '(1 read again)' in index(tmp_path / 'new.h5', trained / 'all.json')
    pairs = json.loads((trained / 'all.json').read_text())
    (tmp_path / 'longer.json').write_text(json.dumps([[name, 2 * seconds, *rest] for name, seconds, *rest in pairs]))
    assert '(4 read again)' in index(tmp_path / 'new.h5', tmp_path / 'longer.json')
    build_index(trained / 'run', tmp_path / 'new.h5', tmp_path / 'at_once', str(tmp_path / 'longer.json'), device='cpu')
    assert _files(tmp_path / 'index') == _files(tmp_path / 'at_once')


def test_changed_weights_are_refused_and_a_moved_run_is_found(tmp_path, trained):
    shutil.copytree(trained / 'run', tmp_path / 'run')
    build_index(tmp_path / 'run', trained / 'store.h5', tmp_path / 'index', str(trained / 'all.json'))
    before = MomentIndex(tmp_path / 'index', device='cpu', show_progress=False).search(QUERIES[0])
    (tmp_path / 'run').rename(tmp_path / 'moved')
    with pytest.raises(FileNotFoundError, match='which is not there(?s:.*)--run'):
        MomentIndex(tmp_path / 'index', device='cpu')
    assert MomentIndex(tmp_path / 'index', tmp_path / 'moved', 'cpu', show_progress=False).search(QUERIES[0]) == before
    checkpoint = tmp_path / 'moved' / 'epoch_1.pth'
    content = torch.load(checkpoint, weights_only=False)
    content['state_dict'] = {name: value + 1 for name, value in content['state_dict'].items()}
    torch.save(content, checkpoint)
    with pytest.raises(ValueError, match='has changed since'):
        MomentIndex(tmp_path / 'index', tmp_path / 'moved', 'cpu')
    with pytest.raises(ValueError, match='made with other weights'):
        build_index(tmp_path / 'moved', trained / 'store.h5', tmp_path / 'index', str(trained / 'all.json'))


def test_what_is_no_index_is_neither_read_nor_replaced(tmp_path, trained):
    with pytest.raises(FileNotFoundError, match='no index'):
        MomentIndex(tmp_path / 'absent')
    (tmp_path / 'mine').mkdir()
    with pytest.raises(FileExistsError, match='is no index'):
        _index(trained, tmp_path / 'mine')
    _index(trained, tmp_path / 'index')
    head = json.loads((tmp_path / 'index' / 'index.json').read_text())
    for changes, message in ((dict(format='other'), 'its format is not mmvmr-index-2'),
                             (dict(videos={}), 'index.json and features name different videos')):
        (tmp_path / 'index' / 'index.json').write_text(json.dumps({**head, **changes}))
        with pytest.raises(ValueError, match=message):
            MomentIndex(tmp_path / 'index')
    (tmp_path / 'index' / 'index.json').write_text(json.dumps(head))
    coarse = np.load(tmp_path / 'index' / 'coarse.npy')
    np.save(tmp_path / 'index' / 'coarse.npy', coarse[:, 1:])
    with pytest.raises(ValueError, match='has coarse vectors of .* windows, expected'):
        MomentIndex(tmp_path / 'index', device='cpu')
    (tmp_path / 'index' / 'coarse.npy').write_bytes(b'')
    with pytest.raises(ValueError, match='cannot be read'):
        MomentIndex(tmp_path / 'index')


def test_the_device_that_is_asked_for_is_taken(tmp_path, trained):
    with pytest.raises(ValueError, match="The device 'gpu0' cannot be used"):
        build_index(trained / 'run', trained / 'store.h5', tmp_path / 'index', str(trained / 'all.json'), device='gpu0')
    _index(trained, tmp_path / 'index')
    with pytest.raises(ValueError, match="The device 'gpu0' cannot be used"):
        MomentIndex(tmp_path / 'index', device='gpu0')


def test_a_video_without_features_is_refused(tmp_path, trained):
    annotations = _annotate(tmp_path / 'more.json', [0, 7])
    with pytest.raises(ValueError, match="1 of 2 videos(?s:.*)'vidéo 7'"):
        build_index(trained / 'run', trained / 'store.h5', tmp_path / 'index', annotations)
    assert list(tmp_path.iterdir()) == [tmp_path / 'more.json']


def test_nothing_is_lost_when_all_windows_are_kept(tmp_path, trained):
    index = _index(trained, tmp_path / 'index')
    best = index.search(QUERIES[0], top_k=1, num_windows=len(index.windows))[0]
    pairs = [dict(video_id=best['video'], query=QUERIES[0], spans=[[best['start'], best['end']]]),
             dict(video_id='vidéo 0', query=QUERIES[0], spans=[[20.0, 21.0]])]  # nobody can find the second
    recall = evaluate_search(index, pairs, [1, 100])['recall']
    assert list(recall.index) == [1, 8]
    assert dict(recall.loc[8]) == {'top 1': 100, 'top 5': 100, 'top 10': 100, 'video': 100,
                                   'R@1': 50, 'R@5': 50, 'R@10': 50}
    assert (recall.loc[1] <= recall.loc[8]).all()


def test_the_time_of_a_search_is_that_of_the_windows_it_looks_at(tmp_path, trained, monkeypatch):
    index, looks = _index(trained, tmp_path / 'index'), []
    look = index.look
    monkeypatch.setattr(index, 'look', lambda sentence, numbers: looks.append(len(numbers)) or look(sentence, numbers))
    index.num_windows = 3
    assert set(evaluate_search(index, [dict(video_id='vidéo 0', query=QUERIES[0], spans=[[1.0, 2.0]])], [1])[
        'seconds'].index) == {'coarse', 'model', 'exhaustive'} and looks == [3, 8]


def test_events_that_look_alike_are_right_in_any_video(tmp_path, trained):
    index = _index(trained, tmp_path / 'index')
    pair = dict(video_id='vidéo 0', query=QUERIES[0], spans=[[1.0, 2.0]])
    events = {'vidéo 0': [['red', 'ball', 1.0, 2.0], ['blue', 'ball', 3.0, 4.0]],
              'vidéo 1': [['blue', 'ball', 1.0, 2.0], ['red', 'ball', 5.0, 6.0]],
              'not in the index': [['red', 'ball', 0.0, 1.0]]}
    assert right_spans(index, pair) == {'vidéo 0': [[1.0, 2.0]]}
    right = {video: spans for video, spans in right_spans(index, pair, events).items() if spans}
    assert right == {'vidéo 0': [[1.0, 2.0], [1.0, 2.0]], 'vidéo 1': [[5.0, 6.0]]}


@pytest.fixture(scope='module')
def filmed(tmp_path_factory):
    """A run on descriptors, and a folder with two videos and a broken one."""
    root = tmp_path_factory.mktemp('filmed')
    data, rng = make_tiny_dataset(root / 'tiny'), np.random.default_rng(0)
    with h5py.File(data.features) as file:
        features = {video_id: rng.normal(size=(40, 57)).astype(np.float32) for video_id in file}
    write_packed_store(root / 'store', features, manifest=make_manifest(EXTRACTOR, DescriptorExtractor(0.5)))
    data = data._replace(**{split: dict(getattr(data, split), features=str(root / 'store'))
                            for split in ('train', 'val', 'test')})
    file = write_config(root / 'config.py', data, 'cpl', train_cfg=dict(max_epochs=1))
    make_runner(file, root / 'run', {'model.encoder.video_dim': 57}).train()
    (root / 'videos').mkdir()
    for hue, name in enumerate(('b', 'où')):
        _film(root / 'videos' / f'{name}.mkv', hue)
    (root / 'videos' / 'broken.mp4').write_bytes(b'no video')
    return root


def _film(path, hue):
    """Four seconds of a square of a colour that moves to the right."""
    frames = np.full((32, 32, 64, 3), 90, np.uint8)
    for number, frame in enumerate(frames):
        frame[8:20, number:number + 12] = np.roll([230, 20, 20], hue)
    write_frames(path, list(frames))


def test_videos_are_indexed_broken_ones_reported_and_new_ones_added(tmp_path, filmed):
    videos = shutil.copytree(filmed / 'videos', tmp_path / 'videos')
    failures = build_index(filmed / 'run', videos, tmp_path / 'index', device='cpu')
    assert list(failures) == [videos / 'broken.mp4']
    index = MomentIndex(tmp_path / 'index', device='cpu', show_progress=False)
    assert list(index.files.videos) == ['b', 'où'] and index.files.video('où').duration == pytest.approx(4, abs=0.01)
    expected = extract_video(videos / 'où.mkv', DescriptorExtractor(0.5))
    assert np.array_equal(index.files.video('où').rows, expected)
    assert {moment['video'] for moment in index.search(QUERIES[0])} == {str(videos / 'b.mkv'), str(videos / 'où.mkv')}

    (videos / 'broken.mp4').unlink()
    _film(videos / 'a.mkv', 2)
    assert build_index(filmed / 'run', videos, tmp_path / 'index', device='cpu') == {}
    build_index(filmed / 'run', videos, tmp_path / 'at_once', device='cpu')
    assert _files(tmp_path / 'index') == _files(tmp_path / 'at_once')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['at_once', 'index', 'videos']


@pytest.fixture
def indexed(tmp_path, filmed):
    """``indexed(options)`` brings the index of a folder with two videos up to date; gives the folder of both."""
    root = tmp_path / 'here'
    shutil.copytree(filmed / 'videos', root / 'videos', ignore=shutil.ignore_patterns('broken*'))

    def update(source=root / 'videos', **options):
        return build_index(filmed / 'run', source, root / 'index', device='cpu', **options)

    update()
    return root, update


def _search(folder):
    index = MomentIndex(folder, device='cpu', show_progress=False)
    return index, {moment['video'] for moment in index.search(QUERIES[0], num_windows=len(index.windows))}


@pytest.mark.parametrize('change, problem', [(lambda path: path.unlink(), 'gone'),
                                             (lambda path: _film(path, 3), 'changed')])
def test_a_video_that_is_gone_or_another_one_is_not_answered_and_named(indexed, capsys, change, problem):
    root, update = indexed
    change(root / 'videos' / 'b.mkv')
    index, found = _search(root / 'index')
    assert index.left_out == {str(root / 'videos' / 'b.mkv'): problem} and found == {str(root / 'videos' / 'où.mkv')}
    assert [video_id for video_id, _ in index.windows] == ['où']
    assert np.array_equal(index.shortlist(index.read(QUERIES[0])), [0])
    evaluate_search(index, [dict(video_id='où', query=QUERIES[0], spans=[[0.0, 1.0]])], [1])
    change = shutil.rmtree if problem == 'gone' else lambda folder: _film(folder / 'où.mkv', 4)
    change(root / 'videos')
    with pytest.raises(ValueError, match=f'2 of 2 videos are left out: 2 {problem}, such as .*b.mkv.*search index'):
        MomentIndex(root / 'index', device='cpu')


def test_a_video_that_has_changed_is_read_again_and_the_others_are_not(indexed, filmed, monkeypatch):
    root, update = indexed
    _film(root / 'videos' / 'b.mkv', 3)
    read = []
    extract = building.extract_videos
    monkeypatch.setattr(building, 'extract_videos', lambda paths, *rest: read.extend(paths) or extract(paths, *rest))
    assert update() == {} and read == ['b']
    build_index(filmed / 'run', root / 'videos', root / 'at_once', device='cpu')
    assert _files(root / 'index') == _files(root / 'at_once')
    before = (root / 'index' / 'index.json').stat().st_mtime_ns
    update()
    assert (root / 'index' / 'index.json').stat().st_mtime_ns == before  # nothing to do


def test_videos_that_are_gone_stay_until_they_are_dropped(indexed):
    root, update = indexed
    (root / 'videos' / 'b.mkv').unlink()
    update()
    assert list(_search(root / 'index')[0].files.videos) == ['b', 'où']
    update(prune=True)
    index, found = _search(root / 'index')
    assert list(index.files.videos) == ['où'] and index.files.coarse.shape[1] == 1 and not index.left_out
    (root / 'videos' / 'où.mkv').unlink()
    with pytest.raises(ValueError, match='No video of the index .* would be left'):
        update(prune=True)


def test_an_index_and_its_videos_can_move_together_and_apart(indexed, tmp_path, monkeypatch):
    root, update = indexed
    root.rename(tmp_path / 'there')
    index, found = _search(tmp_path / 'there' / 'index')
    assert found == {str(tmp_path / 'there' / 'videos' / name) for name in ('b.mkv', 'où.mkv')}
    (tmp_path / 'there').rename(root)
    (root / 'index').rename(tmp_path / 'index')
    assert _search(tmp_path / 'index')[1] == {str(root / 'videos' / name) for name in ('b.mkv', 'où.mkv')}
    (tmp_path / 'index').rename(root / 'index')
    (root / 'videos').rename(tmp_path / 'elsewhere')
    monkeypatch.setattr(building, 'extract_videos', None)  # they are known, and not read again
    update(source=tmp_path / 'elsewhere')
    index, found = _search(root / 'index')
    assert found == {str(tmp_path / 'elsewhere' / name) for name in ('b.mkv', 'où.mkv')} and not index.left_out


def test_another_video_of_the_same_name_takes_the_place_of_none(indexed, tmp_path):
    root, update = indexed
    (tmp_path / 'other').mkdir()
    _film(tmp_path / 'other' / 'b.mkv', 3)
    before = _files(root / 'index')
    failures = update(source=tmp_path / 'other')
    assert list(failures) == [tmp_path / 'other' / 'b.mkv'] and 'has another video' in str(failures)
    assert _files(root / 'index') == before


def test_an_indexing_that_is_stopped_says_what_is_kept(indexed, filmed, capsys, monkeypatch):
    root, update = indexed
    run_command('search', 'index', filmed / 'run', root / 'videos', root / 'index', '--device', 'cpu')
    assert '2 videos, 2 windows (nothing has changed)' in capsys.readouterr().out
    _film(root / 'videos' / 'a.mkv', 2)
    (root / 'videos' / 'b.mkv').unlink()

    def stop(*args):
        folder = root / '.index.extracted.unfinished'
        folder.mkdir()
        (folder / 'a.npy').touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(building, 'extract_videos', stop)
        with pytest.raises(KeyboardInterrupt, match='The index is as it was. The features of 1 video are kept: a. '):
            run_command('search', 'index', filmed / 'run', root / 'videos', root / 'index', '--device', 'cpu')
    shutil.rmtree(root / '.index.extracted.unfinished')
    run_command('search', 'index', filmed / 'run', root / 'videos', root / 'index', '--workers', 1, '--device', 'cpu')
    said = capsys.readouterr().out
    assert '3 videos, 3 windows (1 added)' in said
    assert 'Gone, and not searched: 1 video, such as' in said and '--prune' in said
    run_command('search', 'index', filmed / 'run', root / 'videos', root / 'index', '--prune', '--device', 'cpu')
    assert '2 videos, 2 windows (1 dropped)' in capsys.readouterr().out


def test_flags_of_a_query_reach_the_search(indexed, monkeypatch, tmp_path, filmed, capsys):
    root, update = indexed
    seen = []
    monkeypatch.setattr(MomentIndex, 'search', lambda self, sentence, *given: seen.append(given) or [])
    devices = []
    monkeypatch.setattr('mmvmr.apis.inferencer.choose_device', lambda name: devices.append(name) or torch.device('cpu'))
    query = ['search', 'query', root / 'index', QUERIES[0]]
    run_command(*query)
    run_command(*query, '--top-k', 3, '--windows', 7, '--device', 'mine')
    run_command(*query, '--exhaustive')
    assert seen == [(10, None), (3, 7), (10, 2)] and devices == [None, 'mine', None]
    shutil.copytree(filmed / 'run', tmp_path / 'run')
    opened = []
    monkeypatch.setattr('mmvmr.search.moment_index.MomentRetrievalInferencer',
                        lambda run, *rest, **more: opened.append(run) or MomentRetrievalInferencer(run, *rest, **more))
    run_command(*query, '--run', tmp_path / 'run')
    assert opened == [tmp_path / 'run']


def test_an_indexing_that_is_killed_goes_on_where_it_was(tmp_path, filmed, monkeypatch):
    videos = shutil.copytree(filmed / 'videos', tmp_path / 'videos', ignore=shutil.ignore_patterns('broken*'))
    build_index(filmed / 'run', videos, tmp_path / 'at_once', device='cpu')
    with monkeypatch.context() as patch:
        def kill(*args):
            raise KeyboardInterrupt
        patch.setattr(building, 'write_index', kill)
        with pytest.raises(KeyboardInterrupt, match='The features of 2 videos are kept: '):
            run_command('search', 'index', filmed / 'run', videos, tmp_path / 'index', '--device', 'cpu')
    assert not (tmp_path / 'index').exists()
    monkeypatch.setattr(building, 'extract_videos', None)  # all features are there
    build_index(filmed / 'run', videos, tmp_path / 'index', device='cpu')
    assert _files(tmp_path / 'index') == _files(tmp_path / 'at_once')


def test_a_moment_of_which_just_half_is_right_is_a_hit_as_in_a_test():
    """1533.8 to 1542.1 in 1533.8 to 1550.4, which float32 does not know to the tenth."""
    starts = np.arange(1000, 1600, 0.3).round(1)
    moments = [(dict(start=start, end=round(start + 8.3, 1)), [[start, round(start + 16.6, 1)]]) for start in starts]
    assert all(_overlaps(moment, spans) for moment, spans in moments)


def test_subtitles_of_two_videos_have_two_files():
    found = [dict(query='q', video=video, unknown_words=[], moments=[dict(start=0, end=1)])
             for video in ('film.part1', 'film.part2', 'kitchen.mp4')]
    assert [*subtitles_by_video(found)] == ['film.part1', 'film.part2', 'kitchen']


def test_features_that_another_extractor_has_left_are_not_taken(tmp_path, filmed):
    videos = shutil.copytree(filmed / 'videos', tmp_path / 'videos', ignore=shutil.ignore_patterns('broken*'))
    build_index(filmed / 'run', videos, tmp_path / 'at_once', device='cpu')
    other = DescriptorExtractor(1.0)
    rows = {path.stem: extract_video(path, other) for path in videos.iterdir()}
    write_packed_store(tmp_path / '.index.extracted', rows,
                       manifest=make_manifest(dict(EXTRACTOR, clip_seconds=1.0), other))
    build_index(filmed / 'run', videos, tmp_path / 'index', device='cpu')
    assert _files(tmp_path / 'index') == _files(tmp_path / 'at_once')


def test_the_tool_makes_an_index_answers_and_reports(tmp_path, filmed):
    tool = ['tools/search.py']
    output = run_tool([*tool, 'index', filmed / 'run', filmed / 'videos', tmp_path / 'index', '--workers', 1], 1)
    assert '2 videos, 2 windows' in output and 'broken.mp4' in output
    sentences = [*QUERIES, '人が歩く']
    query = [*tool, 'query', tmp_path / 'index', *sentences, '--top-k', 2, '--json', tmp_path / 'answers.json']
    output = run_tool(query, 1)
    assert output.count('| rank |') == 2 and 'où.mkv' in output and "'人が歩く'" in output
    answers = json.loads((tmp_path / 'answers.json').read_text(encoding='utf-8'))
    index = MomentIndex(tmp_path / 'index', show_progress=False)
    assert answers['predictions'] == [dict(query=query, moments=index.search(query, top_k=2)) for query in QUERIES]
    assert [error['query'] for error in answers['errors']] == ['人が歩く']
    assert 'Choose another name' in run_tool(query, 1)
    (tmp_path / 'pairs.json').write_text(json.dumps([['où', 4.0, [0.0, 4.0], QUERIES[0]], ['x', 4.0, None, 'a ball.']]))
    output = run_tool([*tool, 'evaluate', tmp_path / 'index', tmp_path / 'pairs.json', '--windows', 1])
    assert '1 query, 2 videos, 2 windows' in output and 'Median milliseconds per query: coarse' in output
    for content in ('[]', '{"où": [[0, 1]]}', '{"où": 3}'):
        (tmp_path / 'events.json').write_text(content)
        with pytest.raises(ValueError, match='events.json" should hold {video:'):
            run_command('search', 'evaluate', tmp_path / 'index', tmp_path / 'pairs.json', '--events',
                        tmp_path / 'events.json')


def test_the_code_of_the_page_runs(tmp_path, trained, monkeypatch, capsys):
    _index(trained, tmp_path / 'videos.index')
    monkeypatch.chdir(tmp_path)
    block, = re.findall(r'```python\n(.*?)```', (REPO / 'docs' / 'search_videos.md').read_text('utf-8'), re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out.count('vidéo') == 3


def test_answers_of_a_search_are_written_as_page_clips_and_subtitles(indexed, tmp_path, capsys, monkeypatch):
    root, _ = indexed
    monkeypatch.chdir(tmp_path)
    query = ['search', 'query', root / 'index', *QUERIES, '--top-k', 3, '--device', 'cpu']
    outputs = ['--html', 'page.html', '--srt', 'srt', '--clips', 'clips']
    assert run_command(*query, *outputs) == 0
    assert 'Written: page.html' in capsys.readouterr().out
    index = MomentIndex(root / 'index', device='cpu', show_progress=False)
    answers = {query: index.search(query, top_k=3) for query in QUERIES}
    page, videos = Path('page.html').read_text(encoding='utf-8'), {
        Path(moment['video']) for moments in answers.values() for moment in moments}
    assert all(query in page for query in QUERIES)
    assert all(video.name in page or json.dumps(video.name)[1:-1] in page for video in videos)
    assert {path.stem for path in Path('srt').iterdir()} == {video.stem for video in videos}
    assert sum(path.read_text().count(' --> ') for path in Path('srt').iterdir()) == sum(map(len, answers.values()))
    best = {Path(moments[0]['video']).stem for moments in answers.values()}
    clips = [path.name for path in Path('clips').iterdir()]
    assert len(clips) == len(QUERIES) and {name.rsplit(f'_{n}_', 1)[0] for name in clips
                                          for n in (1, 2) if f'_{n}_' in name} == best
    for flag, name in (('--html', 'page.html'), ('--srt', 'srt'), ('--clips', 'clips')):
        with pytest.raises(FileExistsError, match='--force|exists'):
            run_command(*query[:4], flag, name)
    assert run_command(*query, *outputs, '--force') == 0


def test_a_search_asks_where_no_sentence_is_given(indexed, capsys, monkeypatch):
    root, _ = indexed
    monkeypatch.setattr('sys.stdin', io.StringIO('\n'.join([QUERIES[0], '人が歩く', '', QUERIES[0], ''])))
    assert run_command('search', 'query', root / 'index', '--device', 'cpu') == 0
    said = capsys.readouterr()
    assert said.out.count('| rank |') == 2 and 'Not answered' in said.err
    with pytest.raises(ValueError, match='There is no sentence whose answer could be written'):
        run_command('search', 'query', root / 'index', '--json', 'a.json')


def test_a_store_called_as_the_index_and_more_is_left_alone(trained, filmed, tmp_path):
    store = tmp_path / 'index.new'
    with h5py.File(trained / 'store.h5') as rows:
        write_packed_store(store, {name: one[()] for name, one in rows.items()}, manifest={})
    kept = _files(store)
    build_index(trained / 'run', store, tmp_path / 'index', str(trained / 'all.json'), device='cpu')
    assert _files(store) == kept
    shutil.rmtree(tmp_path / 'index')
    build_index(filmed / 'run', filmed / 'videos', tmp_path / 'index', device='cpu')
    assert _files(store) == kept and len(list(tmp_path.iterdir())) == 2


def test_charades_is_read_with_the_durations_of_the_test_set(tmp_path):
    (tmp_path / 'test.txt').write_text('AAAAA 0.0 10.0##he sits.\n')
    (tmp_path / 'test.csv').write_text('id,length\nAAAAA,20\n')
    config = Config(dict(test_dataloader=dict(dataset=dict(
        type='CharadesSTA', data_root=str(tmp_path), durations='test.csv', ann_file='other.txt', features='absent',
        protocol='official'))))
    pair = read_pairs(config, str(tmp_path / 'test.txt'))[0]
    assert pair['duration'] == 20 and pair['spans'] == [[0, 10]]
