"""Decoders that weigh spans of many lengths against what is around them."""
from typing import Optional, Tuple

import torch
from torch import Tensor, nn

from mmvmr.functional.curves import inside_outside, masked_mean, maximum_subarray, rise_starts, sums_of_spans
from mmvmr.models.decoders.choosing import best_spans
from mmvmr.registry import MODELS
from mmvmr.structures import Proposals


@MODELS.register_module()
class MaximumSubarray(nn.Module):
    """The span of the largest sum of the curve, its mean over the video taken off before (REZE, for one moment).

    Subtracting the mean makes an unlikely clip a loss. The sum is the score. Further moments, for which the paper has
    no rule, are the same of what is left of the video, while their sum is positive.

    Args:
        num_proposals: K.
    """

    def __init__(self, num_proposals: int = 5) -> None:
        super().__init__()
        self.num_proposals = num_proposals

    def forward(self, curve: Tensor, mask: Tensor) -> Proposals:
        """curve (B, T), mask (B, T) -> K proposals with masks (B, K, T)."""
        values, left = curve.double(), mask
        gains = torch.where(mask, values - masked_mean(torch.where(mask, values, 0), mask), 0)
        time, found = torch.arange(curve.size(1), device=curve.device), []
        for _ in range(self.num_proposals):
            span = maximum_subarray(gains, left)
            inside = (time >= span[:, :1]) & (time < span[:, 1:])
            found.append((span, (gains * inside).sum(dim=1), left.any(dim=1)))
            left = left & ~inside
        spans, sums, valid = (torch.stack(parts, dim=1) for parts in zip(*found))
        first = torch.arange(self.num_proposals, device=curve.device) == 0
        return best_spans(spans, sums.to(curve.dtype), valid & ((sums > 0) | first), self.num_proposals, curve.size(1))


@MODELS.register_module()
class ContrastWindows(nn.Module):
    """Windows of many lengths at every clip, by their contrast: mean inside minus mean outside; with suppression.

    This is the static score of TFVTG, ECCV 2024. With ``floor`` and ``rise`` it is also what that paper says of
    transitions: clips at or below a similarity count as 0 inside of a window, and not at all outside; and the start of
    a window is moved back to where the rise of the curve in which it lies begins. The paper's numbers are for 3 frames
    per second and the similarities of BLIP-2.

    Args:
        num_proposals: K.
        stride: Lengths are multiples of so many clips.
        longest: Of the lengths, as a share of the video.
        nms: IoU with a better window above which a window is left out.
        floor: The similarity at or below which a clip is left out; none is by default.
        rise: How much a curve rises, see :func:`~mmvmr.functional.curves.rise_starts`; starts stay by default.
    """

    def __init__(self, num_proposals: int = 5, stride: int = 1, longest: float = 0.5, nms: float = 0.3,
                 floor: Optional[float] = None, rise: Optional[float] = None) -> None:
        super().__init__()
        if stride < 1 or not 0 < longest <= 1:
            raise ValueError(f'Windows need a stride of at least 1 clip and a longest length in (0, 1], a share of the '
                             f'video; got stride={stride} and longest={longest}.')
        self.num_proposals = num_proposals
        self.stride = stride
        self.longest = longest
        self.nms = nms
        self.floor = floor
        self.rise = rise

    def forward(self, curve: Tensor, mask: Tensor) -> Proposals:
        """curve (B, T), mask (B, T) -> K proposals with masks (B, K, T)."""
        values, num_clips = curve.double(), curve.size(1)
        spans, valid = self._windows(mask)
        if self.floor is None:
            scores = inside_outside(values, mask, spans[..., 0], spans[..., 1])
        else:
            kept = mask & (values > self.floor)
            values = torch.where(kept, values, 0)
            scores = _static_scores(values, kept, spans)
        scores = scores.to(curve.dtype)
        chosen = best_spans(spans, scores, valid, self.num_proposals, num_clips, self.nms)
        if self.rise is None:
            return chosen
        starts, ends = (chosen.spans * num_clips).round().long().unbind(dim=-1)
        starts = rise_starts(values, mask, self.rise).gather(1, starts)
        moved, valid = torch.stack([starts, ends], dim=-1), torch.ones_like(starts, dtype=torch.bool)
        return best_spans(moved, chosen.scores, valid, self.num_proposals, num_clips)

    def _windows(self, mask: Tensor) -> Tuple[Tensor, Tensor]:
        """All windows (B, N, 2) in clips, and those that go over no clip that does not count, (B, N) bool."""
        num_clips, number = mask.size(1), mask.sum(dim=1, keepdim=True)
        lengths = torch.arange(1, int(self.longest * num_clips) // self.stride + 1, device=mask.device) * self.stride
        starts = torch.arange(num_clips, device=mask.device).repeat(len(lengths))
        lengths = lengths.repeat_interleave(num_clips)
        ends = (starts + lengths).clamp(max=num_clips)
        counts = nn.functional.pad(mask.long().cumsum(dim=1), (1, 0))
        valid = (counts[:, ends] - counts[:, starts] == lengths) & (lengths <= self.longest * number)
        return torch.stack([starts, ends], dim=-1).expand(len(mask), -1, -1), valid


def _static_scores(values: Tensor, kept: Tensor, spans: Tensor) -> Tensor:
    """Sum inside / length - sum outside / number of clips outside that were kept: (B, N)."""
    starts, ends = spans.unbind(dim=-1)
    inside, outside = sums_of_spans(values, starts, ends)
    _, others = sums_of_spans(kept.long(), starts, ends)
    return inside / (ends - starts).clamp(min=1) - outside / others.clamp(min=1)
