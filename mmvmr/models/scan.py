"""Reading moments from a reconstructor alone, whatever the proposals it was trained with."""
from typing import Tuple

import torch
from torch import Tensor, nn

from mmvmr.functional.masks import gaussian_mask, mask_spans
from mmvmr.models.combiners import Explain
from mmvmr.registry import MODELS
from mmvmr.structures import Proposals, Query


@MODELS.register_module()
class KeepDeleteScan(nn.Module):
    """A combiner that leaves proposals alone in training and replaces them in prediction, by a scan over the video.

    A narrow window g_t is centred on every point t of the mask grid. What matters for the query is ruined without it,
    and explained by it alone:

        s_t = nll(1 - g_t) - weight nll(g_t)

    A candidate is a peak of s with everything around it that stays above ``level`` of its height over the median of
    s (most of a video does not belong to the moment). The rule needs no timestamps, and nothing is trained. Scoring a
    mask by keeping and deleting it is from the decision stage of PC-Net++ (CPR, 2026); scanning the video with it,
    instead of judging proposals, is ours.

    Args:
        window: Width of g between the points where it has fallen to exp(-2), a fraction of the video.
        weight: How much explaining the query alone counts.
        level: Where the span of a candidate is read, as a fraction of its height.
        num_candidates: K of the result, the highest peaks.
    """
    gives = ('scores',)
    ranks_components = False

    def __init__(self, window: float = 0.08, weight: float = 0.25, level: float = 0.5, num_candidates: int = 5) -> None:
        super().__init__()
        self.window = window
        self.weight = weight
        self.level = level
        self.num_candidates = num_candidates

    def forward(self, components: Proposals, video: Tensor, query: Query, explain: Explain) -> Proposals:
        """In prediction, candidates with spans (B, K, 2), masks (B, K, T') and the heights of their peaks as scores."""
        if self.training:
            return components
        batch, _, num_clips = components.masks.shape
        centers = torch.linspace(0, 1, num_clips, device=video.device)
        kept = gaussian_mask(centers, torch.full_like(centers, self.window / 4), num_clips, peak_normalized=True)
        nll = explain(torch.cat([1 - kept, kept]).expand(batch, -1, -1))[0]  # (B, 2 T')
        curve = nll[:, :num_clips] - self.weight * nll[:, num_clips:]
        curve = (curve - curve.median(dim=1, keepdim=True).values).clamp(min=0)
        masks, heights = peak_masks(curve, self.level, self.num_candidates)
        return Proposals(mask_spans(masks, self.level), masks, heights)


def peak_masks(curve: Tensor, level: float, num_peaks: int) -> Tuple[Tensor, Tensor]:
    """The highest local maxima of a curve, each as a mask that reaches 1 there.

    A mask follows the curve, cut off at the height of its peak, down to the first points below ``level`` of it and is 0
    beyond them. Where the curve has fewer peaks, the last ones are points of height 0.

    Args:
        curve: (B, T'), non-negative.

    Returns:
        Masks (B, K, T') and heights (B, K), the highest first.

    Example:
        >>> peak_masks(torch.tensor([[0.0, 2.0, 1.5, 0.5, 0.0, 1.0]]), level=0.5, num_peaks=2)[0]
        tensor([[[0.0000, 1.0000, 0.7500, 0.2500, 0.0000, 0.0000],
                 [0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 1.0000]]])
    """
    padded = nn.functional.pad(curve, (1, 1), value=-1.0)
    is_peak = (curve > padded[:, :-2]) & (curve >= padded[:, 2:])
    heights, peaks = torch.where(is_peak, curve, torch.zeros_like(curve)).topk(min(num_peaks, curve.size(1)), dim=1)
    index = torch.arange(curve.size(1), device=curve.device)
    below = curve.unsqueeze(1) < level * heights.unsqueeze(-1)  # (B, K, T')
    left, right = below & (index < peaks.unsqueeze(-1)), below & (index > peaks.unsqueeze(-1))
    start = torch.where(left, index, -1).amax(dim=-1, keepdim=True)
    end = torch.where(right, index, curve.size(1)).amin(dim=-1, keepdim=True)
    masks = torch.minimum(curve.unsqueeze(1), heights.unsqueeze(-1)) / heights.unsqueeze(-1).clamp(min=1e-6)
    masks = masks.masked_fill((index < start) | (index > end), 0)
    at_peak = index == peaks.unsqueeze(-1)
    return torch.where(at_peak, torch.ones_like(masks), masks), heights
