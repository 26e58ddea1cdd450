import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvmr.evaluation.protocols import Protocol
from mmvmr.evaluation.scoring import answerable, ious_with_all, per_query, prediction_ious, summarize

NAN = float('nan')
times = st.integers(0, 3000).map(lambda hundredths: hundredths / 100)
spans = st.lists(times, min_size=2, max_size=2).map(sorted)


def _table(*rows, duration=20.0):
    return pd.DataFrame([dict(gt_spans=truths, pred_spans=predictions, duration=duration)
                         for truths, predictions in rows])


def _score(truths, predictions, **protocol):
    return per_query(_table((truths, predictions)), Protocol('test', **protocol)).iloc[0]


def test_recall_looks_at_the_first_n_predictions():
    # IoU with [0, 10]: 0.4, 0.9, 0.5
    table = _table(([[0.0, 10.0]], [[0.0, 4.0], [0.0, 9.0], [5.0, 10.0]]))
    scores = per_query(table, Protocol('test', tops=(1, 2, 3), ious=(0.3, 0.5, 0.7))).iloc[0]
    assert scores[[f'R@1,IoU={iou}' for iou in (0.3, 0.5, 0.7)]].tolist() == [1, 0, 0]
    assert scores[[f'R@2,IoU={iou}' for iou in (0.3, 0.5, 0.7)]].tolist() == [1, 1, 1]
    assert scores['R@3,IoU=0.7'] == 1
    assert scores['mIoU'] == pytest.approx(0.4)  # of the first alone


def test_summary_is_the_mean_over_queries_in_per_cent():
    # IoU: 1, 0.5 and 0
    table = _table(([[0.0, 10.0]], [[0.0, 10.0]]), ([[0.0, 10.0]], [[0.0, 5.0]]), ([[0.0, 10.0]], [[10.0, 20.0]]))
    assert summarize(per_query(table, Protocol('test', tops=(1,), ious=(0.5, 0.7)))) == {
        'R@1,IoU=0.5': 66.6667, 'R@1,IoU=0.7': 33.3333, 'mIoU': 50.0}


def test_an_iou_equal_to_the_threshold_is_a_hit_unless_the_protocol_is_strict():
    assert _score([[0.0, 10.0]], [[0.0, 5.0]])['R@1,IoU=0.5'] == 1
    assert _score([[0.0, 10.0]], [[0.0, 5.0]], strict=True)['R@1,IoU=0.5'] == 0
    assert _score([[0.0, 10.0]], [[0.0, 5.1]], strict=True)['R@1,IoU=0.5'] == 1


def test_rounding_errors_do_not_decide_about_a_hit():
    # 0.3 / 3 is 0.09999999999999999 in floating point
    assert 0.3 / 3 < 0.1
    assert _score([[0.0, 3.0]], [[0.0, 0.3]], ious=(0.1,))['R@1,IoU=0.1'] == 1
    assert _score([[0.0, 3.0]], [[0.0, 0.3]], ious=(0.1,), strict=True)['R@1,IoU=0.1'] == 0


def test_the_annotated_moment_that_fits_best_counts():
    # IoU of [12, 16] with [0, 4] is 0, with [11, 16] it is 4/5
    assert _score([[0.0, 4.0], [11.0, 16.0]], [[12.0, 16.0]])['mIoU'] == pytest.approx(0.8)


def test_queries_may_have_different_numbers_of_moments_and_predictions():
    table = _table(([[0.0, 4.0], [11.0, 16.0]], [[0.0, 4.0]]), ([[2.0, 6.0]], [[0.0, 1.0], [2.0, 6.0]]))
    np.testing.assert_allclose(prediction_ious(table, 2), [[1, -1], [0, 1]])


def test_predictions_are_cut_at_the_ends_of_the_video():
    # [-5, 30] becomes [0, 20]
    assert _score([[0.0, 20.0]], [[-5.0, 30.0]])['mIoU'] == 1


@pytest.mark.parametrize('prediction', [[], [[NAN, 4.0]], [[None, None]]])
def test_a_query_without_a_prediction_counts_as_wrong(prediction):
    scores = _score([[0.0, 4.0]], prediction, tops=(1, 5))
    assert scores.tolist() == [0] * 7
    assert scores['mIoU'] == 0


def test_suppression_lets_the_next_prediction_move_up():
    # the second overlaps the first by 0.9 and goes, so that R@2 reaches the third, which is right
    predictions = [[0.0, 10.0], [0.0, 9.0], [12.0, 16.0]]
    assert _score([[12.0, 16.0]], predictions, tops=(2,))['R@2,IoU=0.5'] == 0
    assert _score([[12.0, 16.0]], predictions, tops=(2,), nms=0.5)['R@2,IoU=0.5'] == 1
    assert _score([[12.0, 16.0]], predictions, tops=(2,), nms=0.95)['R@2,IoU=0.5'] == 0


def test_suppression_leaves_queries_without_predictions_alone():
    truth = [[0.0, 4.0]]
    table = _table((truth, [[0.0, 4.0], [0.0, 4.0]]), (truth, []), (truth, [[NAN, 3.0], [0.0, 2.0]]))
    np.testing.assert_allclose(prediction_ious(table, 2, nms=0.5), [[1, -1], [-1, -1], [-1, 0.5]])


def test_recalls_that_need_more_predictions_than_there_are_are_left_out():
    table = _table(([[0.0, 4.0]], [[0.0, 4.0]]), ([[0.0, 4.0]], []))
    assert answerable(Protocol('test', tops=(1, 5)), table).tops == (1,)
    table = _table(([[0.0, 4.0]], [[0.0, 4.0]] * 5), ([[0.0, 4.0]], []))
    assert answerable(Protocol('test', tops=(1, 5)), table).tops == (1, 5)


def test_the_same_spans_can_be_scored_for_all_queries():
    iou = ious_with_all(np.array([[0.0, 1.0], [0.0, 0.5]]), [[[0.0, 0.5]], [[0.5, 1.0], [0.0, 0.25]]])
    np.testing.assert_allclose(iou, [[[0.5, -1], [1.0, -1]], [[0.5, 0.25], [0.0, 0.5]]])


@settings(max_examples=50, deadline=None)
@given(st.lists(spans, min_size=1, max_size=3), st.lists(spans, min_size=1, max_size=6))
def test_recall_grows_with_n_and_falls_with_m(truths, predictions):
    tops, ious = (1, 2, 3, 5), (0.1, 0.3, 0.5, 0.7, 1.0)
    grid = _score(truths, predictions, tops=tops, ious=ious).drop('mIoU').to_numpy().reshape(len(tops), len(ious))
    assert (np.diff(grid, axis=0) >= 0).all() and (np.diff(grid, axis=1) <= 0).all()


@settings(max_examples=50, deadline=None)
@given(spans, spans, st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_scores_do_not_depend_on_the_unit_of_time(truth, prediction, scale):
    scaled = _table(([[scale * time for time in truth]], [[scale * time for time in prediction]]), duration=scale * 20)
    scores = per_query(scaled, Protocol('test')).iloc[0]
    pd.testing.assert_series_equal(scores, _score([truth], [prediction]), check_exact=False)


# ------------------------------------------------------------------------------------------------------ discounted hits
def test_a_hit_is_worth_the_less_the_farther_its_borders_are():
    # of 20 s, [2, 10] begins 0.1 after [0, 10]: IoU 0.8; [0, 4] has an IoU of 0.4; [1, 9] is 0.05 off on both sides
    scores = _score([[0.0, 10.0]], [[2.0, 10.0], [0.0, 4.0], [1.0, 9.0]], tops=(1, 3), ious=(0.5, 0.9), discounted=True)
    assert scores['dR@1,IoU=0.5'] == pytest.approx(0.9) and scores['R@1,IoU=0.5'] == 1
    assert scores['dR@3,IoU=0.5'] == pytest.approx(0.95**2)
    assert scores['dR@1,IoU=0.9'] == scores['dR@3,IoU=0.9'] == 0
    assert list(scores.index) == list(Protocol('test', tops=(1, 3), ious=(0.5, 0.9), discounted=True).keys()) + ['mIoU']


def test_of_several_moments_the_one_that_makes_a_hit_worth_most_counts_and_what_is_missing_is_worth_nothing():
    scores = per_query(_table(([[0.0, 10.0], [2.0, 10.0]], [[2.0, 10.0]]), ([[2.0, 6.0]], [[2.0, NAN]]),
                              ([[2.0, 6.0]], [])), Protocol('test', ious=(0.5,), discounted=True))
    assert scores['dR@1,IoU=0.5'].tolist() == scores['dR@5,IoU=0.5'].tolist() == [1, 0, 0]
