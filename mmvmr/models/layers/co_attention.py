"""Clips that have looked at the words of a query."""
from typing import Tuple

import torch
from torch import Tensor, nn

from mmvmr.models.layers.attention import Attention, SinusoidalEncoding
from mmvmr.registry import MODELS
from mmvmr.utils.global_batch import following, gather_padded


@MODELS.register_module()
class CoAttention(nn.Module):
    """Self-attention over words and over clips, a recurrence over clips, then clips attend to words.

    F = LN(V + attention(V, Q)) * sigmoid(W q), where q is the pooled query. What does not depend on the query is
    computed once per video, so that several queries per video cost little.

    Args:
        dim: D, even.
    """

    def __init__(self, dim: int, num_heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        self.positions = SinusoidalEncoding(dim)
        self.word_attention = Attention(dim, num_heads)
        self.word_norm = nn.LayerNorm(dim)
        self.clip_attention = Attention(dim, num_heads)
        self.clip_norm = nn.LayerNorm(dim)
        self.recurrence = nn.GRU(dim, dim // 2, batch_first=True, bidirectional=True)
        self.cross_attention = Attention(dim, num_heads)
        self.cross_norm = nn.LayerNorm(dim)
        self.pool = nn.Linear(dim, 1)
        self.gate = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, video: Tensor, words: Tensor, word_mask: Tensor, num_queries: int = 1) -> Tensor:
        """
        Args:
            video: (B, T, D).
            words: (B, N, D).
            word_mask: (B, N) bool, True on words.
            num_queries: M, how many queries each video is read for: that of its own pair, of the next pair, and so on,
                round the batch of all processes that train together.

        Returns:
            (B, M, T, D).
        """
        words, word_mask = self._queries(self._read_words(words, word_mask), word_mask, num_queries)
        clips = self._read_clips(video).unsqueeze(1)  # (B, 1, T, D)
        attended = self.cross_attention(clips, words, word_mask[:, :, None, None])
        clips = self.cross_norm(clips + self.dropout(attended))  # (B, M, T, D)
        shares = self.pool(words).masked_fill(~word_mask.unsqueeze(-1), -torch.inf).softmax(dim=2)
        query = (shares * words).sum(dim=2, keepdim=True)  # (B, M, 1, D)
        return clips * self.gate(query).sigmoid()

    @staticmethod
    def _queries(words: Tensor, mask: Tensor, count: int) -> Tuple[Tensor, Tensor]:
        """Of each pair the queries of the next ``count`` pairs, its own first: (B, M, N, D) and (B, M, N)."""
        if count == 1:
            return words.unsqueeze(1), mask.unsqueeze(1)
        rows = following(words, count)
        return gather_padded(words)[rows], gather_padded(mask)[rows]

    def _read_words(self, words: Tensor, mask: Tensor) -> Tensor:
        words = self.positions(words).unsqueeze(1)
        attended = self.word_attention(words, bias=mask[:, None, None, None])
        return self.word_norm(words + self.dropout(attended)).squeeze(1)

    def _read_clips(self, video: Tensor) -> Tensor:
        attended = self.clip_attention(video.unsqueeze(1)).squeeze(1)
        clips = self.clip_norm(video + self.dropout(attended))
        return self.recurrence(clips)[0]
