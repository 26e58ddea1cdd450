import pandas as pd
import pytest

from mmvmr.evaluation.blind_panel import blind_scores
from mmvmr.evaluation.breakdown import best_blind, breakdown, breakdown_table
from mmvmr.evaluation.protocols import Protocol

TABLE = pd.DataFrame([
    dict(gt_spans=[[0.0, 1.0]], duration=20.0, query='he sits'),  # 5 %, first third, 2 words
    dict(gt_spans=[[8.0, 12.0]], duration=20.0, query='he sits on the chair and reads'),  # 20 %, middle, 7 words
    dict(gt_spans=[[30.0, 38.0], [0.0, 1.0]], duration=40.0, query='she is sitting down')])  # 20 %, last third, 4 words
SCORES = pd.DataFrame({'R@1,IoU=0.5': [1.0, 0.0, 1.0], 'R@5,IoU=0.5': [1.0, 1.0, 1.0], 'mIoU': [0.6, 0.2, 0.8]})


def test_scores_are_averaged_by_length_position_and_words():
    groups = breakdown(TABLE, SCORES)
    assert groups.loc[('length', 'moment < 10 % of the video')].tolist() == pytest.approx([100, 100, 60, 1])
    assert groups.loc[('length', 'moment 10 - 25 %')].tolist() == pytest.approx([50, 100, 50, 2])
    assert groups.loc[('position', 'centre in the middle third'), 'mIoU'] == pytest.approx(20)
    assert groups.loc[('words', 'query up to 5 words'), 'queries'] == 2
    assert groups['queries'].groupby('by').sum().tolist() == [3] * 5


def test_empty_groups_are_left_out():
    assert len(breakdown(TABLE, SCORES)) == 2 + 3 + 2 + 2 + 1


def test_verbs_are_grouped_whatever_their_form_and_videos_by_their_seconds():
    groups = breakdown(TABLE, SCORES)['queries']
    assert groups.loc['verb'].to_dict() == {'verb "sits"': 3}
    assert groups.loc['duration'].to_dict() == {'video 15 - 30 s': 2, 'video 30 - 60 s': 1}
    table = pd.concat([TABLE] * 4, ignore_index=True)
    table['query'] = [*(f'he {verb} it' for verb in 'opens closes sits takes eats throwing holds pours reads'.split()),
                      'he opens it', 'a man', 'begins to eat']
    groups = breakdown(table, pd.concat([SCORES] * 4, ignore_index=True)).loc['verb', 'queries']
    assert groups.iloc[:2].to_dict() == {'verb "eats"': 2, 'verb "opens"': 2} and groups['other verb'] == 1
    assert groups['no verb found'] == 1 and len(groups) == 10


def test_beside_each_group_stands_what_the_best_blind_reaches_there():
    blind = blind_scores(TABLE, Protocol('test', (1,), (0.5,)))
    best = best_blind(TABLE, blind)['R@1,IoU=0.5']
    first = blind_scores(TABLE[:1], Protocol('test', (1,), (0.5,)))
    assert best['length', 'moment < 10 % of the video'] == pytest.approx(
        100 * max(scores['R@1,IoU=0.5'].item() for scores in first.values()))


def test_the_table_shows_the_first_prediction_only():
    text = breakdown_table(TABLE, SCORES, blind_scores(TABLE, Protocol('test', (1,), (0.5,))), 'markdown')
    assert 'R@1,IoU=0.5 | blind | mIoU | blind' in text and 'R@5' not in text
    cells = [cell.strip() for cell in text.splitlines()[4].split('|')[1:-1]]
    assert cells[:3] == ['moment < 10 % of the video', '1', '100.00'] and cells[4] == '60.00'
