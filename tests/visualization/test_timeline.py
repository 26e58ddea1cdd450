import numpy as np
import pytest
from matplotlib.colors import to_hex
from videos import grey, numbers, write_frames

from mmvmr.features.video import read_frames_at
from mmvmr.visualization.style import ANSWER, OTHER, TRUTH
from mmvmr.visualization.timeline import draw_timeline, find_video, sample_frames


def test_first_candidate_is_the_answer_and_the_truth_stands_below_it(bars):
    figure = draw_timeline('a red ball', 20.0, [[2.0, 5.0], [7.0, 9.0]], [[3.0, 6.0]])
    assert bars(figure, ANSWER) == [(2.0, 5.0)]
    assert bars(figure, TRUTH) == [(3.0, 6.0)]
    labels = [label.get_text() for label in figure.axes[-1].get_yticklabels()]
    assert labels == ['answer', 'annotated', '2.']
    assert figure.axes[-1].get_xlim() == (0, 20)


def test_text_stays_inside_where_a_moment_ends_late():
    figure = draw_timeline('a red ball', 20.0, [[15.0, 20.0]])
    text, = figure.axes[-1].texts
    assert text.get_ha() == 'right' and text.get_position()[0] == 15.0


@pytest.mark.parametrize('span, place', [([0.0, 20.0], ('center', 10)), ([1.0, 19.0], ('center', 10)),
                                         ([1.0, 5.0], ('left', 5))])
def test_text_stands_on_a_moment_with_no_room_beside_it(span, place):
    text, = draw_timeline('a red ball', 20.0, [span]).axes[-1].texts
    assert (text.get_ha(), text.get_position()[0]) == place


def test_long_query_takes_several_lines_and_a_dollar_is_a_dollar():
    figure = draw_timeline('the person pays $5 and $6 for a drink ' * 4, 20.0, [[1.0, 2.0]], width=8.5)
    title = figure.axes[0].get_title(loc='left')
    assert max(map(len, title.splitlines())) <= 47 and title.count('$') == 8  # 6.5 letters per cm
    figure.canvas.draw()
    title = figure.axes[0]._left_title
    assert not title.get_parse_math()
    assert title.get_window_extent().x1 <= figure.bbox.x1


def test_query_without_an_answer_is_drawn(bars):
    assert bars(draw_timeline('q', 20.0, [], [[1.0, 2.0]]), TRUTH) == [(1, 2)]


def test_video_of_an_id_with_any_letters_is_found(tmp_path):
    for name in ('v[1].mp4', 'v1.mp4', 'v[1]2.mp4'):
        (tmp_path / name).touch()
    assert find_video(tmp_path, 'v[1]').name == 'v[1].mp4'
    assert find_video(tmp_path, 'v') is None
    for name in ('s13-d21.avi', 'abc.info.json', 'abc.mp4'):
        (tmp_path / name).touch()
    assert find_video(tmp_path, 's13-d21.avi').name == 's13-d21.avi'  # as TACoS names its videos
    assert find_video(tmp_path, 'v_abc').name == 'abc.mp4'
    (tmp_path / 'v_abc.mp4').touch()
    assert find_video(tmp_path, 'v_abc').name == 'v_abc.mp4'


def test_as_many_frames_as_fill_the_strip(tmp_path):
    path = write_frames(tmp_path / 'v.mkv', [grey(number) for number in range(16)])  # 48 x 32, eight a second
    frames = sample_frames(path, strip=6)
    assert frames.shape == (4, 32, 48, 3)
    assert numbers(frames) == [2, 6, 10, 14]  # at 0.25, 0.75, 1.25 and 1.75 s
    assert len(draw_timeline('q', 2.0, [[0.0, 1.0]], frames=frames).axes) == 2


def test_frames_are_evenly_spaced_in_time_whatever_the_frame_rate(tmp_path):
    path = write_frames(tmp_path / 'v.mkv', [grey(number) for number in range(4)], times=[0, 1, 2, 7.875])
    assert numbers(sample_frames(path, strip=6)) == [1, 2, 2, 2]  # at 1, 3, 5 and 7 s of 8


def test_frames_are_upright_and_in_the_colours_of_a_picture(tmp_path):
    blue = np.zeros((32, 48, 3), np.uint8)
    blue[..., 0] = 200  # BGR
    frames = sample_frames(write_frames(tmp_path / 'v.mp4', [blue] * 8, codec='mpeg4', pixels='yuv420p', rotation=90))
    assert frames.shape[1:] == (48, 32, 3)
    assert frames[..., 2].mean() > 180 and frames[..., 0].mean() < 20  # RGB


def test_a_frame_is_from_inside_the_moment_that_its_part_of_the_video_overlaps(tmp_path):
    path = write_frames(tmp_path / 'v.mkv', [grey(number) for number in range(16)])
    frames = sample_frames(path, [[0.875, 1.0], [1.4, 1.5]], strip=6)
    assert numbers(frames) == [2, 7, 11, 14]
    figure = draw_timeline('q', 2.0, [[0.875, 1.0]], [[1.2, 1.7]], frames=frames)
    marks = {to_hex(lines.get_color()[0]): [segment[:, 0].tolist() for segment in lines.get_segments()]
             for lines in figure.axes[0].collections if lines.get_linewidth()[0] == 1.5}
    assert marks == {ANSWER: [[0.5, 1.0]], TRUTH: [[1.0, 1.5], [1.5, 2.0]]}


def test_frames_that_are_far_from_each_other_are_jumped_to(tmp_path):
    path = write_frames(tmp_path / 'v.mkv', [grey(number) for number in range(4)], times=[0, 20, 40, 59.9])
    assert numbers(read_frames_at(path, [1, 2, 19, 21, 59, 60.5, 99])) == [0, 0, 0, 1, 2, 3, 3]


def test_a_candidate_that_repeats_a_better_one_has_no_row(bars):
    figure = draw_timeline('q', 20.0, [[2.0, 6.0], [2.1, 6.0], [9.0, 12.0], [2.0, 6.0]])
    assert [label.get_text() for label in figure.axes[-1].get_yticklabels()] == ['answer', '2.']
    assert bars(figure, OTHER) == [(9.0, 12.0)]


def test_file_that_is_no_video_is_named(tmp_path):
    path = tmp_path / 'v.mp4'
    path.write_bytes(b'nothing')
    with pytest.raises(ValueError, match='v.mp4" cannot be decoded'):
        sample_frames(str(path))
