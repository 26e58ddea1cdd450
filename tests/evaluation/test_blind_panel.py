import json

import numpy as np
import pandas as pd
import pytest

from mmvmr.datasets.activitynet_captions import ActivityNetCaptions
from mmvmr.datasets.charades_sta import CharadesSTA
from mmvmr.evaluation.blind_panel import blind_panel, even_windows, fit_windows, score_windows
from mmvmr.evaluation.protocols import Protocol, find_protocol

PROTOCOL = Protocol('test', tops=(1, 5), ious=(0.3, 0.5, 0.7))


def _fractions(pairs):
    return [(np.array(pair['spans']) / pair['duration']).tolist() for pair in pairs]


def _panel(truths, protocol=PROTOCOL, train_spans=None):
    return blind_panel(pd.DataFrame(dict(gt_spans=truths, duration=1.0)), protocol, train_spans)


def test_random_spans_hit_a_whole_video_with_the_chance_of_being_long_enough():
    # the IoU with [0, 1] is the length, and P(length >= m) = (1 - m)^2, with mean 1/3
    row = _panel([[[0.0, 1.0]]]).loc['uniform random']
    for threshold in PROTOCOL.ious:
        chance = (1 - threshold)**2
        assert row[f'R@1,IoU={threshold}'] == pytest.approx(100 * chance, abs=0.1)
        assert row[f'R@5,IoU={threshold}'] == pytest.approx(100 * (1 - (1 - chance)**5), abs=0.1)
    assert row['mIoU'] == pytest.approx(100 / 3, abs=0.05)


def test_random_spans_are_averaged_over_queries():
    rng = np.random.default_rng(0)
    truths = np.sort(rng.random((300, 1, 2)), axis=-1)
    drawn = np.sort(rng.random((4000, 2)), axis=-1)
    overlap = (np.minimum(truths[..., 1], drawn[:, 1]) - np.maximum(truths[..., 0], drawn[:, 0])).clip(min=0)
    iou = overlap / (np.ptp(truths, axis=-1) + np.ptp(drawn, axis=-1) - overlap)  # (300, 4000)
    row = _panel(truths.tolist()).loc['uniform random']
    assert row['R@1,IoU=0.5'] == pytest.approx(100 * (iou >= 0.5).mean(), abs=1)
    assert row['mIoU'] == pytest.approx(100 * iou.mean(), abs=0.7)


def test_the_whole_video_scores_the_length_of_the_moment():
    row = _panel([[[0.0, 0.5]], [[0.4, 1.0]], [[0.0, 0.1]]]).loc['whole video']
    assert row['R@1,IoU=0.5'] == pytest.approx(200 / 3)
    assert row['R@5,IoU=0.5'] == row['R@1,IoU=0.5']  # one candidate, however many may be given
    assert row['mIoU'] == pytest.approx(100 * (0.5 + 0.6 + 0.1) / 3)


def test_even_windows_reach_from_the_start_to_the_end():
    np.testing.assert_allclose(even_windows(5), np.array([[0, 2], [1, 3], [2, 4], [3, 5], [4, 6]]) / 6)


def test_windows_in_random_order_hit_by_the_share_of_right_ones():
    # of [0, 1/2] and [1/2, 1], one hits; the IoU are 1 and 0
    scores = score_windows([[[0.0, 0.5]]], np.array([[0.0, 0.5], [0.5, 1.0]]), Protocol('test', (1, 2), (0.5,)))
    assert scores.iloc[0].to_dict() == {'R@1,IoU=0.5': 0.5, 'R@2,IoU=0.5': 1.0, 'mIoU': 0.5}


def test_there_is_a_row_of_n_windows_for_each_n_above_1():
    panel = _panel([[[0.0, 0.5]]], Protocol('test', tops=(1, 5, 10)))
    assert [name for name in panel.index if 'windows' in name] == ['5 windows of a third', '10 windows of a third']


def test_a_window_is_fitted_on_training_spans_only_where_there_are_some():
    names = _panel([[[0.0, 0.5]]], train_spans=np.array([[0.0, 0.3], [0.0, 0.3], [0.8, 0.9]])).index
    assert list(names[-2:]) == ['best R@1 window [0.00, 0.15] *', 'best mIoU window [0.00, 0.30] *']
    assert not any('*' in name for name in _panel([[[0.0, 0.5]]]).index)
    assert not any('*' in name for name in _panel([[[0.0, 0.5]]], train_spans=np.empty((0, 2))).index)


def test_the_fitted_windows_are_the_best_of_all():
    rng = np.random.default_rng(0)
    spans = np.sort(rng.random((40, 2)).round(3), axis=1)
    windows = np.array([[a, b] for a in range(21) for b in range(a + 1, 21)]) / 20
    protocol = Protocol('test', (1,), (0.5,))
    scores = pd.DataFrame([score_windows(spans[:, None].tolist(), window[None], protocol).mean() for window in windows])
    fitted = fit_windows(spans, steps=20)
    assert fitted['mIoU'] == tuple(windows[scores['mIoU'].argmax()])
    assert fitted['R@1'] == tuple(windows[scores['R@1,IoU=0.5'].argmax()])


# what constant predictors reach on the real annotations, computed independently of this code
@pytest.mark.parametrize('protocol, window, recalls, mean_iou', [
    ('filtered', (0, 0.30), (47.47, 36.10, 17.86), 33.06),
    ('filtered', (0, 0.36), (53.01, 35.43, 19.95), 35.09),
    ('official', (0, 0.36), (45.00, 30.08, 16.94), 29.78)])
def test_constant_windows_reach_on_charades_what_is_known(shared_data, protocol, window, recalls, mean_iou):
    dataset = CharadesSTA('charades_sta_test.txt', durations='Charades_v1_test.csv', protocol=protocol, split='test',
                          data_root=str(shared_data / 'charades_sta'), test_mode=True)
    scores = 100 * score_windows(_fractions(dataset.data_list), np.array([window]),
                                 find_protocol(f'charades_sta/{protocol}')).mean()
    assert scores.filter(like='R@1').tolist() == pytest.approx(recalls, abs=0.02)
    assert scores['mIoU'] == pytest.approx(mean_iou, abs=0.02)


def test_five_windows_reach_on_charades_what_is_known(shared_data):
    pairs = json.loads((shared_data / 'charades_sta/test.json').read_text())
    truths = [[[start / duration, end / duration]] for _, duration, (start, end), _ in pairs]
    row = _panel(truths, find_protocol('charades_sta/filtered')).loc['5 windows of a third']
    assert row.filter(like='R@5').tolist() == pytest.approx([99.24, 86.70, 44.05], abs=0.05)


def test_the_whole_video_reaches_on_activitynet_what_is_known(shared_data):
    dataset = ActivityNetCaptions(str(shared_data / 'activitynet_captions/val_2.json'), protocol='val_2', split='test',
                                  test_mode=True)
    scores = 100 * score_windows(_fractions(dataset.data_list), np.array([[0.0, 1.0]]),
                                 find_protocol('activitynet_captions/val_2')).mean()
    assert scores.filter(like='R@1').tolist() == pytest.approx([82.57, 48.02, 21.2, 12.41], abs=0.06)
    assert scores['mIoU'] == pytest.approx(34.57, abs=0.01)


def test_blind_predictors_have_discounted_recall_where_it_is_measured():
    table = pd.DataFrame([dict(gt_spans=[[0.0, 14.0]], duration=20.0)])
    protocol = find_protocol('charades_sta/cd_test_ood')
    panel = blind_panel(table, protocol)
    assert panel.loc['whole video', ['dR@1,IoU=0.7', 'dR@5,IoU=0.7']].tolist() == pytest.approx([70.0, 70.0])
    # the first three of [0, 1/3], [1/6, 1/2], [1/3, 2/3], [1/2, 5/6], [2/3, 1] have an IoU of 0.48 with [0, 0.7]
    near = (1 - 11 / 30) + (1 - 1 / 6) * (1 - 1 / 5) + (1 - 1 / 3) * (1 - 1 / 30)
    assert panel.loc['5 windows of a third', 'dR@1,IoU=0.5'] == 0
    assert panel.loc['5 windows of a third', 'dR@1,IoU=0.3'] == pytest.approx(100 * near / 5)
    assert panel.loc['5 windows of a third', 'dR@5,IoU=0.3'] == pytest.approx(100 * (1 - 1 / 6) * (1 - 1 / 5))
    # of three pairs two hold the second window, which is the best, and one the others: [1, 2], [2, 3] and [1, 3]
    two = score_windows([[[0.0, 0.7]]], even_windows(5)[:3], protocol._replace(tops=(2,)))['dR@2,IoU=0.3'][0]
    assert two == pytest.approx((2 * (5 / 6 * 4 / 5) + 2 / 3 * 29 / 30) / 3)
    assert 'dR@1,IoU=0.5' not in blind_panel(table, find_protocol('charades_sta/official'))


def test_random_spans_have_the_discounted_recall_of_many_draws():
    rng = np.random.default_rng(0)
    truths, drawn = np.sort(rng.random((200, 1, 2))), np.sort(rng.random((40_000, 1, 2)))
    overlap = (np.minimum(drawn, truths[:, 0])[..., 1] - np.maximum(drawn, truths[:, 0])[..., 0]).clip(0)
    ious = overlap / (np.ptp(drawn, axis=-1) + np.ptp(truths[:, 0], axis=-1) - overlap)
    worth = (ious >= 0.5) * (1 - abs(drawn - truths[:, 0])).prod(axis=-1)
    panel = _panel(truths.tolist(), find_protocol('charades_sta/cd_test_ood'))
    assert panel.loc['uniform random', 'dR@1,IoU=0.5'] == pytest.approx(100 * worth.mean(), abs=0.3)
    assert panel.loc['uniform random', 'dR@5,IoU=0.5'] == pytest.approx(
        100 * worth.reshape(-1, 5, 200).max(axis=1).mean(), abs=0.6)
