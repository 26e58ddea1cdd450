"""Sentences as a user writes them, encoded as in training."""
from typing import Dict, List, NamedTuple, Optional, Sequence

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
    found = {number: encoder.problem(text) or _unread(text, encoder) for number, text in enumerate(texts)}
    problems = {number: problem for number, problem in found.items() if problem}
    if len(problems) == len(texts):
        raise ValueError(' '.join(dict.fromkeys(problems.values())) or 'There is no sentence to look for.')
    readable = next(text for number, text in enumerate(texts) if number not in problems)
    encoded = encoder.encode([readable if number in problems else text for number, text in enumerate(texts)], max_words)
    return Sentences(texts, encoded, [encoder.unknown_words(text) for text in texts], problems)


def _unread(text: str, encoder: TextEncoder) -> Optional[str]:
    """Why what a model reads of a sentence says nothing of what is looked for; None if it does."""
    content, unknown = encoder.reader.content(text), set(encoder.unknown_words(text))
    if encoder.vocabulary is None or any(word not in unknown for word in content):
        return None
    if not content:
        return f'The sentence {text!r} names nothing that could be seen: no thing, no deed and no property.'
    known = [word for word in encoder.vocabulary.words if encoder.reader.content(word)][:8]
    return (f'The model knows none of the words that say what to look for in {text!r}: '
            f'{", ".join(map(repr, dict.fromkeys(content)))}. Its words are those of its training sentences, e.g. '
            f'{", ".join(known)}.')
