"""The queries of a data set, encoded once."""
import logging
from collections import Counter
from typing import NamedTuple, Optional, Sequence

import numpy as np
import torch
from mmengine.logging import print_log

from mmvmr.datasets.text import tokenize
from mmvmr.datasets.vocabulary import Vocabulary
from mmvmr.structures import Query


class EncodedQueries(NamedTuple):
    """Padded arrays over the N queries of a data set; a batch is cut out of them without a loop."""
    word_ids: np.ndarray  # (N, L) int64, 0 on padding
    word_weights: np.ndarray  # (N, L) float32, 0 on padding
    lengths: np.ndarray  # (N,) number of known words; 0 where there is none
    vectors: np.ndarray  # (V, Dw) of the vocabulary

    def take(self, indices: Sequence[int]) -> 'EncodedQueries':
        """Another choice or order of the queries."""
        indices = np.asarray(indices)
        return self._replace(word_ids=self.word_ids[indices], word_weights=self.word_weights[indices],
                             lengths=self.lengths[indices])

    def batch(self, indices: Sequence[int]) -> Query:
        """The queries ``indices``, padded to the longest of them; one without a known word is a single zero vector."""
        indices = np.asarray(indices)
        lengths = np.maximum(self.lengths[indices], 1)
        longest = lengths.max()
        word_ids = self.word_ids[indices, :longest]
        return Query(
            features=torch.from_numpy(self.vectors[word_ids]),
            mask=torch.from_numpy(np.arange(longest) < lengths[:, None]),
            word_ids=torch.from_numpy(word_ids),
            word_weights=torch.from_numpy(self.word_weights[indices, :longest]))


def encode_queries(queries: Sequence[str], vocabulary: Vocabulary, max_words: int,
                   source: Optional[str] = None) -> EncodedQueries:
    """Tokenise, tag and look up every distinct query once.

    Args:
        max_words: Only the first known words are kept.
        source: Where the queries come from, for the message about unknown words; without it there is none.
    """
    tokens = {query: tokenize(query) for query in dict.fromkeys(queries)}
    encoded = {query: vocabulary.encode_tokens(words) for query, words in tokens.items()}
    unknown = Counter(word for query in queries for word in tokens[query]
                      if word not in vocabulary and any(map(str.isalnum, word)))
    if unknown and source:
        print_log(f'{source}: {len(unknown)} distinct words ({sum(unknown.values())} in all) are not in the vocabulary '
                  f'and are left out: {", ".join(word for word, _ in unknown.most_common(5))}, ...', 'current',
                  logging.INFO)
    word_ids = np.zeros((len(queries), max_words), np.int64)
    word_weights = np.zeros((len(queries), max_words), np.float32)
    lengths = np.zeros(len(queries), np.int64)
    for row, query in enumerate(queries):
        ids, weights = encoded[query]
        lengths[row] = count = min(len(ids), max_words)
        word_ids[row, :count], word_weights[row, :count] = ids[:count], weights[:count]
    return EncodedQueries(word_ids, word_weights, lengths, vocabulary.vectors)
