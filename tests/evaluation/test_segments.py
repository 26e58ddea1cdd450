"""DiDeMo's rank and IoU."""
import json

import numpy as np
import pandas as pd
import pytest
from runs import run_command

from mmvmr.evaluation.blind_panel import blind_panel
from mmvmr.evaluation.moment_recall import MomentRecall
from mmvmr.evaluation.protocols import find_protocol
from mmvmr.evaluation.scoring import per_query, summarize
from mmvmr.evaluation.segments import random_order_scores, segment_scores

DIDEMO = find_protocol('didemo/released')
MOMENTS = [(first, last) for first in range(6) for last in range(first, 6)]  # last segment included: 21 of them


def official(ranked, times):
    """Rank and IoU of a query as the authors define them, on numbers of segments, the last one included."""
    def iou(first, second):
        shared = max(0, min(first[1], second[1]) + 1 - max(first[0], second[0]))
        return shared / (max(first[1], second[1]) + 1 - min(first[0], second[0]))
    rank = np.mean(sorted(ranked.index(one) + 1 for one in times)[:3])
    return rank <= 1, rank <= 5, np.mean(sorted(iou(ranked[0], one) for one in times)[-3:])


def seconds(moments):
    return [[first * 5.0, (last + 1) * 5.0] for first, last in moments]


def test_ranks_and_iou_are_those_of_the_authors_on_thousands_of_random_cases():
    rng, cases = np.random.default_rng(0), []
    for _ in range(3000):
        ranked = [MOMENTS[place] for place in rng.permutation(21)]
        likely = ranked[:rng.integers(1, 16)]  # so that annotators often agree with each other and with the first ranks
        cases.append((ranked, [likely[place] for place in rng.integers(len(likely), size=rng.integers(3, 7))]))
    table = pd.DataFrame([dict(pred_spans=seconds(ranked), gt_spans=seconds(times), duration=rng.choice([25.0, 30.0]))
                          for ranked, times in cases])
    found = per_query(table, DIDEMO)[['rank@1', 'rank@5', 'mIoU']].to_numpy()
    expected = np.array([official(ranked, times) for ranked, times in cases], float)
    np.testing.assert_allclose(found, expected)
    assert (0.05 < expected[:, :2].mean(axis=0)).all() and (expected[:, :2].mean(axis=0) < 0.95).all()


def test_moments_of_any_length_are_rounded_to_segments_and_of_equal_ones_the_first_counts():
    truths = seconds([(1, 2)] * 3 + [(5, 5)])
    first = segment_scores([[[4.2, 16.1], [4.9, 14.8], [25.1, 26.0]]], [truths], 5.0).iloc[0]
    assert first.tolist() == [1, 1, 1]
    assert segment_scores([[[0.0, 1.0], [4.2, 16.1]]], [truths], 5.0).iloc[0].tolist() == [0, 1, 0]


@pytest.mark.parametrize('predictions', [[], [[float('nan'), 4.0]], [[float('nan')] * 2] * 5])
def test_a_query_without_a_prediction_has_no_rank(predictions):
    assert segment_scores([predictions], [seconds([(0, 0)] * 4)], 5.0).iloc[0].tolist() == [0, 0, 0]


def test_what_is_not_among_the_predictions_has_no_rank():
    truths = seconds([(0, 0), (0, 0), (3, 3), (3, 3)])
    assert segment_scores([seconds([(0, 0), (1, 1)])], [truths], 5.0)['rank@5'].item() == 0


def test_the_blind_put_the_moments_into_random_order():
    truths = [seconds([(0, 0)] * 4), seconds([(0, 0), (0, 1), (0, 2), (0, 3)])]
    expected = random_order_scores([30.0, 30.0], truths, 5.0)
    assert expected['rank@1'].tolist() == pytest.approx([1 / 21, 0], abs=0.005)
    assert expected['rank@5'][0] == pytest.approx(5 / 21, abs=0.01)
    draws = [official([MOMENTS[place] for place in np.random.default_rng(seed).permutation(21)],
                      [(0, 0), (0, 1), (0, 2), (0, 3)]) for seed in range(4000)]
    assert expected.loc[1].tolist() == pytest.approx(np.mean(draws, axis=0), abs=0.02)
    panel = blind_panel(pd.DataFrame(dict(gt_spans=truths, duration=30.0)), DIDEMO)
    assert panel.loc['moments in random order', 'rank@5'] == pytest.approx(100 * expected['rank@5'].mean())


def test_the_iou_of_blind_windows_is_that_of_the_three_annotators_whom_they_fit_best():
    table = pd.DataFrame(dict(gt_spans=[seconds([(0, 5), (0, 5), (0, 2), (0, 0)]), seconds([(0, 2)])], duration=30.0))
    assert blind_panel(table, DIDEMO).loc['whole video', 'mIoU'] == pytest.approx(100 * (2.5 / 3 + 0.5) / 2)


def test_the_evaluator_names_its_ranks():
    metric = MomentRecall()
    metric.dataset_meta = dict(protocol='didemo/released')
    assert metric.keys()[-3:] == ('rank@1', 'rank@5', 'mIoU')


def test_predictions_of_another_program_are_scored_by_rank(tmp_path, capsys):
    rng, annotations, predictions = np.random.default_rng(1), [], []
    for number in range(40):
        times = [MOMENTS[place] for place in rng.integers(3, size=4)]
        annotations.append(dict(annotation_id=number, description=f'Thing {number}.', video=f'{number}@N.mov',
                                num_segments=6, times=times))
        ranked = sorted(MOMENTS, key=lambda one: (-times.count(one), one))
        predictions.append(dict(qid=number, spans=seconds(ranked)))
    (tmp_path / 'val_data.json').write_text(json.dumps(annotations))
    (tmp_path / 'mine.jsonl').write_text('\n'.join(map(json.dumps, predictions)))
    expected = np.mean([official(sorted(MOMENTS, key=lambda one: (-entry['times'].count(one), one)), entry['times'])
                        for entry in annotations], axis=0)
    run_command('score', tmp_path / 'mine.jsonl', '--protocol', 'didemo/released', '--annotations',
                str(tmp_path / 'val_data.json'))
    rows = [[cell.strip() for cell in line.split('|')] for line in capsys.readouterr().out.splitlines()]
    found = {row[1]: row[2] for row in rows if len(row) > 3}
    assert [found[name] for name in ('rank@1', 'rank@5')] == [f'{100 * value:.2f}' for value in expected[:2]]
    assert found['mIoU'] == f'{100 * expected[2]:.2f}'


def test_a_summary_has_the_ranks_in_per_cent():
    table = pd.DataFrame([dict(pred_spans=seconds([(0, 0)]), gt_spans=seconds([(0, 0)] * 4), duration=30.0)])
    assert summarize(per_query(table, DIDEMO))['rank@1'] == 100
