"""What is known of a sentence by encoders that read all words, of which reconstructors name some."""
from typing import List, Optional

from mmvmr.text.tokenizer import WordReader
from mmvmr.text.vocabulary import Vocabulary


class OpenSentences:
    """Base of text encoders that read any sentence.

    Attributes:
        vocabulary: Words for the reconstructors; without it, every word of every language counts.
        reader: What cuts sentences into words.
    """
    vocabulary: Optional[Vocabulary]
    reader: WordReader

    def unknown_words(self, query: str) -> List[str]:
        """Words that are not in the vocabulary, each once; without a vocabulary there are none."""
        words = dict.fromkeys(self.reader.spoken(query)) if self.vocabulary is not None else ()
        return [word for word in words if word not in self.vocabulary]

    def problem(self, query: str) -> Optional[str]:
        """Why a sentence cannot be encoded; None if it can."""
        words = self.reader.spoken(query)
        if not words:
            return f'The sentence {query!r} has no words.'
        if self.vocabulary is None or any(word in self.vocabulary for word in words):
            return None
        known = [word for word in self.vocabulary.words if word.isalpha()][:8]
        return (f'The model can name no word of the sentence {query!r}. Those that it names are the words of its '
                f'training sentences, e.g. {", ".join(known)}.')
