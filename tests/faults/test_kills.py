"""Trainings that are killed at all kinds of moments, and end in the weights of one that was not.

MMVMR_KILLS=20 python -m pytest tests/faults/test_kills.py    # more kills than by default
"""
import os
import random
import signal
import time

import pytest
from kills import die_in_save, run_with_full_disk
from runs import free_port, make_runner, run_tool, same, write_config
from warm import WarmProcess

from mmvmr.engine.checkpoint import find_latest, load_checkpoint

KILLS = int(os.environ.get('MMVMR_KILLS', 2))
EARLY = dict(type='EarlyStoppingHook', monitor='reconstruction_margin', rule='greater', patience=10**6)


@pytest.fixture
def config(tmp_path, tiny_dataset):
    """The config of a training of four iterations an epoch."""
    return write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', custom_imports=dict(imports=['kills']),
                        default_hooks=dict(early_stopping=EARLY,
                                           checkpoint=dict(save_best='reconstruction_margin', max_keep_ckpts=2)),
                        # not shortened in a training of one epoch, which is then continued
                        param_scheduler=[dict(type='InverseSquareRootLR', warmup=2)])


@pytest.fixture
def arguments(tmp_path, config):
    """``arguments(epochs, NAME=VALUE, ...)`` of tools/train.py, which begins or goes on in the folder ``run``."""
    def make(epochs, **options):
        changes = [f'{name}={value}' for name, value in {'train_cfg.max_epochs': epochs, **options}.items()]
        return [config, '--work-dir', tmp_path / 'run', '--resume', '--cfg-options', *changes]
    return make


@pytest.fixture
def start(tmp_path, arguments):
    """``start(epochs, NAME=VALUE, ...)`` starts that training."""
    return lambda *args, **options: WarmProcess('tools/train.py', arguments(*args, **options), tmp_path / 'log')


def _names(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


def _signal(hook='signal', **entries):
    """Options that add a hook: a signal at the begin of an iteration, counted in its process."""
    entries = dict(type='SignalAt', point='before_train_iter', **entries)
    return {f'default_hooks.{hook}.{name}': value for name, value in entries.items()}


@pytest.fixture
def check(tmp_path, config):
    """``check(epochs)`` compares the folder ``run`` with that of an undisturbed training."""
    def compare(epochs):
        make_runner(config, tmp_path / 'straight', {'train_cfg.max_epochs': epochs}).train()
        assert _names(tmp_path / 'run') == _names(tmp_path / 'straight')
        assert not list((tmp_path / 'run').glob('.*partial'))
        one, other = (load_checkpoint(tmp_path / name / f'epoch_{epochs}.pth') for name in ('run', 'straight'))
        assert same(one['state_dict'], other['state_dict'])
        for key in ('best_score', 'early_stopping'):
            assert one['message_hub']['runtime_info'][key] == other['message_hub']['runtime_info'][key]
    return compare


def test_run_that_is_killed_again_and_again_ends_as_if_nothing_had_happened(tmp_path, start, check):
    """By SIGKILL and SIGTERM in turn, at random moments. The run is not over before: its end is chosen last."""
    moments, run = random.Random(0), tmp_path / 'run'
    for number in range(KILLS):
        before, process = _names(run), start(10**6)
        while _names(run) == before and process.is_running():
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.5))
        process.send(signal.SIGTERM if number % 2 else signal.SIGKILL)
        process.wait(143 if number % 2 else -signal.SIGKILL)
        for path in run.glob('*.pth'):
            load_checkpoint(path)
    newest = load_checkpoint(find_latest(run))['meta']['epoch']
    assert 'resumed epoch: ' in start(newest + 2).wait()
    check(newest + 2)


def test_run_that_is_killed_while_it_saves_loses_nothing(tmp_path, arguments, start, check):
    stop = _signal(count=2)
    run = tmp_path / 'run'
    for name, moment, options in [
            ('best_*_epoch_1.pth', 'half', {}), ('epoch_1.pth', 'written', {}), ('epoch_0_iter_2.pth', 'half', stop),
            ('epoch_0_iter_2.pth', 'renamed', stop), ('epoch_2.pth', 'written', {}), ('epoch_3.pth', 'renamed', {})]:
        WarmProcess(die_in_save, [arguments(3, **options), name, moment], tmp_path / 'log').wait(-signal.SIGKILL)
        assert len(list(run.glob('.*.partial'))) == (moment != 'renamed')
        for path in run.glob('*.pth'):
            load_checkpoint(path)
    assert (run / 'epoch_1.pth').exists(), 'it is deleted when epoch_3.pth is there, for which there was no time'
    start(3).wait()
    check(3)


def test_lost_loader_worker_is_reported(start, check):
    lost = start(2, **{'train_dataloader.num_workers': 1}, **_signal(count=6, to='[workers]', name='SIGKILL')).wait(1)
    assert 'A process that loads data was lost' in lost and 'Traceback' not in lost
    start(2).wait()
    check(2)


def test_full_disk_ends_a_run_with_a_message_and_loses_nothing(tmp_path, arguments, start, check):
    """No file may grow beyond a limit, as on a full disk: the first checkpoint fits, what comes later does not."""
    run = tmp_path / 'run'
    start(1).wait()
    kept = {path.name: path.read_bytes() for path in run.glob('*.pth')}
    limit = (run / 'epoch_1.pth').stat().st_size // 2
    output = WarmProcess(run_with_full_disk, [arguments(2), limit], tmp_path / 'full_log').wait(1)
    assert 'File too large' in output and 'Traceback' not in output
    assert {path.name: path.read_bytes() for path in run.glob('*.pth')} == kept
    assert not list(run.glob('.*partial'))
    start(2).wait()
    check(2)


@pytest.mark.parametrize('workers', [0, 1])
def test_features_that_become_unreadable_are_named(workers, tiny_dataset, start):
    content = tiny_dataset.features.read_bytes()
    try:
        tiny_dataset.features.write_bytes(content[:len(content) // 2])
        output = start(2, **{'train_dataloader.num_workers': workers}).wait(1)
    finally:
        tiny_dataset.features.write_bytes(content)
    assert 'features.h5' in output and 'Traceback' not in output


def test_processes_are_lost_and_torchrun_starts_them_anew(tmp_path, config, arguments):
    """Of two processes one is told to end, then one is killed, then both and torchrun. Each time the run goes on: by
    itself, where it was saved; by itself, from the newest checkpoint; by a new start.
    """
    signals = {
        **_signal('one', count=6, rank=1), **_signal('two', count=4, name='SIGKILL', rank=1, attempt=1),
        **_signal('three', count=3, name='SIGKILL', to='[launcher,self]', attempt=2),
        **_signal('four', count=3, name='SIGKILL', rank=1, attempt=2)}
    batch = {'train_dataloader.batch_size': 2}
    path = os.pathsep.join(['tests', 'tests/models'])
    command = ['bash', 'tools/dist_train.sh', config, 2]
    begin = [part for part in arguments(4, **batch, **signals)[1:] if part != '--resume']
    first = run_tool([*command, *begin], -signal.SIGKILL, PYTHONPATH=path, PORT=free_port(), MAX_RESTARTS='2')
    assert 'epoch_1_iter_6.pth" was saved' in first and 'resumed epoch: 1, iter: 6' in first
    assert 'resumed epoch: 2, iter: 8' in first
    second = run_tool([*command, *arguments(4, **batch)[1:]], PYTHONPATH=path, PORT=free_port())
    assert 'resumed epoch: 2, iter: 8' in second
    where = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=free_port(), WORLD_SIZE='2')
    straight = [config, '--work-dir', tmp_path / 'straight', '--launcher', 'pytorch', *arguments(4, **batch)[4:]]
    processes = [WarmProcess('tools/train.py', straight, tmp_path / f'{rank}.log', RANK=str(rank),
                             LOCAL_RANK=str(rank), **where) for rank in (0, 1)]
    for process in processes:
        process.wait()
    one, other = (load_checkpoint(tmp_path / name / 'epoch_4.pth')['state_dict'] for name in ('run', 'straight'))
    assert same(one, other) and _names(tmp_path / 'run') == _names(tmp_path / 'straight')
