"""Temporal masks: the one currency between proposal generators, negatives and reconstructors."""
from typing import Iterator, List, Tuple

import torch
from torch import Tensor


def gaussian_mask(centers: Tensor, stds: Tensor, num_clips: int, peak_normalized: bool = False) -> Tensor:
    """Gaussian masks exp(-(t - c)^2 / (2 s^2)) on ``num_clips`` points t, evenly spaced from 0 to 1.

    Args:
        centers: (..., K) in fractions of the video.
        stds: (..., K) standard deviations in fractions of the video, positive.
        num_clips: T', the length of a mask.
        peak_normalized: Divide by the largest value on the grid, so that every mask reaches 1 (CPL).

    Returns:
        (..., K, T') in (0, 1].

    Example:
        >>> gaussian_mask(torch.tensor([0.5]), torch.tensor([0.5]), 3)
        tensor([[0.6065, 1.0000, 0.6065]])
    """
    time = torch.linspace(0, 1, num_clips, device=centers.device, dtype=centers.dtype)
    exponent = -(time - centers.unsqueeze(-1)).square() / (2 * stds.unsqueeze(-1).square())
    if peak_normalized:
        exponent = exponent - exponent.amax(dim=-1, keepdim=True)
    return exponent.exp()


def span_mask(spans: Tensor, num_clips: int) -> Tensor:
    """Masks that are 1 inside a span and 0 outside, on ``num_clips`` points evenly spaced from 0 to 1.

    The point nearest to the middle of the span is always inside, so that no mask is empty, however short the span.
    A span from clip x to clip y of a video cut into ``num_clips`` equal clips, or into fewer if their number divides
    ``num_clips``, is 1 on just these clips.

    Args:
        spans: (..., 2) start and end as fractions of the video.
        num_clips: T', the length of a mask.

    Returns:
        (..., T') of 0 and 1.

    Example:
        >>> span_mask(torch.tensor([[0.25, 0.75], [0.6, 0.62]]), 4)  # clips 1 and 2 of 4; less than a clip
        tensor([[0., 1., 1., 0.],
                [0., 0., 1., 0.]])
    """
    time = torch.linspace(0, 1, num_clips, device=spans.device, dtype=spans.dtype)
    start, end = spans[..., :1], spans[..., 1:]
    middle = ((start + end) / 2 * (num_clips - 1)).round()
    nearest = torch.arange(num_clips, device=spans.device) == middle
    return ((time >= start) & (time <= end) | nearest).to(spans.dtype)


def groups_by_reach(masks: Tensor, size: int = 6) -> Iterator[Tuple[List[int], Tensor, int]]:
    """Masks that take about the same work, up to ``size`` at a time, where what they share is known already.

    Of a mask that hides most clips before and behind, those between are computed. Of any other, those from the first
    that it weakens: the clips before are as in the whole video.

    Args:
        masks: (M, T') in [0, 1]; a clip below 1e-8 counts as hidden.

    Returns:
        For each group the numbers of its masks; the clips to compute, (G, W) int64 for each or (1, W) for all; and how
        many clips stand before these, which no mask of the group weakens.

    Example:
        >>> masks = torch.tensor([[1.0, 1, 1, 0.5, 0.9], [0, 1, 0, 0, 0], [1, 1, 0.1, 0, 1], [0, 0, 1, 1, 0]])
        >>> [(numbers, clips.tolist(), before) for numbers, clips, before in groups_by_reach(masks)]
        [([1, 3], [[1, 2], [2, 3]], 0), ([2, 0], [[2, 3, 4]], 2)]
    """
    count = masks.size(1)
    shown, weakened = masks >= 1e-8, masks < 1
    starts = shown.int().argmax(dim=1).tolist()
    ends = (count - shown.flip(1).int().argmax(dim=1)).tolist()
    firsts = torch.where(weakened.any(dim=1), weakened.int().argmax(dim=1), count - 1).tolist()
    widths = [end - start for start, end in zip(starts, ends)]
    narrow = [2 * width < count - first for width, first in zip(widths, firsts)]
    numbers = range(len(masks))
    cut = sorted((number for number in numbers if narrow[number]), key=widths.__getitem__)
    for group in (cut[place:place + size] for place in range(0, len(cut), size)):
        width = widths[group[-1]]
        first = torch.tensor([min(starts[number], count - width) for number in group])
        yield group, first.unsqueeze(1) + torch.arange(width), 0
    rest = sorted((number for number in numbers if not narrow[number]), key=firsts.__getitem__)
    for group in (rest[place:place + size] for place in range(0, len(rest), size)):
        before = firsts[group[0]]
        yield group, torch.arange(before, count).unsqueeze(0), before


def resample(video: Tensor, num_clips: int) -> Tensor:
    """Pick ``num_clips`` of the T clips at the integer parts of evenly spaced positions.

    Args:
        video: (B, T, D).
        num_clips: T'; equal to T leaves the video as it is.

    Returns:
        (B, T', D).

    Example:
        >>> resample(torch.arange(5.0).view(1, 5, 1), 3).flatten()
        tensor([0., 2., 4.])
    """
    if video.size(1) == num_clips:
        return video
    positions = torch.arange(num_clips, device=video.device) * (video.size(1) - 1) // max(num_clips - 1, 1)
    return video.index_select(1, positions)


def mask_spans(masks: Tensor, level: float) -> Tensor:
    """Read a span from each mask: the run around its (first) peak where the mask is at least ``level`` of the peak.

    The ends are interpolated linearly between grid points.

    Args:
        masks: (..., T'), non-negative.
        level: Fraction of the peak, in (0, 1].

    Returns:
        (..., 2) start and end as fractions of the video.

    Example:
        >>> mask_spans(torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0]), level=0.5)
        tensor([0.3750, 0.6250])
    """
    last = masks.size(-1) - 1
    peaks = masks.argmax(dim=-1, keepdim=True)
    heights = level * masks.gather(-1, peaks)
    start = _run_start(masks, heights, peaks)
    end = last - _run_start(masks.flip(-1), heights, last - peaks)
    return torch.cat([start, end], dim=-1) / max(last, 1)


def _run_start(masks: Tensor, heights: Tensor, peaks: Tensor) -> Tensor:
    """Position (..., 1), in grid steps, where the run that holds ``peaks`` rises through ``heights``."""
    index = torch.arange(masks.size(-1), device=masks.device).expand_as(masks)
    below = torch.where(masks < heights, index, torch.full_like(index, -1)).cummax(dim=-1).values.gather(-1, peaks)
    outside = masks.gather(-1, below.clamp(min=0))
    inside = masks.gather(-1, below + 1)
    rise = (heights - outside) / (inside - outside).clamp(min=1e-12)
    return torch.where(below < 0, torch.zeros_like(rise), below + rise)
