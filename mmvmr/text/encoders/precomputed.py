"""Features of queries that were computed before, by any model."""
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from mmvmr.registry import TEXT_ENCODERS
from mmvmr.text.encoded_queries import EncodedQueries
from mmvmr.text.encoders.word_vectors import WordVectors
from mmvmr.text.query_store import QueryFeatures, QueryStore, word_states
from mmvmr.text.tokenizer import content_weights, tokenize
from mmvmr.text.vocabulary import Vocabulary


@TEXT_ENCODERS.register_module()
class PrecomputedText:
    """Sentence vectors, states of tokens, or both, read from a store by the ``qid`` of a pair, or by its sentence.

    The place of a word has the mean over the states of its tokens (:func:`~mmvmr.text.query_store.word_states`), and
    the id of that word in the vocabulary, so that reconstructors name words whatever the tokens of the encoder are;
    words outside the vocabulary have no place. Without states, words have the vectors of the vocabulary; without a
    vocabulary, all words have a place and no id, or, without states, the sentence vector is the only place.

    States that know their neighbours tell something of the words that are hidden beside them; word vectors do not.

    Args:
        features: A store, or several that hold different queries: see :class:`~mmvmr.text.query_store.QueryStore`.
        vocabulary: Words for the reconstructors.
        data_root: Folder that relative paths start from; that of the data set by default.

    Raises:
        FileNotFoundError, ValueError: If a store is absent or damaged.
    """

    def __init__(self, features: Union[str, Sequence[str]], vocabulary: Optional[Vocabulary] = None,
                 data_root: str = '') -> None:
        paths = [features] if isinstance(features, str) else list(features)
        if not paths:
            raise ValueError('PrecomputedText needs features: the path of a store, or a list of them; got none.')
        self.stores = [QueryStore(Path(data_root, path)) for path in paths]
        self.vocabulary = vocabulary
        self.config = dict(type='PrecomputedText', features=[str(Path(data_root, path).absolute()) for path in paths])
        first = self.stores[0].read(self.stores[0].keys[0].removeprefix('qid'))
        self.sentence_dim = None if first.sentence is None else first.sentence.shape[1]
        self._first = first
        self.dim: int = (first.tokens.shape[1] if first.tokens is not None else
                         vocabulary.vectors.shape[1] if vocabulary is not None else self.sentence_dim)

    def encode(self, queries: Sequence[str], max_words: int, keys: Optional[Sequence] = None,
               source: Optional[str] = None) -> EncodedQueries:
        """Read every distinct query once, see :class:`~mmvmr.text.interface.TextEncoder`.

        Raises:
            ValueError: If a query has no features, or other ones than the first.
        """
        keys = list(queries if keys is None else keys)
        firsts: Dict = {}
        numbers = [firsts.setdefault(pair, len(firsts)) for pair in zip(keys, queries)]
        found = [self._read(key, query, source) for key, query in firsts]
        sentences = None if self.sentence_dim is None else np.stack([one.sentence for one in found])[numbers]
        if self._first.tokens is None and self.vocabulary is not None:
            return WordVectors(self.vocabulary).encode(queries, max_words, source=source)._replace(sentences=sentences)
        places = [self._places(one, query, key, max_words) for one, (key, query) in zip(found, firsts)]
        vectors = np.concatenate([np.zeros((1, self.dim), np.float32), *(states for *_, states in places)])
        word_ids = np.zeros((len(places), max_words), np.int64)
        weights, rows = np.zeros(word_ids.shape, np.float32), np.zeros_like(word_ids)
        lengths, begin = np.array([len(ids) for ids, *_ in places]), 1
        for row, (ids, of_words, _) in enumerate(places):
            word_ids[row, :len(ids)], weights[row, :len(ids)] = ids, of_words
            rows[row, :len(ids)] = np.arange(begin, begin + len(ids))
            begin += len(ids)
        return EncodedQueries(word_ids, weights, lengths, vectors, rows).take(numbers)._replace(sentences=sentences)

    def _read(self, key: Union[str, int], query: str, source: Optional[str]) -> QueryFeatures:
        store = next((store for store in self.stores if key in store), None)
        if store is None:
            paths = ', '.join(f'"{store.path}"' for store in self.stores)
            raise ValueError(f'{source or "The query"}: {query!r} has no features, by the key {key!r}, in {paths}. '
                             'Compute them, or give the store that has them.')
        found = store.read(key)
        sizes, expected = _sizes(found), _sizes(self._first)
        if sizes != expected:
            raise ValueError(f'"{store.path}": query {key!r} has a sentence (S, Ds) and tokens (.., Dw) of the sizes '
                             f'{sizes}, the first query of the store has {expected}. Compute all by one model, with as '
                             'many paraphrases.')
        return found

    def _places(self, found: QueryFeatures, query: str, key: Union[str, int],
                max_words: int) -> Tuple[List[int], List[float], np.ndarray]:
        """Ids and hiding weights of the words that have a place, and their features."""
        if found.tokens is None:
            return [0], [0.0], found.sentence[:1]
        words = tokenize(query)
        present, states = word_states(found, tuple(words), f'query {key!r}')
        if self.vocabulary is None:
            count = min(len(present), max_words)
            return [0] * count, [0.0] * count, states[:count]
        ids, weights = self.vocabulary.ids(words), content_weights(words)
        kept = [(ids[word], weights[word], row) for row, word in enumerate(present) if ids[word]][:max_words]
        return ([index for index, *_ in kept], [weight for _, weight, _ in kept], states[[row for *_, row in kept]])

    def unknown_words(self, query: str) -> List[str]:
        """None: the whole sentence was embedded."""
        return []

    def problem(self, query: str) -> Optional[str]:
        """That a sentence has no features, where it has none; None if it has some."""
        if any(query in store for store in self.stores):
            return None
        return (f'The sentence {query!r} has no features in {", ".join(str(store.path) for store in self.stores)}. '
                'This model reads features that were computed before: add those of the sentence, by the sentence as '
                'their key, or ask for one of the sentences that are there.')


def _sizes(found: QueryFeatures) -> Tuple[Optional[Tuple[int, ...]], Optional[Tuple[int, ...]]]:
    return (None if found.sentence is None else found.sentence.shape,
            None if found.tokens is None else found.tokens.shape[1:])
