"""Connected runs of high scores along the clips of a video."""
from typing import Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvmr.functional.spans import temporal_nms


def stretch(scores: Tensor) -> Tensor:
    """Scores of each video, stretched to [0, 1]; all ones where they do not differ.

    Args:
        scores: (..., T).

    Example:
        >>> stretch(torch.tensor([0.2, 0.3, 0.6]))
        tensor([0.0000, 0.2500, 1.0000])
    """
    low, high = scores.aminmax(dim=-1, keepdim=True)
    room = high - low
    return torch.where(room > 1e-6, (scores - low) / room.clamp(min=1e-6), torch.ones_like(scores))


def smooth(scores: Tensor, std: float) -> Tensor:
    """Scores (B, T) convolved with a Gaussian of ``std`` clips; the first and last clip are repeated outside."""
    radius = int(3 * std + 0.5)
    offsets = torch.arange(-radius, radius + 1, device=scores.device, dtype=scores.dtype)
    kernel = (-offsets.square() / (2 * std**2)).softmax(dim=0)
    padded = F.pad(scores.unsqueeze(1), (radius, radius), mode='replicate').squeeze(1)
    return (padded.unfold(-1, 2 * radius + 1, 1) * kernel).sum(dim=-1)


def resize(curve: Tensor, num_clips: int) -> Tensor:
    """A curve (B, N) at T places, by lines between its points, the first and last of which stay at the ends: (B, T).

    Example:
        >>> resize(torch.tensor([[0.0, 2.0, 1.0]]), 5)
        tensor([[0.0000, 1.0000, 2.0000, 1.5000, 1.0000]])
    """
    return F.interpolate(curve.unsqueeze(1), num_clips, mode='linear', align_corners=True).squeeze(1)


def peak_run(scores: Tensor, level: float) -> Tensor:
    """The run of scores >= ``level`` that holds the (first) highest one: (..., T) -> (..., T) bool.

    Example:
        >>> peak_run(torch.tensor([0.8, 0.1, 0.9, 1.0, 0.2]), level=0.7)
        tensor([False, False,  True,  True, False])
    """
    high = scores >= level
    gaps = (~high).cumsum(dim=-1)  # the same number all along a run
    return high & (gaps == gaps.gather(-1, scores.argmax(dim=-1, keepdim=True)))


def nearest_high(high: Tensor) -> Tuple[Tensor, Tensor]:
    """The last high place up to each place, -1 if there is none, and the first one from there on, T if there is none.

    Args:
        high: (..., T) bool.

    Example:
        >>> nearest_high(torch.tensor([False, True, False]))
        (tensor([-1,  1,  1]), tensor([1, 1, 3]))
    """
    num_clips = high.size(-1)
    time = torch.arange(num_clips, device=high.device).expand_as(high)
    before = time.masked_fill(~high, -1).cummax(dim=-1).values
    return before, time.masked_fill(~high, num_clips).flip(-1).cummin(dim=-1).values.flip(-1)


def all_runs(high: Tensor) -> Tuple[Tensor, Tensor]:
    """Every run of places: spans (..., T, 2) int64, the end exclusive, and where one starts, (..., T) bool.

    At a place inside a run the span goes from there to the end of the run, at others it is empty.

    Args:
        high: (..., T) bool.

    Example:
        >>> spans, starts = all_runs(torch.tensor([False, True, True, False, True]))
        >>> spans[:, 1], spans[starts]
        (tensor([0, 3, 3, 3, 5]), tensor([[1, 3],
                [4, 5]]))
    """
    time = torch.arange(high.size(-1), device=high.device).expand_as(high)
    return torch.stack([time, nearest_high(~high)[1]], dim=-1), high & ~F.pad(high[..., :-1], (1, 0))


def join_runs(high: Tensor, gap: int) -> Tensor:
    """Runs with at most ``gap`` places between them become one: (..., T) bool -> (..., T) bool.

    Example:
        >>> join_runs(torch.tensor([False, True, False, True, False, False, True]), gap=1)
        tensor([False,  True,  True,  True, False, False,  True])
    """
    before, after = nearest_high(high)
    return high | ((before >= 0) & (after < high.size(-1)) & (after - before - 1 <= gap))


def score_runs(scores: Tensor, levels: Tensor) -> Tuple[Tensor, Tensor]:
    """All runs of scores at or above each of N levels, with their contrast: mean inside minus mean outside.

    A run is reported where it starts; the contrast at all other places is -1, less than any run of scores in [0, 1]
    that is at or above a positive level can have.

    Args:
        scores: (B, T) in [0, 1].
        levels: (N,) in (0, 1].

    Returns:
        Start and end in clips, (B, N*T, 2), and contrasts (B, N*T).
    """
    num_clips = scores.size(1)
    high = scores.unsqueeze(1) >= levels.unsqueeze(1)  # (B, N, T)
    spans, starts = all_runs(high)
    sums = F.pad(scores.cumsum(dim=-1), (1, 0)).unsqueeze(1).expand(-1, len(levels), -1)  # (B, N, T+1)
    inside = sums.gather(-1, spans[..., 1]) - sums[..., :-1]
    lengths = spans[..., 1] - spans[..., 0]
    contrast = inside / lengths.clamp(min=1) - (sums[..., -1:] - inside) / (num_clips - lengths).clamp(min=1)
    return spans.flatten(1, 2), contrast.masked_fill(~starts, -1).flatten(1)


LEVELS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)  # of a curve that reaches from 0 to 1


def as_levels(levels: Sequence[float]) -> Tensor:
    """Levels as :func:`score_runs` takes them: (N,).

    Raises:
        ValueError: If they are not numbers above 0 and up to 1, one at least.
    """
    if not isinstance(levels, (list, tuple)) or not levels or not all(
            isinstance(level, (int, float)) and 0 < level <= 1 for level in levels):
        raise ValueError(f'levels should be numbers above 0 and up to 1, of a curve that reaches from 0 to 1, such as '
                         f'{list(LEVELS)}; got {levels!r}.')
    return torch.tensor([float(level) for level in levels])


def best_runs(scores: Tensor, levels: Tensor, count: int, nms: float) -> Tuple[Tensor, Tensor]:
    """The ``count`` runs of the highest contrast, see :func:`score_runs`; a run much like a better one is left out.

    Where there are fewer, the best one is repeated with contrast -1.

    Args:
        scores: (B, T) in [0, 1], reaching 1 in every video.
        nms: IoU with a better run above which a run is left out.

    Returns:
        Start and end in clips, (B, count, 2), and contrasts (B, count).

    Example:
        >>> best_runs(torch.tensor([[0.0, 0.5, 0.0, 1.0]]), torch.tensor([0.4, 0.8]), count=3, nms=0.5)
        (tensor([[[3, 4],
                 [1, 2],
                 [3, 4]]]), tensor([[ 0.8333,  0.1667, -1.0000]]))
    """
    runs, contrast = score_runs(scores, levels)
    contrast, order = contrast.sort(dim=1, descending=True, stable=True)
    runs = runs.gather(1, order.unsqueeze(-1).expand_as(runs))
    kept = temporal_nms(runs.to(scores.dtype), nms, top=count)
    missing = max(count - contrast.size(1), 0)
    contrast = F.pad(contrast.masked_fill(~kept, -1), (0, missing), value=-1)
    contrast, index = contrast.topk(count, dim=1)
    index = torch.where(contrast > -1, index, index[:, :1])
    return runs.gather(1, index.unsqueeze(-1).expand(-1, -1, 2)), contrast
