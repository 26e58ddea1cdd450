"""mAP as QVHighlights measures it."""
import json

import numpy as np
import pytest
import torch

from mmvmr.evaluation.average_precision import IOUS, MomentAveragePrecision, average_precision
from mmvmr.structures import MomentSample


def test_each_annotated_moment_is_found_once():
    truths = [[0, 10], [20, 30]]
    assert average_precision([[0, 10], [0, 10]], truths, [0.5]).tolist() == [0.5]
    assert average_precision([[20, 30], [0, 10]], truths, [0.5]).tolist() == [1.0]
    assert average_precision([[50, 60], [0, 10], [20, 30]], truths, [0.5]).tolist() == pytest.approx([2 / 3])
    assert average_precision([], truths, [0.5, 0.7]).tolist() == [0, 0]


def test_the_nearest_free_moment_is_taken():
    """(2, 8) overlaps (0, 10) by 0.6; (0, 9) by 0.9, which is then taken already."""
    assert average_precision([[2, 8], [0, 9]], [[0, 10]], [0.5, 0.85]).tolist() == [1.0, 0.5]


def sample(number, spans, truths, **fields):
    made = MomentSample(metainfo=dict(sample_idx=number, **fields))
    made.pred_spans, made.gt_spans = torch.tensor(spans), torch.tensor(truths).reshape(-1, 2)
    return made.to_dict() | dict(sample_idx=number, **fields)


def test_queries_count_once_without_those_whose_moments_are_not_known():
    metric = MomentAveragePrecision(top=1)
    metric.process(None, [sample(0, [[0.0, 10.0]], [[0.0, 10.0]]), sample(1, [[5.0, 6.0]], []),
                          sample(2, [[0.0, 9.0], [0.0, 10.0]], [[0.0, 10.0]]),
                          sample(3, [[0.0, 10.0]], [[0.0, 10.0]], absent=True)])
    metric.process(None, [sample(0, [[0.0, 10.0]], [[0.0, 10.0]])])
    found = metric.compute_metrics(metric.results)
    # 0.9 reaches nine of the ten IoUs; the absent video none
    assert found == {'mAP': pytest.approx(100 * (1 + 0.9) / 3, abs=1e-3), 'mAP@0.5': pytest.approx(66.6667),
                     'mAP@0.75': pytest.approx(66.6667)}


def test_scores_of_published_predictions_are_those_of_the_official_scorer(shared_data):
    folder = shared_data / 'moment_detr_predictions'
    if not folder.exists():
        pytest.skip(f'published predictions are not at {folder}')
    lines = (folder / 'sample_val_preds.jsonl').read_text().splitlines()
    predicted = {entry['qid']: entry['pred_relevant_windows'] for entry in map(json.loads, lines)}
    pairs = (shared_data / 'qvhighlights_captions' / 'pairs_val.jsonl').read_text().splitlines()
    scores = 100 * np.mean([average_precision([window[:2] for window in predicted[pair['qid']]],
                                              pair['relevant_windows']) for pair in map(json.loads, pairs)], axis=0)
    official = json.loads((folder / 'sample_val_preds_metrics_raw.json').read_text())['brief']
    assert round(scores.mean(), 2) == official['MR-full-mAP']
    assert round(scores[0], 2) == official['MR-full-mAP@0.5']
    assert round(scores[IOUS.index(0.75)], 2) == official['MR-full-mAP@0.75']
