"""Rank and IoU among the segments of a video, as DiDeMo measures them (Hendricks et al., ICCV 2017, section 4)."""
from functools import lru_cache
from typing import List, Sequence, Tuple

import numpy as np
import pandas as pd
import torch

from mmvmr.functional.spans import temporal_iou

ANNOTATORS = 3  # those whom a prediction fits best count
RANKS = (1, 5)
RANK_KEYS = tuple(f'rank@{top}' for top in RANKS)
_DRAWS = 20000

Truths = Sequence[Sequence[Sequence[float]]]  # annotated spans of each query, in seconds


def segment_scores(predictions: Sequence[Sequence[Sequence[float]]], truths: Truths, segment: float) -> pd.DataFrame:
    """``rank@n``, whether the annotators' moments are among the first n on average, and ``mIoU``, one row per query.

    Of each annotator, the rank of the moment among the predictions and its IoU with the first of them are taken; the
    three best of either are averaged. Predictions are rounded to whole segments, one at least; of equal ones the first
    counts. A moment that is not predicted has no rank.

    Args:
        predictions: Spans of each query, best first, in seconds; what is not a number is left out.
        truths: One span for each annotator.
        segment: Seconds.

    Example:
        >>> segment_scores([[[0, 5], [5, 15]]], [[[0, 5], [0, 5], [0, 5], [20, 30]]], segment=5.0)
           rank@1  rank@5  mIoU
        0     1.0     1.0   1.0
    """
    rows = []
    for spans, wanted in zip(predictions, truths):
        ranked = list(dict.fromkeys(map(tuple, _round(spans, segment))))
        wanted = _round(wanted, segment)
        ranks = [ranked.index(tuple(one)) + 1 if tuple(one) in ranked else np.inf for one in wanted]
        rank = np.mean(sorted(ranks)[:ANNOTATORS])
        ious = _ious(ranked[:1], wanted) if ranked else np.zeros((1, len(wanted)))
        rows.append([*(float(rank <= top) for top in RANKS), float(mean_of_the_best(ious)[0])])
    return pd.DataFrame(rows, columns=[*RANK_KEYS, 'mIoU'])


def random_order_scores(durations: Sequence[float], truths: Truths, segment: float) -> pd.DataFrame:
    """What :func:`segment_scores` can expect of all moments of a video in random order; ranks by 20,000 draws."""
    rows = []
    for duration, of_query in zip(durations, truths):
        moments = _all_moments(round(duration / segment))
        wanted = _round(of_query, segment)
        counts = tuple(sorted(np.unique(wanted, axis=0, return_counts=True)[1], reverse=True))
        rows.append([*_chances(len(moments), counts), mean_of_the_best(_ious(moments, wanted)).mean()])
    return pd.DataFrame(rows, columns=[*RANK_KEYS, 'mIoU'])


def mean_of_the_best(ious: np.ndarray) -> np.ndarray:
    """Mean over the annotators, on the last axis, whom a moment fits best; -1 stands for none."""
    best = np.sort(ious, axis=-1)[..., -ANNOTATORS:]
    return np.where(best >= 0, best, 0).sum(axis=-1) / (best >= 0).sum(axis=-1)


def _round(spans: Sequence[Sequence[float]], segment: float) -> np.ndarray:
    """(K, 2): number of the first segment, and of the one behind the last."""
    numbers = np.round(np.array(spans, dtype=np.float64).reshape(-1, 2) / segment)
    numbers[:, 1] = np.maximum(numbers[:, 1], numbers[:, 0] + 1)
    return numbers[np.isfinite(numbers).all(axis=1)].astype(int)


def _ious(spans: Sequence[Sequence[int]], wanted: np.ndarray) -> np.ndarray:
    return temporal_iou(torch.tensor(np.array(spans, float)).unsqueeze(1), torch.tensor(wanted.astype(float))).numpy()


def _all_moments(segments: int) -> List[Tuple[int, int]]:
    return [(first, last) for first in range(segments) for last in range(first + 1, segments + 1)]


@lru_cache(None)
def _chances(moments: int, counts: Tuple[int, ...]) -> Tuple[float, ...]:
    """Chances of each rank in random order, where ``counts`` annotators agree on each of some moments."""
    places = np.random.default_rng(0).random((_DRAWS, moments)).argsort(axis=1)[:, :len(counts)] + 1
    average = np.sort(np.repeat(places, counts, axis=1), axis=1)[:, :ANNOTATORS].mean(axis=1)
    return tuple(float((average <= top).mean()) for top in RANKS)
