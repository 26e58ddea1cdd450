import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvmr.functional.spans import temporal_iou, temporal_nms

times = st.integers(0, 10000).map(lambda hundredths: hundredths / 100)
spans = st.lists(times, min_size=2, max_size=2).map(sorted)


def _iou(first, second):
    return temporal_iou(torch.tensor(first, dtype=torch.float64), torch.tensor(second, dtype=torch.float64)).item()


@pytest.mark.parametrize('first, second, expected', [
    ([0.0, 10.0], [0.0, 10.0], 1.0),
    ([0.0, 10.0], [5.0, 15.0], 5 / 15),
    ([0.0, 10.0], [2.0, 6.0], 4 / 10),  # one inside the other
    ([0.0, 4.0], [4.0, 8.0], 0.0),  # they touch
    ([0.0, 4.0], [6.0, 8.0], 0.0),
    ([3.0, 3.0], [3.0, 3.0], 0.0),  # both empty
    ([3.0, 3.0], [0.0, 6.0], 0.0),
    ([6.0, 2.0], [0.0, 10.0], 0.0),  # the wrong way round
])
def test_iou_is_intersection_over_union(first, second, expected):
    assert _iou(first, second) == pytest.approx(expected)


def test_iou_of_a_span_that_is_not_a_number_is_zero():
    assert _iou([float('nan'), 4.0], [0.0, 4.0]) == 0


@settings(max_examples=100, deadline=None)
@given(spans, spans)
def test_iou_is_symmetric_and_between_0_and_1(first, second):
    assert 0 <= _iou(first, second) <= 1 + 1e-12
    assert _iou(first, second) == pytest.approx(_iou(second, first))


@settings(max_examples=100, deadline=None)
@given(spans, spans, st.floats(0.1, 10))
def test_iou_does_not_depend_on_the_unit_of_time(first, second, scale):
    scaled = _iou([scale * time for time in first], [scale * time for time in second])
    assert scaled == pytest.approx(_iou(first, second), abs=1e-6)


def test_iou_broadcasts():
    assert temporal_iou(torch.rand(4, 1, 2), torch.rand(3, 2)).shape == (4, 3)


def test_nms_drops_what_overlaps_a_better_span():
    # IoU with the first: 0.8, 0.5 (not above the threshold), 0
    candidates = torch.tensor([[0.0, 10.0], [0.0, 8.0], [5.0, 10.0], [20.0, 30.0]])
    assert temporal_nms(candidates, 0.5).tolist() == [True, False, True, True]


def test_nms_lets_a_dropped_span_drop_nothing():
    # the second overlaps both others by 6/14, the first and the third do not touch
    candidates = torch.tensor([[0.0, 10.0], [4.0, 14.0], [10.0, 18.0]])
    assert temporal_nms(candidates, 0.2).tolist() == [True, False, True]


def test_nms_keeps_no_more_than_is_asked_for():
    candidates = torch.tensor([[0.0, 10.0], [0.0, 9.0], [10.0, 20.0], [20.0, 30.0]])
    assert temporal_nms(candidates, 0.5, top=2).tolist() == [True, False, True, False]
    assert temporal_nms(candidates, 0.5, top=9).tolist() == [True, False, True, True]


def test_nms_treats_queries_apart():
    candidates = torch.tensor([[[0.0, 10.0], [0.0, 9.0]], [[0.0, 10.0], [10.0, 20.0]]])
    assert temporal_nms(candidates, 0.5).tolist() == [[True, False], [True, True]]


@settings(max_examples=50, deadline=None)
@given(st.lists(spans, min_size=1, max_size=8), st.floats(0, 1))
def test_nms_keeps_the_best_and_leaves_no_overlap(candidates, threshold):
    candidates = torch.tensor(candidates, dtype=torch.float64)
    kept = candidates[temporal_nms(candidates, threshold)]
    assert kept[0].tolist() == candidates[0].tolist()
    iou = temporal_iou(kept.unsqueeze(0), kept.unsqueeze(1)).fill_diagonal_(0)
    assert iou.max() <= threshold
