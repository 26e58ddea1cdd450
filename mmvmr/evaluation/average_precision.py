"""Average precision over all moments of a query, as QVHighlights measures it."""
from typing import Dict, List, Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from mmvmr.functional.spans import temporal_iou
from mmvmr.registry import EVALUATORS

IOUS = tuple(np.linspace(0.5, 0.95, 10))  # to the last digit those of the official scorer


def average_precision(predictions: Sequence[Sequence[float]], truths: Sequence[Sequence[float]],
                      ious: Sequence[float] = IOUS) -> np.ndarray:
    """The area under the curve of precision over recall, of one query at each IoU.

    Predictions take, best first, the annotated moment that they overlap most and that none before has taken; one whose
    IoU with it is less counts as wrong. Precision is interpolated: at a recall, the best one from there on
    (QVHighlights, and ActivityNet before it). IoUs are compared without tolerance, as in the official scorer.

    Args:
        predictions: Spans, best first.
        truths: Annotated spans, at least one.

    Returns:
        (number of IoUs,) in [0, 1].

    Example:
        >>> average_precision([[0, 10], [0, 9], [20, 30]], [[0, 10], [20, 30]], [0.5])  # the second is wrong
        array([0.83333333])
    """
    if not len(predictions):
        return np.zeros(len(ious))
    spans, others = (torch.from_numpy(np.asarray(found, np.float64)) for found in (predictions, truths))
    overlaps = temporal_iou(spans.unsqueeze(1), others).numpy()  # (K, G)
    return np.array([_area(_right(overlaps, iou), len(truths)) for iou in ious])


def _right(overlaps: np.ndarray, iou: float) -> np.ndarray:
    """Which of the predictions (K,) find a moment, from their IoU with each, (K, G)."""
    free, right = np.ones(overlaps.shape[1], bool), np.zeros(len(overlaps), bool)
    for number, row in enumerate(overlaps):
        fits = free & (row >= iou)
        if fits.any():
            free[np.where(fits, row, -1).argmax()] = False
            right[number] = True
    return right


def _area(right: np.ndarray, total: int) -> float:
    hits = right.cumsum()
    precision = np.maximum.accumulate((hits / np.arange(1, len(right) + 1))[::-1])[::-1]
    return float(precision[right].sum() / total)


@EVALUATORS.register_module()
class MomentAveragePrecision(BaseMetric):
    """mAP in per cent: the mean over IoU 0.5, 0.55, ..., 0.95 and over queries; and that of two single IoUs.

    Args:
        top: How many predictions of a query count; QVHighlights takes 10.
    """
    default_prefix = ''

    def __init__(self, top: int = 10) -> None:
        super().__init__(collect_device='gpu')  # by messages between the processes; 'cpu' needs a folder they share
        self.top = top

    def keys(self) -> Sequence[str]:
        """The names that it gives."""
        return ('mAP', 'mAP@0.5', 'mAP@0.75')

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Score the queries that have annotated moments; those of absent videos as wrong."""
        for sample in data_samples:
            truths, spans = (sample[name].double().round(decimals=4).numpy() for name in ('gt_spans', 'pred_spans'))
            if len(truths):
                spans = spans[:0 if sample.get('absent', False) else self.top]
                self.results.append((sample['sample_idx'], average_precision(spans, truths)))

    def compute_metrics(self, results: List) -> Dict[str, float]:
        """Average over the queries, each once, however many processes have seen it."""
        if not results:
            return {}
        scores = 100 * np.stack(list(dict(results).values())).mean(axis=0)
        return {'mAP': round(float(scores.mean()), 4), 'mAP@0.5': round(float(scores[0]), 4),
                'mAP@0.75': round(float(scores[5]), 4)}
