"""Clips and words as they come, for features that share a space already."""
from typing import Tuple

import torch
from torch import Tensor, nn

from mmvmr.registry import MODELS
from mmvmr.structures import EncodedQuery, Query


@MODELS.register_module()
class JointSpaceEncoder(nn.Module):
    """Leaves clips and words as they are, behind a start token of zeros; nothing is learned.

    For generators that compare clips with sentence vectors of the same space, such as
    :class:`~mmvmr.models.proposal_generators.similarity.SimilarityProposalGenerator`.
    """
    reads_query = False

    def forward(self, video: Tensor, query: Query) -> Tuple[Tensor, EncodedQuery]:
        """video (B, T, Dv), query with features (B, L, Dw) -> the video, query with features (B, L+1, Dw)."""
        features = nn.functional.pad(query.features, (0, 0, 1, 0))
        mask = torch.cat([torch.ones_like(query.mask[:, :1]), query.mask], dim=1)
        return video, EncodedQuery(features, mask, words=query)
