"""Reading moments from a reconstructor alone, whatever the proposals it was trained with."""
import math
from typing import Optional, Tuple

import torch
from torch import Tensor, nn

from mmvmr.functional.curves import fed_back
from mmvmr.functional.masks import gaussian_mask, mask_spans
from mmvmr.functional.runs import resize
from mmvmr.models.interface import Explain
from mmvmr.registry import MODELS
from mmvmr.structures import Clips, EncodedQuery, Proposals


@MODELS.register_module()
class KeepDeleteScan(nn.Module):
    """A combiner that leaves proposals alone in training and replaces them in prediction, by a scan over the video.

    A narrow window g_t is centred on points t of the video. What the query needs is missed when it is deleted, and
    explains the query when it alone is kept:

        d_t = nll(1 - g_t),    s_t = d_t - weight nll(g_t)

    Deleted windows lie a third of their width apart, kept ones, which say where but not how far, two thirds; between
    them both curves are interpolated. A finer grid costs more and finds no more.

    A peak of s says where a candidate is; it reaches as far around it as d stays above ``level`` of its height there,
    both heights above the median over the video (most of a video does not belong to the moment). The rule needs no
    timestamps, and nothing is trained. Scoring a mask by keeping and deleting it is from the decision stage of PC-Net++
    (CPR, 2026); scanning the video with it, instead of judging proposals, is ours.

    Args:
        num_clips: T' of all masks; that of the proposals by default.
        window: Width of g between the points where it has fallen to exp(-2), a fraction of the video.
        weight: How much explaining the query alone counts.
        level: Where the ends of a candidate are read, as a fraction of its height.
        num_proposals: K of the result, the highest peaks.
        feedback: Raise both curves where clips look like those at their peaks before they are read, see
            :func:`~mmvmr.functional.curves.fed_back`: a width as a fraction of the video. By default they are not.
    """
    gives = ('scores', 'probabilities', 'clips')  # in training those of the generator

    def __init__(self, num_clips: Optional[int] = None, window: float = 0.08, weight: float = 0.25, level: float = 0.4,
                 num_proposals: int = 5, feedback: Optional[float] = None) -> None:
        super().__init__()
        if not (window > 0 and 0 < level <= 1 and (feedback is None or 0 < feedback <= 1)):
            raise ValueError('A scan needs a window above 0 and a feedback (or None) in (0, 1], shares of the video, '
                             f'and a level in (0, 1], one of the height of a peak; got window={window}, '
                             f'feedback={feedback} and level={level}.')
        self.num_clips = num_clips
        self.window = window
        self.weight = weight
        self.level = level
        self.num_proposals = num_proposals
        self.feedback = feedback

    def forward(self, components: Proposals, video: Tensor, query: EncodedQuery, explain: Explain) -> Proposals:
        """In prediction, candidates with spans (B, K, 2), masks (B, K, T') and the heights of their peaks as scores,
        and s (B, T') as the scores of clips."""
        if self.training:
            return components
        num_clips = self.num_clips or components.masks.size(-1)
        deleted, kept = (self._windows(apart * self.window, num_clips, video.device) for apart in (1 / 3, 2 / 3))
        nll = explain(torch.cat([1 - deleted, kept]))[0]
        missed, explained = (resize(part, num_clips) for part in nll.split([len(deleted), len(kept)], dim=1))  # (B, T')
        curve, missed = (fed_back(one, video, self.feedback) for one in (missed - self.weight * explained, missed))
        heights, peaks = highest_peaks(_above_median(curve), self.num_proposals)
        masks = masks_around(_above_median(missed), peaks, self.level)
        return Proposals(mask_spans(masks, self.level), masks, heights, Clips(curve))

    def _windows(self, apart: float, num_clips: int, device: torch.device) -> Tensor:
        """Windows over the whole video, about ``apart`` from one to the next: (P, T')."""
        centers = torch.linspace(0, 1, min(math.ceil(1 / apart) + 1, num_clips), device=device)
        return gaussian_mask(centers, torch.full_like(centers, self.window / 4), num_clips, peak_normalized=True)


def _above_median(curve: Tensor) -> Tensor:
    return (curve - curve.median(dim=1, keepdim=True).values).clamp(min=0)


def highest_peaks(curve: Tensor, count: int) -> Tuple[Tensor, Tensor]:
    """Heights and places of the highest local maxima, (B, K) each, the first of equal ones first; where there are
    fewer, the highest is repeated with height 0.

    Args:
        curve: (B, T'), non-negative.

    Example:
        >>> highest_peaks(torch.tensor([[0.0, 2.0, 1.5, 0.5, 0.0, 3.0]]), 3)
        (tensor([[3., 2., 0.]]), tensor([[5, 1, 5]]))
    """
    padded = nn.functional.pad(curve, (1, 1), value=-1.0)
    is_peak = (curve > padded[:, :-2]) & (curve >= padded[:, 2:])
    heights, peaks = torch.where(is_peak, curve, torch.zeros_like(curve)).sort(dim=1, descending=True, stable=True)
    heights, peaks = heights[:, :count], peaks[:, :count]
    return heights, torch.where(heights > 0, peaks, peaks[:, :1])


def masks_around(curve: Tensor, peaks: Tensor, level: float) -> Tensor:
    """Masks that follow a curve around given points, cut off at its height there, so that they reach 1.

    A mask ends with the first point on either side at which the curve is below ``level`` of that height.

    Args:
        curve: (B, T'), non-negative.
        peaks: (B, K) int64, points of the curve.

    Returns:
        (B, K, T').

    Example:
        >>> masks_around(torch.tensor([[0.0, 2.0, 1.5, 0.5, 0.0, 1.0]]), torch.tensor([[1]]), level=0.5)
        tensor([[[0.0000, 1.0000, 0.7500, 0.2500, 0.0000, 0.0000]]])
    """
    index = torch.arange(curve.size(1), device=curve.device)
    peaks, heights = peaks.unsqueeze(-1), curve.gather(1, peaks).unsqueeze(-1)  # (B, K, 1)
    curve = curve.unsqueeze(1)
    below = curve < level * heights  # (B, K, T')
    start = torch.where(below & (index < peaks), index, -1).amax(dim=-1, keepdim=True)
    end = torch.where(below & (index > peaks), index, curve.size(-1)).amin(dim=-1, keepdim=True)
    masks = torch.minimum(curve, heights) / heights.clamp(min=1e-6)
    masks = masks.masked_fill((index < start) | (index > end), 0)
    return torch.where(index == peaks, torch.ones_like(masks), masks)
