"""The whole path from a video file to an answer, with a model of pictures and text that knows something."""
import json

import numpy as np
import pytest

from mmvmr.apis import MomentRetrievalInferencer
from mmvmr.cli.main import main
from mmvmr.datasets.moving_shapes import Event, Script
from mmvmr.datasets.moving_shapes_renderer import write_video

pytest.importorskip('transformers', reason='the model is one of transformers: requirements/tests.txt')
from mmvmr.reproduction.toy_clip import draw_pictures, make_toy_clip  # noqa: E402

EVENTS = [Event('red', 'square', 'spin', 4, 10), Event('blue', 'star', 'grow', 16, 22),
          Event('green', 'circle', 'bounce', 28, 34)]
SENTENCES = ['A red square is spinning.', 'We see a blue star growing.', 'The circle that is green bounces.']


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """A toy CLIP after a short training, which has learned colours, and two videos that it has not seen."""
    root = tmp_path_factory.mktemp('toy')
    make_toy_clip(root / 'model', num_pictures=700, num_steps=180)
    (root / 'videos').mkdir()
    write_video(root / 'videos' / 'three.mp4', Script('test_0007', 38.0, EVENTS), seed=3)
    yellow = Event('yellow', 'cross', 'spin', 10, 20)
    write_video(root / 'videos' / 'one.mp4', Script('test_0008', 30.0, [yellow]), seed=3)
    return root


def overlap(moment, event):
    inside = min(moment['end'], event.end) - max(moment['start'], event.start)
    return inside / (max(moment['end'], event.end) - min(moment['start'], event.start))


def test_moments_of_a_video_are_found_without_training_on_videos(root):
    inferencer = MomentRetrievalInferencer.zero_shot(root / 'model', 'cpu', show_progress=False)
    answers = inferencer(root / 'videos' / 'three.mp4', SENTENCES)['predictions']
    assert [overlap(answer['moments'][0], event) > 0.3 for answer, event in zip(answers, EVENTS)] == [True] * 3


def test_the_right_video_comes_first_in_a_search(root, tmp_path, capsys):
    for words in (['index', '--zero-shot', root / 'model', root / 'videos', tmp_path / 'i', '--workers', 1],
                  ['query', tmp_path / 'i', 'A yellow cross spins.', SENTENCES[1], '--json', tmp_path / 'found.json']):
        with pytest.raises(SystemExit) as end:
            main(['search', *map(str, words)])
        assert not end.value.code
    yellow, blue = json.loads((tmp_path / 'found.json').read_text())['predictions']
    assert yellow['moments'][0]['video'].endswith('one.mp4') and blue['moments'][0]['video'].endswith('three.mp4')


def test_pictures_are_others_than_those_of_the_benchmark_and_the_same_each_time():
    one, again, other = draw_pictures(30), draw_pictures(30), draw_pictures(30, seed=1)
    assert all(map(np.array_equal, one.frames, again.frames)) and one.sentences == again.sentences
    assert not any(map(np.array_equal, one.frames, other.frames))
    assert -1 in one.looks and len(set(one.looks)) > 10


def test_a_folder_of_something_else_is_not_replaced(tmp_path):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'notes.txt').touch()
    with pytest.raises(FileExistsError, match='holds what was not written by this tool'):
        make_toy_clip(tmp_path / 'mine', num_pictures=30, num_steps=1)
