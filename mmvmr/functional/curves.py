"""Curves of similarities along the clips of a video, of which some may not count: padding, or clips without features.

All functions take ``curve`` (B, T) and ``mask`` (B, T) bool, True on the clips that count. What stands elsewhere, how
much of it there is at the end, and what else is in the batch changes nothing.
"""
from typing import Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvmr.functional.masks import resample
from mmvmr.functional.runs import nearest_high


def fill_lowest(curve: Tensor, mask: Tensor) -> Tensor:
    """The curve with its lowest value on all clips that do not count; zeros where none does.

    Example:
        >>> fill_lowest(torch.tensor([[0.5, 0.2, 0.9]]), torch.tensor([[True, True, False]]))
        tensor([[0.5000, 0.2000, 0.2000]])
    """
    lowest = curve.masked_fill(~mask, torch.inf).amin(dim=1, keepdim=True)
    return torch.where(mask, curve, lowest.masked_fill(lowest.isinf(), 0))


def is_flat(curve: Tensor, mask: Tensor) -> Tensor:
    """Whether all clips that count have the same value but for rounding: (B, 1) bool.

    Example:
        >>> is_flat(torch.tensor([[0.3, 0.3000001, 9.0], [0.3, 0.31, 9.0]]), torch.tensor([[True, True, False]] * 2))
        tensor([[ True],
                [False]])
    """
    low, high = fill_lowest(curve, mask).aminmax(dim=1, keepdim=True)
    return high - low <= 1e-6 * torch.maximum(low.abs(), high.abs())


def bridge(curves: Tensor, mask: Tensor) -> Tuple[Tensor, Tensor]:
    """Clips that do not count between some that do get the lower value of those around them, and a mask with them in.

    So a gap ends no run, and is the end of none.

    Args:
        curves: (B, S, T).

    Example:
        >>> bridge(torch.tensor([[[9.0, 0.2, 9.0, 0.8, 9.0]]]), torch.tensor([[False, True, False, True, False]]))
        (tensor([[[9.0000, 0.2000, 0.2000, 0.8000, 9.0000]]]), tensor([[False,  True,  True,  True, False]]))
    """
    before, after = nearest_high(mask)
    inside = (before >= 0) & (after < mask.size(1))
    ends = (place.clamp(0, mask.size(1) - 1).unsqueeze(1).expand_as(curves) for place in (before, after))
    lower = torch.minimum(*(curves.gather(2, place) for place in ends))
    return torch.where((inside & ~mask).unsqueeze(1), lower, curves), inside


def masked_mean(curve: Tensor, mask: Tensor) -> Tensor:
    """The mean over the clips that count: (B, 1), 0 where there is none."""
    return (curve * mask).sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True).clamp(min=1)


def smooth_masked(curve: Tensor, mask: Tensor, std: float, radius: Optional[int] = None) -> Tensor:
    """Weighted means under a Gaussian of ``std`` clips, over the clips that count: (B, T).

    At both ends and beside clips that do not count, the weights that are left are made to sum to 1 again.

    Args:
        radius: Clips on either side that have a weight; three standard deviations by default.

    Example:
        >>> smooth_masked(torch.tensor([[1.0, 0.0, 9.0]]), torch.tensor([[True, True, False]]), std=1.0)
        tensor([[0.6225, 0.3775, 0.1824]])
    """
    radius = min(int(3 * std + 0.5), curve.size(-1) - 1) if radius is None else radius
    offsets = torch.arange(-radius, radius + 1, device=curve.device, dtype=curve.dtype)
    kernel = (-offsets.square() / (2 * std**2)).exp()

    def weigh(values: Tensor) -> Tensor:
        return (F.pad(values, (radius, radius)).unfold(-1, 2 * radius + 1, 1) * kernel).sum(dim=-1)

    return weigh(torch.where(mask, curve, 0)) / weigh(mask.to(curve.dtype)).clamp(min=1e-12)


def relevance_feedback(curves: Tensor, video: Tensor, mask: Tensor, width: float) -> Tensor:
    """Curves (B, S, T), raised where clips are like those at the peak of the curve: (B, S, T).

    This is the relevance feedback of text retrieval (Rocchio, 1971). A curve s has its peak where it is highest under
    a Gaussian of twice ``width``. With m the mean direction of the clips under a Gaussian of ``width`` there, n that of
    all clips, and o_t = (m - n) v_t, what o explains of s is added:

        s_t + b (o_t - mean o),  b = max(0, cov(s, o) / var(o))

    So there is no scale to choose, and no more is added than the curve agrees with. Clips that do not count have no
    part in it.

    Args:
        video: (B, T, D), of any length.
        mask: (B, T) bool, True on clips that count.
        width: Standard deviation of the Gaussian, in clips.

    Example:
        >>> video = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
        >>> relevance_feedback(torch.tensor([[[0.9, 0.7, 0.2, 0.2]]]), video, torch.ones(1, 4).bool(), width=0.1)
        tensor([[[ 1.0000,  0.8000,  0.3000, -0.1000]]])
    """
    directions, time = F.normalize(video, dim=-1), torch.arange(curves.size(2), device=curves.device)
    curve, mask = curves.flatten(0, 1), mask.repeat_interleave(curves.size(1), dim=0)  # (B * S, T)
    peak = smooth_masked(curve, mask, 2 * width).masked_fill(~mask, -torch.inf).argmax(dim=1, keepdim=True)
    near, everywhere = (-(time - peak).square() / (2 * width**2)).exp() * mask, mask.to(curve.dtype)
    near, everywhere = (part / part.sum(dim=1, keepdim=True).clamp(min=1e-12) for part in (near, everywhere))
    apart = (near - everywhere).unflatten(0, curves.shape[:2]) @ directions  # m - n, (B, S, D)
    likeness = (apart @ directions.transpose(1, 2)).flatten(0, 1)
    likeness = likeness - masked_mean(likeness, mask)
    agreement = masked_mean(curve * likeness, mask) / masked_mean(likeness.square(), mask).clamp(min=1e-12)
    return (curve + agreement.clamp(min=0) * likeness).unflatten(0, curves.shape[:2])


def fed_back(curve: Tensor, video: Tensor, width: Optional[float]) -> Tensor:
    """:func:`relevance_feedback` of one curve (B, T') for each video (B, T, D), whose clips all count: (B, T').

    Args:
        width: As a fraction of the video; None leaves the curve as it is.
    """
    if width is None:
        return curve
    rows, counts = resample(video.to(curve.dtype), curve.size(1)), torch.ones_like(curve, dtype=torch.bool)
    return relevance_feedback(curve.unsqueeze(1), rows, counts, width * curve.size(1)).squeeze(1)


def sums_of_spans(values: Tensor, starts: Tensor, ends: Tensor) -> Tuple[Tensor, Tensor]:
    """Sums inside and outside of spans.

    Args:
        values: (B, T).
        starts, ends: (B, N) int64, in clips; the end is exclusive.

    Returns:
        (B, N), (B, N).

    Example:
        >>> sums_of_spans(torch.tensor([[1, 2, 4, 8]]), torch.tensor([[1]]), torch.tensor([[3]]))
        (tensor([[6]]), tensor([[9]]))
    """
    sums = F.pad(values.cumsum(dim=1), (1, 0))
    inside = sums.gather(1, ends) - sums.gather(1, starts)
    return inside, sums[:, -1:] - inside


def inside_outside(curve: Tensor, mask: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """Contrast of spans: the mean inside minus the mean outside; 0 where one of them has no clip.

    Args:
        starts, ends: (B, N) int64, in clips; the end is exclusive.

    Returns:
        (B, N).

    Example:
        >>> inside_outside(torch.tensor([[0.1, 0.9, 0.7, 0.3]]), torch.ones(1, 4).bool(), torch.tensor([[1]]),
        ...                torch.tensor([[3]]))
        tensor([[0.6000]])
    """
    inside, outside = sums_of_spans(torch.where(mask, curve, 0), starts, ends)
    number, others = sums_of_spans(mask.long(), starts, ends)
    contrast = inside / number.clamp(min=1) - outside / others.clamp(min=1)
    return contrast.masked_fill((number == 0) | (others == 0), 0)


def maximum_subarray(gains: Tensor, mask: Tensor) -> Tensor:
    """The span of the largest sum, the first and shortest of several: start and end in clips, (B, 2) int64.

    A span goes over no clip that does not count. Where none has a positive sum, it is the clip of the largest gain.

    Example:
        >>> maximum_subarray(torch.tensor([[-1.0, 2.0, -1.0, 3.0, -4.0, 1.0]]), torch.ones(1, 6).bool())
        tensor([[1, 4]])
    """
    wall = -1 - torch.where(mask, gains, 0).abs().sum(dim=1, keepdim=True)  # more than any span can gain
    sums = F.pad(torch.where(mask, gains, wall).cumsum(dim=1), (1, 0))
    lowest = sums[:, :-1].cummin(dim=1).values
    time = torch.arange(gains.size(1), device=gains.device)
    starts = ((sums[:, :-1] == lowest) * time).cummax(dim=1).values  # the best for each end, of equal ones the last
    ends = (sums[:, 1:] - lowest).argmax(dim=1, keepdim=True)
    return torch.cat([starts.gather(1, ends), ends + 1], dim=1)


def rise_starts(curve: Tensor, mask: Tensor, threshold: float) -> Tensor:
    """Where the rise in which a clip lies begins; the clip itself where the curve does not rise: (B, T) int64.

    With the forward differences f_t = g_{t+1} - g_t of the curve g, smoothed by a Gaussian of one clip over three, the
    curve rises at t if max(3 f_t, 2 f_t + f_{t-1}, f_t + f_{t-1} + f_{t-2}) > ``threshold``: a short halt does not end
    a rise. It begins with the last clip before at which the curve does not rise (TFVTG, section "Dynamic scoring").

    Example:
        >>> rise_starts(torch.tensor([[0.0, 0.0, 0.0, 0.0, 9.0, 9.0, 9.0, 9.0]]), torch.ones(1, 8).bool(), 5e-4)
        tensor([[0, 1, 1, 1, 1, 1, 1, 7]])
    """
    smoothed = smooth_masked(curve, mask, std=1, radius=1)
    steps = F.pad((smoothed[:, 1:] - smoothed[:, :-1]) * (mask[:, 1:] & mask[:, :-1]), (2, 1))  # f_{-2} .. f_{T-1}
    now, last, before = steps[:, 2:], steps[:, 1:-1], steps[:, :-2]
    rising = torch.stack([3 * now, 2 * now + last, now + last + before]).amax(dim=0) > threshold
    time = torch.arange(curve.size(1), device=curve.device).expand_as(curve)
    return time.masked_fill(rising, 0).cummax(dim=1).values
