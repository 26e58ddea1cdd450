"""How well saliency finds the highlights of a video, as QVHighlights measures it."""
from typing import Sequence

import numpy as np
import pandas as pd

CLIP_SECONDS, VERY_GOOD = 2, 4


def clip_ratings(pair: dict) -> np.ndarray:
    """(clips, annotators) ratings from 0 to 4 of all clips of a video; those outside the moments of a query have 0.

    Raises:
        ValueError: If they are of clips that the video does not have, or not of each clip by as many annotators.
    """
    count = int(pair['duration'] / CLIP_SECONDS)
    try:
        ratings = np.zeros((count, len(pair['saliency_scores'][0])))
        for clip, scores in zip(pair['relevant_clip_ids'], pair['saliency_scores'], strict=True):
            if not 0 <= clip < count or len(scores) != ratings.shape[1]:
                raise IndexError(f'clip {clip} has the ratings {scores}')
            ratings[clip] = scores
        return ratings
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f'The saliency of {pair["query"]!r} in "{pair["video_id"]}", of {count} clips of '
                         f'{CLIP_SECONDS} s, cannot be read ({error}). Expected relevant_clip_ids from 0 on, and for '
                         'each of them in saliency_scores the ratings of all annotators.') from error


def highlight_scores(saliency: Sequence[Sequence[float]], ratings: Sequence[np.ndarray],
                     least: int = VERY_GOOD) -> pd.DataFrame:
    """HIT@1, whether the clip of highest saliency is a highlight to anyone, and the average precision of all clips.

    Args:
        saliency: Predicted, of the clips of each query; where there are fewer than clips, the others have 0.
        ratings: Of the same clips by several annotators, see :func:`clip_ratings`.
        least: Rating from which on a clip is a highlight.
    """
    rows = []
    for predicted, rated in zip(saliency, ratings):
        wanted, best = rated >= least, int(np.argmax(predicted))
        scores = np.zeros(len(rated))
        scores[:len(predicted)] = predicted[:len(rated)]
        rows.append((float(best < len(rated) and wanted[best].any()),
                     np.mean([_average_precision(scores, of_one) for of_one in wanted.T])))
    return pd.DataFrame(rows, columns=['HIT@1', 'HL-mAP'])


def _average_precision(scores: np.ndarray, wanted: np.ndarray) -> float:
    """Mean of the interpolated precision over the thresholds at which recall rises; clips of equal score come at once.

    Without a highlight it is 0, with nothing but highlights 1.
    """
    if wanted.all() or not wanted.any():
        return float(wanted.all())
    order = np.argsort(-scores, kind='stable')
    last = np.append(np.diff(scores[order]) != 0, True)  # of each group of equal scores
    hits = wanted[order].cumsum()[last]
    precision = np.maximum.accumulate((hits / (np.flatnonzero(last) + 1))[::-1])[::-1]
    return float(precision[np.diff(hits, prepend=0) > 0].mean())
