import pytest
import torch

from mmvmr.functional.runs import best_runs, peak_run, score_runs, smooth, stretch

CURVE = torch.tensor([[0.0, 0.6, 0.8, 0.1, 1.0, 0.3]])
LEVELS = torch.tensor([0.2, 0.5, 0.7])


def test_stretched_scores_reach_from_zero_to_one():
    scores = stretch(torch.tensor([[0.5, 0.7, 0.6], [3.0, 1.0, 2.0]]))
    torch.testing.assert_close(scores, torch.tensor([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]]))


def test_scores_that_do_not_differ_are_all_ones():
    assert stretch(torch.full((1, 4), 0.3)).tolist() == [[1.0] * 4]


def test_smoothing_spreads_a_peak_as_a_gaussian_and_keeps_a_constant():
    peak = smooth(torch.eye(9)[4:5], std=1.0)[0]
    assert (peak[3] / peak[4]).item() == pytest.approx(0.6065, abs=1e-4)  # exp(-1/2)
    assert (peak[2] / peak[4]).item() == pytest.approx(0.1353, abs=1e-4)  # exp(-2)
    torch.testing.assert_close(smooth(torch.full((2, 9), 0.4), std=2.0), torch.full((2, 9), 0.4))


def test_run_around_the_peak_leaves_other_high_runs_out():
    assert peak_run(CURVE, 0.5)[0].tolist() == [False, False, False, False, True, False]
    assert peak_run(CURVE, 0.1)[0].tolist() == [False, True, True, True, True, True]


def test_runs_are_found_where_they_start_with_their_contrast():
    runs, contrast = score_runs(CURVE, LEVELS)
    found = {tuple(run): value for run, value in zip(runs[0].tolist(), contrast[0].tolist()) if value > -1}
    total = 2.8
    assert found == {
        (1, 3): pytest.approx(1.4 / 2 - (total - 1.4) / 4),  # at 0.2 and 0.5
        (4, 6): pytest.approx(1.3 / 2 - (total - 1.3) / 4),  # at 0.2
        (4, 5): pytest.approx(1.0 / 1 - (total - 1.0) / 5),  # at 0.5 and 0.7
        (2, 3): pytest.approx(0.8 / 1 - (total - 0.8) / 5)}  # at 0.7
    assert (contrast > -1).sum() == 2 + 2 + 2


def test_runs_that_overlap_a_better_one_are_left_out_and_the_best_one_fills_up():
    runs, contrast = best_runs(CURVE, LEVELS, count=4, nms=0.4)
    # (4, 5) .64 | (2, 3) .4 | (1, 3) .35, IoU .5 with (2, 3) | (4, 6) .275, IoU .5 with (4, 5)
    assert runs[0].tolist() == [[4, 5], [2, 3], [4, 5], [4, 5]]
    assert contrast[0].tolist() == [pytest.approx(0.64), pytest.approx(0.4), -1, -1]
    assert best_runs(CURVE, LEVELS, count=4, nms=0.5)[0][0].tolist() == [[4, 5], [2, 3], [1, 3], [4, 6]]


def test_run_of_a_curve_that_is_high_everywhere_is_the_whole_video():
    runs, contrast = best_runs(torch.ones(1, 6), LEVELS, count=2, nms=0.5)
    assert runs[0].tolist() == [[0, 6], [0, 6]] and contrast[0].tolist() == [1.0, -1.0]
    runs, contrast = best_runs(torch.ones(1, 1), LEVELS[:2], count=3, nms=0.5)  # fewer places than are asked for
    assert runs[0].tolist() == [[0, 1]] * 3 and contrast[0].tolist() == [1.0, -1.0, -1.0]


def test_runs_of_a_video_do_not_depend_on_the_others_of_the_batch():
    torch.manual_seed(0)
    curves = stretch(torch.rand(5, 20))
    together = best_runs(curves, LEVELS, count=6, nms=0.5)
    for row in range(5):
        alone = best_runs(curves[row:row + 1], LEVELS, count=6, nms=0.5)
        assert alone[0][0].tolist() == together[0][row].tolist()
        assert alone[1][0].tolist() == together[1][row].tolist()
