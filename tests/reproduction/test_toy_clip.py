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

EVENTS = dict(red=Event('red', 'square', 'spin', 4, 14), blue=Event('blue', 'star', 'spin', 16, 27),
              green=Event('green', 'square', 'spin', 9, 20))
SENTENCES = dict(red='A red square is spinning.', blue='We see a blue star spinning.',
                 green='The square that is green spins.')


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """A toy CLIP after a short training, which has learned colours, and three videos that it has not seen."""
    root = tmp_path_factory.mktemp('toy')
    make_toy_clip(root / 'model', num_pictures=1000, num_steps=300)
    (root / 'videos').mkdir()
    for number, (name, event) in enumerate(EVENTS.items()):
        write_video(root / 'videos' / f'{name}.mp4', Script(f'test_{number:04d}', 32.0, [event]), seed=3)
    return root


def overlap(moment, event):
    inside = min(moment['end'], event.end) - max(moment['start'], event.start)
    return inside / (max(moment['end'], event.end) - min(moment['start'], event.start))


def test_moments_of_videos_are_found_without_training_on_videos(root):
    inferencer = MomentRetrievalInferencer.zero_shot(root / 'model', 'cpu', show_progress=False)
    for name, event in EVENTS.items():
        answer, = inferencer(root / 'videos' / f'{name}.mp4', SENTENCES[name])['predictions']
        assert overlap(answer['moments'][0], event) > 0.4


def test_the_right_video_comes_first_in_a_search(root, tmp_path):
    for words in (['index', '--zero-shot', root / 'model', root / 'videos', tmp_path / 'i', '--workers', 1],
                  ['query', tmp_path / 'i', *SENTENCES.values(), '--json', tmp_path / 'found.json']):
        with pytest.raises(SystemExit) as end:
            main(['search', *map(str, words)])
        assert not end.value.code
    for name, answer in zip(SENTENCES, json.loads((tmp_path / 'found.json').read_text())['predictions']):
        best = answer['moments'][0]
        assert best['video'].endswith(f'{name}.mp4') and overlap(best, EVENTS[name]) > 0.4


def test_pictures_are_others_than_those_of_the_benchmark_and_the_same_each_time():
    one, again, other = draw_pictures(50), draw_pictures(50), draw_pictures(50, seed=1)
    assert all(map(np.array_equal, one.frames, again.frames)) and one.sentences == again.sentences
    assert not any(map(np.array_equal, one.frames, other.frames))
    assert -1 in one.looks and len(set(one.looks)) > 10


def test_a_folder_of_something_else_is_not_replaced(tmp_path):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'notes.txt').touch()
    with pytest.raises(FileExistsError, match='holds what was not written by this tool'):
        make_toy_clip(tmp_path / 'mine', num_pictures=30, num_steps=1)
