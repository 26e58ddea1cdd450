import numpy as np
import pandas as pd
import pytest

from mmvmr.evaluation.blind_panel import blind_panel
from mmvmr.evaluation.predictions import write_predictions
from mmvmr.evaluation.scored import score_predictions
from mmvmr.visualization.result_plots import IOUS, draw_blind_panel, draw_breakdown, draw_recall

FIVE = [[0.0, 4.0], [0.0, 9.0], [0.0, 3.0], [0.0, 2.0], [0.0, 1.0]]  # IoU with [0, 10]: 0.4, 0.9, 0.3, 0.2, 0.1


@pytest.fixture
def score(tmp_path):
    """``score([predictions of each query])``: moments of 10 s, at the start of videos of 20, 50 and 200 s."""
    def run(predictions):
        table = pd.DataFrame([
            dict(sample_idx=index, video_id=f'v{index}', query='q', duration=duration, gt_spans=[[0.0, 10.0]],
                 pred_spans=spans, pred_scores=[0.0] * len(spans), protocol='custom')
            for index, (duration, spans) in enumerate(zip((20.0, 50.0, 200.0), predictions))])
        write_predictions(table, tmp_path / 'predictions.jsonl')
        return score_predictions(tmp_path / 'predictions.jsonl', dict(tops=(1, 5), ious=IOUS))
    return run


@pytest.fixture
def run(score):
    """IoU of the first answers: 0.4, 0.8, 0.1; the best of five: 0.9, 0.8, 0.1."""
    return score([FIVE, [[0.0, 8.0]], [[9.0, 10.0]]])


def _panel(run):
    return blind_panel(run.table, run.protocol)


def _line(axis, label):
    line, = (line for line in axis.lines if line.get_label() == label)
    return dict(zip(line.get_xdata(), line.get_ydata()))


def test_recall_curve_is_the_share_of_queries_that_reach_each_iou(run):
    first, five = draw_recall(dict(ours=[run]), _panel(run)).axes
    assert first.get_title() == 'R@1' and five.get_title() == 'R@5'
    for axis, ious in ((first, (0.4, 0.8, 0.1)), (five, (0.9, 0.8, 0.1))):
        curve = _line(axis, 'ours')
        assert list(curve) == pytest.approx(np.arange(0.1, 0.96, 0.05))
        for threshold, recall in curve.items():
            assert recall == pytest.approx(100 * sum(iou >= threshold for iou in ious) / 3)


def test_dashed_line_is_the_best_blind_predictor_at_each_iou(run):
    line = _line(draw_recall(dict(ours=[run]), _panel(run)).axes[0], 'best blind predictor')
    # the whole video has IoU 0.5, 0.2 and 0.05 with the moments; the other predictors hit less often
    assert line[0.5] == pytest.approx(100 / 3)
    assert line[0.1] == pytest.approx(200 / 3)


def test_runs_of_a_method_are_drawn_as_their_mean_with_a_band(run, score):
    other = score([[[0.0, 9.0]], [[0.0, 9.0]], [[0.0, 9.0]]])  # R@1,IoU=0.5 is 100, beside the 33.3 of the first
    axis = draw_recall(dict(ours=[run, other]), _panel(run)).axes[0]
    assert _line(axis, 'ours')[0.5] == pytest.approx(200 / 3)
    band, = axis.collections
    corners = band.get_paths()[0].vertices
    at_half = corners[np.isclose(corners[:, 0], 0.5), 1]
    spread = (200 / 3) / 2**0.5  # sample standard deviation of 33.3 and 100
    assert (at_half.min(), at_half.max()) == pytest.approx((200 / 3 - spread, 200 / 3 + spread))


def test_breakdown_has_a_point_for_each_group_with_its_queries(run):
    length, position = draw_breakdown(dict(ours=[run]), 'R@1,IoU=0.3').axes
    labels = [label.get_text() for label in length.get_yticklabels()]
    # moments of 50 %, 20 % and 5 % of their videos
    assert labels == ['moment < 10 % of the video\n1 queries', 'moment 10 - 25 %\n1 queries',
                      'moment 25 - 50 %\n1 queries']
    assert length.lines[0].get_xdata().tolist() == [0, 100, 100]
    assert [label.get_text() for label in position.get_yticklabels()] == ['centre in the first third\n3 queries']
    assert position.lines[0].get_xdata() == pytest.approx([200 / 3])


def test_blind_mark_of_a_group_is_for_its_queries_alone(run):
    length, _ = draw_breakdown(dict(ours=[run]), 'R@1,IoU=0.5').axes
    marks = [segment[0, 0] for segment in length.collections[0].get_segments()]
    assert marks[-1] == 100  # the moment of half the video: the whole video has IoU 0.5
    assert marks[0] < 20


def test_bars_are_the_panel_and_below_it_the_methods(run, score):
    one = score([[[0.0, 8.0]]] * 3)  # a single proposal, so no R@5
    panel = _panel(run)
    first, five = draw_blind_panel(dict(ours=[run], cnm=[one]), panel, ['R@1,IoU=0.5', 'R@5,IoU=0.5']).axes
    assert [label.get_text() for label in first.get_yticklabels()] == [*panel.index, 'ours', 'cnm']
    assert [bar.get_width() for bar in first.patches] == pytest.approx([*panel['R@1,IoU=0.5'], 100 / 3, 100])
    assert [text.get_text() for text in five.texts][-2:] == ['66.7', 'n/a']
    assert np.diff([bar.get_y() for bar in first.patches]).min() > 0


def test_bars_fill_their_panel_and_a_star_is_explained_in_the_figure(run):
    panel = blind_panel(run.table, run.protocol, np.array([[0.1, 0.4], [0.2, 0.5]]))
    figure = draw_blind_panel(dict(ours=[run]), panel, ['R@1,IoU=0.9', 'R@5,IoU=0.5'])
    for axis in figure.axes:
        longest = max(bar.get_width() for bar in axis.patches)
        assert max(longest, 1) / axis.get_xlim()[1] > 0.7
        assert max(axis.get_xticks()) <= max(longest, 1)
    assert figure.get_supxlabel().startswith('*')
    assert not draw_blind_panel(dict(ours=[run]), _panel(run), ['R@1,IoU=0.5']).get_supxlabel()


def test_a_method_without_five_candidates_has_no_line_for_them(run, score):
    first, five = draw_recall(dict(cnm=[score([[[0.0, 8.0]]] * 3)], ours=[run]), _panel(run)).axes
    assert _line(first, 'cnm')[0.5] == 100
    assert np.isnan(list(_line(five, 'cnm').values())).all()
