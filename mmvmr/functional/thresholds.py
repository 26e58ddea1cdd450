"""Thresholds of a curve: above which similarity does a clip belong to the moment? No annotation is asked.

All functions take ``curve`` (B, T) and ``mask`` (B, T) bool, True on the clips that count, at least one, and give one
threshold per curve, (B, 1). Clips at or above it belong to the moment.
"""
import torch
from torch import Tensor

from mmvmr.functional.curves import fill_lowest, is_flat
from mmvmr.functional.runs import stretch


def otsu_threshold(curve: Tensor, mask: Tensor) -> Tensor:
    """The split into two classes whose means differ most, weighted by their sizes (Otsu, 1979).

    Of all splits of the sorted values into n0 lower and n1 upper ones it maximises n0 n1 (m1 - m0)^2, which is the
    variance between the classes; there are no bins. The threshold is the least of the upper ones; where all values are
    equal, it is that value.

    Example:
        >>> otsu_threshold(torch.tensor([[0.1, 0.8, 0.2, 0.9, 0.0]]), torch.ones(1, 5).bool())
        tensor([[0.8000]])
    """
    values, number = curve.masked_fill(~mask, torch.inf).sort(dim=1).values, mask.sum(dim=1, keepdim=True)
    lower = torch.arange(1, curve.size(1), device=curve.device).expand(len(curve), -1)  # n0
    sums = values.masked_fill(values.isinf(), 0).cumsum(dim=1)
    upper = number - lower
    gap = (sums[:, -1:] - sums[:, :-1]) / upper.clamp(min=1) - sums[:, :-1] / lower
    between = (lower * upper * gap.square()).masked_fill(upper < 1, -1)
    if curve.size(1) < 2:
        return values[:, :1]
    best = between.argmax(dim=1, keepdim=True) + 1
    return values.gather(1, best.where(~is_flat(curve, mask), 0))


def histogram_threshold(curve: Tensor, mask: Tensor, num_bins: int, least: int) -> Tensor:
    """The left border of the highest bin at or above which at least ``least`` clips lie (VTG-GPT).

    Args:
        num_bins: Bins between the lowest and the highest value.

    Example:
        >>> histogram_threshold(torch.tensor([[0.0, 0.35, 0.95, 0.5, 1.0]]), torch.ones(1, 5).bool(), 10, least=3)
        tensor([[0.5000]])
    """
    filled = fill_lowest(curve, mask)
    low, high = filled.aminmax(dim=1, keepdim=True)
    borders = torch.arange(num_bins, device=curve.device, dtype=curve.dtype) / num_bins
    counts = ((stretch(filled).unsqueeze(1) >= borders[:, None]) & mask.unsqueeze(1)).sum(dim=-1)  # (B, num_bins)
    chosen = ((counts >= least) * torch.arange(num_bins, device=curve.device)).amax(dim=1, keepdim=True)
    return low + (high - low) * borders[chosen]


def split_of_medians(curve: Tensor, mask: Tensor, num_steps: int = 32) -> Tensor:
    """The middle between the medians of the clips below it and at or above it, found from the median (Robust ZS-VTG).

    Args:
        num_steps: How often the threshold is moved; it settles after a few.

    Example:
        >>> split_of_medians(torch.tensor([[0.0, 0.1, 0.2, 0.9, 1.0, 0.1]]), torch.ones(1, 6).bool())
        tensor([[0.5250]])
    """
    values, number = curve.masked_fill(~mask, torch.inf).sort(dim=1).values, mask.sum(dim=1, keepdim=True)
    threshold = _median(values, torch.zeros_like(number), number)
    for _ in range(num_steps):
        below = (values < threshold).sum(dim=1, keepdim=True)
        moved = (_median(values, torch.zeros_like(below), below) + _median(values, below, number)) / 2
        threshold = torch.where((below > 0) & (below < number), moved, threshold)
    return threshold


def _median(values: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Of the sorted values from ``start`` to ``end`` (exclusive), each (B, 1)."""
    last = values.size(1) - 1
    middle = [values.gather(1, ((start + end - more) // 2).clamp(0, last)) for more in (1, 0)]
    return (middle[0] + middle[1]) / 2
