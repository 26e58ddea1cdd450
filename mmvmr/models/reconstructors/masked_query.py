"""Fill in the hidden words of a query from what a mask lets through of the video."""
from typing import Optional, Tuple

import torch
from torch import Tensor, nn

from mmvmr.functional.masks import resample
from mmvmr.functional.words import query_nll, reverse_words, reversed_order, word_scores
from mmvmr.models.layers.attention import Draws, SinusoidalEncoding
from mmvmr.registry import MODELS, RECONSTRUCTORS
from mmvmr.structures import EncodedQuery


@RECONSTRUCTORS.register_module()
class MaskedQueryReconstructor(nn.Module):
    """Masked query reconstruction (CNM section "Mask Conditioned Reconstruction").

    Position i sees the words before it, the hidden ones replaced by a stand-in, and the clips, weighted by a mask; it
    predicts word i. All words are scored, not only the hidden ones, and so is the end of the query (class 0).

    Args:
        dim: D.
        vocab_size: V, one more than the words of the vocabulary.
        transformer: Config of the :class:`DualTransformer`.
        inverse: Reconstruct the query from its last word to its first (MCMT).
        label_smoothing: Mass of the target spread over all words.
        end_token: 'always' scores the end of every query. 'if_padded' leaves it out for the longest queries of a
            batch, as the released code of CNM and CPL does; the result then depends on the batch.
    """

    keeps_draws = True
    common_masks = True

    def __init__(self, dim: int, vocab_size: int, transformer: dict, inverse: bool = False,
                 label_smoothing: float = 0.1, end_token: str = 'always') -> None:
        super().__init__()
        if end_token not in ('always', 'if_padded'):
            raise ValueError(f"end_token must be 'always' or 'if_padded', got {end_token!r}.")
        self.transformer = MODELS.build(transformer)
        self.positions = SinusoidalEncoding(dim)
        self.classifier = nn.Linear(dim, vocab_size)
        self.vocab_size = vocab_size
        self.inverse = inverse
        self.label_smoothing = label_smoothing
        self.end_token = end_token

    def forward(self, video: Tensor, query: EncodedQuery, masks: Tensor, draws: Optional[Draws] = None) -> Tensor:
        """video (B, T, D), query with hidden words, masks (B, M, T') or (M, T') -> nll (B, M), lower is better."""
        return self._nll(*self._reconstruct(video, query, masks, draws))

    def explain(self, video: Tensor, query: EncodedQuery, masks: Tensor) -> Tuple[Tensor, Tensor]:
        """Like :meth:`forward`, and the average state of the words under each mask: (B, M), (B, M, D)."""
        states, targets, valid = self._reconstruct(video, query, masks)
        pooled = (states * valid[:, None, :, None]).sum(dim=2) / valid.sum(dim=1)[:, None, None]
        return self._nll(states, targets, valid), pooled

    def _nll(self, states: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        return query_nll(self.classifier(states), targets, valid, self.label_smoothing)

    def word_log_probs(self, video: Tensor, query: EncodedQuery, masks: Tensor) -> Tensor:
        """Log-probabilities of all words at every position: (B, M, N, V), N = L + 1 with the end of the query."""
        return self.classifier(self._reconstruct(video, query, masks)[0]).log_softmax(dim=-1)

    def word_scores(self, video: Tensor, query: EncodedQuery, masks: Tensor) -> Tensor:
        """Log-probability of each word of the query when it alone is hidden: (B, M, L), anything on padding.

        No position sees its own word, so one pass that hides nothing answers for all words.
        """
        words = query.words._replace(hidden=torch.zeros_like(query.words.mask))
        states, targets, _ = self._reconstruct(video, query._replace(words=words), masks)
        length = words.mask.size(1)
        scores = word_scores(self.classifier(states[:, :, :length]), targets[:, :length])
        if self.inverse:
            scores = scores.gather(-1, reversed_order(words.mask).unsqueeze(1).expand_as(scores))
        return scores

    def _reconstruct(self, video: Tensor, query: EncodedQuery, masks: Tensor, draws: Optional[Draws] = None):
        """States (B, M, N, D) of the positions, the words they should predict (B, N), and which count (B, N) bool."""
        if query.blank is None:
            raise ValueError('MaskedQueryReconstructor hides words, but the encoder gives no stand-in for them. '
                             'Set `blank=True` in the encoder of the config.')
        if self.inverse:
            query = reverse_words(query)
        hidden, word_ids = query.words.hidden, query.words.word_ids
        hidden = torch.cat([torch.zeros_like(hidden[:, :1]), hidden], dim=1)  # never the start token
        words = torch.where(hidden.unsqueeze(-1), query.blank.to(query.features.dtype), query.features)
        targets = torch.cat([word_ids, torch.zeros_like(word_ids[:, :1])], dim=1)
        valid = query.mask
        if self.end_token == 'if_padded':
            words, targets, valid = words[:, :-1], targets[:, :-1], valid[:, :-1]
        video = resample(video, masks.size(-1))
        return self.transformer.reconstruct(video, self.positions(words), masks, draws), targets, valid
