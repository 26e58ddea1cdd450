"""The queries of a data set, encoded once."""
import logging
from collections import Counter
from typing import NamedTuple, Optional, Sequence

import numpy as np
import torch
from mmengine.logging import print_log

from mmvmr.structures import Query
from mmvmr.text.tokenizer import tokenize
from mmvmr.text.vocabulary import Vocabulary


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
    word_ids = np.zeros((len(queries), max_words), np.int64)
    word_weights = np.zeros((len(queries), max_words), np.float32)
    lengths = np.zeros(len(queries), np.int64)
    firsts, times, unknown = {}, Counter(queries), Counter()
    for row, query in enumerate(queries):
        first = firsts.setdefault(query, row)
        if first == row:  # words are forgotten again: those of millions of queries would fill the memory
            words = tokenize(query)
            ids, weights = vocabulary.encode_tokens(words)
            lengths[row] = count = min(len(ids), max_words)
            word_ids[row, :count], word_weights[row, :count] = ids[:count], weights[:count]
            for word in words:
                if word not in vocabulary and any(map(str.isalnum, word)):
                    unknown[word] += times[query]
        word_ids[row], word_weights[row], lengths[row] = word_ids[first], word_weights[first], lengths[first]
    if unknown and source:
        print_log(f'{source}: {len(unknown)} distinct words ({sum(unknown.values())} in all) are not in the vocabulary '
                  f'and are left out: {", ".join(word for word, _ in unknown.most_common(5))}, ...', 'current',
                  logging.INFO)
    return EncodedQueries(word_ids, word_weights, lengths, vocabulary.vectors)
