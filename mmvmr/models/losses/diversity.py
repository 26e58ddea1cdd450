"""Proposals of one pair should differ from each other."""
import torch
from torch import Tensor, nn

from mmvmr.registry import LOSSES
from mmvmr.structures import Outputs


@LOSSES.register_module()
class DiversityLoss(nn.Module):
    """mean_b || target I - G G^T ||_F^2, where row k of G is mask k divided by its sum (CPL section "Training").

    The diagonal is a prior on the width: a Gaussian of standard deviation s has ||g / sum g||^2 =
    1 / (2 sqrt(pi) s T'), so ``target`` has to be scaled by 50 / T' when the mask length T' is not the paper's 50.

    Args:
        target: lambda of the paper.
        components: Act on what the generator proposed instead of on what the combiner made of it.
    """
    negatives = ()

    def __init__(self, target: float, components: bool = False, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.target = target
        self.components = components
        self.loss_weight = loss_weight

    def forward(self, outputs: Outputs) -> Tensor:
        masks = (outputs.components if self.components else outputs.proposals).masks
        shares = masks / masks.sum(dim=-1, keepdim=True)
        overlap = shares @ shares.transpose(1, 2)  # (B, K, K)
        target = self.target * torch.eye(masks.size(1), device=masks.device, dtype=masks.dtype)
        return self.loss_weight * (target - overlap).square().sum(dim=(1, 2)).mean()
