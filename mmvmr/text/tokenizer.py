"""From a sentence to words and which of them count, with nothing to download; a config may replace both steps."""
import re
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from mmvmr.registry import TAGGERS, TOKENIZERS, Registry

CONTENT_TAGS = ('NN', 'VB', 'JJ', 'RB')  # nouns, verbs, adjectives, adverbs, when, where and how (Penn Treebank)
_JOINED = re.compile('[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]{6}')  # longer than words are
_GO_ON = ('begin', 'began', 'start', 'continu', 'proceed', 'try', 'trie')  # the verb comes behind
_WORD = r"[a-z0-9]+(?:[-'][a-z0-9]+)*"
_PLAIN = re.compile(rf"(?:(?:{_WORD})?[,:;!?]? +|'(?:s|re|ve|ll|m|d) +|[.-] +)*(?:{_WORD})?[.,:;!?]? *")


@cache
def _tokenizer() -> Any:
    from nltk.tokenize import NLTKWordTokenizer  # 73 MiB with all it brings, which a start on kept sentences saves
    return NLTKWordTokenizer()


def _tag(text: str) -> List[Tuple[str, str]]:
    from textblob.en import tag  # the same
    return tag(text, tokenize=False)


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
                 for token in _tokenizer().tokenize(lowered))


def has_joined_words(sentence: str) -> bool:
    """Whether a sentence is in a script that puts no blanks between words, and has none: Chinese, Japanese, Thai, ...

    Example:
        >>> has_joined_words('男人打开冰箱'), has_joined_words('男人 打开 冰箱'), has_joined_words('A man sits.')
        (True, False, False)
    """
    return _JOINED.search(sentence) is not None


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
    tags = _tag(word)
    if len(tags) != 1:
        raise ValueError(f'The tagger gave {len(tags)} tags for the word {word!r}.')
    return 2.0 if any(part in tags[0][1] for part in CONTENT_TAGS) else 1.0


@lru_cache(100_000)
def main_verb(sentence: str) -> str:
    """The first verb that says what is done; empty where none is found. What follows an article is none.

    Example:
        >>> main_verb('The person is opening a door and walks off.'), main_verb('A man begins to walk.')
        ('opening', 'walk')
        >>> main_verb('A smiling girl puts an orange cross to the left.'), main_verb('A red cross.')
        ('puts', '')
    """
    words = tokenize(sentence)
    tags = [tag for _, tag in _tag(' '.join(words))] if words else []
    names = False  # whether an article, "his" or the like came before, with adjectives at most in between
    for word, tag in zip(words, tags):
        if (tag.startswith('VB') or word.endswith('ing')) and not (
                names or word in PennTagger.says_nothing or word.startswith(_GO_ON)):
            return word
        names = tag in ('DT', 'PRP$') or names and tag.startswith('JJ')
    return ''


@TOKENIZERS.register_module()
class TreebankTokenizer:
    """:func:`tokenize` as a part: that of CNM, CPL and those after them."""
    name = f'nltk.NLTKWordTokenizer {version("nltk")}'

    def __call__(self, sentence: str) -> List[str]:
        return tokenize(sentence)


@TAGGERS.register_module()
class PennTagger:
    """:func:`content_weights` as a part: that of CNM, CPL and those after them, for English."""
    name = f'textblob.en {version("textblob")}'
    says_nothing = frozenset(  # among verbs and adverbs
        'am is are was were be been being has have had having do does did done doing see sees seen '
        "show shows shown 's 're 'm 've n't not there here then".split())

    def __call__(self, words: Sequence[str]) -> List[float]:
        return content_weights(words)


class WordReader:
    """Cuts sentences into words, and weighs these.

    A tokenizer is called with a sentence and gives its words, a list of text, as they stand there or in lower case. A
    tagger is called with all words of a sentence and gives a number above 0 for each, how likely it is to be hidden
    relative to the others; those above 1 are the words that say what is to be seen, but for ``says_nothing``, a set, if
    it has that. ``name`` of either changes whenever it gives something else.

    Args:
        tokenizer: Config of a part in ``TOKENIZERS``; by default the
            :class:`~mmvmr.text.tokenizer.TreebankTokenizer` of CNM and CPL.
        tagger: Config of a part in ``TAGGERS``; by default their :class:`~mmvmr.text.tokenizer.PennTagger`.

    Raises:
        ValueError: If one is not registered, or has no name.

    Attributes:
        config: Of the parts that are not the default.
        names: Of both parts.
    """

    def __init__(self, tokenizer: Optional[Dict] = None, tagger: Optional[Dict] = None) -> None:
        given = dict(tokenizer=tokenizer, tagger=tagger)
        self.config: Dict[str, Dict] = {name: dict(config) for name, config in given.items() if config is not None}
        self.own_tokenizer = tokenizer is not None
        self._tokenizer = _build(tokenizer or dict(type='TreebankTokenizer'), TOKENIZERS)
        self._tagger = _build(tagger or dict(type='PennTagger'), TAGGERS)
        self.names = {}
        for kind, reader in dict(tokenizer=self._tokenizer, tagger=self._tagger).items():
            self.names[kind] = getattr(reader, 'name', None)
            if not isinstance(self.names[kind], str):
                raise ValueError(f'The {kind} {type(reader).__name__} has no `name`, by which it is known later. Give '
                                 'the class one, a text that changes whenever it gives something else.')

    def words(self, sentence: str) -> List[str]:
        """All words and signs of a sentence.

        Raises:
            ValueError: If the tokenizer gives something else than text.
        """
        words = self._tokenizer(sentence)
        if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
            raise ValueError(f'{type(self._tokenizer).__name__} should give a list of words, none of them empty, for '
                             f'the sentence {sentence!r}; it gave {words!r}.')
        return words

    def spoken(self, sentence: str) -> List[str]:
        """The words without punctuation.

        Example:
            >>> WordReader().spoken('He "sits".'), WordReader().spoken('...')
            (['he', 'sits'], [])
        """
        return [word for word in self.words(sentence) if any(map(str.isalnum, word))]

    def weights(self, words: Sequence[str]) -> List[float]:
        """How likely each word is to be hidden, relative to the others.

        Args:
            words: All words of a sentence, as :meth:`words` gives them: a tag depends on the neighbours.

        Raises:
            ValueError: If the tagger does not give a number above 0 for each.
        """
        weights = self._tagger(list(words)) if words else []
        try:
            valid = len(weights) == len(words) and all(0 < weight < np.inf for weight in weights)
        except TypeError:  # no list, or not of numbers
            valid = False
        if not valid:
            raise ValueError(f'{type(self._tagger).__name__} should give a number above 0 for each of the words '
                             f'{list(words)}; it gave {weights!r}.')
        return list(map(float, weights))

    def content(self, sentence: str) -> List[str]:
        """The words that say what is to be seen: nouns, verbs, adjectives and adverbs, but for those that say nothing.

        Example:
            >>> WordReader().content('Then we see that a person is opening the door.')
            ['person', 'opening', 'door']
        """
        words, nothing = self.words(sentence), getattr(self._tagger, 'says_nothing', ())
        return [word for word, weight in zip(words, self.weights(words))
                if weight > 1 and word not in nothing and any(map(str.isalnum, word))]

    def spans(self, sentence: str) -> List[Tuple[int, int]]:
        """From which character to which each of the :meth:`words` lies in the sentence; empty where it is not found.

        Example:
            >>> WordReader().spans('He "sits".')
            [(0, 2), (3, 4), (4, 8), (8, 9), (9, 10)]
        """
        lowered, places = sentence.lower(), range(len(sentence) + 1)
        if len(lowered) != len(sentence):  # a few letters become two
            lowered = ''.join(letter.lower() for letter in sentence)
            places = [place for place, letter in enumerate(sentence) for _ in letter.lower()] + [len(sentence)]
        spans, end = [], 0
        for word in self.words(sentence):
            forms = ('"', word) if word in ('``', "''") else (word.lower(),)  # quotes are written anew
            start, form = min(((found, form) for form in forms if (found := lowered.find(form, end)) >= 0),
                              default=(end, ''))
            end = start + len(form)
            spans.append((places[start], places[end]))
        return spans


def _build(config: Dict[str, Any], parts: Registry) -> Callable:
    if not parts.holds(config):  # it may come from a file of data
        raise ValueError(f'The {parts.name} is {config!r}, which is none of {", ".join(sorted(parts.module_dict))}. If '
                         'it is a part of your own, import its module, by `custom_imports` of the config or as a '
                         'plugin.')
    return parts.build(dict(config))
