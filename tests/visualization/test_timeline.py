import cv2
import numpy as np
import pytest

from mmvmr.visualization.timeline import CHOSEN, TRUTH, draw_timeline, sample_frames


def _bars(figure, color):
    return [(round(bar.get_x(), 3), round(bar.get_x() + bar.get_width(), 3)) for axis in figure.axes
            for bar in axis.patches if bar.get_facecolor()[:3] == pytest.approx(_rgb(color))]


def _rgb(color):
    return tuple(int(color[i:i + 2], 16) / 255 for i in (1, 3, 5))


def test_first_candidate_is_the_answer_and_the_truth_stands_below_it():
    figure = draw_timeline('a red ball', 20.0, [[2.0, 5.0], [7.0, 9.0]], [[3.0, 6.0]])
    assert _bars(figure, CHOSEN) == [(2.0, 5.0)]
    assert _bars(figure, TRUTH) == [(3.0, 6.0)]
    labels = [label.get_text() for label in figure.axes[-1].get_yticklabels()]
    assert labels == ['answer', 'annotated', '2.']
    assert figure.axes[-1].get_xlim() == (0, 20)


def test_text_stays_inside_where_a_moment_ends_late():
    figure = draw_timeline('a red ball', 20.0, [[15.0, 20.0]])
    text, = figure.axes[-1].texts
    assert text.get_ha() == 'right' and text.get_position()[0] == 15.0


def test_as_many_frames_as_fill_the_strip(tmp_path):
    path = str(tmp_path / 'v.mp4')
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'mp4v'), 8, (64, 32))
    for value in range(0, 160, 10):
        writer.write(np.full((32, 64, 3), value, np.uint8))
    writer.release()
    frames = sample_frames(path, strip=8)
    assert frames.shape == (4, 32, 64, 3)  # each twice as wide as high
    assert (np.diff(frames.mean(axis=(1, 2, 3))) > 0).all()
    assert len(draw_timeline('q', 2.0, [[0.0, 1.0]], frames=frames).axes) == 2


def test_file_that_is_no_video_is_named(tmp_path):
    path = tmp_path / 'v.mp4'
    path.write_bytes(b'nothing')
    with pytest.raises(ValueError, match='v.mp4" cannot be decoded'):
        sample_frames(str(path))
