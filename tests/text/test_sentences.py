"""Which sentences a model can read."""
import numpy as np
import pytest

from mmvmr.text.encoders.word_vectors import WordVectors
from mmvmr.text.sentences import read_sentences
from mmvmr.text.vocabulary import Vocabulary

WORDS = ['a', 'is', 'the', 'of', 'we', 'see', 'star', 'red', 'moving', 'up', '.']
ENCODER = WordVectors(Vocabulary(WORDS, np.vstack([np.zeros(2), np.ones((len(WORDS), 2))])))


@pytest.mark.parametrize('sentence', ['a man opens the fridge.', 'We see a man.', 'Is the dog up?', 'a cat is seen.'])
def test_a_sentence_is_not_read_by_its_small_words_alone(sentence):
    found = read_sentences(['a red star.', sentence], ENCODER, 20)
    assert found.answerable == [0]
    assert repr(sentence) in found.problems[1] and 'e.g. star, red, moving.' in found.problems[1]


def test_a_sentence_of_small_words_alone_names_nothing():
    found = read_sentences(['a red star.', 'We see of the'], ENCODER, 20)
    assert 'names nothing that could be seen' in found.problems[1]


def test_one_known_word_that_says_something_is_enough():
    found = read_sentences(['A red zebra sleeps.'], ENCODER, 20)
    assert found.answerable == [0] and found.unknown_words == [['zebra', 'sleeps']]
