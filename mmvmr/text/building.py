"""Making a vocabulary: from counted words and word vectors."""
from collections import Counter
from pathlib import Path
from typing import Iterable, Optional, Tuple, Union

from mmvmr.text.tokenizer import WordReader, has_joined_words
from mmvmr.text.vocabulary import Vocabulary, count_words
from mmvmr.text.word_vectors import random_vectors, read_glove_pickle, read_glove_text
from mmvmr.utils.progress import progress
from mmvmr.utils.text_files import open_text

_WHERE = ('GloVe is published by its authors at nlp.stanford.edu/projects/glove (glove.840B.300d.zip, to be unpacked); '
          'glove.pkl comes with github.com/minghangz/cpl. Without any: --vectors random.')


def build_vocabulary(vectors: Union[str, Path], sentences: Iterable[str] = (),
                     size: Optional[int] = None, reader: Optional[WordReader] = None) -> Tuple[Vocabulary, Counter]:
    """The most frequent words that have a vector.

    Args:
        vectors: GloVe text; the ``glove.pkl`` of CNM and CPL, which brings counts of its own; or 'random'.
        sentences: Whose words are counted.
        size: How many words; all by default.
        reader: What cuts the sentences into words; as for CNM and CPL by default.

    Returns:
        The vocabulary, and all counted words.

    Raises:
        FileNotFoundError: If there is no such file of vectors.
        ValueError: If it is damaged, or there is nothing to count, or the sentences have no blanks between words.
    """
    vectors, sentences, reader = Path(vectors), list(sentences), reader or WordReader()
    random = str(vectors) == 'random'
    if not random and not vectors.is_file():
        raise FileNotFoundError(f'There are no word vectors "{vectors}". {_WHERE}')
    joined = [sentence for sentence in sentences if has_joined_words(sentence)]
    if len(joined) > len(sentences) / 2 and not reader.own_tokenizer:
        raise ValueError(f'{len(joined)} of {len(sentences)} sentences are in a script without blanks between words, '
                         f'such as {joined[0]!r}, and each would count as one word. Put blanks between the words '
                         'first, by a segmenter of the language (jieba for Chinese), here and when it is asked; or '
                         'give the data set a tokenizer of the language (docs/add_a_part.md).')
    counts = count_words(progress(sentences, desc='Counting words', unit='sentence'), reader) if sentences else None
    if vectors.suffix == '.pkl':
        own_counts, known = read_glove_pickle(vectors)
        counts = counts or own_counts
    elif counts is None:
        raise ValueError('Vectors alone have no word counts: say with --sentences which words are needed.')
    elif random:
        known = random_vectors(counts)
    else:
        with open_text(vectors) as lines:
            known = read_glove_text(progress(lines, desc='Reading vectors', unit='word'), counts,
                                    vectors.name)
    return Vocabulary.from_vectors(counts, known, size, dict(reader.names, source=vectors.name)), counts
