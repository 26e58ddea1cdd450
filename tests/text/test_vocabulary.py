"""Words, their vectors and their weights."""
import pickle
from collections import Counter

import numpy as np
import pytest
from nltk.tokenize import NLTKWordTokenizer
from textblob.en import tag

from mmvmr.datasets.forms import read_pairs
from mmvmr.text.encoders.word_vectors import WordVectors
from mmvmr.text.tokenizer import CONTENT_TAGS, content_weights, tokenize
from mmvmr.text.vocabulary import Vocabulary, count_words
from mmvmr.text.word_vectors import read_glove_pickle, read_glove_text


def make_vocabulary(*words):
    vectors = np.arange(1, len(words) + 1)[:, None] * np.ones(3)
    return Vocabulary(words, np.vstack([np.zeros(3), vectors]))


class Exploit:
    """Makes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


@pytest.mark.parametrize('sentence, tokens', [
    ('A person opens the door.', ['a', 'person', 'opens', 'the', 'door', '.']),
    ("He doesn't wait, then sits down. She leaves.",
     ['he', 'does', "n't", 'wait', ',', 'then', 'sits', 'down', 'she', 'leaves', '.']),
    ("the woman's cup", ['the', 'woman', "'s", 'cup']),
])
def test_sentences_are_cut_as_by_the_treebank(sentence, tokens):
    assert tokenize(sentence) == tokens


def test_words_that_are_cut_and_tagged_once_are_those_of_the_whole_sentence():
    rng = np.random.default_rng(0)
    words = ("a person can't cannot wanna gimme more'n d'ye it's they'll rock'n'roll well-known t-shirt 3 10:30 3,000 "
             "'tis 'twas \" -- $5 (left) u.s. a/b ... né opens slowly doors x-'tis n't").split()
    for length in rng.integers(1, 7, 3000):
        ends = rng.choice(['', '', '', '', ',', ':', '!', "'", '.'], length)
        sentence = ' '.join(map(''.join, zip(rng.choice(words, length), ends)))
        whole = [word[:-1] if len(word) > 2 and word.endswith('.') else word
                 for word in NLTKWordTokenizer().tokenize(sentence)]
        assert tokenize(sentence.upper()) == tokenize(sentence) == whole
        tags = [kind for _, kind in tag(' '.join(whole), tokenize=False)]
        assert content_weights(whole) == [1 + any(part in kind for part in CONTENT_TAGS) for kind in tags]


@pytest.mark.parametrize('sentence, weights', [
    ('a person opens the white door slowly .', [1, 2, 2, 1, 2, 2, 2, 1]),
    ('she takes it out of the box', [1, 2, 1, 1, 1, 1, 2]),
    ('he shows how it works', [1, 2, 2, 1, 2]),  # WRB, as the authors look for RB anywhere in the tag
])
def test_nouns_verbs_adjectives_and_adverbs_weigh_twice(sentence, weights):
    assert content_weights(sentence.split()) == weights


def test_a_query_becomes_ids_and_weights_of_its_known_words():
    vocabulary = make_vocabulary('person', 'door', 'the')
    encoded = WordVectors(vocabulary).encode(['The person quickly opens the door.', 'zyzzyva'], 5)
    assert encoded.word_ids.tolist() == [[3, 1, 3, 2, 0], [0] * 5] and encoded.lengths.tolist() == [4, 0]
    assert encoded.word_weights.tolist() == [[1, 2, 1, 2, 0], [0] * 5]
    assert len(vocabulary) == 4 and 'door' in vocabulary and 'opens' not in vocabulary


def test_class_ids_follow_the_frequency():
    vectors = {word: np.full(2, i) for i, word in enumerate(['a', 'b', 'c'], start=1)}
    vocabulary = Vocabulary.from_vectors(Counter(a=1, b=7, c=3, unknown=9), vectors, size=2)
    assert vocabulary.words == ['b', 'c']
    assert vocabulary.vectors.tolist() == [[0, 0], [2, 2], [3, 3]]
    with pytest.raises(ValueError, match='None of the counted words has a vector'):
        Vocabulary.from_vectors(Counter(['x']), vectors)


def test_a_saved_vocabulary_is_the_same_and_says_where_it_comes_from(tmp_path):
    path = tmp_path / 'v.npz'
    Vocabulary(['person', 'café'], np.eye(3) - np.diag([1, 0, 0]), dict(source='test')).save(path)
    loaded = Vocabulary.load(path)
    assert loaded.words == ['person', 'café'] and loaded.vectors.dtype == np.float32
    assert loaded.provenance['source'] == 'test'
    assert loaded.provenance['tokenizer'].startswith('nltk') and loaded.provenance['tagger'].startswith('textblob')
    assert [file.name for file in tmp_path.iterdir()] == ['v.npz']


@pytest.mark.parametrize('words, vectors, message', [
    (['a', 'b'], np.zeros((2, 3)), r'2 words needs 3 vectors, .* got an array of shape \(2, 3\)'),
    (['a', 'a'], np.zeros((3, 3)), "'a' is there more than once"),
    (['a'], np.array([[0.0], [np.nan]]), 'must be finite'),
    (['a'], np.array([[1.0], [1.0]]), 'row 0, for padding, all zeros'),
])
def test_an_inconsistent_vocabulary_is_refused(words, vectors, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(words, vectors)


def test_a_vocabulary_file_cannot_run_code(tmp_path):
    path, witness = tmp_path / 'v.npz', tmp_path / 'witness'
    np.savez(path, words=np.array([Exploit(witness)], dtype=object), vectors=np.zeros((2, 3)), provenance='{}')
    with pytest.raises(ValueError, match=r'v\.npz" is not a vocabulary .*`mmvmr vocabulary`'):
        Vocabulary.load(path)
    assert not witness.exists()


# ------------------------------------------------------------------------------------------------------------- glove
def test_glove_text_is_read_for_the_words_asked_for():
    lines = ['2000 2\n', 'ball 1 2\n', '. . . 3 4\n', 'box 5 6\n', 'ball 9 9\n']  # header, and a word with blanks
    vectors = read_glove_text(lines, {'ball', 'box', '.'})
    assert {word: vector.tolist() for word, vector in vectors.items()} == dict(ball=[1, 2], box=[5, 6])


@pytest.mark.parametrize('line', ['ball x 2\n', 'ball 1\n', 'ball', 'ball nan 2\n'])
def test_a_bad_line_of_glove_text_is_named(line):
    with pytest.raises(ValueError, match=r'"g\.txt", line 2: expected a word and 2 numbers'):
        read_glove_text(['a 1 2\n', line], {'ball'}, 'g.txt')


def test_blank_lines_of_glove_text_are_skipped():
    vectors = read_glove_text(['\n', 'a 1 2\n', '\n', 'ball 3 4\n', '\n'], {'ball'})
    assert {word: vector.tolist() for word, vector in vectors.items()} == dict(ball=[3, 4])


def test_the_pickle_of_cnm_and_cpl_is_read(tmp_path):
    path = tmp_path / 'glove.pkl'
    data = dict(w2id=dict(PAD=0, ball=1, box=2), id2vec=[np.zeros(3), np.ones(3), np.float32([2, 2, 2])],
                counter=Counter(ball=2, box=5))
    path.write_bytes(pickle.dumps(data))
    vocabulary = Vocabulary.from_vectors(*read_glove_pickle(path))
    assert vocabulary.words == ['box', 'ball']
    assert vocabulary.vectors.tolist() == [[0, 0, 0], [2, 2, 2], [1, 1, 1]]


def test_a_malicious_pickle_is_refused_and_not_run(tmp_path):
    path, witness = tmp_path / 'glove.pkl', tmp_path / 'witness'
    path.write_bytes(pickle.dumps(dict(w2id={}, id2vec=[], counter=Exploit(witness))))
    with pytest.raises(ValueError, match=r'glove\.pkl" was refused: .*open, which is not plain data'):
        read_glove_pickle(path)
    assert not witness.exists()


@pytest.mark.parametrize('content, message', [
    (b'', 'was refused: EOFError'), (pickle.dumps([1])[:-3], 'was refused'), (pickle.dumps([1]), 'should hold a dict')])
def test_a_damaged_or_foreign_pickle_is_refused(tmp_path, content, message):
    path = tmp_path / 'glove.pkl'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_glove_pickle(path)


def test_words_are_counted_as_by_the_authors(shared_data):
    counts, vectors = read_glove_pickle(shared_data / 'charades_sta' / 'glove.pkl')
    ours = count_words(pair['query'] for split in ('train', 'test')
                       for pair in read_pairs(shared_data / 'charades_sta' / f'{split}.json'))
    assert all(ours[word] == count for word, count in counts.items())  # the same tokenizer
    vocabulary = Vocabulary.from_vectors(counts, vectors, size=1111)
    assert len(vocabulary) == 1112 and vocabulary.vectors.shape == (1112, 300)
