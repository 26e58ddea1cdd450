"""Caption what a mask lets through of the video, and see how likely the query is as a caption."""
from typing import Tuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmvmr.functional.masks import resample
from mmvmr.functional.words import query_nll, word_scores
from mmvmr.models.layers.recurrence import run_lstm
from mmvmr.registry import RECONSTRUCTORS
from mmvmr.structures import EncodedQuery


@RECONSTRUCTORS.register_module()
class CaptionReconstructor(nn.Module):
    """Two-layer LSTM that captions a moment, log P(w_l | moment, w_1 .. w_{l-1}) (MS-2D-RL, caption module).

    The moment under mask m is max_t m_t relu(v_t), the paper's max pooling where masks are 0 or 1. All words are given
    to the LSTM as they come (teacher forcing), hidden or not; all are scored, and so is the end of the query (class 0).

    Args:
        dim: D.
        vocab_size: V, one more than the words of the vocabulary.
    """

    def __init__(self, dim: int, vocab_size: int) -> None:
        super().__init__()
        self.first = nn.LSTM(2 * dim, dim, batch_first=True)
        self.second = nn.LSTM(2 * dim, dim, batch_first=True)
        self.classifier = nn.Linear(dim, vocab_size)
        self.vocab_size = vocab_size

    def forward(self, video: Tensor, query: EncodedQuery, masks: Tensor) -> Tensor:
        """video (B, T, D), encoded query, masks (B, M, T') -> nll (B, M), lower is better."""
        return self._nll(self._caption(video, query, masks), query)

    def explain(self, video: Tensor, query: EncodedQuery, masks: Tensor) -> Tuple[Tensor, Tensor]:
        """Like :meth:`forward`, and the average state of the words under each mask: (B, M), (B, M, D)."""
        states = self._caption(video, query, masks)
        valid = query.mask[:, None, :, None]
        return self._nll(states, query), (states * valid).sum(dim=2) / valid.sum(dim=2)

    def word_scores(self, video: Tensor, query: EncodedQuery, masks: Tensor) -> Tensor:
        """Log-probability of each word of the query after the words before it: (B, M, L), anything on padding."""
        states = self._caption(video, query, masks)[:, :, :query.words.mask.size(1)]
        return word_scores(self.classifier(states), query.words.word_ids)

    def _caption(self, video: Tensor, query: EncodedQuery, masks: Tensor) -> Tensor:
        """States (B, M, N, D) before each word and before the end, N = L + 1. M folds into the batch here alone."""
        clips = resample(video, masks.size(-1)).relu().unsqueeze(1)
        moments = (masks.unsqueeze(-1) * clips).max(dim=2).values  # (B, M, D)
        num_masks, num_words = masks.size(1), query.features.size(1)
        moments = moments.unsqueeze(2).expand(-1, -1, num_words, -1).flatten(0, 1)  # (B*M, N, D)
        words = query.features.unsqueeze(1).expand(-1, num_masks, -1, -1).flatten(0, 1)
        states = run_lstm(self.first, torch.cat([words, moments], dim=-1))
        states = run_lstm(self.second, torch.cat([states, moments], dim=-1))
        return states.unflatten(0, (-1, num_masks))

    def _nll(self, states: Tensor, query: EncodedQuery) -> Tensor:
        """States (B, M, N, D) -> (B, M)."""
        targets = torch.cat([query.words.word_ids, torch.zeros_like(query.words.word_ids[:, :1])], dim=1)
        # one mask at a time, and again for the gradient: all (B, M, N, V) at once would be by far the largest tensor
        nll = [checkpoint(self._nll_of_mask, state, targets, query.mask, use_reentrant=False, preserve_rng_state=False)
               for state in states.split(1, dim=1)]
        return torch.cat(nll, dim=1)

    def _nll_of_mask(self, states: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """States (B, 1, N, D) -> (B, 1)."""
        return query_nll(self.classifier(states), targets, valid)
