"""Negatives: masks that should explain the query worse than the proposals."""
import torch
from torch import Tensor, nn

from mmvmr.functional.masks import gaussian_mask
from mmvmr.registry import MODELS, PROPOSAL_GENERATORS
from mmvmr.structures import EncodedQuery, Proposals


@MODELS.register_module()
class Complement(nn.Module):
    """Everything but the proposal, 1 - mask: CNM's and MCMT's easy negative. (B, K, T')."""

    def forward(self, proposals: Proposals, video: Tensor, query: EncodedQuery) -> Tensor:
        return 1 - proposals.masks


@MODELS.register_module()
class WholeVideo(nn.Module):
    """The whole video, unweighted: the hard negative of CNM, CPL, MCMT, PPS, one for all proposals. (B, 1, T')."""

    def forward(self, proposals: Proposals, video: Tensor, query: EncodedQuery) -> Tensor:
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
        self.register_buffer('progress', torch.ones(()), persistent=False)  # the end, unless training says otherwise

    def set_progress(self, progress: float) -> None:
        """Training progress in [0, 1]; CPL counts epochs from 1, so it is never 0 in training."""
        self.progress.fill_(progress)

    def forward(self, proposals: Proposals, video: Tensor, query: EncodedQuery) -> Tensor:
        start, end = proposals.spans.unbind(dim=-1)
        gap = (start if self.side == 'left' else 1 - end).clamp(min=0)
        offset = gap * self.progress ** self.gamma / 2
        stds = offset.clamp(min=0.01) / (self.sigma / 2)
        centers = offset if self.side == 'left' else 1 - offset
        return gaussian_mask(centers, stds, proposals.masks.size(-1), peak_normalized=True)


@MODELS.register_module()
class LearnedNegative(nn.Module):
    """A sum of M learned masks per proposal, divided by its maximum: the easy negative of PPS. (B, K, T').

    Being ranked behind the proposal is all that teaches it. It shares nothing with what made the proposals.

    Args:
        generator: Config of the proposal generator of the K * M masks.
        num_gaussians: M.
    """

    def __init__(self, generator: dict, num_gaussians: int = 1) -> None:
        super().__init__()
        self.generator = PROPOSAL_GENERATORS.build(generator)
        self.num_gaussians = num_gaussians

    @property
    def num_proposals(self) -> int:
        """K, which follows from the generator."""
        return self.generator.num_proposals // self.num_gaussians

    def forward(self, proposals: Proposals, video: Tensor, query: EncodedQuery) -> Tensor:
        masks = self.generator(video, query).masks
        if masks.size(1) != proposals.masks.size(1) * self.num_gaussians:
            raise ValueError(f'{proposals.masks.size(1)} proposals with num_gaussians={self.num_gaussians} take as '
                             f'many masks as their product, but the generator of LearnedNegative gives '
                             f'{masks.size(1)}. Set its `num_proposals` to the product.')
        masks = masks.unflatten(1, (-1, self.num_gaussians)).sum(dim=2)
        return masks / masks.amax(dim=-1, keepdim=True)
