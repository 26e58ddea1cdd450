"""Negatives: masks that should explain the query worse than the proposals."""
import torch
from torch import Tensor, nn

from mmvmr.functional.masks import gaussian_mask
from mmvmr.registry import MODELS
from mmvmr.structures import Proposals, Query


@MODELS.register_module()
class Complement(nn.Module):
    """Everything but the proposal, 1 - mask: CNM's and MCMT's easy negative. (B, K, T')."""

    def forward(self, proposals: Proposals, video: Tensor, query: Query) -> Tensor:
        return 1 - proposals.masks


@MODELS.register_module()
class WholeVideo(nn.Module):
    """The whole video, unweighted: the hard negative of CNM, CPL and MCMT, the same for all proposals. (B, 1, T')."""

    def forward(self, proposals: Proposals, video: Tensor, query: Query) -> Tensor:
        return torch.ones_like(proposals.masks[:, :1])


@MODELS.register_module()
class Side(nn.Module):
    """A Gaussian before or after the proposal that grows with training: CPL's easy-to-hard negatives. (B, K, T').

    With gap = the free part of the video on that side and rho = progress^gamma / 2, its centre lies rho * gap from the
    end of the video, and its width parameter is the same number.

    Args:
        side: 'left' or 'right'.
        sigma: That of the proposals; the negative is drawn with half of it.
        gamma: How soon the negatives get hard; 0 is at once.
    """

    def __init__(self, side: str, sigma: float = 9.0, gamma: float = 0.5) -> None:
        super().__init__()
        if side not in ('left', 'right'):
            raise ValueError(f"side must be 'left' or 'right', got {side!r}.")
        self.side = side
        self.sigma = sigma
        self.gamma = gamma
        self.register_buffer('progress', torch.zeros(()), persistent=False)

    def set_progress(self, progress: float) -> None:
        """Training progress in [0, 1]; CPL counts epochs from 1, so it is never 0 in training."""
        self.progress.fill_(progress)

    def forward(self, proposals: Proposals, video: Tensor, query: Query) -> Tensor:
        start, end = proposals.spans.unbind(dim=-1)
        gap = (start if self.side == 'left' else 1 - end).clamp(min=0)
        offset = gap * self.progress ** self.gamma / 2
        stds = offset.clamp(min=0.01) / (self.sigma / 2)
        centers = offset if self.side == 'left' else 1 - offset
        return gaussian_mask(centers, stds, proposals.masks.size(-1), peak_normalized=True)
