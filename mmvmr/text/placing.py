"""From the features of queries to the places of their words: what every encoder with features of its own shares."""
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from mmvmr.text.encoded_queries import EncodedQueries
from mmvmr.text.encoders.word_vectors import WordVectors
from mmvmr.text.query_store import QueryFeatures, word_states
from mmvmr.text.tokenizer import WordReader
from mmvmr.text.vocabulary import Vocabulary


class Place(NamedTuple):
    """The words of a query that have a place."""
    ids: List[int]  # in the vocabulary, 0 without one
    weights: List[float]  # how likely each is to be hidden
    states: np.ndarray  # (number of places, Dw)


def place_words(found: Sequence[QueryFeatures], queries: Sequence[str], max_words: int,
                vocabulary: Optional[Vocabulary], reader: WordReader, names: Sequence[str],
                source: Optional[str] = None) -> EncodedQueries:
    """Give the words of each query their places.

    With states of tokens, a word has the mean over the states of its tokens; with a vocabulary, only its words have a
    place; without one, and where nothing says to which word a token belongs, every token has. Without states, words
    have the vectors of the vocabulary; without both, the sentence vector is all there is.

    Args:
        found: Of each query; all have states, or none.
        max_words: Only the first words that have a place are kept.
        reader: What cuts the queries into words.
        names: What the queries are called in messages.
        source: Where they come from, for messages.
    """
    sentences = None if found[0].sentence is None else np.stack([one.sentence for one in found])
    if found[0].tokens is None and vocabulary is not None:
        words = WordVectors(vocabulary, **reader.config)
        return words.encode(queries, max_words, source=source)._replace(sentences=sentences)
    places = [_place(*one, max_words, vocabulary, reader) for one in zip(found, queries, names)]
    dim = places[0].states.shape[1]
    vectors = np.concatenate([np.zeros((1, dim), np.float32), *(place.states for place in places)])
    word_ids = np.zeros((len(places), max_words), np.int64)
    weights, rows = np.zeros(word_ids.shape, np.float32), np.zeros_like(word_ids)
    lengths, begin = np.array([len(place.ids) for place in places]), 1
    for row, place in enumerate(places):
        count = len(place.ids)
        word_ids[row, :count], weights[row, :count] = place.ids, place.weights
        rows[row, :count] = np.arange(begin, begin + count)
        begin += count
    return EncodedQueries(word_ids, weights, lengths, vectors, rows, sentences)


def distinct(pairs: Sequence[Tuple]) -> Tuple[List[Tuple], List[int]]:
    """Each pair once, in the order of their first appearance, and which of them stands at each place.

    Example:
        >>> distinct(['b', 'a', 'b'])
        (['b', 'a'], [0, 1, 0])
    """
    firsts: dict = {}
    numbers = [firsts.setdefault(pair, len(firsts)) for pair in pairs]
    return list(firsts), numbers


def _place(found: QueryFeatures, query: str, name: str, max_words: int, vocabulary: Optional[Vocabulary],
           reader: WordReader) -> Place:
    if found.tokens is None:
        return Place([0], [0.0], found.sentence[:1])
    if vocabulary is None and found.words is None:  # tokens are as good as words where no word is named
        count = min(len(found.tokens), max_words)
        return Place([0] * count, [0.0] * count, found.tokens[:count])
    words = reader.words(query)
    present, states = word_states(found, tuple(words), name)
    if vocabulary is None:
        count = min(len(present), max_words)
        return Place([0] * count, [0.0] * count, states[:count])
    ids, weights = vocabulary.ids(words), reader.weights(words)
    kept = [(ids[word], weights[word], row) for row, word in enumerate(present) if ids[word]][:max_words]
    return Place([index for index, *_ in kept], [weight for _, weight, _ in kept], states[[row for *_, row in kept]])
