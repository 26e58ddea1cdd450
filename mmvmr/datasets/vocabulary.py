"""The words that a model knows, and their vectors."""
import json
import os
import pickle
from collections import Counter
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Sequence, Tuple, Union

import numpy as np

from mmvmr.datasets.text import PROVENANCE, content_weights, tokenize


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
        self.provenance = dict(PROVENANCE, **(provenance or {}))
        self._ids = {word: index for index, word in enumerate(words, start=1)}

    def __len__(self) -> int:
        """V, the number of classes: one more than the words."""
        return len(self.words) + 1

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    def encode(self, query: str) -> Tuple[List[int], List[float]]:
        """Class ids and hiding weights of the known words of a sentence; unknown words are left out."""
        return self.encode_tokens(tokenize(query))

    def encode_tokens(self, tokens: Sequence[str]) -> Tuple[List[int], List[float]]:
        """The same for a sentence that is already cut into tokens."""
        known = [(self._ids[word], weight) for word, weight in zip(tokens, content_weights(tokens)) if word in self._ids]
        return [index for index, _ in known], [weight for _, weight in known]

    def save(self, path: Union[str, Path]) -> None:
        """Write a ``.npz`` that holds no pickled objects; an existing file is replaced as a whole."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f'.{path.name}.{os.getpid()}.npz')
        np.savez_compressed(temporary, words=np.array(self.words, dtype=np.str_), vectors=self.vectors,
                            provenance=np.array(json.dumps(self.provenance)))
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Union[str, Path]) -> 'Vocabulary':
        """Read a file written by :meth:`save`. Nothing in it is executed.

        Raises:
            FileNotFoundError, ValueError: If there is no such file, or it is not a vocabulary.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(file['words'].tolist(), file['vectors'], json.loads(str(file['provenance'])))
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(
                f'"{path}" is not a vocabulary of mmvmr ({type(error).__name__}: {error}). Make one with '
                'tools/dataset_converters/build_vocabulary.py, which also reads the glove.pkl of CNM and CPL.') from error

    @classmethod
    def from_vectors(cls, counts: Counter, vectors: Dict[str, np.ndarray], size: Optional[int] = None,
                     provenance: Optional[Dict] = None) -> 'Vocabulary':
        """The ``size`` most frequent words of ``counts`` that have a vector, most frequent first."""
        words = [word for word, _ in counts.most_common() if word in vectors][:size]
        if not words:
            raise ValueError('None of the counted words has a vector; are these vectors for another language?')
        dim = len(vectors[words[0]])
        return cls(words, np.stack([np.zeros(dim)] + [vectors[word] for word in words]), provenance)

    @classmethod
    def from_glove_pickle(cls, path: Union[str, Path], size: Optional[int] = None) -> 'Vocabulary':
        """The ``glove.pkl`` of CNM, CPL and PPS: ``w2id``, ``id2vec`` and ``counter``; only plain data is admitted."""
        data = load_plain_pickle(path)
        if not isinstance(data, dict) or not {'w2id', 'id2vec', 'counter'} <= set(data):
            raise ValueError(f'"{path}" should hold a dict with w2id, id2vec and counter, as the files of CNM and CPL do.')
        vectors = {word: np.asarray(data['id2vec'][index]) for word, index in data['w2id'].items()}
        return cls.from_vectors(Counter(data['counter']), vectors, size, dict(source=f'{Path(path).name}'))

    @classmethod
    def from_glove_text(cls, path: Union[str, Path], counts: Counter, size: Optional[int] = None) -> 'Vocabulary':
        """A GloVe text file, a word and its numbers on each line; only the counted words are kept."""
        vectors = {}
        with open(path, encoding='utf-8') as file:
            for number, line in enumerate(file, start=1):
                word, *values = line.rstrip('\n').split(' ')
                if word in counts:
                    try:
                        vectors[word] = np.array(values, dtype=np.float32)
                    except ValueError:
                        raise ValueError(f'"{path}", line {number}: expected a word and numbers, got {line[:60]!r}.')
        return cls.from_vectors(counts, vectors, size, dict(source=Path(path).name))


def count_words(sentences: Iterable[str]) -> Counter:
    """How often each token occurs."""
    return Counter(word for sentence in sentences for word in tokenize(sentence))


_PLAIN = {('collections', 'Counter'), ('collections', 'OrderedDict'), ('_codecs', 'encode'),
          ('numpy', 'ndarray'), ('numpy', 'dtype')}
_PLAIN |= {(f'numpy.{core}.{module}', name) for core in ('core', '_core')
           for module, name in (('multiarray', '_reconstruct'), ('multiarray', 'scalar'), ('numeric', '_frombuffer'))}


class _PlainUnpickler(pickle.Unpickler):
    """Admits numbers, text, containers and numpy arrays; everything else is refused before it is built."""

    def find_class(self, module: str, name: str):
        if (module, name) not in _PLAIN:
            raise pickle.UnpicklingError(f'it asks for {module}.{name}, which is not plain data')
        return super().find_class(module, name)


def load_plain_pickle(path: Union[str, Path]):
    """Unpickle plain data only.

    Raises:
        ValueError: If the file is damaged or would run code; nothing of it has been run then.
    """
    with open(path, 'rb') as file:
        try:
            return _PlainUnpickler(file).load()
        except Exception as error:
            raise ValueError(f'"{path}" was refused: {type(error).__name__}: {error}. Expected a pickle of dicts, lists '
                             'and numpy arrays; fetch the file again from its authors.') from error
