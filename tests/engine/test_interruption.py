"""Runs that are told to stop end at once, and go on as if nothing had happened."""
import os
import signal
import socket
import zipfile
from pathlib import Path

import pytest
from mmengine.hooks import Hook
from runs import ALTERNATING, REPO, make_runner, run_tool, same, start_tool, weights, write_config

from mmvmr.engine.checkpoint import find_latest, load_checkpoint
from mmvmr.engine.interruption import Terminated
from mmvmr.registry import HOOKS

TESTS = Path(__file__).parents[1]
THREE_EPOCHS = {'train_cfg.max_epochs': 3}


@HOOKS.register_module()
class SigtermInIteration(Hook):
    """Sends SIGTERM to the own process in one iteration, counted from 1."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.iteration:
            os.kill(os.getpid(), signal.SIGTERM)


def _free_port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return str(free.getsockname()[1])


@pytest.fixture(autouse=True)
def restore_signal():
    yield
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.fixture
def stopped(tmp_path):
    """``stopped(file, iteration)`` trains until SIGTERM comes in that iteration; gives the folder."""
    def train(file, iteration):
        hook = {'default_hooks.stop': dict(type='SigtermInIteration', iteration=iteration)}
        with pytest.raises(Terminated) as end:
            make_runner(file, tmp_path / 'stopped', {**THREE_EPOCHS, **hook}).train()
        assert end.value.code == 143
        return tmp_path / 'stopped'
    return train


@pytest.mark.parametrize('method, changes, iteration', [
    ('mcmt', {}, 6),
    ('cpl', dict(optim_wrapper=dict(type='OptimWrapper', accumulative_counts=3,
                                    optimizer=dict(type='Adam', lr=1e-3))), 7),
    ('cnm', dict(optim_wrapper=ALTERNATING), 1),
    ('mcmt', dict(default_hooks=dict(ema=dict(type='EMAHook', momentum=0.1))), 5)])
def test_run_stopped_within_an_epoch_ends_with_the_same_weights(
        method, changes, iteration, stopped, tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, method, **changes)  # four iterations an epoch
    run = stopped(file, iteration)
    found = find_latest(run)
    assert found == str(run / f'epoch_{(iteration - 1) // 4}_iter_{iteration}.pth')
    make_runner(file, run, THREE_EPOCHS, resume=found).train()
    make_runner(file, tmp_path / 'straight', THREE_EPOCHS).train()
    assert same(weights(run / 'epoch_3.pth'), weights(tmp_path / 'straight' / 'epoch_3.pth'))
    assert not list(run.glob('epoch_*_iter_*.pth')), 'left although its epoch is complete'


def test_run_stopped_in_the_last_iteration_of_an_epoch_completes_it(stopped, tmp_path, tiny_dataset):
    run = stopped(write_config(tmp_path / 'config.py', tiny_dataset), 4)
    assert (run / 'epoch_1.pth').exists() and find_latest(run) == str(run / 'epoch_1_iter_5.pth')


def test_middle_of_an_epoch_needs_the_same_batches(stopped, tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset)
    found = find_latest(stopped(file, 6))
    with pytest.raises(ValueError, match='in the middle of an epoch of 4 batches, but now an epoch has 8'):
        make_runner(file, tmp_path / 'other', {'train_dataloader.batch_size': 2}, resume=found).train()


def test_damaged_checkpoint_is_passed_over(tmp_path, tiny_dataset, capfd):
    run = tmp_path / 'run'
    make_runner(write_config(tmp_path / 'config.py', tiny_dataset), run).train()
    content = bytearray((run / 'epoch_2.pth').read_bytes())
    content[len(content) // 2] ^= 1  # one bit; the archive still opens
    (run / 'epoch_2.pth').write_bytes(content)
    assert zipfile.is_zipfile(run / 'epoch_2.pth')
    assert find_latest(run) == str(run / 'epoch_1.pth')
    (run / 'epoch_1.pth').write_bytes(content[:1000])
    assert find_latest(run) is None


def test_process_told_to_stop_by_the_system_says_how_to_go_on(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=200))
    process = start_tool(['tools/train.py', file, '--work-dir', tmp_path / 'run'])
    while not (tmp_path / 'run' / 'epoch_1.pth').exists() and process.poll() is None:
        pass
    process.terminate()
    output = process.communicate(timeout=100)[0]
    assert process.returncode == 143, output
    assert 'Stopped by SIGTERM' in output and '--resume' in output and 'Traceback' not in output
    refused = run_tool(['tools/train.py', file, '--work-dir', tmp_path / 'run'], 1)
    assert 'holds the checkpoints of a training. Add --resume' in refused


def test_all_processes_stop_together_and_go_on(tmp_path, tiny_dataset):
    """One of two processes is told; torchrun starts both anew, and they end with the weights of an undisturbed run."""
    (tmp_path / 'stop_once.py').write_text(
        'import os\nfrom test_interruption import SigtermInIteration\nfrom mmvmr.registry import HOOKS\n'
        '@HOOKS.register_module()\n'
        'class StopOnce(SigtermInIteration):\n'
        '    def before_train_iter(self, runner, batch_idx, data_batch=None):\n'
        '        if os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":\n'
        '            super().before_train_iter(runner, batch_idx, data_batch)\n')
    file = write_config(tmp_path / 'config.py', tiny_dataset, custom_imports=dict(imports=['stop_once']),
                        default_hooks=dict(stop=dict(type='StopOnce', iteration=6)))
    path = os.pathsep.join(map(str, [tmp_path, REPO, TESTS, TESTS / 'engine', TESTS / 'models']))
    options = ['--cfg-options', 'train_dataloader.batch_size=2']
    output = run_tool(['bash', 'tools/dist_train.sh', file, 2, '--work-dir', tmp_path / 'stopped', *options],
                      PORT=_free_port(), PYTHONPATH=path, MAX_RESTARTS='1')
    assert 'epoch_1_iter_6.pth" was saved' in output and 'resumed epoch: 1, iter: 6' in output
    options += ['default_hooks.stop.iteration=0']
    run_tool(['bash', 'tools/dist_train.sh', file, 2, '--work-dir', tmp_path / 'straight', *options],
             PORT=_free_port(), PYTHONPATH=path)
    one, other = (load_checkpoint(tmp_path / name / 'epoch_2.pth')['state_dict'] for name in ('stopped', 'straight'))
    assert same(one, other)
