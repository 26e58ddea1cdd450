"""From a sentence to words and their part of speech, with nothing to download."""
from importlib.metadata import version
from typing import List, Sequence

from nltk.tokenize import NLTKWordTokenizer
from textblob.en import tag as textblob_tag

CONTENT_TAGS = ('NN', 'VB', 'JJ', 'RB')  # nouns, verbs, adjectives, adverbs, when, where and how (Penn Treebank)
PROVENANCE = dict(tokenizer=f'nltk.NLTKWordTokenizer {version("nltk")}', tagger=f'textblob.en {version("textblob")}')
_tokenizer = NLTKWordTokenizer()
_SAY_NOTHING = frozenset('am is are was were be been being has have had having do does did done doing see sees seen '
                         "show shows shown 's 're 'm 've n't not there here then".split())  # tagged as verbs, adverbs


def tokenize(sentence: str) -> List[str]:
    """Words and punctuation in lower case.

    The tokenizer is the one inside ``nltk.word_tokenize``, which CNM and CPL use, without the split into sentences
    before it, which needs a download: a full stop inside the text is taken off its word here instead.

    Example:
        >>> tokenize("He sits down. Then he doesn't move.")
        ['he', 'sits', 'down', 'then', 'he', 'does', "n't", 'move', '.']
    """
    tokens = _tokenizer.tokenize(sentence.lower())
    return [token[:-1] if len(token) > 2 and token.endswith('.') else token for token in tokens]


def content_weights(words: Sequence[str]) -> List[float]:
    """How likely each word is to be hidden, relative to the others: 2 for content words, else 1 (CNM, CPL).

    Args:
        words: All tokens of a sentence, as :func:`tokenize` gives them: a tag depends on the neighbours.

    Example:
        >>> content_weights(['the', 'person', 'opens', 'a', 'door'])
        [1.0, 2.0, 2.0, 1.0, 2.0]
    """
    if not words:  # the tagger would find one
        return []
    tags = [tag for _, tag in textblob_tag(' '.join(words), tokenize=False)]
    if len(tags) != len(words):
        raise ValueError(f'The tagger gave {len(tags)} tags for the {len(words)} words {list(words)}.')
    return [2.0 if any(part in tag for part in CONTENT_TAGS) else 1.0 for tag in tags]


def content_words(sentence: str) -> List[str]:
    """The words that say what is to be seen: nouns, verbs, adjectives and adverbs, but for those that say nothing.

    Example:
        >>> content_words('Then we see that a person is opening the door.')
        ['person', 'opening', 'door']
    """
    words = tokenize(sentence)
    return [word for word, weight in zip(words, content_weights(words))
            if weight > 1 and word not in _SAY_NOTHING and any(map(str.isalnum, word))]
