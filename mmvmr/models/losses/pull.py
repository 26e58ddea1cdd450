"""The components of one mixture should stay close to each other."""
from typing import Sequence

import torch
from torch import Tensor, nn

from mmvmr.functional.groups import check_groups, group_members
from mmvmr.registry import LOSSES
from mmvmr.structures import Outputs


@LOSSES.register_module()
class PullLoss(nn.Module):
    """sum over groups of mean_b (max_j c_j - min_j c_j)^2, with the centres c_j of the components in the group.

    The pull of PPS's pull-push learning scheme; the pushes are :class:`~mmvmr.models.losses.diversity.DiversityLoss`.

    Args:
        groups: Sizes of the groups of components.
    """

    def __init__(self, groups: Sequence[int], loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.register_buffer('members', group_members(groups), persistent=False)  # (G, K)

    def forward(self, outputs: Outputs) -> Tensor:
        check_groups(self.members, outputs.components.spans.size(1))
        centers = outputs.components.spans.mean(dim=-1).unsqueeze(1)  # (B, 1, K)
        last = centers.masked_fill(~self.members, -torch.inf).amax(dim=2)  # (B, G)
        first = centers.masked_fill(~self.members, torch.inf).amin(dim=2)
        return self.loss_weight * (last - first).square().sum(dim=1).mean()
