"""A run that is stopped and resumed ends with the weights of the run that was not."""
import shutil

import pytest
from runs import ADAM, ALTERNATING, make_runner, same, weights, write_config

from mmvmr.engine.checkpoint import load_checkpoint

EMA = dict(default_hooks=dict(ema=dict(type='EMAHook', momentum=0.1)))
ACCUMULATE_3 = dict(optim_wrapper=dict(type='OptimWrapper', accumulative_counts=3, **ADAM))  # of 4 iterations an epoch
ALTERNATE_3 = dict(ALTERNATING, reconstruction=dict(ADAM, accumulative_counts=3))
CASES = dict(
    one_optimizer=('mcmt', {}),
    curriculum=('cpl', {}),
    optimizers_in_turn=('cnm', dict(optim_wrapper=ALTERNATING)),
    averaged_weights=('mcmt', EMA),
    accumulated_gradients=('cpl', ACCUMULATE_3),
    accumulated_in_turn=('cnm', dict(optim_wrapper=ALTERNATE_3)),
    bfloat16=('cpl', dict(optim_wrapper=dict(type='BFloat16OptimWrapper', **ADAM))),
    workers_that_stay=('cnm', None))


@pytest.fixture
def runs(tmp_path, tiny_dataset):
    """``runs(name, ...)`` trains in the folder ``name`` and returns it."""
    def train(name, config_file, options=None, resume=None):
        make_runner(config_file, tmp_path / name, options, resume).train()
        return tmp_path / name
    return train


@pytest.mark.parametrize('case', CASES)
def test_resumed_run_ends_with_the_same_weights(case, runs, tmp_path, tiny_dataset):
    method, changes = CASES[case]
    options = {} if changes is not None else {
        'train_dataloader.num_workers': 1, 'train_dataloader.persistent_workers': True}
    file = write_config(tmp_path / 'config.py', tiny_dataset, method, **(changes or {}))
    straight = runs('straight', file, {**options, 'train_cfg.max_epochs': 3})
    stopped = tmp_path / 'resumed'
    stopped.mkdir()
    shutil.copy(straight / 'epoch_2.pth', stopped)
    resumed = runs('resumed', file, {**options, 'train_cfg.max_epochs': 3}, str(stopped / 'epoch_2.pth'))
    one, other = load_checkpoint(straight / 'epoch_3.pth'), load_checkpoint(resumed / 'epoch_3.pth')
    assert same(one['state_dict'], other['state_dict'])
    if case == 'averaged_weights':
        assert same(one['ema_state_dict'], other['ema_state_dict'])
        assert not same(one['state_dict'], {key[7:]: value for key, value in one['ema_state_dict'].items()
                                            if key.startswith('module.')})
    assert not same(one['state_dict'], weights(straight / 'epoch_2.pth'))


def test_without_reseeding_the_resumed_run_would_differ(runs, tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, default_hooks=dict(reseed=dict(type='IterTimerHook')))
    straight = runs('straight', file)
    resumed = runs('resumed', file, resume=str(straight / 'epoch_1.pth'))
    assert not same(weights(straight / 'epoch_2.pth'), weights(resumed / 'epoch_2.pth'))
