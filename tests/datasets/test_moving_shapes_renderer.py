"""Do the frames show what the script says?"""
import cv2
import numpy as np
import pytest

from mmvmr.datasets.moving_shapes import COLORS, SHAPES, Event, Script, write_script
from mmvmr.datasets.moving_shapes_renderer import FPS, outline, pose, render, write_video

HOME = np.array([0.4, 0.6])


def at(action, passed):
    return pose(Event('red', 'star', action, 10.0, 20.0), 10.0 + passed, HOME)


@pytest.mark.parametrize('action, start, later', [
    ('right', (-0.15, 0.6), (0.5, 0.6)),  # from 0.65 left of the middle to the middle in half of three seconds
    ('left', (1.15, 0.6), (0.5, 0.6)),
    ('down', (0.4, -0.15), (0.4, 0.5)),
    ('up', (0.4, 1.15), (0.4, 0.5)),
])
def test_slides_cross_the_frame_in_the_direction_they_are_named_after(action, start, later):
    np.testing.assert_allclose(at(action, 0.0).center, start)
    np.testing.assert_allclose(at(action, 1.5).center, later)


def test_actions_in_place_do_what_they_are_named_after():
    assert at('bounce', 0.45).center[1] == pytest.approx(0.6 - 0.22)  # y points down: half a cycle of 0.9 s is the top
    assert at('spin', 1.0).angle == pytest.approx(np.pi)
    assert (at('grow', 0.0).radius, at('grow', 1.5).radius) == pytest.approx((0.08, 0.18))
    assert (at('shrink', 0.0).radius, at('shrink', 1.5).radius) == pytest.approx((0.28, 0.18))
    assert [at('blink', passed).visible for passed in (0.0, 0.3, 0.5, 0.8)] == [True, False, True, False]
    for action in ('bounce', 'spin', 'grow', 'shrink', 'blink'):
        np.testing.assert_allclose(at(action, 0.9).center, HOME, atol=1e-9)


def colored(frame):
    """Pixels of a pure colour."""
    return cv2.cvtColor(cv2.medianBlur(frame, 3), cv2.COLOR_BGR2HSV)[..., 1] > 150


@pytest.mark.parametrize('color', list(COLORS))
def test_a_shape_of_its_colour_is_seen_during_its_event_and_not_before_or_after(color):
    frames = list(render(Script('test_0000', 6.0, [Event(color, 'circle', 'spin', 2.0, 4.0)])))
    areas = [colored(frame).mean() for frame in frames]
    assert len(frames) == 6 * FPS
    assert max(areas[:2 * FPS] + areas[4 * FPS:]) < 0.002
    # a disc of radius 0.15: pi x 0.15^2 = 0.0707 of the frame
    assert min(areas[2 * FPS:4 * FPS]) > 0.06 and max(areas[2 * FPS:4 * FPS]) < 0.08
    middle = frames[3 * FPS]
    hue = cv2.cvtColor(middle, cv2.COLOR_BGR2HSV)[colored(middle), 0].astype(float)
    turn = np.angle(np.exp(1j * (hue - COLORS[color]) * np.pi / 90).mean()) * 90 / np.pi
    assert abs(turn) < 7.5  # half the distance of red and orange, the closest two


def test_the_shapes_have_different_areas():
    def area(corners):
        x, y = corners.T
        return abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    areas = {shape: area(outline(shape)) for shape in SHAPES}
    assert areas['square'] == pytest.approx(2.0)  # the diagonals are 2
    assert areas['triangle'] == pytest.approx(3 * 3**0.5 / 4)
    assert areas['circle'] == pytest.approx(np.pi, rel=0.01)
    assert areas['cross'] == pytest.approx(2 * 2 * 0.64 - 0.64**2)
    assert areas['star'] == pytest.approx(5 * 0.45 * np.sin(np.pi / 5))


@pytest.mark.parametrize('difficulty', ['easy', 'hard'])
def test_the_same_script_gives_the_same_pixels_and_another_seed_others(difficulty):
    script = write_script('test', 1, difficulty=difficulty)._replace(duration=2.0)
    first, again, other = (np.stack(list(render(script, seed, difficulty))) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_bystanders_of_the_hard_version_are_coloured_and_stand_still():
    frames = list(render(Script('test_0000', 20.0, []), difficulty='hard'))
    masks = [colored(frame) for frame in frames]
    shown = [number for number, mask in enumerate(masks) if mask.mean() > 0.005]
    assert 0.2 * len(frames) - 1 <= len(shown) <= 0.6 * len(frames) + 1
    assert shown == list(range(shown[0], shown[-1] + 1))
    centers = np.array([np.argwhere(masks[number]).mean(axis=0) for number in shown])
    assert centers.std(axis=0).max() < 2  # pixels: the camera shakes


def test_a_video_file_holds_all_frames(tmp_path):
    script = Script('test_0000', 3.0, [Event('blue', 'square', 'left', 0.5, 2.0)])
    write_video(tmp_path / 'a.mp4', script)
    write_video(tmp_path / 'b.mp4', script)
    assert (tmp_path / 'a.mp4').read_bytes() == (tmp_path / 'b.mp4').read_bytes()
    capture, decoded = cv2.VideoCapture(str(tmp_path / 'a.mp4')), []
    while True:
        there, frame = capture.read()
        if not there:
            break
        decoded.append(frame)
    assert len(decoded) == 24 and capture.get(cv2.CAP_PROP_FPS) == FPS
    rendered = np.stack(list(render(script))).astype(float)
    assert np.abs(np.stack(decoded) - rendered).mean() < 10  # lossy, and noise compresses badly


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OSError, match='nowhere'):
        write_video(tmp_path / 'nowhere' / 'a.mp4', Script('test_0000', 1.0, []))
