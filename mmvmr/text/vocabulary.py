"""The words that a model knows, and their vectors."""
import hashlib
import json
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Sequence, Union

import numpy as np

from mmvmr.text.tokenizer import WordReader
from mmvmr.utils.files import written_aside


class Vocabulary:
    """Words in the order of their class ids, and their vectors.

    Class id = row of ``vectors`` = position in ``words`` + 1; id 0 is padding and the end of a query, a zero vector.

    Args:
        words: V - 1 distinct words.
        vectors: (V, Dw) float32, row 0 all zeros.
        provenance: Where words and vectors come from, saved with them.
    """

    def __init__(self, words: Sequence[str], vectors: np.ndarray, provenance: Optional[Dict] = None) -> None:
        words = [str(word) for word in words]
        if vectors.ndim != 2 or len(vectors) != len(words) + 1:
            raise ValueError(f'A vocabulary of {len(words)} words needs {len(words) + 1} vectors, the first of zeros, '
                             f'got an array of shape {vectors.shape}.')
        if len(set(words)) != len(words):
            raise ValueError(f'Words of a vocabulary must differ, but {Counter(words).most_common(1)[0][0]!r} is there '
                             'more than once.')
        if not np.isfinite(vectors).all() or vectors[0].any():
            raise ValueError('Word vectors must be finite and row 0, for padding, all zeros.')
        self.words = words
        self.vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self.provenance = dict(WordReader().names, **(provenance or {}))
        self._ids = {word: index for index, word in enumerate(words, start=1)}

    @cached_property
    def sha256(self) -> str:
        """Of the words in their order and their vectors: what a model makes of a word depends on both."""
        digest = hashlib.sha256('\n'.join(self.words).encode())
        digest.update(self.vectors.tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        """V, the number of classes: one more than the words."""
        return len(self.words) + 1

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    def ids(self, tokens: Sequence[str]) -> List[int]:
        """Class ids of tokens, 0 of those that are not in the vocabulary."""
        return [self._ids.get(word, 0) for word in tokens]

    def save(self, path: Union[str, Path]) -> None:
        """Write a ``.npz`` that holds no pickled objects; an existing file is replaced as a whole."""
        with written_aside(path) as partial, open(partial, 'wb') as file:
            np.savez_compressed(file, words=np.array(self.words, dtype=np.str_), vectors=self.vectors,
                                provenance=np.array(json.dumps(self.provenance)))

    @classmethod
    def load(cls, path: Union[str, Path]) -> 'Vocabulary':
        """Read a file written by :meth:`save`. Nothing in it is executed.

        Raises:
            FileNotFoundError, ValueError: If there is no such file, or it is not a vocabulary.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(file['words'].tolist(), file['vectors'], json.loads(str(file['provenance'])))
        except (FileNotFoundError, ImportError):  # the second of a plugin, which may cut sentences into words
            raise
        except Exception as error:
            raise ValueError(
                f'"{path}" is not a vocabulary of mmvmr ({type(error).__name__}: {error}). Make one with '
                '`mmvmr vocabulary`, which reads GloVe and the glove.pkl of CNM and CPL.'
            ) from error

    @classmethod
    def from_vectors(cls, counts: Counter, vectors: Dict[str, np.ndarray], size: Optional[int] = None,
                     provenance: Optional[Dict] = None) -> 'Vocabulary':
        """The ``size`` most frequent words of ``counts`` that have a vector, most frequent first."""
        words = [word for word, _ in counts.most_common() if word in vectors][:size]
        if not words:
            raise ValueError('None of the counted words has a vector; are these vectors for another language?')
        zeros = np.zeros_like(vectors[words[0]])
        return cls(words, np.stack([zeros, *(vectors[word] for word in words)]), provenance)


def count_words(sentences: Iterable[str], reader: Optional[WordReader] = None) -> Counter:
    """How often each word occurs, as CNM and CPL read words by default."""
    reader = reader or WordReader()
    return Counter(word for sentence in sentences for word in reader.words(sentence))
