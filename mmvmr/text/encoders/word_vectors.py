"""Word vectors of a vocabulary: the text encoder of CNM, CPL and those after them."""
import logging
from collections import Counter
from functools import cached_property
from typing import Dict, List, Optional, Sequence

import numpy as np
from mmengine.logging import print_log

from mmvmr.registry import TEXT_ENCODERS
from mmvmr.text.encoded_queries import EncodedQueries
from mmvmr.text.tokenizer import WordReader, has_joined_words
from mmvmr.text.vocabulary import Vocabulary


@TEXT_ENCODERS.register_module()
class WordVectors:
    """Each word of the vocabulary is its vector, whatever stands beside it; other words are left out.

    Args:
        vocabulary: Words and their vectors.
        tokenizer, tagger: Configs, see :class:`~mmvmr.text.tokenizer.WordReader`.
    """
    sentence_dim = None

    def __init__(self, vocabulary: Vocabulary, tokenizer: Optional[Dict] = None, tagger: Optional[Dict] = None) -> None:
        self.vocabulary, self.reader = vocabulary, WordReader(tokenizer, tagger)
        self.config = dict(type='WordVectors', **self.reader.config) if self.reader.config else None
        self.dim: int = vocabulary.vectors.shape[1]

    @cached_property
    def words_depend_on(self) -> Dict:
        """What :meth:`encode` depends on beside sentences and code, plain data: by it encoded queries are kept."""
        return dict(self.reader.names, parts=str(self.reader.config), vocabulary=self.vocabulary.sha256)

    def encode(self, queries: Sequence[str], max_words: int, keys: Optional[Sequence] = None,
               source: Optional[str] = None) -> EncodedQueries:
        """Tokenise, tag and look up every distinct query once; ``keys`` are not needed."""
        word_ids = np.zeros((len(queries), max_words), np.int64)
        word_weights = np.zeros((len(queries), max_words), np.float32)
        lengths = np.zeros(len(queries), np.int64)
        firsts, times, unknown, placed = {}, Counter(queries), Counter(), 0
        for row, query in enumerate(queries):
            first = firsts.setdefault(query, row)
            if first == row:  # words are forgotten again: those of millions of queries would fill the memory
                words = self.reader.words(query)
                found = zip(self.vocabulary.ids(words), self.reader.weights(words))
                known = [pair for pair in found if pair[0]]
                placed += times[query] * len(known)
                known = known[:max_words]
                lengths[row] = count = len(known)
                word_ids[row, :count] = [index for index, _ in known]
                word_weights[row, :count] = [weight for _, weight in known]
                for word in words:
                    if word not in self.vocabulary and any(map(str.isalnum, word)):
                        unknown[word] += times[query]
            word_ids[row], word_weights[row], lengths[row] = word_ids[first], word_weights[first], lengths[first]
        if unknown and source:
            left_out = sum(unknown.values())
            most = left_out > placed
            examples = ', '.join(word for word, _ in unknown.most_common(5))
            hint = ' Was it made for these sentences, with this tokenizer? See `mmvmr vocabulary`.' if most else ''
            print_log(f'{source}: {len(unknown)} distinct words ({left_out} of {left_out + placed} in all) are not '
                      f'in the vocabulary and are left out: {examples}, ...{hint}', 'current',
                      logging.WARNING if most else logging.INFO)
        return EncodedQueries(word_ids, word_weights, lengths, self.vocabulary.vectors)

    def unknown_words(self, query: str) -> List[str]:
        """Words that are not in the vocabulary, each once."""
        return [word for word in dict.fromkeys(self.reader.spoken(query)) if word not in self.vocabulary]

    def problem(self, query: str) -> Optional[str]:
        """Why a model that was trained with this vocabulary cannot read the sentence; None if it can."""
        words = self.reader.spoken(query)
        if not words:
            return f'The sentence {query!r} has no words.'
        if any(word in self.vocabulary for word in words):
            return None
        if has_joined_words(query) and not self.reader.own_tokenizer:
            return (f'The sentence {query!r} has no blanks between its words, so it counts as one word, which the '
                    'model does not know. Write blanks between the words, as in the training sentences.')
        known = [word for word in self.vocabulary.words if word.isalpha()][:8]
        return (f'The model knows no word of the sentence {query!r}. Its words are those of its training sentences, '
                f'e.g. {", ".join(known)}.')
