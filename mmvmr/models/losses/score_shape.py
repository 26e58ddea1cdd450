"""What a curve of matching scores should look like, whatever the query (MSCL)."""
from torch import Tensor, nn

from mmvmr.registry import LOSSES
from mmvmr.structures import Outputs


@LOSSES.register_module()
class SmoothnessLoss(nn.Module):
    """Mean of abs(s_{t+1} - s_t): moments have few borders."""
    negatives = ()
    reads = ('clips',)

    def __init__(self, loss_weight: float = 0.1) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, outputs: Outputs) -> Tensor:
        return self.loss_weight * outputs.components.clips.scores.diff(dim=1).abs().mean()


@LOSSES.register_module()
class SparsityLoss(nn.Module):
    """Mean over the videos of abs(mean_t s_t - kappa): moments take a part of the video.

    Args:
        target: kappa.
    """
    negatives = ()
    reads = ('clips',)

    def __init__(self, target: float, loss_weight: float = 0.1) -> None:
        super().__init__()
        self.target = target
        self.loss_weight = loss_weight

    def forward(self, outputs: Outputs) -> Tensor:
        return self.loss_weight * (outputs.components.clips.scores.mean(dim=1) - self.target).abs().mean()
