"""Dropout beside a residual, whose draws can be asked for again."""
from typing import List, Optional

import torch
from torch import Tensor, nn


class Draws:
    """What dropout draws in a pass over all masks, for another pass that starts with one of them.

    Attributes:
        chosen: (B,) int64, the mask of the first pass that is the first one of the second; the others of the second
            pass are new. None in the first pass.
    """

    def __init__(self) -> None:
        self.kept: List[Tensor] = []
        self.chosen: Optional[Tensor] = None

    def noise(self, like: Tensor, p: float) -> Tensor:
        """What to multiply (B, M or 1, N, D) by: 0 with probability ``p``, else 1 / (1 - p)."""
        if self.chosen is None:
            self.kept.append(draw(like, p))
            return self.kept[-1]
        kept = self.kept.pop(0)
        if kept.size(1) == 1:  # the same for all masks
            return kept
        own = kept.gather(1, self.chosen[:, None, None, None].expand_as(kept[:, :1]))
        return torch.cat([own, draw(like[:, 1:], p)], dim=1)


def draw(like: Tensor, p: float) -> Tensor:
    """Noise of that shape, as PyTorch's dropout draws it."""
    return torch.empty_like(like, memory_format=torch.contiguous_format).bernoulli_(1 - p).div_(1 - p)


class ResidualDropout(nn.Dropout):
    """residual + dropout(branch)."""

    def forward(self, residual: Tensor, branch: Tensor, draws: Optional[Draws] = None) -> Tensor:
        if self.training and self.p and draws is not None:
            return branch * draws.noise(branch, self.p) + residual
        return super().forward(branch) + residual
