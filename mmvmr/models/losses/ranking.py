"""The best proposal should explain the query better than the negatives do."""
from typing import Dict, Sequence

from torch import Tensor, nn

from mmvmr.registry import LOSSES
from mmvmr.structures import Outputs


@LOSSES.register_module()
class RankingLoss(nn.Module):
    """sum over tasks and negatives of mean_b max(min_k nll(proposal k) - nll(negative) + margin, 0).

    CNM calls it L_IVC (intra-video contrast); CPL and MCMT use the same form.

    Args:
        margins: Margin of each negative, by its name, e.g. ``dict(hard=0.1, easy=0.15)``.
        tasks: Names of reconstructors.
    """

    best_only = True

    def __init__(self, margins: Dict[str, float], tasks: Sequence[str] = ('query',),
                 loss_weight: float = 1.0) -> None:
        super().__init__()
        self.margins = dict(margins)
        self.negatives = tuple(margins)
        self.tasks = tuple(tasks)
        self.loss_weight = loss_weight

    def forward(self, outputs: Outputs) -> Tensor:
        total = 0
        for task in self.tasks:
            nll = outputs.nll[task]
            best = nll['positive'].amin(dim=1, keepdim=True)  # (B, 1)
            for name, margin in self.margins.items():
                total = total + (best - nll[name] + margin).relu().mean()
        return self.loss_weight * total
