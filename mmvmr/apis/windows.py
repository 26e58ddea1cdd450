"""Long videos: overlapping windows as long as the training videos, and one ranking of what is found in them."""
from typing import Dict, Iterator, List, NamedTuple, Sequence

import numpy as np
import torch

from mmvmr.engine.run.input_recipe import InputRecipe
from mmvmr.features.video_features import VideoFeatures
from mmvmr.functional.spans import temporal_nms
from mmvmr.structures import MomentSample

_MUCH_LONGER = 1.25  # than the longest training video: from there on a video is cut
_NMS = 0.5  # IoU; neighbouring windows find the same moment, and candidates of one window may be much alike


class Window(NamedTuple):
    """A part of a video, which a model looks at as at a video of its own."""
    rows: np.ndarray  # (N, Dv)
    start: float  # seconds
    duration: float


def cut_windows(video: VideoFeatures, recipe: InputRecipe) -> Iterator[Window]:
    """The whole video, unless it is much longer than all training videos; then windows that overlap by half.

    A window is as long as the median of the training videos.
    """
    rows, seconds = video.rows, video.row_seconds
    if video.duration <= _MUCH_LONGER * recipe.longest_duration:
        yield Window(rows, 0.0, video.duration)
        return
    length = max(round(recipe.median_duration / seconds), 2)
    last = max(len(rows) - length, 0)
    for first in [*range(0, last, length // 2), last]:
        end = min((first + length) * seconds, video.duration)
        yield Window(rows[first:first + length], first * seconds, end - first * seconds)


def rank_moments(windows: Sequence[MomentSample], top_k: int) -> List[Dict[str, float]]:
    """The best moments of a video for one sentence, best first, from the predictions for its windows.

    One window is ranked by the model, as in testing; the moments of several, by their match. A moment is left out if it
    overlaps a better one by more than half (temporal IoU).

    Returns:
        Dicts with ``start`` and ``end`` in seconds of the video, and ``match``.
    """
    spans = torch.cat([sample.pred_spans + sample.start for sample in windows])  # (C, 2)
    matches = torch.cat([sample.pred_matches for sample in windows])
    order = matches.argsort(descending=True, stable=True) if len(windows) > 1 else torch.arange(len(matches))
    order = order[temporal_nms(spans[order], _NMS, top_k)]
    return [dict(start=round(start, 3), end=round(end, 3), match=round(match, 4))
            for (start, end), match in zip(spans[order].tolist(), matches[order].tolist())]
