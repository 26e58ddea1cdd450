import numpy as np
import pytest
import torch

from mmvmr.apis.windows import cut_windows, rank_moments
from mmvmr.engine.run.input_recipe import InputRecipe
from mmvmr.features.video_features import VideoFeatures
from mmvmr.structures import MomentSample


def _windows(num_rows, row_seconds=0.5, duration=None, median=4.0, longest=8.0):
    rows = np.arange(num_rows, dtype=np.float32)[:, None]
    video = VideoFeatures.from_array(rows, duration=duration, row_seconds=row_seconds)
    recipe = InputRecipe(None, dict(dim=1), 16, 20, median, longest)
    return [(window.rows[:, 0].tolist(), window.start, window.duration) for window in cut_windows(video, recipe)]


def test_a_video_up_to_a_quarter_longer_than_all_training_videos_is_taken_whole():
    assert _windows(20) == [(list(range(20)), 0.0, 10.0)]
    assert len(_windows(21)) > 1


def test_windows_are_as_long_as_the_median_and_overlap_by_half():
    rows = _windows(24)  # 12 s; windows of 4 s, which are 8 rows
    assert [start for _, start, _ in rows] == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert [part for part, _, _ in rows] == [list(range(first, first + 8)) for first in (0, 4, 8, 12, 16)]
    assert {duration for *_, duration in rows} == {4.0}


def test_the_last_window_ends_with_the_video():
    rows = _windows(22, duration=10.8)
    assert [start for _, start, _ in rows] == [0.0, 2.0, 4.0, 6.0, 7.0]
    assert rows[-1][0] == list(range(14, 22)) and rows[-1][2] == pytest.approx(3.8)  # row 21 covers 0.3 s only


def test_features_much_sparser_than_the_windows_still_make_windows():
    assert [part for part, *_ in _windows(3, row_seconds=10.0)] == [[0, 1], [1, 2]]


def _sample(start, spans, matches):
    sample = MomentSample(metainfo=dict(start=start))
    sample.pred_spans, sample.pred_matches = torch.tensor(spans), torch.tensor(matches)
    return sample


def test_moments_of_several_windows_are_ordered_by_their_match():
    found = rank_moments([_sample(0.0, [[1.0, 2.0], [3.0, 4.0]], [0.2, 0.6]), _sample(10.0, [[0.0, 5.0]], [0.5])], 5)
    assert found == [dict(start=3.0, end=4.0, match=0.6), dict(start=10.0, end=15.0, match=0.5),
                     dict(start=1.0, end=2.0, match=0.2)]


def test_a_moment_that_two_windows_find_is_reported_once():
    found = rank_moments([_sample(0.0, [[3.0, 4.0]], [0.25]), _sample(2.0, [[1.0, 2.1]], [0.5])], 5)
    assert [(moment['start'], moment['match']) for moment in found] == [(3.0, 0.5)]  # IoU = 1 / 1.1


def test_one_window_keeps_the_order_of_the_model():
    found = rank_moments([_sample(0.0, [[1.0, 2.0], [1.0, 2.5], [5.0, 6.0]], [0.1, 0.9, 0.8])], 5)
    assert [moment['match'] for moment in found] == [0.1, 0.8]  # the second overlaps the first by 1 / 1.5


def test_no_more_moments_than_asked_for():
    assert len(rank_moments([_sample(0.0, [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], [0.3, 0.2, 0.1])], 2)) == 2
