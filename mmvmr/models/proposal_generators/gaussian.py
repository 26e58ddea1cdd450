"""Proposals as Gaussians over time, predicted from the video and the query."""
from typing import Optional, Sequence

import torch
from torch import Tensor, nn

from mmvmr.functional.groups import check_groups, group_members
from mmvmr.functional.masks import gaussian_mask
from mmvmr.functional.words import reverse_words
from mmvmr.models.layers.attention import SinusoidalEncoding
from mmvmr.registry import MODELS, PROPOSAL_GENERATORS
from mmvmr.structures import EncodedQuery, Proposals


@PROPOSAL_GENERATORS.register_module()
class GaussianProposalGenerator(nn.Module):
    """K Gaussians: (c, w) = sigmoid(W h), mask exp(-(t - c)^2 / (2 s^2)) with s = w / sigma.

    CNM's mask exp(-alpha (t - c)^2 / w^2) (section "Mask Generation") is sigma = sqrt(2 alpha); CPL (section
    "Gaussian mask proposals") divides by the peak. The span of a proposal is c -+ w/2, as in both papers.

    Args:
        dim: D.
        transformer: Config of the :class:`DualTransformer` that reads the video for the query.
        num_proposals: K.
        num_clips: T', the length of a mask.
        sigma: Width over standard deviation.
        max_width: The largest width, a fraction of the video.
        min_mask_width: The width that a mask is drawn with at least; the span is not affected.
        peak_normalized: Let every mask reach 1.
        bidirectional: Read the query forwards and backwards and predict from both states (MCMT).
        spread_centers: Start with centres spread evenly over the video instead of all near the middle.
        groups: Sizes of groups of proposals that share one width (the mixtures of PPS); by default each has its own.
    """

    def __init__(self, dim: int, transformer: dict, num_proposals: int = 1, num_clips: int = 50, sigma: float = 9.0,
                 max_width: float = 1.0, min_mask_width: float = 0.01, peak_normalized: bool = True,
                 bidirectional: bool = False, spread_centers: bool = False,
                 groups: Optional[Sequence[int]] = None) -> None:
        super().__init__()
        columns = _head_columns(groups or [1] * num_proposals, num_proposals)
        self.transformer = MODELS.build(transformer)
        self.positions = SinusoidalEncoding(dim)
        self.head = nn.Linear(dim * (2 if bidirectional else 1), int(columns.max()) + 1)
        self.register_buffer('columns', columns, persistent=False)
        self.num_proposals = num_proposals
        self.num_clips = num_clips
        self.sigma = sigma
        self.max_width = max_width
        self.min_mask_width = min_mask_width
        self.peak_normalized = peak_normalized
        self.bidirectional = bidirectional
        if spread_centers:
            centers = (torch.arange(num_proposals) + 0.5) / num_proposals
            with torch.no_grad():
                self.head.bias[columns[:, 0]] = torch.logit(centers)

    def forward(self, video: Tensor, query: EncodedQuery) -> Proposals:
        """video (B, T, D), encoded query -> K proposals with masks (B, K, T')."""
        state = self._read(video, query)
        if self.bidirectional:
            state = torch.cat([state, self._read(video, reverse_words(query))], dim=-1)
        numbers = self.head(state)
        numbers = numbers.to(torch.promote_types(numbers.dtype, torch.float32))  # a mask is too fine for bfloat16
        centers, widths = numbers.sigmoid()[:, self.columns].unbind(dim=-1)  # (B, K) each
        widths = widths * self.max_width
        stds = widths.clamp(min=self.min_mask_width) / self.sigma
        return Proposals(spans=torch.stack([centers - widths / 2, centers + widths / 2], dim=-1),
                         masks=gaussian_mask(centers, stds, self.num_clips, self.peak_normalized))

    def _read(self, video: Tensor, query: EncodedQuery) -> Tensor:
        """(B, D) state of the position that has seen the video and the query in its order of words."""
        return self.transformer.locate(video, self.positions(query.features), query.mask, query.readout)


def _head_columns(groups: Sequence[int], num_proposals: int) -> Tensor:
    """Where the head gives centre and width of each proposal: (K, 2). A group has its centres, then its width."""
    members = group_members(groups)
    check_groups(members, num_proposals)
    group = members.int().argmax(dim=0)  # (K,); as many widths come before the centres of a proposal
    last = members.sum(dim=1).cumsum(dim=0)[group]
    return torch.stack([torch.arange(num_proposals) + group, last + group], dim=1)
