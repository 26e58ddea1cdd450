"""Does the descriptor say what is to be seen?"""
import weakref

import cv2
import numpy as np
import pytest
from videos import write_frames

from mmvmr.datasets.moving_shapes import ACTIONS, COLORS, SHAPES, Event, Script, write_script
from mmvmr.datasets.moving_shapes_renderer import FPS, render, write_video
from mmvmr.features.extract import extract_video
from mmvmr.features.extractors.descriptor import DescriptorExtractor
from mmvmr.registry import EXTRACTORS

EXTRACT = DescriptorExtractor()
COLORS_AND_PLACES = range(12 + 16)
MOVEMENTS = dict(zip(('left', 'right', 'up', 'down', 'grow', 'shrink', 'turn', 'appear', 'vanish'), range(-9, 0)))


def disc(x, y=48.0, radius=12.0, color=(0, 0, 255)):
    frame = np.full((96, 96, 3), 120, np.uint8)
    cv2.circle(frame, (round(x * 16), round(y * 16)), round(radius * 16), color, -1, cv2.LINE_AA, 4)
    return frame


def strongest(rows):
    return max(MOVEMENTS, key=lambda name: rows.mean(axis=0)[MOVEMENTS[name]])


@pytest.mark.parametrize('changes', [dict(clip_seconds=0), dict(clip_seconds=-1.0)])
@pytest.mark.parametrize('extractor', [
    dict(type='DescriptorExtractor'), dict(type='ClipExtractor', weights='absent'),
    dict(type='TorchvisionVideoExtractor', model='r3d_18', weights='absent')], ids=lambda extractor: extractor['type'])
def test_clips_without_length_are_refused_before_a_video_or_weights_are_read(extractor, changes):
    with pytest.raises(ValueError, match=f'clip_seconds should be above 0, got {changes["clip_seconds"]}'):
        EXTRACTORS.build(dict(extractor, **changes))


def test_a_grey_scene_is_all_zeros():
    rows = EXTRACT([np.full((96, 96, 3), 120, np.uint8)] * 8, 8)
    np.testing.assert_array_equal(rows, np.zeros((2, EXTRACT.dim), np.float32))


def test_there_is_a_row_for_each_half_second_and_one_for_the_rest():
    assert EXTRACT([disc(48)] * 10, 8).shape == (3, EXTRACT.dim)  # 4 + 4 + 2 frames
    assert EXTRACT([disc(48)] * 60, 30).shape == (4, EXTRACT.dim)
    assert EXTRACT([disc(48)] * 6, 2).shape == (6, EXTRACT.dim)


@pytest.mark.parametrize('move, name', [
    (lambda t: disc(20 + 16 * t), 'right'), (lambda t: disc(76 - 16 * t), 'left'),
    (lambda t: disc(48, 20 + 16 * t), 'down'), (lambda t: disc(48, 76 - 16 * t), 'up'),
    (lambda t: disc(48, radius=8 * 1.4**t), 'grow'), (lambda t: disc(48, radius=22 / 1.4**t), 'shrink')])
def test_movements_have_a_channel_each(move, name):
    assert strongest(EXTRACT([move(number / 8) for number in range(24)], 8)) == name


def test_coming_and_going_have_a_channel_each():
    nothing = np.full((96, 96, 3), 120, np.uint8)
    rows = EXTRACT([nothing, disc(48), disc(48), nothing], 8)
    assert rows[0, MOVEMENTS['appear']] == rows[0, MOVEMENTS['vanish']] == 0.25  # in one of four frames


@pytest.mark.parametrize('fps', [4, 12.5, 24, 29.97])
def test_the_frame_rate_of_a_video_does_not_change_what_is_seen(fps, tmp_path):
    def rows(fps):
        frames = [disc(16 + 12 * number / fps) for number in range(round(4 * fps))]
        return extract_video(write_frames(tmp_path / f'{fps}.mkv', frames, fps=fps), EXTRACT)
    assert len(rows(fps)) == len(rows(8)) == 8
    columns = [*COLORS_AND_PLACES, *MOVEMENTS.values()]
    np.testing.assert_allclose(rows(fps)[1:-1, columns], rows(8)[1:-1, columns], atol=0.12)


def test_the_size_of_the_frames_does_not_change_what_is_seen():
    frames = [disc(16 + 2 * number) for number in range(16)]
    large = [cv2.resize(frame, (384, 384), interpolation=cv2.INTER_CUBIC) for frame in frames]
    np.testing.assert_allclose(EXTRACT(large, 8), EXTRACT(frames, 8), atol=0.25)


def test_frames_are_not_kept():
    alive = weakref.WeakSet()

    class Frame(np.ndarray):  # a plain array cannot be in a WeakSet: it is not hashable
        __hash__ = object.__hash__

    def frames():
        for number in range(200):
            frame = disc(48 + number % 5).view(Frame)
            alive.add(frame)
            yield frame
            del frame
            assert len(alive) < 5
    EXTRACT(frames(), 8)


@pytest.mark.parametrize('frames, fps, message', [
    ([], 8, 'no frames'),
    ([disc(48)], 0, 'fps=0'),
    ([disc(48)], 1, 'at least one frame'),
    ([disc(48)], float('nan'), 'fps=nan'),
    ([disc(48)[..., 0]], 8, r'\(96, 96\) uint8'),
    ([disc(48) / 255], 8, 'float64')])
def test_what_is_not_a_video_is_refused(frames, fps, message):
    with pytest.raises(ValueError, match=message):
        EXTRACT(frames, fps)


def test_a_file_gives_about_the_rows_of_the_frames_that_went_into_it(tmp_path):
    script = Script('test_0000', 4.0, [Event('green', 'square', 'right', 0.5, 3.5)])
    write_video(tmp_path / 'a.mp4', script)
    rows = extract_video(tmp_path / 'a.mp4', EXTRACT)
    assert rows.shape == (8, EXTRACT.dim) and rows.dtype == np.float32
    assert np.abs(rows - EXTRACT(render(script), FPS)).mean() < 0.02
    assert strongest(rows[2:5]) == 'right'


def test_a_file_gives_the_rows_of_the_frames_that_opencv_decodes_bit_for_bit(tmp_path):
    write_video(tmp_path / 'a.mp4', write_script('test', 0))
    reader = cv2.VideoCapture(str(tmp_path / 'a.mp4'))
    frames = (frame for seen, frame in iter(reader.read, (False, None)))
    np.testing.assert_array_equal(extract_video(tmp_path / 'a.mp4', EXTRACT), EXTRACT(frames, FPS))


def clips_and_attributes(split, count):
    """The clips that lie inside events of Moving Shapes, and the colour, shape and action to be seen there."""
    rows, attributes = [], []
    for script in (write_script(split, index) for index in range(count)):
        clips = EXTRACT(render(script), FPS)
        for event in script.events:
            inside = slice(int(np.ceil(event.start * 2)), int(event.end * 2))  # two clips per second
            rows += list(clips[inside])
            attributes += [(list(COLORS).index(event.color), SHAPES.index(event.shape),
                            list(ACTIONS).index(event.action))] * len(clips[inside])
    return np.array(rows), np.array(attributes)


def test_a_linear_classifier_reads_colour_shape_and_action_from_one_clip():
    rows, attributes = clips_and_attributes('train', 24)
    new_rows, new_attributes = clips_and_attributes('test', 8)
    for column, least in enumerate((0.7, 0.9, 0.65)):  # chance: 1/6, 1/5, 1/9
        targets = np.eye(9)[attributes[:, column]]
        inputs, new_inputs = (np.pad(part, ((0, 0), (0, 1)), constant_values=1) for part in (rows, new_rows))
        weights = np.linalg.solve(inputs.T @ inputs + 0.1 * np.eye(inputs.shape[1]), inputs.T @ targets)
        accuracy = ((new_inputs @ weights).argmax(axis=1) == new_attributes[:, column]).mean()
        assert accuracy > least
