"""What is asked of a text encoder: from sentences to what a batch of queries is made of."""
from typing import Dict, List, Optional, Protocol, Sequence

from mmvmr.text.encoded_queries import EncodedQueries
from mmvmr.text.tokenizer import WordReader
from mmvmr.text.vocabulary import Vocabulary


class TextEncoder(Protocol):
    """Turns sentences into :class:`~mmvmr.text.encoded_queries.EncodedQueries`, the same in training and in use.

    A query has a place for each of its words, as its ``reader`` cuts them, whatever the tokens of the encoder
    are: a reconstructor hides words of a vocabulary at these places and names them again. With a
    vocabulary, only its words have a place. A query may have sentence vectors beside its words.

    Attributes:
        vocabulary: The words that reconstructors can name; without one, there is nothing to reconstruct.
        reader: What cuts sentences into words.
        dim: Dw, of the features of a word.
        sentence_dim: Ds, of the vectors of a sentence, or None where there are none.
        config: How to build it again beside its vocabulary, plain data; None of the word vectors of the vocabulary as
            CNM and CPL read words.
    """
    vocabulary: Optional[Vocabulary]
    reader: WordReader
    dim: int
    sentence_dim: Optional[int]
    config: Optional[Dict]

    def encode(self, queries: Sequence[str], max_words: int, keys: Optional[Sequence] = None,
               source: Optional[str] = None) -> EncodedQueries:
        """Encode every distinct query once.

        Args:
            max_words: Only the first words that have a place are kept.
            keys: By which an encoder may look queries up; the sentences themselves by default.
            source: Where the queries come from, for messages; without it there are none.
        """

    def unknown_words(self, query: str) -> List[str]:
        """Words of a sentence that leave no trace in what :meth:`encode` gives."""

    def problem(self, query: str) -> Optional[str]:
        """Why a sentence cannot be encoded, with what to do; None if it can."""
