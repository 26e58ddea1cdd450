"""Networks of transformers as text encoders: what is read of a folder, and that words stay what reconstructors name."""
import json
import shutil

import h5py
import numpy as np
import pytest
import torch
from runs import make_runner, write_config

from mmvmr.apis.inferencer import MomentRetrievalInferencer
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.runner import MomentRunner
from mmvmr.engine.run.testing import run_test
from mmvmr.features.video_features import VideoFeatures
from mmvmr.text.encoders.transformers_text import TransformersText
from mmvmr.text.text_network import TextNetwork
from mmvmr.text.tokenizer import WordReader, tokenize
from mmvmr.text.vocabulary import Vocabulary
from mmvmr.visualization.browsing import explain_all

transformers = pytest.importorskip('transformers', reason='its networks are read: requirements/tests.txt')
from networks import save_network  # noqa: E402

KINDS = ['bert', 'roberta', 't5', 'qwen2', 'clip', 'siglip', 'siglip2']
SENTENCE = 'A red  ball "rolls". Café, doesn\'t 猫跑'
VOCABULARY = Vocabulary(['ball', 'red', "n't"], np.vstack([np.zeros(2), np.eye(3, 2) + 1]))


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """The folder of each kind."""
    root = tmp_path_factory.mktemp('networks')
    return {kind: save_network(kind, root / kind) for kind in KINDS}


@pytest.mark.parametrize('kind', KINDS)
def test_each_kind_has_states_for_all_words_whatever_its_tokens_are(folders, kind):
    network = TextNetwork(folders[kind])
    one, other = network.embed([SENTENCE, 'a red ball'])
    assert sorted(set(one.words)) == list(range(len(tokenize(SENTENCE)))) == list(range(12))
    assert other.words[0] == 0 and other.words[-1] == 2
    assert one.sentence.shape == (1, 8 if kind == 'clip' else 16) and one.tokens.shape == (len(one.words), 16)
    alone, = network.embed(['a red ball'])
    for found, expected in zip(other, alone):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize('kind', KINDS)
def test_sentences_without_words_and_far_too_long_ones_are_read(folders, kind):
    empty, long = TextNetwork(folders[kind]).embed(['', 'a ball ' * 200])
    assert len(empty.tokens) == 0 and np.isfinite(empty.sentence).all() and np.isfinite(long.sentence).all()


def test_a_sentence_that_is_too_long_for_the_network_is_named(folders, monkeypatch):
    said = []
    monkeypatch.setattr('mmvmr.text.text_network.print_log', lambda text, *_: said.append(text))
    network = TextNetwork(folders['clip'])
    words = network._limit - 2  # a token each, and one at either end
    network.embed(['a ball', 'a ' * words])
    assert not said
    network.embed(['a ball', 'a ' * words + 'b'])
    assert f'1 of 2 sentences have more than the {network._limit} tokens' in said[0] and '"a a a' in said[0]


def test_weights_that_are_no_numbers_are_refused(folders):
    network = TextNetwork(folders['clip'])
    torch.nn.init.constant_(network.network.text_projection.weight, np.nan)
    with pytest.raises(ValueError, match="NaN or infinite numbers for 'a ball'"):
        network.embed(['a ball'], 'sentence')


def test_words_lie_where_the_sentence_has_them():
    assert [SENTENCE[start:end] for start, end in WordReader().spans(SENTENCE)] == [
        'A', 'red', 'ball', '"', 'rolls', '"', '.', 'Café', ',', 'does', "n't", '猫跑']
    dotted = 'İn İzmir a BALL.'  # its first letter becomes two in lower case
    assert [dotted[start:end] for start, end in WordReader().spans(dotted)] == ['İn', 'İzmir', 'a', 'BALL', '.']


def test_the_place_of_a_word_has_its_id_and_the_mean_over_its_tokens(folders):
    query = TransformersText(folders['bert'], VOCABULARY).encode([SENTENCE], 20).batch([0])
    assert query.word_ids.tolist() == [[2, 1, 3]]  # red, ball, n't
    network = transformers.BertModel.from_pretrained(folders['bert']).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders['bert'])
    ids = tokenizer(SENTENCE, return_tensors='pt')['input_ids']
    pieces = tokenizer.convert_ids_to_tokens(ids[0])
    states = network(ids).last_hidden_state[0].detach()
    start = next(place for place in range(len(pieces)) if pieces[place:place + 3] == ['##n', "'", 't'])
    expected = [states[pieces.index('red')], states[pieces.index('ball')], states[start:start + 3].mean(dim=0)]
    torch.testing.assert_close(query.features[0], torch.stack(expected))
    torch.testing.assert_close(query.sentences[0, 0], states.mean(dim=0))


def test_the_longest_words_come_first_and_others_have_no_place(folders):
    encoder = TransformersText(folders['clip'], VOCABULARY)
    query = encoder.encode([SENTENCE, 'the cat', SENTENCE], 2).batch([2, 1])
    assert query.word_ids.tolist() == [[2, 1], [0, 0]]
    assert query.mask.tolist() == [[True, True], [True, False]] and not query.features[1].any()
    assert encoder.unknown_words('A red cat, a cat.') == ['a', 'cat']
    assert encoder.problem('a red cat') is None
    assert 'can name no word' in encoder.problem('the cat') and 'has no words' in encoder.problem(' ... ')


def test_without_a_vocabulary_every_word_of_any_language_has_a_place(folders):
    encoder = TransformersText(folders['bert'])
    assert encoder.problem('猫跑') is None and encoder.unknown_words('猫跑') == []
    query = encoder.encode([SENTENCE], 20).batch([0])
    assert query.mask.sum() == 12 and not query.word_ids.any()


def test_what_is_not_asked_for_is_not_given(folders):
    states = TransformersText(folders['clip'], VOCABULARY, gives='tokens')
    assert (states.dim, states.sentence_dim) == (16, None)
    assert states.encode(['a red ball'], 20).batch([0]).sentences is None
    vector = TransformersText(folders['clip'], VOCABULARY, gives='sentence')
    query = vector.encode(['a red ball'], 20).batch([0])
    assert (vector.dim, vector.sentence_dim) == (2, 8) and query.sentences.shape == (1, 1, 8)
    assert query.features[0].tolist() == VOCABULARY.vectors[[2, 1]].tolist()
    with pytest.raises(ValueError, match="'both', 'tokens' or 'sentence', got 'all'"):
        TransformersText(folders['clip'], gives='all')


@pytest.mark.parametrize('kind, padding', [('clip', True), ('siglip', 'max_length'), ('siglip2', 'max_length')])
def test_sentences_of_joint_models_lie_where_transformers_puts_them(folders, kind, padding):
    texts = ['a red ball', 'a ball that is longer']
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders[kind])
    inputs = tokenizer(texts, padding=padding, max_length=64, return_tensors='pt')
    network = transformers.AutoModel.from_pretrained(folders[kind]).eval()
    expected = network.get_text_features(**inputs).pooler_output.detach()
    np.testing.assert_allclose(TransformersText(folders[kind]).embed(texts), expected, atol=1e-5)


def test_only_embeddings_know_nothing_of_the_words_beside_them(folders):
    def state(layer, sentence):
        return TransformersText(folders['bert'], layer=layer).encode([sentence], 20).batch([0]).features[0, 1]
    assert torch.equal(state(0, 'a red ball'), state(0, 'a red kite'))
    assert not torch.allclose(state(2, 'a red ball'), state(2, 'a red kite'))
    torch.testing.assert_close(state(2, 'a red ball'), state(None, 'a red ball'))
    with pytest.raises(ValueError, match='layers 1 to 2, and the embeddings, 0; got layer=3'):
        state(3, 'a')


def test_what_stands_before_a_sentence_moves_no_word(folders):
    encoder = TransformersText(folders['bert'], VOCABULARY, prefix='query: ')
    query = encoder.encode(['a red ball'], 20).batch([0])
    assert query.word_ids.tolist() == [[2, 1]]
    plain = TransformersText(folders['bert'], VOCABULARY).encode(['query: a red ball'], 20).batch([0])
    torch.testing.assert_close(query.features, plain.features)


def pooled(folder, *modules, **pooling):
    kinds = ['Transformer', 'Pooling', *modules]
    (folder / '1_Pooling').mkdir()
    (folder / 'modules.json').write_text(json.dumps([
        dict(idx=number, name=str(number), path='' if number == 0 else f'{number}_{kind}',
             type=f'sentence_transformers.models.{kind}') for number, kind in enumerate(kinds)]))
    (folder / '1_Pooling' / 'config.json').write_text(json.dumps(pooling))
    return str(folder)


@pytest.mark.parametrize('pooling, place', [
    (dict(pooling_mode_cls_token=True, pooling_mode_mean_tokens=False), 0), (dict(pooling_mode_lasttoken=True), -1),
    (dict(pooling_mode='mean', include_prompt=True), slice(None))])
def test_sentence_encoders_pool_as_their_folder_says(folders, tmp_path, pooling, place):
    folder = pooled(shutil.copytree(folders['bert'], tmp_path / 'encoder'), 'Normalize', **pooling)
    states = transformers.BertModel.from_pretrained(folder).eval()(
        transformers.AutoTokenizer.from_pretrained(folder)('a ball', return_tensors='pt')['input_ids']
    ).last_hidden_state[0].detach()
    vector = states[place].reshape(-1, 16).mean(dim=0)
    np.testing.assert_allclose(TransformersText(folder).embed(['a ball'])[0], vector / vector.norm(), atol=1e-5)


def test_linear_layers_of_a_sentence_encoder_are_applied_and_pickled_ones_refused(folders, tmp_path):
    from safetensors.torch import save_file
    folder = tmp_path / 'encoder'
    pooled(shutil.copytree(folders['bert'], folder), 'Dense', 'Normalize', pooling_mode_mean_tokens=True)
    before = TransformersText(folders['bert']).embed(['a ball'])[0]
    (folder / '2_Dense').mkdir()
    weight, bias = torch.randn(3, 16), torch.randn(3)
    for name, function in (('activation.Tanh', np.tanh), ('linear.Identity', np.array)):
        (folder / '2_Dense' / 'config.json').write_text(json.dumps(dict(
            in_features=16, out_features=3, bias=True, activation_function=f'torch.nn.modules.{name}')))
        save_file({'linear.weight': weight, 'linear.bias': bias}, folder / '2_Dense' / 'model.safetensors')
        encoder = TransformersText(str(folder), gives='sentence')
        vector = function(weight.numpy() @ before + bias.numpy())
        np.testing.assert_allclose(encoder.embed(['a ball'])[0], vector / np.linalg.norm(vector), atol=1e-5)
    save_file({'linear.weight': weight + 1, 'linear.bias': bias}, folder / '2_Dense' / 'model.safetensors')
    assert TransformersText(str(folder)).config['sha256'] != encoder.config['sha256']
    (folder / '2_Dense' / 'model.safetensors').rename(folder / '2_Dense' / 'pytorch_model.bin')
    with pytest.raises(ValueError, match=r'pickled weights \(.bin\) may run code'):
        TransformersText(str(folder))
    (folder / '2_Dense' / 'config.json').write_text(json.dumps(dict(activation_function='os.system')))
    with pytest.raises(ValueError, match='has the activation os.system; known are torch.nn'):
        TransformersText(str(folder))


@pytest.mark.parametrize('modules, pooling, message', [
    (['Asym'], dict(pooling_mode_cls_token=True), 'it has Transformer, Pooling, Asym'),
    ([], dict(pooling_mode_max_tokens=True), 'pools by pooling_mode_max_tokens'),
    ([], dict(pooling_mode_cls_token=True, pooling_mode_mean_tokens=True), 'pools by cls, mean')])
def test_sentence_encoders_of_another_make_are_refused(folders, tmp_path, modules, pooling, message):
    folder = pooled(shutil.copytree(folders['bert'], tmp_path / 'encoder'), *modules, **pooling)
    with pytest.raises(ValueError, match=f'(?s)encoder".*{message}.*PrecomputedText'):
        TransformersText(folder)


def damage(folder, kind):
    config = json.loads((folder / 'config.json').read_text())
    if kind == 'pickle':
        (folder / 'model.safetensors').rename(folder / 'pytorch_model.bin')
    if kind == 'nested':
        (folder / '0_Transformer').mkdir()
        (folder / 'model.safetensors').rename(folder / '0_Transformer' / 'model.safetensors')
    if kind == 'half':
        content = (folder / 'model.safetensors').read_bytes()
        (folder / 'model.safetensors').write_bytes(content[:len(content) // 2])
    if kind == 'no config':
        (folder / 'config.json').unlink()
    if kind == 'other config':
        (folder / 'config.json').write_text('{}')
    if kind == 'no tokenizer':
        for path in folder.glob('tokenizer*'):
            path.unlink()
    if kind == 'pictures':
        sizes = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
        transformers.ViTModel(transformers.ViTConfig(image_size=32, patch_size=16, **sizes)).save_pretrained(folder)
    if kind == 'other weights':
        (folder / 'config.json').write_text(json.dumps(dict(config, num_hidden_layers=3)))
    if kind == 'own code':
        own = dict(config, model_type='strange', auto_map=dict(AutoModel='modeling_strange.Strange'))
        (folder / 'config.json').write_text(json.dumps(own))
    if kind == 'kernels':
        (folder / 'config.json').write_text(json.dumps(dict(config, _attn_implementation='somebody/kernels')))
    return str(folder)


@pytest.mark.parametrize('kind, error, message', [
    ('pickle', FileNotFoundError, 'holds pickled weights.*may run code'),
    ('nested', FileNotFoundError, 'weights lie further below. Give ".*wrong/0_Transformer"'),
    ('half', ValueError, 'cannot be loaded by AutoModel: fetch it again'),
    ('no config', FileNotFoundError, 'has no config.json'),
    ('other config', ValueError, 'its config.json is not what transformers writes'),
    ('no tokenizer', ValueError, 'has no tokenizer .*Copy the tokenizer'),
    ('pictures', ValueError, 'a ViTModel, which reads pixel_values and no text'),
    ('other weights', ValueError, 'does not hold the weights of the BertModel.*encoder.layer.2'),
    ('own code', ValueError, "brings code of its own, which is not run, and is of the kind 'strange'"),
    ('kernels', ValueError, 'asks for code from elsewhere')])
def test_wrong_folders_are_refused_with_the_reason(folders, tmp_path, kind, error, message):
    folder = damage(shutil.copytree(folders['bert'], tmp_path / 'wrong'), kind)
    with pytest.raises(error, match=f'(?s)wrong".*{message}'):
        TransformersText(folder)


def test_no_code_of_a_folder_is_run(folders, tmp_path):
    folder = shutil.copytree(folders['bert'], tmp_path / 'own')
    for name, classes in (('config.json', dict(AutoConfig='own.Config', AutoModel='own.Model')),
                          ('tokenizer_config.json', dict(AutoTokenizer=['own.Tokenizer', 'own.Tokenizer']))):
        values = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(dict(values, auto_map=classes)))
    (folder / 'own.py').write_text(f'open({str(tmp_path / "code ran")!r}, "w")')
    TransformersText(str(folder))
    assert not (tmp_path / 'code ran').exists()


def test_weights_that_have_changed_are_refused(folders, tmp_path):
    config = TransformersText(folders['bert']).config
    assert config == dict(type='TransformersText', weights=folders['bert'], gives='both', layer=None, prefix='',
                          sha256=config['sha256'])
    with pytest.raises(ValueError, match=f'is not the one that was used before: .*it was {config["sha256"]}'):
        TransformersText(save_network('bert', tmp_path / 'other', seed=1), sha256=config['sha256'])


def test_what_was_computed_is_read_again_by_its_content(folders, tmp_path, monkeypatch):
    def encode(kind='bert', texts=('a red ball', 'no', 'a red ball'), **arguments):
        query = TransformersText(folders[kind], VOCABULARY, str(tmp_path), cache='cache', **arguments
                                 ).encode(texts, 20).batch(range(len(texts)))
        return query.features, query.word_ids, query.sentences
    first = encode()
    file, = (tmp_path / 'cache').iterdir()
    computed, embed = [], TextNetwork.embed
    monkeypatch.setattr(TextNetwork, 'embed', lambda self, texts, gives='both': (
        computed.append(list(texts)), embed(self, texts, gives))[1])
    for one, other in zip(first, encode()):
        assert torch.equal(one, other)
    assert computed == [['a']]  # of each encoder, which learns its sizes by it
    file.write_bytes(file.read_bytes()[:-100])
    for one, other in zip(first, encode()):
        assert torch.equal(one, other)
    assert computed[1:] == [['a'], ['a red ball', 'no']]
    encode(layer=0)
    encode(kind='clip')
    encode(texts=['a red ball'])
    assert len(list((tmp_path / 'cache').iterdir())) == 4


def npz(tiny, folder):
    """Precomputed states of all queries of the tiny data set, by their sentences."""
    folder.mkdir()
    for split in ('train', 'val', 'test'):
        for *_, text in json.loads((tiny.root / f'{split}.json').read_text()):
            states = np.random.default_rng(list(text.encode())).normal(size=(len(tokenize(text)), 16))
            np.savez(folder / f'{text}.npz', tokens=states.astype(np.float32))
    return dict(type='PrecomputedText', features=str(folder))


@pytest.mark.parametrize('method', ['cpl', 'mcmt', 'mscl'])
@pytest.mark.parametrize('kind', ['bert', 'clip', 'npz'])
def test_a_method_trains_resumes_tests_and_infers_by_config_alone(folders, tiny_dataset, tmp_path, method, kind):
    text = npz(tiny_dataset, tmp_path / 'queries') if kind == 'npz' else dict(
        type='TransformersText', weights=folders[kind], gives='tokens')
    data = tiny_dataset._replace(**{split: dict(getattr(tiny_dataset, split), text=text)
                                    for split in ('train', 'val', 'test')})
    margin = {} if method != 'mscl' else dict(val_evaluator=dict(type='MomentRecall'))
    file = write_config(tmp_path / 'config.py', data, method, train_cfg=dict(max_epochs=1), **margin)
    options = {'model.encoder.word_dim': 16}
    make_runner(file, tmp_path / 'run', options).train()
    make_runner(file, tmp_path / 'run', {**options, 'train_cfg.max_epochs': 2},
                resume=str(tmp_path / 'run' / 'epoch_1.pth')).train()
    out = run_test(read_config(tmp_path / 'run' / 'config.py'), tmp_path / 'run')
    config = read_config(tmp_path / 'run' / 'config.py')
    loader = MomentRunner.build_dataloader(config.val_dataloader)
    records = list(explain_all(config, str(tmp_path / 'run' / 'epoch_2.pth'), loader, 4))
    assert all(len(record['spans']) and record['words'] for record in records)
    assert method == 'mscl' or len(records[0]['reconstruction']['query']['chosen']) == len(records[0]['words'])
    inferencer = MomentRetrievalInferencer(tmp_path / 'run', device='cpu', show_progress=False)
    assert inferencer.text.config['type'] == text['type']
    with h5py.File(tiny_dataset.features) as features:
        for line in out.read_text().splitlines():
            tested = json.loads(line)
            rows = VideoFeatures.from_array(features[tested['video_id']][()], duration=20.0)
            moments = inferencer(rows, tested['query'])['predictions'][0]['moments']
            best = tested['pred_spans'][0]
            assert [moments[0]['start'], moments[0]['end']] == pytest.approx(best, abs=2e-3)


def test_a_run_is_refused_with_another_network_of_the_same_sizes(folders, tiny_dataset, tmp_path):
    def config(name, weights):
        text = dict(type='TransformersText', weights=weights, gives='tokens')
        data = tiny_dataset._replace(**{split: dict(getattr(tiny_dataset, split), text=text)
                                        for split in ('train', 'val', 'test')})
        return write_config(tmp_path / name, data, 'cnm', train_cfg=dict(max_epochs=1),
                            val_evaluator=dict(type='MomentRecall'))
    folder = shutil.copytree(folders['bert'], tmp_path / 'bert')
    options = {'model.encoder.word_dim': 16}
    make_runner(config('config.py', str(folder)), tmp_path / 'run', options).train()
    other = read_config(config('other.py', save_network('bert', tmp_path / 'again', seed=1)), options)
    with pytest.raises(ValueError, match='was trained with the text encoder'):
        run_test(other, tmp_path / 'run' / 'epoch_1.pth')
    folder.rename(tmp_path / 'moved')
    with pytest.raises(FileNotFoundError, match='not where it was.*say where it is now in "text" of inputs.json'):
        MomentRetrievalInferencer(tmp_path / 'run')
    recipe = (tmp_path / 'run' / 'inputs.json').read_text()
    (tmp_path / 'run' / 'inputs.json').write_text(recipe.replace(str(folder), str(tmp_path / 'moved')))
    MomentRetrievalInferencer(tmp_path / 'run')
