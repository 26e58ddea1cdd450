"""Proposals of one pair should differ from each other."""
import math
from typing import Optional, Sequence

import torch
from torch import Tensor, nn

from mmvmr.functional.groups import check_groups, group_members
from mmvmr.registry import LOSSES
from mmvmr.structures import Outputs


@LOSSES.register_module()
class DiversityLoss(nn.Module):
    """mean_b || target I - G G^T ||_F^2, where row k of G is mask k divided by its sum (CPL section "Training").

    The diagonal is a prior on the width: a Gaussian of standard deviation s has ||g / sum g||^2 =
    1 / (2 sqrt(pi) s T'), so that target = sigma / (2 sqrt(pi) width T') asks for proposals of a width, whatever T' is.
    The paper gives the target, lambda, for its T' of 50.

    Args:
        width: That the proposals should have, as a fraction of the video.
        sigma: Width over standard deviation of the proposals, as of their generator.
        components: Act on what the generator proposed instead of on what the combiner made of it.
        groups: Sizes of groups; the loss is then the sum over those with at least two proposals (the push within the
            mixtures of PPS). By default all proposals are one group.
    """

    def __init__(self, width: float, sigma: float = 9.0, components: bool = False,
                 groups: Optional[Sequence[int]] = None, loss_weight: float = 1.0) -> None:
        super().__init__()
        if width <= 0 or sigma <= 0:
            raise ValueError(f'width and sigma must be above 0, got width={width} and sigma={sigma}.')
        members = group_members(groups) if groups else None
        self.register_buffer('members', members, persistent=False)  # (G, K)
        self.width, self.sigma = width, sigma
        self.components = components
        self.loss_weight = loss_weight

    def forward(self, outputs: Outputs) -> Tensor:
        masks = (outputs.components if self.components else outputs.proposals).masks
        shares = masks / masks.sum(dim=-1, keepdim=True)
        overlap = shares @ shares.transpose(1, 2)  # (B, K, K)
        target = self.target(masks.size(-1)) * torch.eye(masks.size(1), device=masks.device, dtype=masks.dtype)
        squares = (target - overlap).square()
        if self.members is not None:
            check_groups(self.members, masks.size(1))
            squares = squares * self._same_group()
        return self.loss_weight * squares.sum(dim=(1, 2)).mean()

    def target(self, num_clips: int) -> float:
        """lambda, for masks of T' = num_clips."""
        return self.sigma / (2 * math.sqrt(math.pi) * self.width * num_clips)

    def _same_group(self) -> Tensor:
        """(K, K) bool, True for two proposals of one group, or twice the same one, unless it is alone in its group."""
        members = self.members & (self.members.sum(dim=1, keepdim=True) > 1)
        return (members.unsqueeze(2) & members.unsqueeze(1)).any(dim=0)


def width_of(target: float, sigma: float, num_clips: int) -> float:
    """The width that lambda asks for.

    Example:
        >>> round(width_of(0.146, sigma=9, num_clips=50), 3)  # CPL on Charades-STA
        0.348
    """
    return sigma / (2 * math.sqrt(math.pi) * target * num_clips)
