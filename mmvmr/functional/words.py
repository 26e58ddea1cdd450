"""Hiding words of a query, reading it backwards, and scoring how well it was filled in again."""
from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvmr.functional.noise import gumbel, pair_noise
from mmvmr.structures import EncodedQuery

_GOLDEN = 0.6180339887498949  # multiples of the golden ratio spread evenly over [0, 1)


def hide_words(weights: Tensor, mask: Tensor, one_in: int = 3, seeds: Optional[Tensor] = None) -> Tensor:
    """Choose max(n // ``one_in``, 1) of the n words of each query, without replacement.

    A word is drawn with a probability proportional to exp(weight) (CNM section "Mask Conditioned Reconstruction").
    Drawing k without replacement equals keeping the k largest of weight + Gumbel noise, which needs no loop. Without
    seeds the noise is a fixed sequence over the positions: the choice then depends on the query alone.

    Args:
        weights: (B, L).
        mask: (B, L) bool, True on words.
        seeds: (B,) int64, what the draw for each query depends on.

    Returns:
        (B, L) bool, True on the words to hide.

    Example:
        >>> hide_words(torch.tensor([[1.0, 9.0, 1.0, 0.0]]), torch.tensor([[True, True, True, False]]))
        tensor([[False,  True, False, False]])
    """
    if seeds is None:
        uniform = (torch.arange(1, weights.size(1) + 1, device=weights.device, dtype=weights.dtype) * _GOLDEN).frac()
    else:
        uniform = pair_noise(seeds, weights.size(1))
    keys = (weights + gumbel(uniform)).masked_fill(~mask, -torch.inf)
    ranks = keys.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    counts = (mask.sum(dim=1, keepdim=True) // one_in).clamp(min=1)
    return (ranks < counts) & mask


def reversed_order(mask: Tensor) -> Tensor:
    """Places (B, L) of the words from the last to the first, padding where it is; applied twice it changes nothing.

    Example:
        >>> reversed_order(torch.tensor([[True, True, True, False]]))
        tensor([[2, 1, 0, 3]])
    """
    index = torch.arange(mask.size(1), device=mask.device)
    count = mask.sum(dim=1, keepdim=True)
    return torch.where(index < count, count - 1 - index, index)


def reverse_words(query: EncodedQuery) -> EncodedQuery:
    """Read each query from its last word to its first (MCMT's inverse task); padding stays at the end.

    The start token stays in front, and hidden words stay hidden.
    """
    words, order = query.words, reversed_order(query.words.mask)
    rows = torch.cat([torch.zeros_like(order[:, :1]), order + 1], dim=1)
    return query._replace(
        features=query.features.gather(1, rows.unsqueeze(-1).expand(-1, -1, query.features.size(-1))),
        words=words._replace(
            features=words.features.gather(1, order.unsqueeze(-1).expand_as(words.features)),
            word_ids=words.word_ids.gather(1, order),
            word_weights=words.word_weights.gather(1, order),
            hidden=None if words.hidden is None else words.hidden.gather(1, order)))


def query_nll(logits: Tensor, word_ids: Tensor, valid: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Negative log-likelihood of each query, averaged over its words.

    l_i = -(1 - eps) log p(w_i) - eps / V sum_v log p(v) with label smoothing eps (CNM section "Training").

    Args:
        logits: (B, M, N, V), one reconstruction per mask.
        word_ids: (B, N) int64, the words to be found.
        valid: (B, N) bool, the positions that count.

    Returns:
        (B, M).

    Example:
        >>> query_nll(torch.zeros(1, 1, 2, 4), torch.tensor([[3, 0]]), torch.tensor([[True, False]]))
        tensor([[1.3863]])
    """
    targets = word_ids.unsqueeze(1).expand(logits.shape[:-1])
    words = F.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction='none',
                            label_smoothing=label_smoothing).view(targets.shape)
    words = words.masked_fill(~valid.unsqueeze(1), 0)
    return words.sum(dim=-1) / valid.sum(dim=-1).unsqueeze(1)


def word_scores(logits: Tensor, word_ids: Tensor) -> Tensor:
    """Log-probability of each word: logits (B, M, N, V) and words (B, N) -> (B, M, N).

    Example:
        >>> word_scores(torch.zeros(1, 1, 2, 4), torch.tensor([[3, 0]]))
        tensor([[[-1.3863, -1.3863]]])
    """
    targets = word_ids.unsqueeze(1).expand(logits.shape[:-1])
    return -F.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction='none').view(targets.shape)


def mean_words(query: EncodedQuery) -> Tensor:
    """Average of the encoded words of each query, without start token and padding: (B, D)."""
    words, keep = query.features[:, 1:], query.words.mask.unsqueeze(-1)
    return (words * keep).sum(dim=1) / keep.sum(dim=1).clamp(min=1)
