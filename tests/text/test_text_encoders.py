"""Text encoders: what of a sentence stands at which place, and that words stay what reconstructors name."""
import json
import logging

import h5py
import numpy as np
import pytest
import torch
from runs import make_runner, write_config

from mmvmr.apis.inferencer import MomentRetrievalInferencer
from mmvmr.datasets.collate import collate_moments
from mmvmr.engine.run.input_recipe import InputRecipe
from mmvmr.features.video_features import VideoFeatures
from mmvmr.registry import DATASETS, TEXT_ENCODERS
from mmvmr.text.encoders.precomputed import PrecomputedText
from mmvmr.text.encoders.word_vectors import WordVectors
from mmvmr.text.feature_cache import remembered
from mmvmr.text.query_store import QueryFeatures, QueryStore
from mmvmr.text.tokenizer import tokenize
from mmvmr.text.vocabulary import Vocabulary

SENTENCE = 'a red ball moves.'  # a, red, ball, moves, .
VOCABULARY = Vocabulary(['ball', 'red', 'moves'], np.vstack([np.zeros(2), np.eye(3, 2) + 1]))
TOKENS = np.arange(7, dtype=np.float32)[:, None] * np.array([1, 10], np.float32)  # states (0, 0), (1, 10), ...
OWNERS = np.array([-1, 0, 1, 2, 2, 3, -1])  # two tokens for "ball", none for the full stop

NO_MARGIN = dict(val_evaluator=dict(type='MomentRecall'))


def save(folder, **queries):
    folder.mkdir(parents=True, exist_ok=True)
    for key, arrays in queries.items():
        np.savez(folder / f'{key}.npz', **arrays)
    return str(folder)


def test_word_vectors_are_the_rule_without_any_text_encoder(tiny_dataset):
    plain = DATASETS.build(tiny_dataset.train)
    named = DATASETS.build(dict(tiny_dataset.train, text=dict(type='WordVectors')))
    one, other = (dataset.__getitems__([0, 1, 5])['inputs'].query for dataset in (plain, named))
    assert all(torch.equal(left, right) for left, right in zip(one[:4], other[:4]))
    assert one.sentences is None and InputRecipe.from_dataset(named).text is None
    vocabulary = Vocabulary.load(tiny_dataset.vocabulary)
    ids = list(filter(None, vocabulary.ids(tokenize(plain.data_list[5]['query']))))
    assert np.array_equal(other.features[2, :len(ids)], vocabulary.vectors[ids])


def test_features_that_cannot_be_kept_are_used_all_the_same(tmp_path, monkeypatch):
    said, features = [], [QueryFeatures(np.ones((1, 3), np.float32), None, None)]
    monkeypatch.setattr('mmvmr.text.feature_cache.print_log', lambda text, *_: said.append(text))
    (tmp_path / 'file').touch()
    assert remembered(tmp_path / 'file' / 'cache', {}, ['a'], lambda: features) is features
    assert len(said) == 1 and 'cannot be kept' in said[0]


def test_words_that_are_mostly_unknown_are_a_warning(monkeypatch):
    said = []
    monkeypatch.setattr('mmvmr.text.encoders.word_vectors.print_log', lambda text, _, level: said.append((level, text)))
    encoder = WordVectors(VOCABULARY)
    encoder.encode(['the red ball moves', 'a b c red'], 20, source='"some.json"')
    encoder.encode(['the red ball moves', 'a b c red'] * 2 + ['a b'], 20, source='"some.json"')
    assert [level for level, _ in said] == [logging.INFO, logging.WARNING]
    assert '4 distinct words (4 of 8 in all)' in said[0][1] and 'Was it made for these sentences' in said[1][1]


def test_states_of_tokens_are_averaged_per_word_of_the_vocabulary(tmp_path):
    store = save(tmp_path, **{'7': dict(tokens=TOKENS, words=OWNERS)})
    encoded = PrecomputedText(store, VOCABULARY).encode([SENTENCE], 20, [7])
    query = encoded.batch([0])
    assert query.word_ids.tolist() == [[2, 1, 3]]  # red, ball, moves: "a" and "." have no place
    assert query.features.tolist() == [[[2, 20], [3.5, 35], [5, 50]]]
    assert query.word_weights.tolist() == [[2, 2, 2]] and query.mask.all()
    assert query.sentences is None


def test_a_key_that_two_stores_have_for_different_queries_is_refused(tmp_path):
    train, test = ({str(key): dict(sentence=np.full(3, value)) for key, value in rows.items()}
                   for rows in ({7: 1.0, 8: 2.0}, {7: 5.0, 8: 2.0, 9: 3.0}))
    encoder = PrecomputedText([save(tmp_path / 'train', **train), save(tmp_path / 'test', **test)])
    assert encoder.encode(['a ball', 'a box'], 20, [8, 9]).batch([0, 1]).sentences[:, 0, 0].tolist() == [2, 3]
    with pytest.raises(ValueError, match='Query 7 has other features in .*train.* than in .*test'):
        encoder.encode(['a ball'], 20, [7])


def test_states_without_words_are_places_themselves_where_no_word_is_named(tmp_path):
    store = save(tmp_path, **{'7': dict(tokens=TOKENS)})
    query = PrecomputedText(store).encode([SENTENCE], 6, [7]).batch([0])
    assert query.features.tolist() == [TOKENS[:6].tolist()]  # seven for five words; cut at max_words
    assert query.word_ids.tolist() == [[0] * 6] and query.mask.all()


def test_states_without_words_must_be_one_per_word_of_a_vocabulary(tmp_path):
    store = save(tmp_path, **{'7': dict(tokens=TOKENS[:5]), '8': dict(tokens=TOKENS)})
    encoder = PrecomputedText(store, VOCABULARY)
    assert encoder.encode([SENTENCE], 20, [7]).batch([0]).word_ids.tolist() == [[2, 1, 3]]
    with pytest.raises(ValueError, match=r'query 8: 7 states of tokens for the 5 words .*Give one state per word'):
        encoder.encode([SENTENCE], 20, [8])


def test_sentence_vectors_stand_beside_word_vectors(tmp_path):
    vectors = np.arange(12, dtype=np.float16).reshape(2, 2, 3)
    np.savez(tmp_path / 'table.npz', qid=[5, 6], vectors=vectors)
    encoder = PrecomputedText('table.npz', VOCABULARY, data_root=str(tmp_path))
    encoded = encoder.encode(['ball', SENTENCE, 'ball'], 20, [6, 5, 6])
    query = encoded.take([2, 1]).batch([0, 1])
    assert query.sentences.tolist() == vectors[[1, 0]].tolist() and query.sentences.dtype == torch.float32
    assert query.word_ids.tolist() == [[1, 0, 0], [2, 1, 3]]
    assert query.features[0, 0].tolist() == VOCABULARY.vectors[1].tolist()
    assert (encoder.dim, encoder.sentence_dim) == (2, 3)


def test_without_words_the_sentence_is_the_only_place(tmp_path):
    store = save(tmp_path, qid3=dict(pooler_output=np.ones(4, np.float32)))
    encoder = PrecomputedText(store)
    query = encoder.encode([SENTENCE], 20, [3]).batch([0])
    assert query.features.tolist() == [[[1] * 4]] and query.sentences.shape == (1, 1, 4)
    assert query.word_ids.tolist() == [[0]] and query.mask.tolist() == [[True]]


def test_hdf5_is_read_like_a_folder_and_links_are_not_followed(tmp_path):
    folder = save(tmp_path / 'folder', **{'7': dict(tokens=TOKENS, words=OWNERS, sentence=TOKENS[:2])})
    with h5py.File(tmp_path / 'queries.h5', 'w') as file:
        file['7/last_hidden_state'], file['7/words'], file['7/pooler_output'] = TOKENS, OWNERS, TOKENS[:2]
        file['8'] = TOKENS[3]
        file['9'] = h5py.ExternalLink('other.h5', '/x')
    found = QueryStore(tmp_path / 'queries.h5')
    for one, other in zip(found.read(7), QueryStore(folder).read('7')):
        assert np.array_equal(one, other)
    assert found.read('8').sentence.tolist() == [TOKENS[3].tolist()]
    with pytest.raises(ValueError, match='link to another place'):
        found.read(9)


@pytest.mark.parametrize('arrays', [
    dict(tokens=np.full((5, 2), np.nan)), dict(sentence=np.zeros((2, 2, 2))), dict(other=np.zeros(3)),
    dict(tokens=TOKENS, words=OWNERS[:3]), dict(sentence=np.array(['a']))])
def test_features_that_are_none_are_refused_with_what_was_expected(tmp_path, arrays):
    with pytest.raises(ValueError, match='(?s)query .7.* Expected a folder with KEY.npz'):
        QueryStore(save(tmp_path, **{'7': arrays})).read('7')


def test_absent_stores_and_queries_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='No features of queries at .*nowhere'):
        PrecomputedText(str(tmp_path / 'nowhere'))
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='holds no features of queries'):
        PrecomputedText(str(tmp_path / 'empty'))
    encoder = PrecomputedText(save(tmp_path / 'one', **{'7': dict(sentence=np.ones(3))}))
    with pytest.raises(ValueError, match="'a ball' has no features, by the key 8"):
        encoder.encode(['a ball'], 20, [8])
    save(tmp_path / 'one', **{'9': dict(sentence=np.ones((2, 3)))})
    with pytest.raises(ValueError, match=r'query 9 .*\(\(2, 3\), None\), the first query of the store has \(\(1, 3\)'):
        PrecomputedText(str(tmp_path / 'one')).encode(['a ball'], 20, [9])


def sentence_store(tiny, folder, tokens):
    """Features of all sentences of the tiny data set, by the sentence; those of a word depend on its letters."""
    for split in ('train', 'val', 'test'):
        for *_, text in json.loads((tiny.root / f'{split}.json').read_text()):
            words = tokenize(text)
            states = np.array([[len(word), ord(word[0]) / 100, ord(word[-1]) / 100, 1] for word in words], np.float32)
            save(folder, **{text: dict(tokens=states, sentence=states.mean(0)) if tokens else
                            dict(sentence=states.mean(0))})
    return dict(type='PrecomputedText', features=str(folder))


def test_batches_of_one_are_joined_with_their_sentences(tiny_dataset, tmp_path):
    text = sentence_store(tiny_dataset, tmp_path / 'queries', tokens=True)
    dataset = DATASETS.build(dict(tiny_dataset.train, text=text))
    joined = collate_moments([dataset[0], dataset[3]])['inputs'].query
    whole = dataset.__getitems__([0, 3])['inputs'].query
    assert torch.equal(joined.sentences, whole.sentences) and whole.sentences.shape == (2, 1, 4)
    assert torch.equal(joined.features, whole.features)


@pytest.mark.parametrize('method, tokens', [('cpl', True), ('cnm', True), ('mscl', True), ('cnm', False)])
def test_methods_train_on_states_of_tokens_and_infer_from_the_run_alone(tiny_dataset, tmp_path, method, tokens):
    text = sentence_store(tiny_dataset, tmp_path / 'queries', tokens)
    data = tiny_dataset._replace(**{split: dict(getattr(tiny_dataset, split), text=text)
                                    for split in ('train', 'val', 'test')})
    file = write_config(tmp_path / 'config.py', data, method, train_cfg=dict(max_epochs=1), **NO_MARGIN)
    make_runner(file, tmp_path / 'run', {'model.encoder.word_dim': 4 if tokens else 300}).train()
    inferencer = MomentRetrievalInferencer(tmp_path / 'run', device='cpu')
    with h5py.File(tiny_dataset.features) as features:
        rows = features['test_0'][()]
    sentence = DATASETS.build(tiny_dataset.test).data_list[0]['query']
    found = inferencer(VideoFeatures.from_array(rows, duration=20.0), [sentence, 'a cat sleeps'])
    assert len(found['predictions']) == 1 and 'has no features in' in found['errors'][0]['error']
    plain = write_config(tmp_path / 'plain.py', tiny_dataset, method, **NO_MARGIN,
                         load_from=str(tmp_path / 'run' / 'epoch_1.pth'))
    with pytest.raises(ValueError, match='was trained with the text encoder .*the data have WordVectors'):
        make_runner(plain, tmp_path / 'other').train()


def test_a_recipe_without_words_is_read_as_it_was_written(tiny_dataset, tmp_path):
    text = sentence_store(tiny_dataset, tmp_path / 'queries', tokens=False)
    dataset = DATASETS.build(dict(tiny_dataset.train, vocabulary=None, text=text))
    InputRecipe.from_dataset(dataset).save(tmp_path / 'run')
    loaded = InputRecipe.load(tmp_path / 'run')
    assert loaded.vocabulary is None and loaded.text_encoder.dim == 4


def test_a_recipe_cannot_name_anything_but_a_text_encoder(tiny_dataset):
    recipe = InputRecipe.from_dataset(DATASETS.build(tiny_dataset.train))._replace(text=dict(type='os.system'))
    with pytest.raises(ValueError, match='none of AdapterText, PrecomputedText, TransformersText, WordVectors'):
        assert recipe.text_encoder


def test_a_text_encoder_that_does_not_exist_is_named():
    with pytest.raises(KeyError, match='Did you mean WordVectors'):
        TEXT_ENCODERS.build(dict(type='WordVector'))
