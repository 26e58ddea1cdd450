"""The queries of a data set, encoded once."""
from typing import Dict, NamedTuple, Optional, Sequence

import numpy as np
import torch

from mmvmr.structures import Query


class EncodedQueries(NamedTuple):
    """Padded arrays over the N queries of a data set; a batch is cut out of them without a loop."""
    word_ids: np.ndarray  # (N, L) whole numbers, 0 on padding
    word_weights: np.ndarray  # (N, L) floating point, 0 on padding
    lengths: np.ndarray  # (N,) number of known words; 0 where there is none
    vectors: np.ndarray  # (V, Dw) of the vocabulary; or, with rows, of all places of all queries, the first of zeros
    rows: Optional[np.ndarray] = None  # (N, L) in which row of vectors a word lies; by default in that of its id
    sentences: Optional[np.ndarray] = None  # (N, S, Ds) float32, a vector of the whole query, then of its paraphrases

    def take(self, indices: Sequence[int]) -> 'EncodedQueries':
        """Another choice or order of the queries."""
        indices = np.asarray(indices)
        return self._replace(word_ids=self.word_ids[indices], word_weights=self.word_weights[indices],
                             lengths=self.lengths[indices], rows=None if self.rows is None else self.rows[indices],
                             sentences=None if self.sentences is None else self.sentences[indices])

    def without_vectors(self) -> Dict[str, np.ndarray]:
        """All but the vectors, in the smallest types that hold them."""
        arrays = dict(self._asdict(), vectors=None)
        return {name: _small(array) for name, array in arrays.items() if array is not None}

    def batch(self, indices: Sequence[int]) -> Query:
        """The queries ``indices``, padded to the longest of them; one without a known word is a single zero vector."""
        indices = np.asarray(indices)
        lengths = np.maximum(self.lengths[indices].astype(np.int64), 1)
        longest = lengths.max()
        word_ids = self.word_ids[indices, :longest].astype(np.int64)
        rows = word_ids if self.rows is None else self.rows[indices, :longest]
        return Query(
            features=torch.from_numpy(self.vectors[rows]),
            mask=torch.from_numpy(np.arange(longest) < lengths[:, None]),
            word_ids=torch.from_numpy(word_ids),
            word_weights=torch.from_numpy(self.word_weights[indices, :longest].astype(np.float32)),
            sentences=None if self.sentences is None else torch.from_numpy(self.sentences[indices]))


def _small(array: np.ndarray) -> np.ndarray:
    """The same numbers, exactly.

    Example:
        >>> [_small(np.array(numbers)).dtype.name for numbers in ([0, 300], [0.0, 2.0], [0.1])]
        ['uint16', 'float16', 'float64']
    """
    kind = np.min_scalar_type(array.max(initial=0)) if array.dtype.kind in 'iu' else np.float16
    with np.errstate(over='ignore'):
        small = array.astype(kind)
    return small if np.array_equal(small, array) else array
