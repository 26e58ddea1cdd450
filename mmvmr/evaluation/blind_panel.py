"""What predictors reach that see neither the video nor the query. A score means little without them."""
from typing import Callable, Dict, List, Optional, Tuple

import numpy as np
import pandas as pd
from scipy.special import comb

from mmvmr.evaluation.average_precision import average_precisions
from mmvmr.evaluation.predictions import relative_truths
from mmvmr.evaluation.protocols import Protocol
from mmvmr.evaluation.scoring import discounted_hits, ious_with_all, is_hit
from mmvmr.evaluation.segments import mean_of_the_best, random_order_scores

Truths = List[List[List[float]]]  # annotated spans of each query as fractions of its video
_STEPS = 45  # per axis, of the grid that stands for all spans; IoU 0.1, 0.3, 0.5 and 0.7 fall between its lengths
_CHUNK = 500  # queries at a time


def blind_panel(table: pd.DataFrame, protocol: Protocol, train_spans: Optional[np.ndarray] = None) -> pd.DataFrame:
    """Scores, in per cent, of blind predictors; one row each.

    Returns:
        Columns as in :func:`~mmvmr.evaluation.scoring.per_query`; index: names of the predictors. NaN where a predictor
        has no such score.
    """
    return pd.DataFrame({name: 100 * scores.mean() for name, scores in blind_scores(table, protocol,
                                                                                    train_spans).items()}).T


def blind_scores(table: pd.DataFrame, protocol: Protocol,
                 train_spans: Optional[np.ndarray] = None) -> Dict[str, pd.DataFrame]:
    """Expected scores of blind predictors: by name, one row per query, as in
    :func:`~mmvmr.evaluation.scoring.per_query`.

    Args:
        table: ``gt_spans`` and ``duration`` of each query, in seconds.
        train_spans: (M, 2) annotated spans of the training set, as fractions of their videos. With them the best
            constant window is fitted as well, which *uses timestamps* and is a diagnostic, not a weakly-supervised
            result.
    """
    truths = relative_truths(table)
    rows = {'uniform random': _random(truths, protocol),
            'whole video': score_windows(truths, np.array([[0.0, 1.0]]), protocol)}
    for num in [top for top in protocol.tops if top > 1] or [5]:
        rows[f'{num} windows of a third'] = score_windows(truths, even_windows(num), protocol)
    if protocol.segment is not None:
        rows['moments in random order'] = random_order_scores(table['duration'], table['gt_spans'], protocol.segment)
    if train_spans is not None and len(train_spans):
        for metric, window in fit_windows(train_spans).items():
            name = f'best {metric} window [{window[0]:.2f}, {window[1]:.2f}] *'
            rows[name] = score_windows(truths, np.array([window]), protocol)
    return rows


def even_windows(num: int) -> np.ndarray:
    """(num, 2) windows of a third of the video, from its start to its end at even distances."""
    starts = np.linspace(0, 2 / 3, num)
    return np.stack([starts, starts + 1 / 3], axis=1)


def fit_windows(train_spans: np.ndarray, steps: int = 100) -> Dict[str, Tuple[float, float]]:
    """The constant windows with the best R@1 at IoU 0.5 and with the best mIoU on annotated training spans.

    Args:
        train_spans: (M, 2) as fractions of the video; rounded to a thousandth.
        steps: Windows begin and end at multiples of 1 / steps.

    Returns:
        Start and end, as fractions, by what they are best at: 'R@1' and 'mIoU'.
    """
    first, last = np.triu_indices(steps + 1, 1)
    starts, ends = first / steps, last / steps
    spans, counts = np.unique(np.round(train_spans, 3), axis=0, return_counts=True)
    hits, total = np.zeros(len(starts)), np.zeros(len(starts))
    for begin in range(0, len(spans), _CHUNK):
        low, high = spans[begin:begin + _CHUNK, :1], spans[begin:begin + _CHUNK, 1:]
        overlap = (np.minimum(ends, high) - np.maximum(starts, low)).clip(min=0)
        iou = overlap / ((ends - starts) + (high - low) - overlap)
        weights = counts[begin:begin + _CHUNK]
        hits += weights @ is_hit(iou, 0.5, strict=False)
        total += weights @ iou
    return {name: (float(starts[score.argmax()]), float(ends[score.argmax()]))
            for name, score in (('R@1', hits), ('mIoU', total))}


def score_windows(truths: Truths, windows: np.ndarray, protocol: Protocol) -> pd.DataFrame:
    """Expected scores, one row per query, of the same windows (C, 2) for all of them, in random order.

    Args:
        truths: Annotated spans of each query as fractions of its video.
    """
    ious = ious_with_all(windows, truths)
    best = ious.max(axis=-1)

    def recall(top: int, threshold: float) -> np.ndarray:
        misses = (~is_hit(best, threshold, protocol.strict)).sum(axis=1)
        drawn = min(top, len(windows))
        return 1 - comb(misses, drawn) / comb(len(windows), drawn)  # not all that are drawn are misses

    def best_of(worth: np.ndarray, top: int) -> np.ndarray:
        drawn = min(top, len(windows))
        return np.sort(worth) @ (comb(np.arange(len(windows)), drawn - 1) / comb(len(windows), drawn))

    scores = _scores(protocol, recall, _counted(ious, protocol).mean(axis=1))
    if protocol.discounted:
        scores = scores.join(_discounted(truths, windows, best_of, protocol))
    if protocol.all_moments and len(windows) == 1:
        found = average_precisions(np.repeat(windows[None], len(truths), axis=0), truths)
        scores = pd.concat([scores, found], axis=1)
    return scores


def _random(truths: Truths, protocol: Protocol) -> pd.DataFrame:
    """Expectation for independent spans between two uniform borders, by a sum over a grid of all spans."""
    first, last = np.triu_indices(_STEPS)
    offsets = np.where(first == last, 1 / 3, 1 / 2)  # the cells on the diagonal are triangles: their centres of mass
    spans = np.stack([first + offsets, last + 1 - offsets], axis=1) / _STEPS
    weights = np.where(first == last, 1.0, 2.0) / _STEPS**2

    def best_of(worth: np.ndarray, top: int) -> np.ndarray:
        order = worth.argsort(axis=1)
        chances = np.diff(weights[order].cumsum(axis=1)**top, axis=1, prepend=0)  # of all up to here, and one here
        return (np.take_along_axis(worth, order, axis=1) * chances).sum(axis=1)

    parts = []
    for begin in range(0, len(truths), _CHUNK):
        ious = ious_with_all(spans, truths[begin:begin + _CHUNK])
        best = ious.max(axis=-1)
        chances = {threshold: is_hit(best, threshold, protocol.strict) @ weights for threshold in protocol.ious}
        scores = _scores(protocol, lambda top, threshold, chances=chances: 1 - (1 - chances[threshold])**top,
                         _counted(ious, protocol) @ weights)
        if protocol.discounted:
            scores = scores.join(_discounted(truths[begin:begin + _CHUNK], spans, best_of, protocol))
        parts.append(scores)
    return pd.concat(parts, ignore_index=True)


def _discounted(truths: Truths, spans: np.ndarray, best_of: Callable, protocol: Protocol) -> pd.DataFrame:
    """Expected dR@n of n of the same spans (C, 2) for all queries; ``best_of(worth, n)`` is that of their best."""
    hits = discounted_hits(spans, truths, protocol)
    return pd.DataFrame({f'dR@{top},IoU={threshold:g}': best_of(hits[threshold], top)
                         for top in protocol.tops for threshold in protocol.ious})


def _counted(ious: np.ndarray, protocol: Protocol) -> np.ndarray:
    """The IoU that counts, of those with all annotated moments of a query."""
    return ious.max(axis=-1) if protocol.segment is None else mean_of_the_best(ious)


def _scores(protocol: Protocol, recall, iou: np.ndarray) -> pd.DataFrame:
    columns = {f'R@{top},IoU={threshold:g}': recall(top, threshold)
               for top in protocol.tops for threshold in protocol.ious}
    return pd.DataFrame(dict(columns, mIoU=iou))
