"""Decoders that take the runs of clips above a threshold of the curve; they differ in where it lies."""
import torch
from torch import Tensor, nn

from mmvmr.functional.curves import fill_lowest, inside_outside, smooth_masked, sums_of_spans
from mmvmr.functional.runs import all_runs, join_runs, stretch
from mmvmr.functional.thresholds import histogram_threshold, otsu_threshold, split_of_medians
from mmvmr.models.decoders.choosing import best_spans
from mmvmr.registry import MODELS
from mmvmr.structures import Proposals


@MODELS.register_module()
class OtsuRuns(nn.Module):
    """Runs above Otsu's threshold of the smoothed curve (the rule of REZE for several moments).

    The width of the smoothing is fixed, 3 s in the paper, whatever the length of a moment. Runs are ranked by the
    contrast of the smoothed curve, mean inside minus mean outside; how REZE ranks them we do not know.

    Args:
        num_proposals: K.
        smoothing: Standard deviation of the Gaussian, in clips.
        nested: If above 0, also take the runs above a second threshold, Otsu's among the clips above the first, where
            they are shorter than those they lie in (ours, see docs/zero_shot.md). Their scores are multiplied by it.
    """

    def __init__(self, num_proposals: int = 5, smoothing: float = 1.5, nested: float = 0.0) -> None:
        super().__init__()
        if smoothing <= 0 or nested < 0:
            raise ValueError('Runs need a smoothing above 0, in clips (0.1 leaves a curve as it is), and nested is a '
                             f'factor of at least 0; got smoothing={smoothing} and nested={nested}.')
        self.num_proposals = num_proposals
        self.smoothing = smoothing
        self.nested = nested

    def forward(self, curve: Tensor, mask: Tensor) -> Proposals:
        """curve (B, T), mask (B, T) -> K proposals with masks (B, K, T)."""
        smoothed = smooth_masked(curve.double(), mask, self.smoothing)
        high = (smoothed >= otsu_threshold(smoothed, mask)) & mask
        spans, starts = all_runs(high)
        if self.nested:
            inner, begins = all_runs((smoothed >= otsu_threshold(smoothed, high)) & high)
            shorter = begins & ~(starts & (inner[..., 1] == spans[..., 1]))
            spans, starts = torch.cat([spans, inner], dim=1), torch.cat([starts, shorter], dim=1)
        scores = inside_outside(smoothed, mask, spans[..., 0], spans[..., 1])
        scores[:, curve.size(1):] *= self.nested
        return best_spans(spans, scores.to(curve.dtype), starts, self.num_proposals, curve.size(1))


@MODELS.register_module()
class HistogramRuns(nn.Module):
    """Runs above a border of the histogram of the curve, short gaps closed (VTG-GPT, section "Proposal generator").

    The curve is stretched to [0, 1] and put into bins. The threshold is the left border of the highest bin at or above
    which enough clips lie; gaps of a few low clips are closed; a run has the score (mean + length) / 2, its length as a
    share of the video.

    Args:
        num_proposals: K.
        num_bins: Bins of the histogram.
        least: How many clips lie above the threshold, at least; the paper has a clip every 2 s.
        gap: Longest gap that is closed, in clips.
    """

    def __init__(self, num_proposals: int = 5, num_bins: int = 10, least: int = 8, gap: int = 6) -> None:
        super().__init__()
        self.num_proposals = num_proposals
        self.num_bins = num_bins
        self.least = least
        self.gap = gap

    def forward(self, curve: Tensor, mask: Tensor) -> Proposals:
        """curve (B, T), mask (B, T) -> K proposals with masks (B, K, T)."""
        stretched = stretch(fill_lowest(curve.double(), mask))
        high = (stretched >= histogram_threshold(stretched, mask, self.num_bins, self.least)) & mask
        spans, starts = all_runs(join_runs(high, self.gap))
        lengths = (spans[..., 1] - spans[..., 0]).clamp(min=1)
        means = sums_of_spans(stretched * mask, spans[..., 0], spans[..., 1])[0] / lengths
        scores = (means + lengths / mask.sum(dim=1, keepdim=True).clamp(min=1)) / 2
        return best_spans(spans, scores.to(curve.dtype), starts, self.num_proposals, curve.size(1))


@MODELS.register_module()
class AnchorRuns(nn.Module):
    """From the clip of the highest similarity, expand on both sides until below a threshold (Robust ZS-VTG).

    The threshold is the middle between the medians of the clips below and above it, found by iteration from the median
    of the curve. The next moments are those around the highest clips that are left; the similarity of the anchor is the
    score. The paper expands along the similarity of all clips with the anchor clip; this is the step from a curve on,
    whichever it is.

    Args:
        num_proposals: K.
    """

    def __init__(self, num_proposals: int = 5) -> None:
        super().__init__()
        self.num_proposals = num_proposals

    def forward(self, curve: Tensor, mask: Tensor) -> Proposals:
        """curve (B, T), mask (B, T) -> K proposals with masks (B, K, T)."""
        values = curve.double()
        high = (values >= split_of_medians(values, mask)) & mask
        spans, starts = all_runs(high)
        number = (~high).cumsum(dim=1)  # the same all along a run
        inside = high.unsqueeze(1) & (number.unsqueeze(1) == number.unsqueeze(2))  # (B, T, T)
        peaks = values.unsqueeze(1).masked_fill(~inside, -float('inf')).amax(dim=2)
        return best_spans(spans, peaks.to(curve.dtype), starts, self.num_proposals, curve.size(1))
