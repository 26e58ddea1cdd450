import io
import pickle

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from torch import nn

from mmvmr.engine.checkpoint import (
    AtomicLocalBackend,
    check_weights,
    find_latest,
    find_weights,
    from_plain,
    load_checkpoint,
    load_weights,
    to_plain,
)


class Exploit:
    """Unpickling it makes a folder."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (__import__('os').mkdir, (str(self.target),))


def _save(path, content=None):
    torch.save(dict(state_dict=torch.nn.Linear(2, 3).state_dict()) if content is None else content, path)
    return path


@pytest.mark.parametrize('legacy', [False, True])
def test_malicious_checkpoint_is_refused_and_nothing_is_run(tmp_path, legacy):
    content, path = dict(state_dict={}, meta=Exploit(tmp_path / 'owned')), tmp_path / 'bad.pth'
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ValueError, match='bad.pth" was refused, and nothing in it has been run'):
        load_checkpoint(path)
    assert not (tmp_path / 'owned').exists()
    pickle.loads(pickle.dumps(content))
    assert (tmp_path / 'owned').exists()  # the exploit works


def test_plain_pickle_is_refused_and_nothing_is_run(tmp_path):
    (tmp_path / 'bad.pth').write_bytes(pickle.dumps(dict(state_dict=Exploit(tmp_path / 'owned'))))
    with pytest.raises(ValueError, match='refused'):
        load_checkpoint(tmp_path / 'bad.pth')
    assert not (tmp_path / 'owned').exists()


def test_config_in_a_checkpoint_is_not_executed_on_resuming(tmp_path):
    text = f'_ = __import__("os").mkdir({str(tmp_path / "owned")!r})'
    path = _save(tmp_path / 'bad.pth', dict(state_dict={}, meta=dict(config=text, epoch=1)))
    assert load_checkpoint(path)['meta'] == dict(epoch=1)
    Config.fromstring(text, file_format='.py')
    assert (tmp_path / 'owned').exists()  # this is what MMEngine does with it


@pytest.mark.parametrize('keep', [0, 1, 100, 0.5, 0.99])
def test_truncated_checkpoint_is_named(tmp_path, keep):
    content = _save(tmp_path / 'whole.pth').read_bytes()
    (tmp_path / 'cut.pth').write_bytes(content[:keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(ValueError, match='cut.pth'):
        load_checkpoint(tmp_path / 'cut.pth')


@pytest.mark.parametrize('content, message', [
    (torch.zeros(3), 'holds a Tensor; expected a checkpoint'),
    (dict(model_parameters={}, config={}), r"has no `state_dict`.*'config', 'model_parameters'.*convert-official"),
    (dict(state_dict=dict(weight=1.0)), 'has no `state_dict` of tensors'),
])
def test_foreign_checkpoint_is_explained(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        load_weights(torch.nn.Linear(2, 3), _save(tmp_path / 'foreign.pth', content))


def test_absent_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='There is no checkpoint ".*absent.pth"'):
        load_checkpoint(tmp_path / 'absent.pth')


def test_remote_checkpoints_are_not_unpickled():
    with pytest.raises(ValueError, match='local files, got "https://example.org/a.pth". Download it'):
        load_checkpoint('https://example.org/a.pth')


def test_weights_must_fit_the_model(tmp_path):
    path = _save(tmp_path / 'a.pth')
    model = torch.nn.Linear(2, 3)
    load_weights(model, path)
    assert torch.equal(model.weight, torch.load(path)['state_dict']['weight'])
    with pytest.raises(ValueError, match=r'weight has shape \(3, 2\), the model needs \(3, 4\)'):
        load_weights(torch.nn.Linear(4, 3), path)
    with pytest.raises(ValueError, match='1 weights are not in the model, e.g. bias'):
        load_weights(torch.nn.Linear(2, 3, bias=False), path)
    with pytest.raises(ValueError, match='2 weights are missing in the checkpoint, e.g. 0.bias, 0.weight'):
        load_weights(torch.nn.Sequential(torch.nn.Linear(2, 3)), path)


def test_plain_form_loads_weights_only_and_comes_back_whole():
    history = HistoryBuffer()
    history.update(1.5, 2)
    history.update(2.5, 1)
    content = dict(log_scalars={'train/loss': history}, best=np.float64(0.25), spans=np.array([[1, 2]]), pair=(1, 'a'))
    file = io.BytesIO()
    torch.save(to_plain(content), file)
    file.seek(0)
    loaded = from_plain(torch.load(file, weights_only=True))
    values, counts = loaded['log_scalars']['train/loss'].data
    assert values.tolist() == [1.5, 2.5] and counts.tolist() == [2, 1]
    assert (loaded['best'], loaded['spans'], loaded['pair']) == (0.25, [[1, 2]], (1, 'a'))


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'folder' / 'epoch_1.pth'
    AtomicLocalBackend().put(b'old', path)
    monkeypatch.setattr('os.fsync', lambda descriptor: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        AtomicLocalBackend().put(b'new', path)
    assert path.read_bytes() == b'old'
    assert [file.name for file in path.parent.iterdir()] == ['epoch_1.pth']


def test_newest_whole_checkpoint_is_found_by_its_number(tmp_path):
    assert find_latest(tmp_path) is None
    for epoch in (2, 9, 10):
        _save(tmp_path / f'epoch_{epoch}.pth')
    _save(tmp_path / 'best_mIoU_epoch_11.pth')
    (tmp_path / 'epoch_12.pth').write_bytes(b'cut')
    (tmp_path / 'last_checkpoint').write_text('/elsewhere/epoch_20.pth')
    assert find_latest(tmp_path) == str(tmp_path / 'epoch_10.pth')


def test_folder_of_a_run_stands_for_its_best_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match='no whole checkpoint in .* Train one: mmvmr train'):
        find_weights(tmp_path)
    _save(tmp_path / 'epoch_3.pth')
    assert find_weights(tmp_path) == str(tmp_path / 'epoch_3.pth')
    _save(tmp_path / 'best_reconstruction_margin_epoch_2.pth')
    assert find_weights(tmp_path) == str(tmp_path / 'best_reconstruction_margin_epoch_2.pth')
    assert find_weights(tmp_path / 'epoch_3.pth') == str(tmp_path / 'epoch_3.pth')


def test_a_checkpoint_without_what_training_measures_is_to_be_trained_anew():
    model = nn.BatchNorm1d(2)
    state = {name: value for name, value in model.state_dict().items() if not name.startswith('running')}
    with pytest.raises(ValueError, match='2 weights are missing in the checkpoint, e.g. running_mean, .*train it anew'):
        check_weights(model, dict(state_dict=state), 'old.pth')
    weight, bias = torch.ones(2, 2), torch.ones(2)
    for other in (dict(weight=weight), dict(weight=weight, bias=bias, more=bias), dict(weight=weight.T[:1], bias=bias)):
        with pytest.raises(ValueError, match='Use the config that it was trained with'):
            check_weights(nn.Linear(2, 2), dict(state_dict=other), 'other.pth')
