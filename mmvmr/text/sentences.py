"""Sentences as a user writes them, encoded as in training."""
from typing import Dict, List, NamedTuple, Sequence

from mmvmr.text.encoded_queries import EncodedQueries, encode_queries
from mmvmr.text.tokenizer import tokenize
from mmvmr.text.vocabulary import Vocabulary


class Sentences(NamedTuple):
    """N sentences, those that cannot be answered among them."""
    texts: List[str]
    encoded: EncodedQueries
    unknown_words: List[List[str]]  # of each sentence
    problems: Dict[int, str]  # why a sentence, by its number, cannot be answered

    @property
    def answerable(self) -> List[int]:
        """Numbers of the sentences that a model can read."""
        return [number for number in range(len(self.texts)) if number not in self.problems]


def read_sentences(texts: Sequence[str], vocabulary: Vocabulary, max_words: int) -> Sentences:
    """Encode the sentences, and find out which of their words a model does not know.

    Args:
        max_words: Only the first known words are kept, as in training.

    Raises:
        ValueError: If there is no sentence that can be answered.
    """
    texts = list(texts)
    words = [[word for word in tokenize(text) if any(map(str.isalnum, word))] for text in texts]
    unknown = [[word for word in dict.fromkeys(tokens) if word not in vocabulary] for tokens in words]
    problems = {number: _problem(texts[number], tokens, vocabulary) for number, tokens in enumerate(words)
                if not any(word in vocabulary for word in tokens)}
    if len(problems) == len(texts):
        raise ValueError(' '.join(dict.fromkeys(problems.values())) or 'There is no sentence to look for.')
    encoded = encode_queries(texts, vocabulary, max_words)
    return Sentences(texts, encoded, unknown, problems)


def _problem(text: str, words: Sequence[str], vocabulary: Vocabulary) -> str:
    if not words:
        return f'The sentence {text!r} has no words.'
    known = [word for word in vocabulary.words if word.isalpha()][:8]
    return (f'The model knows no word of the sentence {text!r}. Its words are those of its training sentences, e.g. '
            f'{", ".join(known)}.')
