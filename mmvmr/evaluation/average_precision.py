"""Average precision over all moments of a query, as QVHighlights measures it."""
from typing import Sequence

import numpy as np
import pandas as pd
import torch

from mmvmr.functional.spans import temporal_iou

IOUS = tuple(np.linspace(0.5, 0.95, 10))  # to the last digit those of the official scorer
_LENGTHS = {'mAP,short': (0, 10), 'mAP,middle': (10, 30), 'mAP,long': (30, 150)}  # above and up to, s
AVERAGES = ('mAP', 'mAP@0.5', 'mAP@0.75', *_LENGTHS)  # of a query


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
            free[len(row) - 1 - np.where(fits, row, -1)[::-1].argmax()] = False  # of equal ones the last, as theirs
            right[number] = True
    return right


def _area(right: np.ndarray, total: int) -> float:
    hits = right.cumsum()
    precision = np.maximum.accumulate((hits / np.arange(1, len(right) + 1))[::-1])[::-1]
    return float(precision[right].sum() / total)


def average_precisions(spans: np.ndarray, truths: Sequence[Sequence[Sequence[float]]]) -> pd.DataFrame:
    """Average precision of each query: the mean over all IoUs, and that of two single ones.

    Args:
        spans: (N, K, 2), best first, in the units of the truths; of all queries as many, what is not there NaN.
        truths: Annotated spans of each query; one without any has NaN.
    """
    scores = [average_precision(found, wanted) if len(wanted) else np.full(len(IOUS), np.nan)
              for found, wanted in zip(spans, truths)]
    scores = np.array(scores).reshape(-1, len(IOUS))
    return pd.DataFrame({'mAP': scores.mean(axis=1), 'mAP@0.5': scores[:, 0], 'mAP@0.75': scores[:, 5]})


def by_length(spans: np.ndarray, truths: Sequence[Sequence[Sequence[float]]]) -> pd.DataFrame:
    """Average precision where only moments of some length (in seconds) are to be found; NaN where a query has none."""
    return pd.DataFrame({name: average_precisions(spans, [[span for span in of_query if low < span[1] - span[0] <= high]
                                                          for of_query in truths])['mAP']
                         for name, (low, high) in _LENGTHS.items()})
