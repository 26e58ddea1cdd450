"""What predictors reach that see neither the video nor the query. A score means little without them."""
from typing import List, Optional

import numpy as np
import pandas as pd

from mmvmr.evaluation.protocols import Protocol
from mmvmr.evaluation.scoring import best_iou, hits

THIRDS = np.array([[i / 6, i / 6 + 1 / 3] for i in range(5)])  # five windows of a third of the video, evenly spaced
_GRID = 100  # borders that the fitted window may have


def blind_panel(truths: List[List[List[float]]], protocol: Protocol,
                train_spans: Optional[np.ndarray] = None) -> pd.DataFrame:
    """Scores, in per cent, of blind predictors; one row each.

    Args:
        truths: Annotated spans of each query as fractions of its video.
        train_spans: (M, 2) annotated spans of the training set, also as fractions. With them the best constant window
            is fitted as well, which *uses timestamps* and is a diagnostic, not a weakly-supervised result.

    Returns:
        Columns as in :func:`~mmvmr.evaluation.scoring.per_query`; index: names of the predictors.
    """
    rows = {'uniform random': _random(truths, protocol),
            'whole video': _constant(truths, np.array([[0.0, 1.0]]), protocol),
            'five windows of a third': _any_order(truths, THIRDS, protocol)}
    if train_spans is not None and len(train_spans):
        for metric in ('R@1,IoU=0.5', 'mIoU'):
            start, end = fit_window(train_spans, metric)
            name = f'[{start:.2f}, {end:.2f}], best training {metric} (diagnostic)'
            rows[name] = _constant(truths, np.array([[start, end]]), protocol)
    return pd.DataFrame(rows).T


def fit_window(train_spans: np.ndarray, metric: str = 'mIoU'):
    """The constant window with the best mIoU or R@1,IoU=0.5 on annotated training spans: start and end as fractions."""
    borders = np.arange(_GRID + 1) / _GRID
    starts, ends = (grid[np.triu_indices(_GRID + 1, 1)] for grid in np.meshgrid(borders, borders, indexing='ij'))
    spans, counts = np.unique(np.round(train_spans, 3), axis=0, return_counts=True)
    total = np.zeros(len(starts))
    for chunk in np.array_split(np.arange(len(spans)), len(spans) // 500 + 1):
        overlap = (np.minimum(ends, spans[chunk, 1:]) - np.maximum(starts, spans[chunk, :1])).clip(min=0)
        iou = overlap / (ends - starts + spans[chunk, 1:] - spans[chunk, :1] - overlap)
        total += counts[chunk] @ (iou if metric == 'mIoU' else iou >= 0.5)
    best = total.argmax()
    return float(starts[best]), float(ends[best])


def _constant(truths, spans: np.ndarray, protocol: Protocol) -> pd.Series:
    iou = best_iou(spans, truths)
    return 100 * hits(iou, protocol).assign(mIoU=iou[:, 0]).mean()


def _any_order(truths, spans: np.ndarray, protocol: Protocol) -> pd.Series:
    """R@5 of the five windows; R@1 and mIoU are expectations over which of them comes first."""
    orders = [_constant(truths, np.roll(spans, shift, axis=0), protocol) for shift in range(len(spans))]
    return pd.concat(orders, axis=1).mean(axis=1)


def _random(truths, protocol: Protocol, draws: int = 500) -> pd.Series:
    """Expectation for spans with two uniform borders, estimated with fixed draws."""
    spans = np.sort(np.random.default_rng(0).random((draws, 2)), axis=1)
    iou, scores = best_iou(spans, truths), {}
    for top in protocol.tops:
        for threshold in protocol.ious:
            chance = (iou > threshold if protocol.strict else iou >= threshold).mean(axis=1)
            scores[f'R@{top},IoU={threshold:g}'] = 100 * (1 - (1 - chance)**top).mean()
    return pd.Series(dict(scores, mIoU=100 * iou.mean()))
