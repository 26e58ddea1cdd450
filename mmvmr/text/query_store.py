"""Features of queries on disk, by the key of a query: sentence vectors, states of tokens, or both."""
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple, Union

import h5py
import numpy as np

from mmvmr.utils.hdf5 import hdf5_member

FIELDS = dict(sentence=('sentence', 'pooler_output'), tokens=('tokens', 'last_hidden_state'), words=('words',))
FORMS = ('a folder with KEY.npz or qidKEY.npz per query, an HDF5 file with a group per query (arrays "sentence" (Ds,) '
         'or (S, Ds), "tokens" (L, Dw), "words" (L,); "pooler_output" and "last_hidden_state" are read as well), or a '
         '.npz with "qid" (N,) and "vectors" (N, Ds) or (N, S, Ds)')


class QueryFeatures(NamedTuple):
    """What is known of one query."""
    sentence: Optional[np.ndarray]  # (S, Ds) float32, its own vector, then those of its paraphrases
    tokens: Optional[np.ndarray]  # (L, Dw) float32, states of the encoder's tokens
    words: Optional[np.ndarray]  # (L,) int64, to which word of the query each token belongs, -1 for none


class QueryStore:
    """A folder of ``.npz``, an HDF5 file, or a ``.npz`` that holds one table of sentence vectors.

    Args:
        path: Of one of them.

    Raises:
        FileNotFoundError: If there is nothing.
        ValueError: If it is damaged, or of another form.
    """

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise FileNotFoundError(f'No features of queries at "{self.path}". Expected {FORMS}.')
        self._table: Dict[str, np.ndarray] = {}
        if self.path.is_dir():
            self.keys: List[str] = sorted(file.stem for file in self.path.glob('*.npz'))
        elif self.path.suffix == '.npz':
            self._table = self._read_table()
            self.keys = list(self._table)
        else:
            try:
                with h5py.File(self.path, 'r') as file:
                    self.keys = list(file)
            except (OSError, RuntimeError, UnicodeDecodeError) as error:
                raise ValueError(f'"{self.path}" is no HDF5 file that can be read ({error}). Expected {FORMS}.'
                                 ) from error
        if not self.keys:
            raise ValueError(f'"{self.path}" holds no features of queries. Expected {FORMS}.')
        self._known = set(self.keys)

    def __contains__(self, key: Union[str, int]) -> bool:
        return self._name(key) is not None

    def _name(self, key: Union[str, int]) -> Optional[str]:
        return next((name for name in (str(key), f'qid{key}') if name in self._known), None)

    def read(self, key: Union[str, int]) -> QueryFeatures:
        """The features of one query.

        Raises:
            KeyError: If it has none.
            ValueError: If they cannot be read, or are no finite numbers of the shapes that are expected.
        """
        name = self._name(key)
        if name is None:
            raise KeyError(key)
        try:
            arrays = self._arrays(name)
        except Exception as error:  # a damaged file can fail anywhere inside numpy and h5py
            raise ValueError(f'"{self.path}": query {key!r} cannot be read ({type(error).__name__}: {error}). Make its '
                             'features again.') from error
        found = {field: next((arrays[one] for one in names if one in arrays), None) for field, names in FIELDS.items()}
        return self._checked(key, found, list(arrays))

    def _arrays(self, name: str) -> Dict[str, np.ndarray]:
        if self._table:
            return dict(sentence=self._table[name])
        wanted = [one for names in FIELDS.values() for one in names]
        if self.path.is_dir():
            with np.load(self.path / f'{name}.npz', allow_pickle=False) as file:
                return {one: file[one] for one in file.files if one in wanted}
        with h5py.File(self.path, 'r') as file:
            node = hdf5_member(file, name)
            if isinstance(node, h5py.Dataset):
                return dict(sentence=node[()])
            return {one: hdf5_member(node, one)[()] for one in node if one in wanted}

    def _read_table(self) -> Dict[str, np.ndarray]:
        try:
            with np.load(self.path, allow_pickle=False) as file:
                keys, vectors = file['qid'], file['vectors']
        except Exception as error:
            raise ValueError(f'"{self.path}" is no table of sentence vectors ({type(error).__name__}: {error}). '
                             f'Expected {FORMS}.') from error
        if keys.ndim != 1 or vectors.ndim not in (2, 3) or len(keys) != len(vectors) or len(set(keys.tolist())) < len(
                keys):
            raise ValueError(f'"{self.path}" has qid of shape {keys.shape} and vectors of shape {vectors.shape}; '
                             'expected (N,), no number twice, and (N, Ds) or (N, S, Ds).')
        return dict(zip(map(str, keys.tolist()), vectors))

    def _checked(self, key: Union[str, int], found: Dict, names: List[str]) -> QueryFeatures:
        sentence, tokens, words = (found[field] for field in ('sentence', 'tokens', 'words'))
        sentence = sentence[None] if sentence is not None and sentence.ndim == 1 else sentence
        parts = [part for part in (sentence, tokens) if part is not None]
        right = parts and all(part.ndim == 2 and part.size and part.dtype.kind == 'f' and np.isfinite(part).all()
                              for part in parts)
        if words is not None:
            right = right and tokens is not None and words.shape == tokens.shape[:1] and words.dtype.kind in 'iu'
        if not right:
            shapes = {name: getattr(found[name], 'shape', None) for name in found}
            raise ValueError(f'"{self.path}": the features of query {key!r} have the shapes {shapes} (read: {names}), '
                             f'or are no finite numbers. Expected {FORMS}.')
        return QueryFeatures(*(None if part is None else part.astype(np.float32) for part in (sentence, tokens)),
                             None if words is None else words.astype(np.int64))


def word_states(found: QueryFeatures, words: Tuple[str, ...], where: str) -> Tuple[np.ndarray, np.ndarray]:
    """The states of the words of a query: the mean over the tokens that belong to each.

    Without ``found.words`` there must be a token for each word, in order.

    Args:
        words: Of the query, as :class:`~mmvmr.text.tokenizer.WordReader` cuts it.
        where: What the query is called in messages.

    Returns:
        Numbers of the words that have a token, (W,), and their states (W, Dw). Encoders that cut long queries leave the
        last words without.

    Raises:
        ValueError: If tokens and words do not go together.

    Example:
        >>> found = QueryFeatures(None, np.array([[9.0], [1.0], [2.0], [4.0]], np.float32), np.array([-1, 0, 1, 1]))
        >>> word_states(found, ('a', 'skateboard'), 'query 7')
        (array([0, 1]), array([[1.], [3.]], dtype=float32))
    """
    owners = np.arange(len(found.tokens)) if found.words is None else found.words
    if found.words is None and len(owners) != len(words) or owners.max(initial=-1) >= len(words):
        raise ValueError(f'{where}: {len(owners)} states of tokens for the {len(words)} words {list(words)}. Give one '
                         'state per word, or beside them `words` (L,): to which word, counted from 0, each token '
                         'belongs, and -1 for those that belong to none.')
    kept = owners >= 0
    sums, counts = np.zeros((len(words), found.tokens.shape[1]), np.float32), np.zeros(len(words), np.float32)
    np.add.at(sums, owners[kept], found.tokens[kept])
    np.add.at(counts, owners[kept], 1)
    present = counts.nonzero()[0]
    return present, sums[present] / counts[present, None]
