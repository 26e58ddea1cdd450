"""A model of pictures and text in the place of a run: answers without training, by every way the same."""
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from runs import REPO
from videos import write_frames

from mmvmr.apis import MomentRetrievalInferencer
from mmvmr.cli.main import main
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.testing import run_test
from mmvmr.features.folder import extract_folder
from mmvmr.features.stores.packed_store import write_packed_store
from mmvmr.features.video_features import VideoFeatures
from mmvmr.registry import EXTRACTORS
from mmvmr.search import MomentIndex

pytest.importorskip('transformers', reason='its models are read: requirements/tests.txt')
from networks import save_network  # noqa: E402

SENTENCES = ['a red ball', 'a blue box spins', '一只猫']
SECONDS = dict(first=20, second=31, long=400)
KEYS = ('start', 'end', 'match')


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Models of two kinds, and videos of several lengths whose colour changes now and then."""
    root = tmp_path_factory.mktemp('zero_shot')
    for kind in ('clip', 'siglip2'):
        save_network(kind, root / kind)
    (root / 'videos').mkdir()
    rng = np.random.default_rng(0)
    for name, seconds in SECONDS.items():
        colors = np.repeat(rng.integers(0, 256, (seconds // 5 + 1, 3)), 10, axis=0)[:2 * seconds]
        frames = [np.full((32, 32, 3), color, np.uint8) for color in colors]
        write_frames(root / 'videos' / f'{name}.mp4', frames, fps=2, codec='mpeg4', pixels='yuv420p')
    return root


def call(*words):
    """Run a command; its exit code."""
    with pytest.raises(SystemExit) as end:
        main([*map(str, words)])
    return end.value.code


def moments(found):
    return [tuple(moment[key] for key in KEYS) for moment in found]


@pytest.mark.parametrize('kind', ['clip', 'siglip2'])
def test_a_folder_of_a_model_answers_without_training(root, tmp_path, capsys, kind):
    out, page = tmp_path / 'answers.json', tmp_path / 'page.html'
    code = call('infer', '--zero-shot', root / kind, root / 'videos' / 'first.mp4', *SENTENCES, ' ', '--json', out,
                '--html', page, '--device', 'cpu')
    answers = json.loads(out.read_text())
    assert code == 1 and [error['error'] for error in answers['errors']] == ["The sentence ' ' has no words."]
    assert [answer['query'] for answer in answers['predictions']] == SENTENCES
    for answer in answers['predictions']:
        assert answer['unknown_words'] == [] and len(answer['moments']) >= 1
        assert all(0 <= moment['start'] < moment['end'] <= 20 for moment in answer['moments'])
    assert '"a red ball"' in capsys.readouterr().out
    assert re.search(r'"frame_scores":\[0\.\d+,', page.read_text().replace(' ', ''))  # the curve


def test_a_least_confidence_is_refused_without_sending_anybody_to_a_run(root):
    inferencer = MomentRetrievalInferencer.zero_shot(root / 'clip', 'cpu', show_progress=False)
    with pytest.raises(ValueError, match='Without training there is no confidence') as refused:
        inferencer(root / 'videos' / 'first.mp4', SENTENCES[0], min_confidence=0.5)
    assert 'calibrate' not in str(refused.value)
    assert inferencer(root / 'videos' / 'first.mp4', SENTENCES[0])['predictions'][0]['confidence'] is None


@pytest.fixture
def videos(root, tmp_path, monkeypatch):
    """Two videos, beside their features and pairs where the config of one's own data looks for them."""
    monkeypatch.chdir(tmp_path)
    data, videos = tmp_path / 'data' / 'custom', tmp_path / 'videos'
    shutil.copytree(root / 'videos', videos, ignore=shutil.ignore_patterns('long*'))
    assert extract_folder(videos, data / 'features', dict(type='ClipExtractor', weights=str(root / 'clip'))) == {}
    (data / 'test.json').write_text(json.dumps([[name, SECONDS[name], [0, 5], sentence]
                                                for name in ('first', 'second') for sentence in SENTENCES]))
    return videos


def test_a_model_without_weights_is_looked_at_by_its_config(videos, tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match='A test writes them: mmvmr test zero_shot_otsu_custom'):
        raise_from('browse', 'zero_shot_otsu_custom', '--split', 'test')
    lines = [json.loads(line) for line in run_test(read_config('zero_shot_otsu_custom'), None).read_text().splitlines()]
    run_test(read_config('zero_shot_otsu_custom'), None, probe='shuffle-query')
    assert call('browse', 'zero_shot_otsu_custom', '--split', 'test', '--against', 'zero_shot_otsu_custom') == 0
    page = Path('work_dirs/zero_shot_otsu_custom/page_test.html').read_text()
    index, details = (re.search(f'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)[1]
                      for name in ('index', 'details'))
    assert [row['chosen'] for row in json.loads(index)] == [line['pred_spans'][0] for line in lines]
    assert [row['other'] for row in json.loads(index)] == [line['pred_spans'][0] for line in lines]
    assert all(json.loads(line)['frame_scores'] for line in details.splitlines())
    assert 'nothing trained' in page
    for command in ('timelines', 'plot-results', 'score'):
        options = ['--out', command] if command != 'score' else []
        assert call(command, 'work_dirs/zero_shot_otsu_custom', *options) == 0
        assert 'test/untrained/predictions.jsonl' in capsys.readouterr().err


def test_features_stand_in_the_place_of_the_model_that_has_made_them(root, videos, tmp_path):
    store = 'data/custom/features'
    by_model, by_store = (MomentRetrievalInferencer.zero_shot(model, 'cpu', show_progress=False)
                          for model in (root / 'clip', store))
    of_file, of_rows, of_features = (found['predictions'] for found in (
        by_model(videos / 'second.mp4', SENTENCES), by_store(videos / 'second.mp4', SENTENCES),
        by_store(VideoFeatures.from_file(store, 'second'), SENTENCES)))
    assert of_file == of_rows and [moments(one['moments']) for one in of_features] == [
        moments(one['moments']) for one in of_file]
    write_packed_store(tmp_path / 'silent', {'a': np.ones((4, 8), np.float32)})
    with pytest.raises(ValueError, match='its manifest should tell of a text encoder'):
        MomentRetrievalInferencer.zero_shot(tmp_path / 'silent', 'cpu')


@pytest.mark.parametrize('words, message', [
    (['browse', 'CONFIG'], 'does not say where the val split is. .* --split test'),
    (['browse', 'mcmt_charades'], 'What is to be shown.* has weights, such as those of model.encoder'),
    (['browse', 'TESTS', '--split', 'test'], 'It holds tests: .* its config stands for it'),
    (['train', 'CONFIG'], 'describes no training: it has no train_dataloader'),
    (['flops', 'CONFIG'], 'describes no training'), (['benchmark', 'CONFIG', '--amp'], 'describes no training'),
    (['calibrate', 'CONFIG'], 'no validation pairs'), (['publish', 'CONFIG', 'x'], 'without weights that could be'),
    (['search', 'index', 'CONFIG', 'videos', 'i'], 'made with --zero-shot MODEL')])
def test_what_needs_a_training_says_so(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    Path('work_dirs/tests/test').mkdir(parents=True)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        raise_from(*(dict(CONFIG='zero_shot_otsu_custom', TESTS='work_dirs/tests').get(word, word) for word in words))


def test_test_infer_and_search_give_the_same_answer(root, videos):
    """By the config of one's own data, by the model alone, and by an index; for videos that are taken whole."""
    config = read_config('zero_shot_otsu_custom')
    tested = {(line['video_id'], line['query']): line['pred_spans'][0] for line in map(
        json.loads, run_test(config, None).read_text().splitlines())}
    alone = MomentRetrievalInferencer.zero_shot(root / 'clip', 'cpu', show_progress=False)
    by_config = MomentRetrievalInferencer(read_config('zero_shot_otsu_custom'), device='cpu', show_progress=False)
    answers = alone(videos, SENTENCES)
    assert by_config(videos, SENTENCES) == answers and answers['errors'] == []
    for answer in answers['predictions']:
        best = answer['moments'][0]
        span = tested[Path(answer['video']).stem, answer['query']]
        assert [best['start'], best['end']] == pytest.approx(span, abs=2e-3)
    assert call('search', 'index', '--zero-shot', root / 'clip', videos, 'videos.index', '--workers', 1) == 0
    index = MomentIndex('videos.index', device='cpu', show_progress=False)
    for sentence in SENTENCES:
        expected = [(*moments([moment])[0], answer['video']) for answer in answers['predictions']
                    if answer['query'] == sentence for moment in answer['moments']]
        found = index.search(sentence, num_windows=len(index.windows))
        assert sorted((*moments([moment])[0], moment['video']) for moment in found) == sorted(expected)
        assert [moment['match'] for moment in found] == sorted((moment['match'] for moment in found), reverse=True)


def test_a_long_video_is_looked_at_through_windows(root):
    inferencer = MomentRetrievalInferencer.zero_shot(root / 'clip', 'cpu', show_progress=False)
    found = inferencer(root / 'videos' / 'long.mp4', SENTENCES[0], top_k=20)['predictions'][0]['moments']
    assert max(moment['end'] for moment in found) > 300 and min(moment['start'] for moment in found) < 150
    assert all(moment['end'] - moment['start'] <= 150 for moment in found)
    assert [moment['match'] for moment in found] == sorted((moment['match'] for moment in found), reverse=True)


@pytest.fixture
def index(root, tmp_path):
    """The index of all videos."""
    assert call('search', 'index', '--zero-shot', root / 'clip', root / 'videos', tmp_path / 'i', '--workers', 1) == 0
    return tmp_path / 'i'


def test_the_shortlist_has_the_windows_most_like_the_sentence(root, index):
    opened = MomentIndex(index, device='cpu', show_progress=False)
    sentence = opened.read('a red ball')
    vector = opened.inferencer.text.embed(['a red ball'])[0]
    best = []
    for _, window in opened.windows:
        rows = window.rows / np.linalg.norm(window.rows, axis=1, keepdims=True)
        starts = [max(place - 0.5, 0) / 16 * len(rows) for place in range(16)]
        ends = [min(place + 1.5, 16) / 16 * len(rows) for place in range(16)]
        inside = [(np.arange(len(rows)) + 0.5 > start) & (np.arange(len(rows)) + 0.5 < end)
                  for start, end in zip(starts, ends)]
        best.append(max((rows[piece].mean(axis=0) @ vector for piece in inside if piece.any()), default=0))
    order = opened.shortlist(sentence)
    assert len(opened.windows) == 7 and sorted(order) == list(range(7))
    assert order[0] == int(np.argmax(best))


def test_a_query_says_how_many_windows_were_looked_at(root, index, capsys):
    assert MomentIndex(index, device='cpu').num_windows == 500
    assert call('search', 'query', index, SENTENCES[0], '--windows', 3, '--device', 'cpu') == 0
    assert 'Looked at the 3 of 7 windows' in capsys.readouterr().out
    for options in ([], ['--exhaustive'], ['--windows', 7]):
        assert call('search', 'query', index, SENTENCES[0], *options, '--device', 'cpu') == 0
        assert 'Looked at' not in capsys.readouterr().out


def test_an_index_grows_moves_and_refuses_another_model(root, index, tmp_path, capsys):
    assert call('search', 'query', index, SENTENCES[0], '...', '--device', 'cpu') == 1
    printed = capsys.readouterr()
    assert 'first.mp4' in printed.out and "'...' has no words" in printed.err
    more = tmp_path / 'more'
    more.mkdir()
    shutil.copy(root / 'videos' / 'first.mp4', more / 'third.mp4')
    assert call('search', 'index', '--zero-shot', root / 'clip', more, index, '--workers', 1) == 0
    assert list(MomentIndex(index, device='cpu').files.videos) == ['first', 'long', 'second', 'third']
    moved = shutil.copytree(root / 'clip', tmp_path / 'moved')
    with pytest.raises(ValueError, match='made with other weights'):
        raise_from('search', 'index', '--zero-shot', save_network('clip', tmp_path / 'other', seed=1), more, index)
    with pytest.raises(ValueError, match='has changed since the index'):
        MomentIndex(index, tmp_path / 'other', device='cpu')
    assert MomentIndex(index, moved, device='cpu', show_progress=False).search(SENTENCES[0])
    assert call('search', 'query', index, SENTENCES[0], '--run', moved, '--device', 'cpu') == 0


def raise_from(*words):
    """Run a command without its friendly messages."""
    from mmvmr.cli.main import build_parser, module_of
    command, *rest = map(str, words)
    return module_of(command).run(build_parser(command).parse_args(rest))


@pytest.mark.parametrize('words, message', [
    (['infer', '--zero-shot', 'MODEL', 'v.mp4', '--json', 'a'], 'There is no sentence whose answer'),
    (['infer', '--zero-shot', 'MODEL', 'v.mp4', 'a ball', '--checkpoint', 'x'], '--checkpoint belongs to a run'),
    (['infer', 'RUN'], 'There is no video'),
    (['infer', '--zero-shot', 'nowhere', '.', 'a ball'], 'nowhere" does not exist'),
    (['infer', '--zero-shot', 'nowhere', '.', 'a ball', '--device', 'gpu0'], "The device 'gpu0' cannot be used"),
    (['search', 'index', '.', 'i', '--zero-shot', 'nowhere', '--device', 'cuda:77'], "The device 'cuda:77' cannot be"),
    (['search', 'index', 'videos', 'i'], 'An index is made with a run'),
    (['search', 'index', 'run', 'videos', 'i', '--zero-shot', 'MODEL'], 'An index is made with a run')])
def test_what_does_not_fit_together_is_said(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        raise_from(*words)


PAGE = (REPO / 'docs' / 'adapters.md').read_text(encoding='utf-8')
PART, CONFIG = re.findall(r'```python\n(.*?)```', PAGE, flags=re.DOTALL)


@pytest.fixture
def adapter(tmp_path, monkeypatch):
    """The files of the page."""
    (tmp_path / 'my_parts').mkdir()
    (tmp_path / 'my_parts' / '__init__.py').touch()
    (tmp_path / 'my_parts' / 'colors.py').write_text(PART)
    (tmp_path / 'my_model.py').write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv('PYTHONPATH', f'{tmp_path}:{REPO}')
    for name in ('my_parts', 'my_parts.colors'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delitem(EXTRACTORS.module_dict, 'ColorSpace', raising=False)
    (tmp_path / 'videos').mkdir()
    gray, red = np.full((16, 16, 3), 128, np.uint8), np.full((16, 16, 3), (0, 0, 255), np.uint8)
    write_frames(tmp_path / 'videos' / 'v.mkv', [gray] * 20 + [red] * 20 + [gray] * 20, fps=2)
    shutil.copy(tmp_path / 'videos' / 'v.mkv', tmp_path / 'video.mp4')
    return tmp_path


def test_an_adapter_of_two_functions_finds_the_moment(adapter):
    for command in re.findall(r'^mmvmr ((?:infer|search|extract) .*)$', PAGE, flags=re.M):
        words = re.findall(r'"([^"]*)"|(\S+)', command)
        more = ['--workers', '1'] if 'videos' in command else ['--json', 'answers.json']
        assert call(*(quoted or plain for quoted, plain in words), *more) == 0
    best = json.loads(Path('answers.json').read_text())['predictions'][0]['moments'][0]
    assert (best['start'], best['end']) == pytest.approx((10, 20), abs=1)
    found = MomentIndex('videos.index', show_progress=False).search('it is red', top_k=1)[0]
    assert moments([found]) == moments([best])
    Path('data/custom/test.json').write_text(json.dumps([['v', 30.0, [10, 20], 'it is red']]))
    line = json.loads(run_test(read_config('zero_shot_otsu_custom'), None).read_text())
    assert line['pred_spans'][0] == pytest.approx([best['start'], best['end']], abs=2e-3)


def test_functions_that_give_something_else_are_named(adapter):
    Path('my_parts/colors.py').write_text(PART.replace('for text in sentences]', 'for text in sentences][:0]'))
    with pytest.raises(ValueError, match=r'ColorSpace.embed_text should give .* for each of 1 inputs, \(1, D\)'):
        raise_from('infer', '--zero-shot', 'my_model.py', 'video.mp4', 'it is red')


def test_an_extractor_without_text_side_is_refused(tmp_path):
    (tmp_path / 'own.py').write_text("extractor = dict(type='DescriptorExtractor')")
    with pytest.raises(ValueError, match='own.py": DescriptorExtractor has no text side'):
        MomentRetrievalInferencer.zero_shot(tmp_path / 'own.py')
