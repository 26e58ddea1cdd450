"""tools/infer.py, run as a user runs it."""
import io
import json
import re
import runpy
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from runs import REPO, make_runner, write_config
from tiny import DIM, make_tiny_dataset
from videos import grey, write_frames

from mmvmr.apis import feature_reader
from mmvmr.features.extract import extract_video
from mmvmr.features.video import probe_video

EXTRACTOR = f"""
import numpy as np
from mmvmr.features.extract import by_clip
from mmvmr.registry import EXTRACTORS

@EXTRACTORS.register_module()
class Brightness:
    name, dim, clip_seconds, fps = 'brightness', {DIM}, 0.5, 4

    def __call__(self, frames, fps):
        return np.stack([np.full({DIM}, np.mean(clip) / 255, np.float32) for clip in by_clip(frames, fps, 0.5)])
"""


class Typed(io.StringIO):
    """What somebody types."""

    def isatty(self):
        return True


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """The folder of a run on the tiny data set, whose features are said to be those of an extractor of its own."""
    root = tmp_path_factory.mktemp('trained')
    file = write_config(root / 'config.py', make_tiny_dataset(root / 'tiny'), 'cpl', train_cfg=dict(max_epochs=1))
    make_runner(file, root / 'run').train()
    (root / 'brightness.py').write_text(EXTRACTOR)
    config, recipe = root / 'run' / 'config.py', root / 'run' / 'inputs.json'
    config.write_text(config.read_text() + "\ncustom_imports = dict(imports=['brightness'])\n")
    settings = json.loads(recipe.read_text())
    settings['features'].update(extractor=dict(type='Brightness'), clip_seconds=0.5)
    recipe.write_text(json.dumps(settings))
    return root / 'run'


@pytest.fixture
def infer(run, monkeypatch, capsys):
    """``infer(argument, ...)`` runs the tool in this process, and returns what it prints and its exit code."""
    def call(*arguments):
        monkeypatch.setattr('sys.argv', ['infer.py', str(run), *map(str, arguments), '--device', 'cpu'])
        try:
            runpy.run_path(str(REPO / 'tools' / 'infer.py'), run_name='__main__')
        except SystemExit as end:
            return ''.join(capsys.readouterr()), end.code
        return ''.join(capsys.readouterr()), 0

    monkeypatch.syspath_prepend(str(run.parent))
    return call


@pytest.fixture
def video(tmp_path):
    """10 s."""
    (tmp_path / 'videos').mkdir()
    return write_frames(tmp_path / 'videos' / 'one.mp4', [grey(number // 4) for number in range(80)],
                        codec='mpeg4', pixels='yuv420p')


def test_a_video_and_sentences_give_a_table_and_files(tmp_path, infer, video):
    (tmp_path / 'more.txt').write_text('\ufeffa blue ball spins.\n\n  a green zebra moves \n', encoding='utf-8')
    outputs = ['--json', tmp_path / 'new' / 'a.json', '--srt', tmp_path / 'a.srt', '--clips', tmp_path / 'clips',
               '--html', tmp_path / 'a.html']
    command = [video, '--queries', tmp_path / 'more.txt', '--top-k', 1, *outputs, 'a red ball moves.']
    text, code = infer(*command)
    assert code == 0 and 'one.mp4 (0:10.0)' in text and text.count('|    1 |') == 3
    result = json.loads((tmp_path / 'new' / 'a.json').read_text())
    assert [prediction['query'] for prediction in result['predictions']] == [
        'a red ball moves.', 'a blue ball spins.', 'a green zebra moves']
    best = result['predictions'][0]['moments'][0]
    clip = probe_video(tmp_path / 'clips' / 'one_1_a_red_ball_moves.mp4')
    assert clip.duration == pytest.approx(best['end'] - best['start'], abs=0.126)  # a picture more at most
    assert len(list((tmp_path / 'clips').iterdir())) == 3
    assert (tmp_path / 'a.srt').read_text().count(' --> ') == 3
    assert (tmp_path / 'a.html').read_text().count('"video_id":"one.mp4"') == 4  # three queries, one video
    text, code = infer(*command)
    assert code == 1 and f'"{tmp_path / "new" / "a.json"}" exists' in text
    assert infer(*command, '--force')[1] == 0


def test_a_folder_is_answered_but_for_what_is_broken(tmp_path, infer, video):
    (video.parent / 'broken.mp4').write_bytes(b'no video')
    text, code = infer(video.parent, 'a red ball moves.', '', '--json', tmp_path / 'a.json')
    assert code == 1 and 'one.mp4 (0:10.0)' in text
    sentence, broken = text.split('Not answered: ')[1:]
    assert sentence.startswith("The sentence '' has no words.") and 'broken.mp4' in broken
    result = json.loads((tmp_path / 'a.json').read_text())
    assert (len(result['predictions']), len(result['errors'])) == (1, 2)


def test_a_folder_gives_one_table_per_sentence_with_a_line_per_moment(tmp_path, infer, video):
    shutil.copy(video, video.parent / 'two.mp4')
    text, code = infer(video.parent, 'a red ball moves.', 'a blue zebra spins.', '--top-k', 2)
    assert code == 0 and text.count('| rank | video') == 2 and text.count('|    1 |') == text.count('|    2 |') == 2
    assert "read without 'zebra'" in text
    matches = re.findall(r'(0\.\d{3}) \|', text)
    assert matches[:2] == sorted(matches[:2], reverse=True)


def test_of_several_videos_the_best_moment_of_a_sentence_is_cut_out_once(tmp_path, infer, video):
    write_frames(video.parent / 'two.mp4', [grey(number // 8) for number in range(60)], codec='mpeg4', pixels='yuv420p')
    sentences = 'a red ball moves.', 'a blue ball spins.'
    text, code = infer(video.parent, *sentences, '--json', tmp_path / 'a.json', '--clips', tmp_path / 'clips')
    found = json.loads((tmp_path / 'a.json').read_text())['predictions']
    assert code == 0 and len(found) == 4
    for number, query in enumerate(sentences, start=1):
        match, best, video = max(((moment['match'], moment, Path(one['video']).stem) for one in found
                                  if one['query'] == query for moment in one['moments']), key=lambda triple: triple[0])
        [clip] = (tmp_path / 'clips').glob(f'*_{number}_*.mp4')
        assert clip.name.startswith(video) and probe_video(clip).duration == pytest.approx(
            best['end'] - best['start'], abs=0.126)


def test_sentences_are_asked_for_while_the_model_stays(infer, video, monkeypatch):
    read = []
    monkeypatch.setattr(feature_reader, 'extract_video', lambda *given: read.append(given) or extract_video(*given))
    lines = 'a red ball moves.\na man opens the fridge\na blue ball spins.\n\nred'
    monkeypatch.setattr('sys.stdin', io.StringIO(lines))
    text, code = infer(video)
    assert code == 0 and text.count('|    1 |') == 3 and text.count('Not answered') == 1 and 'to end' not in text
    monkeypatch.setattr('sys.stdin', Typed('a red ball moves.\n\nred'))
    text, code = infer(video)
    assert code == 0 and text.count('|    1 |') == 1 and 'A sentence, or an empty line to end.' in text
    assert len(read) == 2  # once each


def test_a_sentence_that_cannot_be_read_has_no_moment_anywhere(tmp_path, infer, video):
    outputs = ['--json', tmp_path / 'a.json', '--srt', tmp_path / 'a.srt', '--clips', tmp_path / 'clips', '--html',
               tmp_path / 'a.html']
    text, code = infer(video, 'a red zebra moves.', 'a man opens the fridge', *outputs)
    assert code == 1 and 'Not answered: The model knows none of the words' in text
    result = json.loads((tmp_path / 'a.json').read_text())
    assert [error['unknown_words'] for error in result['errors']] == [['man', 'opens', 'the', 'fridge']]
    assert (tmp_path / 'a.srt').read_text().splitlines()[2:] == ['a red zebra moves.', '(read without: zebra)']
    assert [path.name for path in (tmp_path / 'clips').iterdir()] == ['one_1_a_red_zebra_moves.mp4']
    page = (tmp_path / 'a.html').read_text()
    assert '"unknown_words":["zebra"]' in page and '"error":"The model knows none of the words' in page


def test_features_take_the_place_of_a_video(tmp_path, run, infer):
    data = run.parent / 'tiny' / 'features.h5'
    with h5py.File(data) as file:
        np.save(tmp_path / 'rows.npy', file['test_0'][()])
    answers = []
    for source in ([tmp_path / 'rows.npy'], [data, '--video-id', 'test_0', '--duration', 20]):
        assert infer(*source, 'a red ball moves.', '--json', tmp_path / 'a.json', '--force')[1] == 0
        answers += json.loads((tmp_path / 'a.json').read_text())['predictions']
    assert answers[0]['moments'] == answers[1]['moments'] and answers[0]['duration'] == 20


def test_what_cannot_be_done_is_refused_before_it_is_begun(tmp_path, infer, video):
    for arguments, code, message in [
            (['rows.npy', 'a ball', '--clips', tmp_path / 'clips',
               '--html', tmp_path / 'a.html'], 1, 'there are no pictures in features'),
            ([video.parent, 'a ball', '--srt', tmp_path / 'a.srt'], 1, '--srt is for one video'),
            ([video, '--json', tmp_path / 'a.json'], 1, 'no sentence whose answer could be written'),
            ([video, 'a red ball', '--min-confidence', 0.5], 1, '`mmvmr calibrate RUN`'),
            ([video, 'a ball', '--top-k', 0], 2, 'argument --top-k: must be a whole number of at least 1')]:
        text, found = infer(*arguments)
        assert found == code and message in text
    assert [path.name for path in tmp_path.iterdir()] == ['videos']
