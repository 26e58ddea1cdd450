"""mAP as QVHighlights measures it."""
import json

import numpy as np
import pandas as pd
import pytest

from mmvmr.datasets.qvhighlights import QVHighlights
from mmvmr.evaluation.average_precision import IOUS, average_precision
from mmvmr.evaluation.bare_predictions import read_bare_predictions
from mmvmr.evaluation.blind_panel import blind_panel
from mmvmr.evaluation.highlights import highlight_scores
from mmvmr.evaluation.protocols import find_protocol
from mmvmr.evaluation.scoring import per_query, summarize


def test_each_annotated_moment_is_found_once():
    truths = [[0, 10], [20, 30]]
    assert average_precision([[0, 10], [0, 10]], truths, [0.5]).tolist() == [0.5]
    assert average_precision([[20, 30], [0, 10]], truths, [0.5]).tolist() == [1.0]
    assert average_precision([[50, 60], [0, 10], [20, 30]], truths, [0.5]).tolist() == pytest.approx([2 / 3])
    assert average_precision([], truths, [0.5, 0.7]).tolist() == [0, 0]


def test_the_nearest_free_moment_is_taken():
    """(2, 8) overlaps (0, 10) by 0.6; (0, 9) by 0.9, which is then taken already."""
    assert average_precision([[2, 8], [0, 9]], [[0, 10]], [0.5, 0.85]).tolist() == [1.0, 0.5]


def official(predictions, truths, iou):
    """Average precision of one query, as the scorer of QVHighlights (that of ActivityNet before it) defines it."""
    taken, right = set(), []
    for start, end in predictions:
        found = []
        for number, (low, high) in enumerate(truths):
            overlap = max(0.0, min(end, high) - max(start, low))
            found.append((overlap / ((end - start) + (high - low) - overlap), number))
        hit = False
        for value, number in sorted(found, reverse=True):
            if value < iou:
                break
            if number not in taken:
                taken.add(number)
                hit = True
                break
        right.append(hit)
    hits = np.cumsum(right)
    precision = [0, *hits / np.arange(1, len(right) + 1), 0]
    recall = [0, *hits / len(truths), 1]
    for place in range(len(precision) - 2, -1, -1):
        precision[place] = max(precision[place], precision[place + 1])
    return sum((recall[place] - recall[place - 1]) * precision[place] for place in range(1, len(recall))
               if recall[place] != recall[place - 1])


def test_it_is_that_of_the_official_scorer_on_thousands_of_random_cases():
    rng = np.random.default_rng(0)
    for number in range(2000):
        predictions, truths = (np.sort(rng.uniform(0, 40, (rng.integers(1, most), 2))) for most in (11, 6))
        if number % 2:  # on a grid of 2 s a prediction may lie as near to two moments
            predictions, truths = (2 * (spans // 2) + [0, 2] for spans in (predictions, truths))
        found = average_precision(predictions, truths)
        np.testing.assert_allclose(found, [official(predictions, truths, iou) for iou in IOUS], atol=1e-12)


def table_of(spans, truths):
    return pd.DataFrame(dict(pred_spans=spans, gt_spans=truths, duration=150.0))


def test_protocols_whose_moments_are_all_to_be_found_measure_it_by_query_and_by_length_in_seconds():
    table = table_of([[[0.0, 10.0], [20.0, 60.0]], [[0.0, 5.0]], []], [[[0.0, 10.0], [20.0, 60.0]], [[50.0, 61.0]],
                                                                      [[1.0, 2.0]]])
    scores = per_query(table, find_protocol('qvhighlights/val'))
    assert scores['mAP'].tolist() == [1, 0, 0]
    assert scores['mAP,short'].dropna().tolist() == [1, 0]  # up to 10 s, that length included
    assert scores['mAP,middle'].dropna().tolist() == [0]
    assert scores['mAP,long'].dropna().tolist() == [0.5]  # the first prediction is none of these moments
    assert 'mAP' not in per_query(table, find_protocol('charades_sta/official'))
    assert summarize(scores)['mAP,short'] == 50


def test_ten_predictions_count():
    table = table_of([[[100.0, 101.0]] * 9 + [[0.0, 10.0]], [[100.0, 101.0]] * 10 + [[0.0, 10.0]]], [[[0.0, 10.0]]] * 2)
    assert per_query(table, find_protocol('qvhighlights/val'))['mAP'].tolist() == pytest.approx([0.1, 0])


def test_a_blind_window_has_an_average_precision_and_random_ones_have_none():
    panel = blind_panel(pd.DataFrame(dict(gt_spans=[[[0.0, 1.0]], [[0.0, 0.5], [0.5, 1.0]]], duration=1.0)),
                        find_protocol('qvhighlights/val'))
    assert panel.loc['whole video', 'mAP@0.5'] == 75 and np.isnan(panel.loc['uniform random', 'mAP'])


def test_scores_of_published_predictions_are_those_of_the_official_scorer(shared_data):
    folder = shared_data / 'moment_detr_predictions'
    if not folder.exists():
        pytest.skip(f'published predictions are not at {folder}')
    pairs = QVHighlights(str(shared_data / 'qvhighlights' / 'highlight_val_release.jsonl'), split='test',
                         protocol='val').data_list
    table = read_bare_predictions(folder / 'sample_val_preds.jsonl', pairs, 'qvhighlights/val')
    scores = summarize(per_query(table, find_protocol('qvhighlights/val')))
    brief = json.loads((folder / 'sample_val_preds_metrics_raw.json').read_text())['brief']
    named = {'R@1,IoU=0.5': 'MR-full-R1@0.5', 'R@1,IoU=0.7': 'MR-full-R1@0.7', 'mAP': 'MR-full-mAP',
             'mAP@0.5': 'MR-full-mAP@0.5', 'mAP@0.75': 'MR-full-mAP@0.75', 'mAP,short': 'MR-short-mAP',
             'mAP,middle': 'MR-middle-mAP', 'mAP,long': 'MR-long-mAP', 'HIT@1': 'HL-min-VeryGood-Hit1',
             'HL-mAP': 'HL-min-VeryGood-mAP'}
    assert {name: round(scores[name], 2) for name in named} == {name: brief[key] for name, key in named.items()}
    for least, name in ((2, 'Fair'), (3, 'Good')):
        hit, precision = 100 * highlight_scores(table['pred_saliency'], table['gt_saliency'], least).mean()
        assert (round(hit, 2), round(precision, 2)) == (brief[f'HL-min-{name}-Hit1'], brief[f'HL-min-{name}-mAP'])
