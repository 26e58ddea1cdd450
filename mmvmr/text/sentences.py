"""Sentences as a user writes them, encoded as in training."""
from typing import Dict, List, NamedTuple, Sequence

from mmvmr.text.encoded_queries import EncodedQueries
from mmvmr.text.interface import TextEncoder


class Sentences(NamedTuple):
    """N sentences, those that cannot be answered among them."""
    texts: List[str]
    encoded: EncodedQueries  # of the N; what stands at those that cannot be answered means nothing
    unknown_words: List[List[str]]  # of each sentence
    problems: Dict[int, str]  # why a sentence, by its number, cannot be answered

    @property
    def answerable(self) -> List[int]:
        """Numbers of the sentences that a model can read."""
        return [number for number in range(len(self.texts)) if number not in self.problems]


def read_sentences(texts: Sequence[str], encoder: TextEncoder, max_words: int) -> Sentences:
    """Encode the sentences, and find out which of their words a model does not know.

    Args:
        encoder: That of the training.
        max_words: Only the first known words are kept, as in training.

    Raises:
        ValueError: If there is no sentence that can be answered.
    """
    texts = list(texts)
    found = {number: encoder.problem(text) for number, text in enumerate(texts)}
    problems = {number: problem for number, problem in found.items() if problem}
    if len(problems) == len(texts):
        raise ValueError(' '.join(dict.fromkeys(problems.values())) or 'There is no sentence to look for.')
    readable = next(text for number, text in enumerate(texts) if number not in problems)
    encoded = encoder.encode([readable if number in problems else text for number, text in enumerate(texts)], max_words)
    return Sentences(texts, encoded, [encoder.unknown_words(text) for text in texts], problems)
