"""Word vectors in the formats they come in, GloVe text files and the pickle of CNM, CPL and PPS; or random ones."""
import pickle
from collections import Counter
from pathlib import Path
from typing import Any, Container, Dict, Iterable, Tuple, Union

import numpy as np

_PLAIN = {('collections', 'Counter'), ('collections', 'OrderedDict'), ('_codecs', 'encode'),
          ('numpy', 'ndarray'), ('numpy', 'dtype')}
_PLAIN |= {(f'numpy.{core}.{module}', name) for core in ('core', '_core')  # before and since numpy 2
           for module, name in (('multiarray', '_reconstruct'), ('multiarray', 'scalar'), ('numeric', '_frombuffer'))}


class _PlainUnpickler(pickle.Unpickler):
    """Admits numbers, text, containers and numpy arrays; everything else is refused before it is built."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PLAIN:
            raise pickle.UnpicklingError(f'it asks for {module}.{name}, which is not plain data')
        return super().find_class(module, name)


def read_glove_pickle(path: Union[str, Path]) -> Tuple[Counter, Dict[str, np.ndarray]]:
    """Read ``glove.pkl`` of CNM, CPL and PPS: a dict of ``w2id``, ``id2vec`` and ``counter``.

    Returns:
        How often each word occurs, and the vector of each word.

    Raises:
        ValueError: If the file is damaged, of another form, or would run code; nothing of it has been run then.
    """
    with open(path, 'rb') as file:
        try:
            data = _PlainUnpickler(file).load()
        except Exception as error:  # a damaged pickle can raise anything
            raise ValueError(f'"{path}" was refused: {type(error).__name__}: {error}. Expected a pickle of dicts, '
                             'lists and numpy arrays; fetch the file again from its authors.') from error
    if not isinstance(data, dict) or not {'w2id', 'id2vec', 'counter'} <= set(data):
        raise ValueError(f'"{path}" should hold a dict with w2id, id2vec and counter, as the files of CNM and CPL do.')
    return Counter(data['counter']), {word: np.asarray(data['id2vec'][row]) for word, row in data['w2id'].items()}


def random_vectors(words: Iterable[str], dim: int = 300) -> Dict[str, np.ndarray]:
    """A random vector per word, a function of the word alone, where there are no pre-trained ones."""
    vectors = {}
    for word in words:
        rng = np.random.default_rng(list(word.encode()))
        vectors[word] = rng.normal(0, 0.35, dim).astype(np.float32)  # about the norm of GloVe vectors
    return vectors


def read_glove_text(lines: Iterable[str], words: Container[str], source: str = 'GloVe') -> Dict[str, np.ndarray]:
    """Read the vectors of ``words`` from GloVe text: a word and its numbers on each line, with blanks or tabs between.

    A first line that gives only the size of the table, as in word2vec's text format, is skipped.

    Args:
        source: Name of the file, for messages.

    Raises:
        ValueError: If a line has another form.

    Example:
        >>> read_glove_text(['a 1 2\\n', 'ball 3 4\\n'], {'ball'})
        {'ball': array([3., 4.], dtype=float32)}
    """
    vectors, dim = {}, None
    for number, line in enumerate(lines, start=1):
        fields = line.rstrip().replace('\t', ' ').split(' ')
        if fields == [''] or dim is None and len(fields) == 2:
            continue
        dim = dim or len(fields) - 1
        complete = len(fields) > dim
        word = ' '.join(fields[:-dim])  # some words of GloVe 840B hold blanks
        if complete and (word not in words or word in vectors):
            continue
        try:
            vectors[word] = np.array(fields[-dim:], dtype=np.float32)
            valid = complete and np.isfinite(vectors[word]).all()
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(f'"{source}", line {number}: expected a word and {dim} numbers, got {line[:60]!r}.')
    return vectors


def fit_word_vectors(sentences: Iterable[Iterable[str]], vectors: np.ndarray,
                     ridge: float = 3.0) -> Dict[str, np.ndarray]:
    """Word vectors in the space of sentence vectors, where a sentence is about the sum of its words.

    They minimise |sum of the words - sentence vector|^2 + ridge |words|^2 and have unit length then.

    Args:
        sentences: N sentences, each as its words; a word counts once in a sentence.
        vectors: (N, D) their vectors.

    Example:
        >>> found = fit_word_vectors([['red', 'ball'], ['red']], np.array([[1.0, 1.0], [1.0, 0.0]]), ridge=1e-6)
        >>> [found[word].round(2).tolist() for word in ('ball', 'red')]
        [[0.0, 1.0], [1.0, 0.0]]
    """
    found = [sorted(set(words)) for words in sentences]
    words = sorted({word for sentence in found for word in sentence})
    ids = {word: number for number, word in enumerate(words)}
    together, sums = ridge * np.eye(len(words)), np.zeros((len(words), vectors.shape[1]))
    for sentence, vector in zip(found, vectors):
        rows = [ids[word] for word in sentence]
        together[np.ix_(rows, rows)] += 1
        sums[rows] += vector
    fitted = np.linalg.solve(together, sums)
    return dict(zip(words, (fitted / np.linalg.norm(fitted, axis=1, keepdims=True).clip(min=1e-12)).astype(np.float32)))
