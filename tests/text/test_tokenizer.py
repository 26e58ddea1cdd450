"""Tokenizers and taggers of one's own: those of docs/add_a_part.md, in training, in use and in what is kept."""
import json
import re
import sys

import h5py
import pytest
from runs import REPO, make_runner, write_config

from mmvmr.apis.inferencer import MomentRetrievalInferencer
from mmvmr.cli.main import main
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.testing import run_test
from mmvmr.features.video_features import VideoFeatures
from mmvmr.registry import DATASETS, TAGGERS, TEXT_ENCODERS, TOKENIZERS
from mmvmr.text.tokenizer import WordReader
from mmvmr.text.vocabulary import Vocabulary

PAGE = (REPO / 'docs' / 'add_a_part.md').read_text(encoding='utf-8').split('## A tokenizer and a tagger')[1]
PART, CONFIG = re.findall(r'```python\n(.*?)```', PAGE, flags=re.DOTALL)
OWN = dict(tokenizer=dict(type='Characters'), tagger=dict(type='EveryWord'))
CHINESE = {'a': '一', 'red': '红', 'green': '绿', 'blue': '蓝', 'ball': '球', 'moves.': '移动', 'spins.': '旋转'}


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """The file of the page, imported."""
    (tmp_path / 'my_parts').mkdir()
    (tmp_path / 'my_parts' / '__init__.py').touch()
    (tmp_path / 'my_parts' / 'characters.py').write_text(PART)
    (tmp_path / 'my_words.py').write_text(CONFIG)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ('my_parts', 'my_parts.characters'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for registry, name in ((TOKENIZERS, 'Characters'), (TAGGERS, 'EveryWord')):
        monkeypatch.delitem(registry.module_dict, name, raising=False)
    config = read_config(tmp_path / 'my_words.py')
    assert config.train_dataloader.dataset.text == dict(type='WordVectors', **OWN)
    assert config.test_dataloader.dataset.text == dict(type='WordVectors', **OWN)
    return tmp_path


def test_a_language_without_blanks_is_trained_and_asked_for(parts, tiny_dataset, monkeypatch):
    """From the vocabulary to the answers of the run, which records how its sentences are read."""
    for split in ('train', 'val', 'test'):
        path = tiny_dataset.root / f'{split}.json'
        path.write_text(json.dumps([[*pair, ''.join(map(CHINESE.get, text.split()))]
                                    for *pair, text in json.loads(path.read_text())]))
    text = dict(type='WordVectors', **OWN)
    data = tiny_dataset._replace(**{split: dict(getattr(tiny_dataset, split), text=text)
                                    for split in ('train', 'val', 'test')})
    imports = dict(custom_imports=dict(imports=['my_parts.characters']))
    file = write_config(parts / 'config.py', data, 'cnm', train_cfg=dict(max_epochs=1), **imports)
    with pytest.raises(SystemExit, match='0'):
        main(['vocabulary', str(tiny_dataset.vocabulary), '--vectors', 'random', '--sentences', file, '--force'])
    vocabulary = Vocabulary.load(tiny_dataset.vocabulary)
    assert set(vocabulary.words) <= set(''.join(CHINESE.values())) and vocabulary.provenance['tokenizer'] == (
        'characters-1')
    query = DATASETS.build(data.train)[0]['inputs'].query
    assert query.word_weights.unique().tolist() == [2] and query.mask.sum() == 5
    sized = data._replace(vocab_size=len(vocabulary))
    file = write_config(parts / 'config.py', sized, 'cnm', train_cfg=dict(max_epochs=1), **imports)
    make_runner(file, parts / 'run').train()
    assert json.loads((parts / 'run' / 'inputs.json').read_text())['text'] == text
    inferencer = MomentRetrievalInferencer(parts / 'run', device='cpu', show_progress=False)
    with h5py.File(tiny_dataset.features) as features:
        rows = VideoFeatures.from_array(features['test_0'][()], duration=20.0)
    found = inferencer(rows, ['一红球移动', '猫'])
    assert found['predictions'][0]['unknown_words'] == [] and "'猫'" in found['errors'][0]['error']
    with monkeypatch.context() as patch:
        patch.setattr(TOKENIZERS.get('Characters'), 'name', 'characters-2')
        with pytest.raises(ValueError, match="as read by the tokenizer 'characters-1'; .* is 'characters-2' now"):
            MomentRetrievalInferencer(parts / 'run', device='cpu')
        with pytest.raises(ValueError, match="as read by the tokenizer 'characters-1'"):
            run_test(read_config(file), parts / 'run' / 'epoch_1.pth', parts / 'test')
    text = dict(type='WordVectors', tokenizer=OWN['tokenizer'])  # without the tagger
    plain = sized._replace(**{split: dict(getattr(sized, split), text=text) for split in ('train', 'val', 'test')})
    other = write_config(parts / 'other.py', plain, 'cnm', load_from=str(parts / 'run' / 'epoch_1.pth'), **imports)
    with pytest.raises(ValueError, match='was trained with the text encoder .*EveryWord'):
        make_runner(other, parts / 'again').train()


def test_what_was_computed_with_another_tokenizer_is_not_read_again(parts, monkeypatch):
    pytest.importorskip('transformers', reason='its networks are read: requirements/tests.txt')
    from networks import save_network
    weights, kept = save_network('bert', parts / 'bert'), parts / 'cache'

    def places(**arguments):
        encoder = TEXT_ENCODERS.build(dict(type='TransformersText', weights=weights, cache=str(kept), **arguments))
        return encoder.encode(['red ox'], 20).lengths.tolist(), len(list(kept.iterdir()))

    assert places() == ([2], 1)
    assert places(**OWN) == ([3], 2)
    assert places(tokenizer=OWN['tokenizer']) == ([3], 2)  # no tagger is in it
    monkeypatch.setattr(TOKENIZERS.get('Characters'), 'name', 'characters-2')
    assert places(**OWN) == ([3], 3)


@pytest.mark.parametrize('part, change, message', [
    ('tokenizer', "return sentence.split(' ') + ['']", 'Characters should give a list of words, none of them empty'),
    ('tagger', 'return [2.0]', r"EveryWord should give a number above 0 for each of the words \['a', 'b'\]"),
    ('tagger', 'return None', r'EveryWord should give a number above 0 .* it gave None'),
    ('tagger', "return ['NN', 'NN']", r'EveryWord should give a number above 0')])
def test_parts_that_give_something_else_are_named(parts, monkeypatch, part, change, message):
    registry, name = (TOKENIZERS, 'Characters') if part == 'tokenizer' else (TAGGERS, 'EveryWord')
    namespace = {}
    exec(f'def call(self, sentence):\n    {change}', namespace)
    monkeypatch.setattr(registry.get(name), '__call__', namespace['call'])
    with pytest.raises(ValueError, match=message):
        WordReader(**OWN).content('ab')


@pytest.mark.parametrize('kind, registry, name', [('tokenizer', TOKENIZERS, 'Characters'),
                                                  ('tagger', TAGGERS, 'EveryWord')])
def test_parts_say_their_names(parts, monkeypatch, kind, registry, name):
    monkeypatch.delattr(registry.get(name), 'name')
    with pytest.raises(ValueError, match=f'The {kind} {name} has no `name`'):
        WordReader(**OWN)


def test_a_recipe_cannot_name_anything_but_a_tokenizer():
    with pytest.raises(ValueError, match='The tokenizer is .*os.system.* which is none of .*TreebankTokenizer'):
        WordReader(dict(type='os.system'))
