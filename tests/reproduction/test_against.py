"""The authors' code beside ours; what stands in for it has their names and signatures, and does next to nothing."""
import json

import pytest

from mmvmr.engine.run.config import read_config
from mmvmr.reproduction import against
from mmvmr.reproduction.against import find_method, their_settings
from mmvmr.reproduction.benchmark import fill_benchmark_sizes

FILES = {
    'utils.py': 'import json\n\ndef load_json(path):\n    return json.load(open(path))\n',
    'models/__init__.py': 'from models.net import Net\n',
    'models/net.py': """
import torch

class Net(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.video = torch.nn.Linear(config['frames_input_size'], 2)
        self.words = torch.nn.Linear(config['words_input_size'], 2)
""",
    'datasets/__init__.py': """
import h5py, nltk, numpy as np, torch
from utils import load_json

class CharadesSTA:
    def __init__(self, data_path, vocab, args, **kwargs):
        self.data, self.vocab, self.args = load_json(data_path), vocab, args
        self.keep = {word: row for row, (word, _) in enumerate(vocab['counter'].most_common(args['vocab_size']), 1)}

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        video, duration, span, sentence = self.data[index]
        words = [word for word, tag in nltk.pos_tag(nltk.tokenize.word_tokenize(sentence)) if word in self.keep]
        with h5py.File(self.args['feature_path'], 'r') as file:
            frames = np.asarray(file[video])
        assert frames.shape == (self.args['max_num_frames'], self.args['frame_dim']) and len(words) > 2
        return frames, np.stack([self.vocab['id2vec'][self.vocab['w2id'][word]] for word in words])

    def collate_data(self, samples):
        return dict(frames=torch.from_numpy(np.stack([frames for frames, _ in samples])),
                    words=torch.from_numpy(np.stack([words.mean(axis=0) for _, words in samples])))
""",
    'runners/__init__.py': """
import pickle, torch, datasets, models

class MainRunner:
    def __init__(self, args):
        data = args['dataset']
        with open(data['vocab_path'], 'rb') as file:
            vocab = pickle.load(file)
        kind = getattr(datasets, data['dataset'])
        self.train_set = kind(data_path=data['train_data'], vocab=vocab, args=data, is_training=True, split='train')
        self.test_set = kind(data_path=data['test_data'], vocab=vocab, args=data, split='test')
        self.train_loader = self.test_loader = None
        self.model = models.Net(args['model']['config']).cuda()
        assert args['train']['batch_size'] == 12

    def _step(self, batch):
        from fairseq import utils
        assert torch.equal(utils.softmax(torch.zeros(1, 2), dim=-1, onnx_trace=False), torch.full((1, 2), 0.5))
        return (self.model.video(batch['frames'].cuda()).mean(1) + self.model.words(batch['words'].cuda())).mean()

    def _train_one_epoch(self, epoch):
        for batch in self.train_loader:
            self._step(batch).backward()

    def eval(self, save=None, epoch=0):
        with torch.no_grad():
            for batch in self.test_loader:
                self._step(batch)
""",
    'config/charades/main.json': json.dumps(dict(
        dataset=dict(dataset='CharadesSTA', frame_dim=1024, val_data='data/test.json'), train=dict(batch_size=32),
        model=dict(name='Net', config=dict(num_props=8)), loss={})),
}


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / 'cpl'
    for name, text in {**FILES, 'models/cpl.py': ''}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_their_code_is_timed_in_turn_with_ours_on_the_same_data(checkout, tmp_path, monkeypatch):
    monkeypatch.setattr(against, 'ROUNDS', 1)
    config = read_config('configs/cpl_moving_shapes.py', {'train_dataloader.batch_size': 12})
    table = against.compare(config, checkout, ['loader', 'training', 'evaluation'], 1, tmp_path / 'data', videos=6)
    assert 'cpl_moving_shapes against CPL' in table
    rows = [[cell.strip() for cell in row.split('|')[1:-1]] for row in table.splitlines() if row.count('|') == 9]
    assert [row[0] for row in rows[1:]] == ['loader', 'training', 'evaluation']
    for part, ours, theirs, times, spread, *memory in rows[1:]:
        assert float(times) == pytest.approx(float(ours) / float(theirs), rel=0.1, abs=0.02), part
        low, high = map(float, spread.split(' .. '))
        assert low <= high and float(memory[2]) == pytest.approx(float(memory[0]) / float(memory[1]), abs=0.05)


def test_their_settings_get_the_sizes_of_the_config(checkout, tmp_path):
    config = read_config('configs/cpl_moving_shapes.py')
    fill_benchmark_sizes(config)
    settings = their_settings(checkout, tmp_path, config)
    assert settings['dataset']['frame_dim'] == settings['model']['config']['frames_input_size'] == 57
    assert (settings['dataset']['max_num_frames'], settings['dataset']['vocab_size']) == (64, 1111)
    assert settings['model']['config']['num_props'] == 8 and settings['train']['batch_size'] == 32


@pytest.mark.parametrize('lost, reason', [('runners/__init__.py', 'no runners'), ('utils.py', r'no utils\.py'),
                                          ('models/cpl.py', r'no models/cpl\.py or models/cnm\.py'),
                                          ('config/charades/main.json', r'no config/\*/\*\.json')])
def test_another_folder_is_refused_with_what_it_lacks(checkout, lost, reason):
    assert find_method(checkout) == 'cpl'
    (checkout / lost).unlink()
    if lost.startswith('runners'):
        (checkout / 'runners').rmdir()
    with pytest.raises(ValueError, match=f'is no checkout of the code of CPL or CNM: there is {reason}'):
        find_method(checkout)


def test_what_fails_in_their_code_is_said_to_be_theirs(checkout):
    (checkout / 'runners' / '__init__.py').write_text('raise KeyError("feature_path")')
    with pytest.raises(RuntimeError, match=r'(?s)The training of ".*cpl" failed.*feature_path'):
        against.run_theirs('training', checkout, {}, 1)
