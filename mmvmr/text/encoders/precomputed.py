"""Features of queries that were computed before, by any model."""
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from mmvmr.registry import TEXT_ENCODERS
from mmvmr.text.encoded_queries import EncodedQueries
from mmvmr.text.placing import distinct, place_words
from mmvmr.text.query_store import QueryFeatures, QueryStore
from mmvmr.text.tokenizer import WordReader
from mmvmr.text.vocabulary import Vocabulary


@TEXT_ENCODERS.register_module()
class PrecomputedText:
    """Sentence vectors, states of tokens, or both, read from a store by the ``qid`` of a pair, or by its sentence.

    The place of a word has the mean over the states of its tokens (:func:`~mmvmr.text.query_store.word_states`), and
    the id of that word in the vocabulary, so that reconstructors name words whatever the tokens of the encoder are;
    words outside the vocabulary have no place. Without states, words have the vectors of the vocabulary; without a
    vocabulary, all words (or tokens, where nothing says to which word they belong) have a place and no id, or, without
    states, the sentence vector is the only place.

    States that know their neighbours tell something of the words that are hidden beside them; word vectors do not.

    Args:
        features: A store, or several that hold different queries: see :class:`~mmvmr.text.query_store.QueryStore`.
        vocabulary: Words for the reconstructors.
        data_root: Folder that relative paths start from; that of the data set by default.
        tokenizer, tagger: Configs, see :class:`~mmvmr.text.tokenizer.WordReader`.

    Raises:
        FileNotFoundError, ValueError: If a store is absent or damaged.
    """

    def __init__(self, features: Union[str, Sequence[str]], vocabulary: Optional[Vocabulary] = None,
                 data_root: str = '', tokenizer: Optional[Dict] = None, tagger: Optional[Dict] = None) -> None:
        paths = [features] if isinstance(features, str) else list(features)
        if not paths:
            raise ValueError('PrecomputedText needs features: the path of a store, or a list of them; got none.')
        self.stores = [QueryStore(Path(data_root, path)) for path in paths]
        self.vocabulary, self.reader = vocabulary, WordReader(tokenizer, tagger)
        self.config = dict(type='PrecomputedText', features=[str(Path(data_root, path).absolute()) for path in paths],
                           **self.reader.config)
        first = self.stores[0].read(self.stores[0].keys[0].removeprefix('qid'))
        self.sentence_dim = None if first.sentence is None else first.sentence.shape[1]
        self._first = first
        self.dim: int = (first.tokens.shape[1] if first.tokens is not None else
                         vocabulary.vectors.shape[1] if vocabulary is not None else self.sentence_dim)

    def encode(self, queries: Sequence[str], max_words: int, keys: Optional[Sequence] = None,
               source: Optional[str] = None) -> EncodedQueries:
        """Read every distinct query once, see :class:`~mmvmr.text.interface.TextEncoder`.

        Raises:
            ValueError: If a query has no features, others than in another store, or of other sizes than the first.
        """
        pairs, numbers = distinct(list(zip(queries if keys is None else keys, queries)))
        found = [self._read(key, query, source) for key, query in pairs]
        return place_words(found, [query for _, query in pairs], max_words, self.vocabulary,
                           self.reader, [f'query {key!r}' for key, _ in pairs], source).take(numbers)

    def _read(self, key: Union[str, int], query: str, source: Optional[str]) -> QueryFeatures:
        stores = [store for store in self.stores if key in store]
        if not stores:
            paths = ', '.join(f'"{store.path}"' for store in self.stores)
            raise ValueError(f'{source or "The query"}: {query!r} has no features, by the key {key!r}, in {paths}. '
                             'Compute them, or give the store that has them.')
        found, *others = (store.read(key) for store in stores)
        store = stores[0]
        for other, features in zip(stores[1:], others):
            if not all(map(np.array_equal, found, features)):
                raise ValueError(f'Query {key!r} has other features in "{store.path}" than in "{other.path}": is it '
                                 'the same query? Number the queries of all files differently, or give each data set a '
                                 'text encoder with its own store.')
        sizes, expected = _sizes(found), _sizes(self._first)
        if sizes != expected:
            raise ValueError(f'"{store.path}": query {key!r} has a sentence (S, Ds) and tokens (.., Dw) of the sizes '
                             f'{sizes}, the first query of the store has {expected}. Compute all by one model, with as '
                             'many paraphrases.')
        return found

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
