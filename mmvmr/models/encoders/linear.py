"""Linear projections of clips and words."""
from typing import Tuple

import torch
from torch import Tensor, nn

from mmvmr.functional.curves import masked_mean
from mmvmr.models.layers.attention import Dropout
from mmvmr.registry import MODELS
from mmvmr.structures import EncodedQuery, Query


@MODELS.register_module()
class LinearEncoder(nn.Module):
    """Projects clip features and word vectors to the hidden size, after dropout (CNM section "Feature Extraction").

    The learned start token, the stand-in for a hidden word and the token that proposals are read from are vectors of
    the input spaces, which pass through the same projections as words and clips.

    Args:
        video_dim: Dv.
        word_dim: Dw.
        dim: D.
        readout: Also provide a token after the last clip for the proposal generator to read (CPL).
        blank: Provide the stand-in for a hidden word; without a masked-query reconstructor no word is hidden.
        rescale: Divide the clips of a video, and the words of a query, by the root of their mean square, so that the
            unit of the features does not matter. Those of length 1, as of CLIP, are small numbers otherwise, from
            which a training may learn nothing for long.
    """
    reads_query = False  # the encoded video does not depend on the query, so a reconstructor may see it

    def __init__(self, video_dim: int, word_dim: int, dim: int = 256, dropout: float = 0.1,
                 readout: bool = False, blank: bool = True, rescale: bool = False) -> None:
        super().__init__()
        self.video_dim, self.word_dim = video_dim, word_dim
        self.video_projection = nn.Linear(video_dim, dim)
        self.word_projection = nn.Linear(word_dim, dim)
        self.start = nn.Parameter(torch.zeros(word_dim))
        self.blank = nn.Parameter(torch.zeros(word_dim)) if blank else None
        self.readout = nn.Parameter(torch.zeros(video_dim)) if readout else None
        self.dropout = Dropout(dropout)
        self.rescale = rescale

    def forward(self, video: Tensor, query: Query) -> Tuple[Tensor, EncodedQuery]:
        """video (B, T, Dv), query with features (B, L, Dw) -> video (B, T, D), query with features (B, L+1, D)."""
        batch, features = video.size(0), query.features
        if self.rescale:
            video = _rescale(video, torch.ones_like(video[..., 0], dtype=torch.bool))
            features = _rescale(features, query.mask)
        words = torch.cat([self.start.expand(batch, 1, -1), features], dim=1)
        blank = self.word_projection(self.blank) if self.blank is not None else None
        readout = None
        if self.readout is not None:
            readout = self.video_projection(self.dropout(self.readout.expand(batch, 1, -1)))
        mask = torch.cat([torch.ones_like(query.mask[:, :1]), query.mask], dim=1)
        encoded = EncodedQuery(self.word_projection(self.dropout(words)), mask, query, blank, readout)
        return self.video_projection(self.dropout(video)), encoded


def _rescale(rows: Tensor, mask: Tensor) -> Tensor:
    """(B, N, D), divided by the root mean square of those that count (B, N)."""
    squares = masked_mean(rows.square().mean(dim=-1), mask)  # (B, 1)
    return rows / squares.clamp(min=1e-12).sqrt().unsqueeze(-1)
