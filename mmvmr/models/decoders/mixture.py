"""A curve as a mixture of Gaussians, the proposals that most weakly-supervised methods speak of."""
import torch
from torch import Tensor, nn

from mmvmr.functional.curves import fill_lowest, is_flat
from mmvmr.functional.masks import gaussian_mask
from mmvmr.registry import MODELS
from mmvmr.structures import Proposals


@MODELS.register_module()
class GaussianMixture(nn.Module):
    """K Gaussians over the time of the video, fitted by expectation maximisation to w = (s - min s) / sum (GMM-EVA).

        r_tk ~ pi_k N(t; c_k, s_k),  pi_k = sum_t w_t r_tk,  c_k = sum_t w_t r_tk t / pi_k,
        s_k^2 = sum_t w_t r_tk (t - c_k)^2 / pi_k

    They begin evenly spread. The weight pi_k, its share of the curve, is the score of a Gaussian, its mask is the
    Gaussian with a peak of 1, and its span has the standard deviation of the Gaussian: c_k -+ sqrt(3) s_k. The paper
    also merges components, by a rule that we do not know; these stay K.

    Args:
        num_proposals: K.
        num_steps: Of the fit.
    """
    sigma = 12**0.5  # width of a span over the standard deviation of its mask

    def __init__(self, num_proposals: int = 5, num_steps: int = 30) -> None:
        super().__init__()
        self.num_proposals = num_proposals
        self.num_steps = num_steps

    def forward(self, curve: Tensor, mask: Tensor) -> Proposals:
        """curve (B, T), mask (B, T) -> K proposals with masks (B, K, T)."""
        values, num_clips, count = curve.double(), curve.size(1), self.num_proposals
        filled = fill_lowest(values, mask)
        raised = filled - filled.amin(dim=1, keepdim=True)
        weights = torch.where(is_flat(values, mask), mask.to(raised.dtype), raised)  # of a flat curve all clips alike
        weights = (weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-12)).unsqueeze(1)  # (B, 1, T)
        time = torch.arange(num_clips, device=curve.device, dtype=values.dtype) + 0.5  # middles of clips
        length = (mask * time).amax(dim=1, keepdim=True) + 0.5  # up to the last clip that counts
        centers = (torch.arange(count, device=curve.device, dtype=values.dtype) + 0.5) / count * length  # (B, K)
        stds, shares = length.expand_as(centers) / (2 * count), torch.full_like(centers, 1 / count)
        for _ in range(self.num_steps):
            distances = time - centers.unsqueeze(-1)  # (B, K, T)
            logits = (shares / stds).clamp(min=1e-12).log().unsqueeze(-1) - (
                distances / stds.unsqueeze(-1)).square() / 2
            owned = logits.softmax(dim=1) * weights
            shares = owned.sum(dim=-1)
            centers = torch.where(shares > 1e-9, (owned * time).sum(dim=-1) / shares.clamp(min=1e-9), centers)
            spread = (owned * (time - centers.unsqueeze(-1)).square()).sum(dim=-1) / shares.clamp(min=1e-9)
            stds = spread.sqrt().clamp(min=0.5)  # no Gaussian is narrower than a clip
        order = shares.argsort(dim=1, descending=True, stable=True)
        centers, stds, shares = (found.gather(1, order) for found in (centers / num_clips, stds / num_clips, shares))
        half = self.sigma / 2 * stds
        masks = gaussian_mask(centers, stds, num_clips, peak_normalized=True)
        found = torch.stack([centers - half, centers + half], dim=-1), masks, shares
        return Proposals(*(part.to(curve.dtype) for part in found))
