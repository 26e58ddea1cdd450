import numpy as np
import pandas as pd
import pytest

from mmvmr.evaluation.protocols import find_protocol
from mmvmr.evaluation.report import score_card
from mmvmr.evaluation.scoring import per_query
from mmvmr.utils.tables import format_table

TABLE = pd.DataFrame([dict(video_id='v', query='he sits', duration=20.0, gt_spans=[[start, start + 6.0]],
                           pred_spans=[[0.0, 6.0]]) for start in (0.0, 12.0, 12.0, 14.0)])
AT_THE_START = np.array([[0.0, 0.3], [0.0, 0.3], [0.0, 0.32], [0.8, 1.0]])


def _card(protocol, train_spans):
    protocol = find_protocol(protocol)
    return score_card(TABLE, per_query(TABLE, protocol), protocol, train_spans)


def test_a_card_of_another_distribution_says_how_a_constant_of_training_falls():
    card = _card('charades_sta/cd_test_ood', AT_THE_START)
    assert 'Out of distribution: the moments lie elsewhere' in card
    assert 'R@1,IoU=0.5 of 75.00 there and 25.00 here.' in card
    assert 'there and' not in _card('charades_sta/cd_test_ood', None)


@pytest.mark.parametrize('protocol', ['charades_sta/official', 'charades_sta/cd_test_iid', 'custom (mine)'])
def test_other_cards_have_no_such_line(protocol):
    assert 'Out of distribution' not in _card(protocol, AT_THE_START)


def test_predictions_that_cannot_be_meant_are_named():
    card = score_card(*_scored([[6.0, 0.0]]), None)
    assert '4 queries have predictions that end before they begin, which counts as wrong.' in card
    assert 'fractions' not in card and 'fractions' in score_card(*_scored([[0.0, 0.3]]), None)
    assert 'fractions' not in score_card(*_scored([[0.0, 1.3]]), None)
    assert 'fractions' not in score_card(*_scored([]), None)


def _scored(spans):
    protocol = find_protocol('charades_sta/official')
    table = TABLE.assign(pred_spans=[spans] * len(TABLE))
    return table, per_query(table, protocol), protocol


def test_the_heading_stands_above_a_table_that_is_narrower():
    text = format_table([['', 'R@1'], ['ours', '50.00']], 'a protocol with a long name')
    assert text.startswith('a protocol with a long name\n+------+')
    assert format_table([['', 'R@1'], ['ours', '50.00']], 'short').startswith('+ short -')
    wide = format_table([['', 'R@1'], ['ours', '50.00']], 'a' * 12)  # the frame is as wide
    assert wide.splitlines()[0].strip('+- ') == 'a' * 12
