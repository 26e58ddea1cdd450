"""The mean of the last epochs: what is in it, when there is one, and that it is tested."""
from pathlib import Path

import pytest
import torch
from runs import make_runner, same, weights, write_config

from mmvmr.engine.checkpoint import find_latest, find_weights, load_checkpoint, mean_weights
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.testing import run_test
from mmvmr.registry import HOOKS


@pytest.fixture
def train(tmp_path, tiny_dataset):
    """``train(epochs, options, resume)`` trains so many epochs in the folder ``run``."""
    file = write_config(tmp_path / 'mine.py', tiny_dataset, 'cpl')

    def run(epochs, options=None, resume=None):
        changes = {'train_cfg.max_epochs': epochs, **(options or {})}
        make_runner(file, tmp_path / 'run', changes, resume and str(tmp_path / 'run' / resume)).train()
        return tmp_path / 'run'
    return run


def _names(run):
    return sorted(path.name for path in run.glob('*.pth'))


def test_mean_of_the_last_three_epochs_is_tested(train, tmp_path):
    run = train(4)
    assert _names(run) == ['epoch_2.pth', 'epoch_3.pth', 'epoch_4.pth', 'mean_to_epoch_4.pth']
    mean, states = weights(run / 'mean_to_epoch_4.pth'), [weights(run / f'epoch_{epoch}.pth') for epoch in (2, 3, 4)]
    name = 'encoder.video_projection.weight'
    torch.testing.assert_close(mean[name], (states[0][name] + states[1][name] + states[2][name]) / 3)
    assert not same(mean, states[-1]) and same(mean, mean_weights(states))
    assert Path(find_weights(run)).name == 'mean_to_epoch_4.pth' and Path(find_latest(run)).name == 'epoch_4.pth'
    assert run_test(read_config(run / 'mine.py'), run).parent.name == 'mean_to_epoch_4'
    last = load_checkpoint(run / 'epoch_4.pth')
    assert load_checkpoint(run / 'mean_to_epoch_4.pth')['inputs'] == last['inputs']
    size = {path.name: path.stat().st_size for path in run.glob('*.pth')}
    assert size['mean_to_epoch_4.pth'] < 0.6 * size['epoch_4.pth'], 'weights that are shared are written once'


def test_training_that_goes_on_has_another_mean(train):
    run = train(3)
    assert Path(find_weights(run)).name == 'mean_to_epoch_3.pth'
    (run / 'epoch_1.pth').rename(run / 'epoch_4.pth')
    assert Path(find_weights(run)).name == 'epoch_4.pth', 'the mean is not that of the newest epoch'
    (run / 'epoch_4.pth').rename(run / 'epoch_1.pth')
    train(4, resume='epoch_3.pth')
    assert 'mean_to_epoch_4.pth' in _names(run) and 'mean_to_epoch_3.pth' not in _names(run)


@pytest.mark.parametrize('epochs, options', [(2, {}), (3, {'default_hooks.mean': None}),
                                             (3, {'default_hooks.checkpoint.max_keep_ckpts': 2})])
def test_there_is_no_mean_of_fewer_epochs_or_where_none_is_wanted(train, epochs, options):
    run = train(epochs, options)
    assert Path(find_weights(run)).name == f'epoch_{epochs}.pth' and not list(run.glob('mean*'))


def test_damaged_mean_is_passed_over(train):
    run = train(3)
    content = (run / 'mean_to_epoch_3.pth').read_bytes()
    (run / 'mean_to_epoch_3.pth').write_bytes(content[:len(content) // 2])
    assert Path(find_weights(run)).name == 'epoch_3.pth'


def test_mean_of_one_epoch_is_refused():
    with pytest.raises(ValueError, match='2 epochs or more, got 1'):
        HOOKS.build(dict(type='MeanOfEpochsHook', last=1))


def test_counts_are_those_of_the_last_epoch():
    states = [dict(a=torch.tensor([1.0, 2.0]), n=torch.tensor(1)), dict(a=torch.tensor([3.0, 2.0]), n=torch.tensor(5))]
    assert mean_weights(states)['a'].tolist() == [2, 2] and mean_weights(states)['n'] == 5
