import pandas as pd
import pytest

from mmvmr.evaluation.breakdown import breakdown, breakdown_table

TABLE = pd.DataFrame([
    dict(gt_spans=[[0.0, 1.0]], duration=20.0, query='he sits'),  # 5 %, first third, 2 words
    dict(gt_spans=[[8.0, 12.0]], duration=20.0, query='he sits on the chair and reads'),  # 20 %, middle, 7 words
    dict(gt_spans=[[15.0, 19.0], [0.0, 1.0]], duration=20.0, query='she stands up')])  # 20 %, last third, 3 words
SCORES = pd.DataFrame({'R@1,IoU=0.5': [1.0, 0.0, 1.0], 'R@5,IoU=0.5': [1.0, 1.0, 1.0], 'mIoU': [0.6, 0.2, 0.8]})


def test_scores_are_averaged_by_length_position_and_words():
    groups = breakdown(TABLE, SCORES)
    assert groups.loc[('length', 'moment < 10 % of the video')].tolist() == pytest.approx([100, 100, 60, 1])
    assert groups.loc[('length', 'moment 10 - 25 %')].tolist() == pytest.approx([50, 100, 50, 2])
    assert groups.loc[('position', 'centre in the middle third'), 'mIoU'] == pytest.approx(20)
    assert groups.loc[('words', 'query up to 5 words'), 'queries'] == 2
    assert groups['queries'].groupby('by').sum().tolist() == [3, 3, 3]


def test_empty_groups_are_left_out():
    assert len(breakdown(TABLE, SCORES)) == 2 + 3 + 2


def test_the_table_shows_the_first_prediction_only():
    text = breakdown_table(TABLE, SCORES)
    assert 'R@1,IoU=0.5' in text and 'R@5' not in text
    assert [cell.strip() for cell in text.splitlines()[3].split('|')[1:-1]] == [
        'moment < 10 % of the video', '1', '100.00', '60.00']
