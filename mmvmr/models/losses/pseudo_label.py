"""Proposals that explain the query well should score high."""
from typing import Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvmr.registry import LOSSES
from mmvmr.structures import Outputs


@LOSSES.register_module()
class PseudoLabelLoss(nn.Module):
    """Reconstruction-guided binary cross-entropy: mean_k -[y_k log p_k + (1 - y_k) log(1 - p_k)] (MS-2D-RL, L_rg-bce).

    The labels y_k come from the share l_k = nll_k / sum nll of a proposal within its group, without a gradient:

    - 'thresholds': 1 if l_k < l_min, 0 if l_k >= l_max, and 1 - l_k between, the paper's form;
    - 'rank': 1 for the best quarter of the group, 0 for the worse half, falling linearly between.

    The poster of the paper leaves the minus sign out.

    Args:
        labels: 'thresholds' or 'rank'.
        delta: Half width of the band around the mean share, l_min = (1 - delta) / K and l_max = (1 + delta) / K.
        bounds: l_min and l_max themselves, in place of delta.
        num_groups: Compare within as many groups of proposals: the number of scales, or 1 to compare all.
        warmup: Share of training before the loss is switched on, so that the reconstructor has something to say.
        task: Name of the reconstructor.
    """
    reads = ('probabilities',)
    best_only = True

    def __init__(self, labels: str = 'thresholds', delta: float = 0.02, num_groups: int = 1, warmup: float = 0.0,
                 task: str = 'query', loss_weight: float = 1.0, bounds: Optional[Tuple[float, float]] = None) -> None:
        super().__init__()
        if labels not in ('thresholds', 'rank'):
            raise ValueError(f"labels must be 'thresholds' or 'rank', got {labels!r}.")
        self.labels = labels
        self.delta = delta
        self.bounds = bounds
        self.num_groups = num_groups
        self.warmup = warmup
        self.tasks = (task,)
        self.loss_weight = loss_weight
        self.register_buffer('progress', torch.ones(()), persistent=False)  # on unless training says otherwise

    def set_progress(self, progress: float) -> None:
        """Training progress in (0, 1]."""
        self.progress.fill_(progress)

    def forward(self, outputs: Outputs) -> Tensor:
        nll = outputs.nll[self.tasks[0]]['positive'].detach().float()
        if nll.size(1) % self.num_groups:
            raise ValueError(f'PseudoLabelLoss compares within num_groups={self.num_groups} groups of equal size, but '
                             f'there are {nll.size(1)} proposals. Give the number of scales, or 1.')
        nll = nll.unflatten(1, (self.num_groups, -1))
        mean = 1 / nll.size(-1)
        bounds = self.bounds or ((1 - self.delta) * mean, (1 + self.delta) * mean)
        labels = _by_rank(nll) if self.labels == 'rank' else _by_thresholds(nll, *bounds)
        # on logits: autocast refuses cross-entropy of probabilities, and probabilities of 0 and 1 stay finite
        logits = outputs.proposals.scores.float().logit(eps=1e-6)
        loss = F.binary_cross_entropy_with_logits(logits, labels.flatten(1))
        return self.loss_weight * (self.progress > self.warmup) * loss


def _by_thresholds(nll: Tensor, lowest: float, highest: float) -> Tensor:
    """(B, groups, K) -> labels of the same shape."""
    share = nll / nll.sum(dim=-1, keepdim=True)
    labels = torch.where(share < lowest, torch.ones_like(share), 1 - share)
    return labels.masked_fill(share >= highest, 0)


def _by_rank(nll: Tensor) -> Tensor:
    """(B, groups, K) -> labels of the same shape; rank i of K stands for the quantile (i + 0.5) / K."""
    ranks = nll.argsort(dim=-1, stable=True).argsort(dim=-1)
    return ((0.5 - (ranks + 0.5) / nll.size(-1)) / 0.25).clamp(0, 1)
