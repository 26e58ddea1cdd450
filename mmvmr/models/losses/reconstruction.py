"""The best proposal, and the references, should explain the query well."""
from typing import Sequence

from torch import Tensor, nn

from mmvmr.registry import LOSSES
from mmvmr.structures import Outputs


@LOSSES.register_module()
class ReconstructionLoss(nn.Module):
    """sum over tasks of mean_b [ min_k nll(proposal k) + sum_r nll(reference r) ].

    CNM: L_rec with the whole video as reference. CPL: the same with ``loss_weight=0.5``. MCMT: two tasks. MS-2D-RL: the
    mean over the proposals instead of their minimum.

    Args:
        tasks: Names of reconstructors.
        references: Names of negatives that the model should reconstruct from as well.
        best_only: Ask the best proposal only; otherwise all of them.
    """

    def __init__(self, tasks: Sequence[str] = ('query',), references: Sequence[str] = (),
                 best_only: bool = True, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.negatives = tuple(references)
        self.best_only = best_only
        self.loss_weight = loss_weight

    def forward(self, outputs: Outputs) -> Tensor:
        total = 0
        for task in self.tasks:
            nll = outputs.nll[task]
            positive = nll['positive'].amin(dim=1) if self.best_only else nll['positive']
            total = total + positive.mean() + sum(nll[name].mean() for name in self.negatives)
        return self.loss_weight * total
