"""From a sentence to words and their part of speech, with nothing to download."""
import re
from functools import lru_cache
from importlib.metadata import version
from typing import List, Sequence, Tuple

from nltk.tokenize import NLTKWordTokenizer
from textblob.en import tag as textblob_tag

CONTENT_TAGS = ('NN', 'VB', 'JJ', 'RB')  # nouns, verbs, adjectives, adverbs, when, where and how (Penn Treebank)
PROVENANCE = dict(tokenizer=f'nltk.NLTKWordTokenizer {version("nltk")}', tagger=f'textblob.en {version("textblob")}')
_JOINED = re.compile('[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]{6}')  # longer than words are
_GO_ON = ('begin', 'began', 'start', 'continu', 'proceed', 'try', 'trie')  # the verb comes behind
_WORD = r"[a-z0-9]+(?:[-'][a-z0-9]+)*"
_PLAIN = re.compile(rf"(?:(?:{_WORD})?[,:;!?]? +|'(?:s|re|ve|ll|m|d) +|[.-] +)*(?:{_WORD})?[.,:;!?]? *")
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
    lowered = sentence.lower()
    if _PLAIN.fullmatch(lowered):  # no rule of the tokenizer looks across these blanks
        return [token for word in lowered.split() for token in _cut(word)]
    return [*_cut.__wrapped__(lowered)]


@lru_cache(1 << 16)
def _cut(lowered: str) -> Tuple[str, ...]:
    return tuple(token[:-1] if len(token) > 2 and token.endswith('.') else token
                 for token in _tokenizer.tokenize(lowered))


def has_joined_words(sentence: str) -> bool:
    """Whether a sentence is in a script that puts no blanks between words, and has none: Chinese, Japanese, Thai, ...

    Example:
        >>> has_joined_words('男人打开冰箱'), has_joined_words('男人 打开 冰箱'), has_joined_words('A man sits.')
        (True, False, False)
    """
    return _JOINED.search(sentence) is not None


def spoken_words(sentence: str) -> List[str]:
    """The tokens without punctuation.

    Example:
        >>> spoken_words('He "sits".'), spoken_words('...')
        (['he', 'sits'], [])
    """
    return [word for word in tokenize(sentence) if any(map(str.isalnum, word))]


def word_spans(sentence: str) -> List[Tuple[int, int]]:
    """From which character to which each word of :func:`tokenize` lies in the sentence; empty where it cannot be found.

    Example:
        >>> word_spans('He "sits".')
        [(0, 2), (3, 4), (4, 8), (8, 9), (9, 10)]
    """
    lowered, places = sentence.lower(), range(len(sentence) + 1)
    if len(lowered) != len(sentence):  # a few letters become two
        lowered = ''.join(letter.lower() for letter in sentence)
        places = [place for place, letter in enumerate(sentence) for _ in letter.lower()] + [len(sentence)]
    spans, end = [], 0
    for word in tokenize(sentence):
        forms = ('"', word) if word in ('``', "''") else (word,)  # quotes are written anew
        start, form = min(((found, form) for form in forms if (found := lowered.find(form, end)) >= 0),
                          default=(end, ''))
        end = start + len(form)
        spans.append((places[start], places[end]))
    return spans


def content_weights(words: Sequence[str]) -> List[float]:
    """How likely each word is to be hidden, relative to the others: 2 for content words, else 1 (CNM, CPL).

    Args:
        words: Tokens of a sentence, as :func:`tokenize` gives them.

    Example:
        >>> content_weights(['the', 'person', 'opens', 'a', 'door'])
        [1.0, 2.0, 2.0, 1.0, 2.0]
    """
    return [_weight(word) for word in words]


@lru_cache(1 << 16)
def _weight(word: str) -> float:
    """Of a word alone: the tagger knows a lexicon and suffixes, and does not look at the neighbours."""
    tags = textblob_tag(word, tokenize=False)
    if len(tags) != 1:
        raise ValueError(f'The tagger gave {len(tags)} tags for the word {word!r}.')
    return 2.0 if any(part in tags[0][1] for part in CONTENT_TAGS) else 1.0


@lru_cache(100_000)
def main_verb(sentence: str) -> str:
    """The first verb that says what is done; empty where none is found.

    Example:
        >>> main_verb('The person is opening a door and walks off.'), main_verb('A man begins to drink.')
        ('opening', 'drink')
        >>> main_verb('A red square.')
        ''
    """
    words = tokenize(sentence)
    tags = [tag for _, tag in textblob_tag(' '.join(words), tokenize=False)] if words else []
    return next((word for word, tag in zip(words, tags) if (tag.startswith('VB') or word.endswith('ing'))
                 and word not in _SAY_NOTHING and not word.startswith(_GO_ON)), '')


def content_words(sentence: str) -> List[str]:
    """The words that say what is to be seen: nouns, verbs, adjectives and adverbs, but for those that say nothing.

    Example:
        >>> content_words('Then we see that a person is opening the door.')
        ['person', 'opening', 'door']
    """
    words = tokenize(sentence)
    return [word for word, weight in zip(words, content_weights(words))
            if weight > 1 and word not in _SAY_NOTHING and any(map(str.isalnum, word))]
