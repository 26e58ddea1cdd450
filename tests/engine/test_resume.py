"""A run that is stopped, between two epochs or within one, and resumed ends with the weights of one that was not."""
import signal

import pytest
from kills import train_thrice, train_thrice_in_two
from parts import METHODS
from runs import ADAM, ALTERNATING, free_port, make_runner, same, weights, write_config
from warm import WarmProcess

from mmvmr.engine.checkpoint import load_checkpoint

ACCUMULATE_3 = dict(optim_wrapper=dict(type='OptimWrapper', accumulative_counts=3, **ADAM))  # of 4 iterations an epoch
ALTERNATE_3 = dict(ALTERNATING, reconstruction=dict(ADAM, accumulative_counts=3))
NO_MARGIN = dict(val_evaluator=dict(type='MomentRecall'))
BEST = dict(checkpoint=dict(save_best='mIoU'))
CASES = {
    **{method: (method, {} if 'reconstructors' in METHODS[method] else NO_MARGIN) for method in METHODS},
    'optimizers in turn': ('cnm', dict(optim_wrapper=ALTERNATING)),
    'averaged weights': ('mcmt', dict(default_hooks=dict(ema=dict(type='EMAHook', momentum=0.1)))),
    'accumulated gradients': ('cpl', ACCUMULATE_3),
    'accumulated in turn': ('cnm', dict(optim_wrapper=ALTERNATE_3)),
    'bfloat16': ('cpl', dict(optim_wrapper=dict(type='BFloat16OptimWrapper', **ADAM)))}


@pytest.fixture(autouse=True)
def restore_signal():
    yield
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _write(folder, data, method, changes):
    hooks = {**BEST, **changes.get('default_hooks', {})}
    return write_config(folder / 'config.py', data, method, **{**changes, 'default_hooks': hooks})


def _check(folder):
    """All three runs have the same weights and averages, which the second epoch has changed."""
    straight = load_checkpoint(folder / 'straight' / 'epoch_2.pth')
    for name in ('resumed', 'stopped'):
        other = load_checkpoint(folder / name / 'epoch_2.pth')
        for key in {'state_dict', 'ema_state_dict'} & straight.keys():
            assert same(straight[key], other[key]), f'{key}, {name}'
        assert len({file['message_hub']['runtime_info']['best_score'] for file in (straight, other)}) == 1
    assert not same(straight['state_dict'], weights(folder / 'straight' / 'epoch_1.pth'))
    assert not list((folder / 'stopped').glob('epoch_*_iter_*.pth')), 'left although its epoch is complete'


@pytest.mark.parametrize('case', CASES)
def test_resumed_run_ends_with_the_same_weights(case, tmp_path, tiny_dataset):
    method, changes = CASES[case]
    train_thrice(_write(tmp_path, tiny_dataset, method, changes), tmp_path, {})
    _check(tmp_path)


def test_run_that_is_resumed_with_other_batches_knows_how_much_is_left(tmp_path, tiny_dataset):
    """Two epochs of four iterations, then, with twice the batch size, one of two."""
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm')
    make_runner(file, tmp_path / 'run').train()
    options = {'train_cfg.max_epochs': 3, 'train_dataloader.batch_size': 8}
    runner = make_runner(file, tmp_path / 'run', options, str(tmp_path / 'run' / 'epoch_2.pth'))
    runner.train()
    assert (runner.iter, runner.max_iters, runner.epoch) == (10, 10, 3)
    assert runner.message_hub.get_info('eta') == pytest.approx(0)


def test_loader_that_stays_is_resumed_exactly(tmp_path, tiny_dataset):
    file = _write(tmp_path, tiny_dataset, 'cnm', {})
    train_thrice(file, tmp_path, {'train_dataloader.num_workers': 1, 'train_dataloader.persistent_workers': True})
    _check(tmp_path)


def test_two_processes_resume_with_the_same_weights(tmp_path, tiny_dataset):
    """All methods one after the other; gradients that wait differ between the processes, and each gets its own."""
    runs = []
    for case in [*METHODS, 'accumulated gradients', 'accumulated in turn']:
        (tmp_path / case).mkdir()
        method, changes = CASES[case]
        runs.append((_write(tmp_path / case, tiny_dataset, method, changes), tmp_path / case))
    port = free_port()
    processes = [WarmProcess(train_thrice_in_two, [rank, port, runs], tmp_path / f'{rank}.log') for rank in (0, 1)]
    for process in processes:
        process.wait()
    for _, folder in runs:
        _check(folder)
    waiting = load_checkpoint(tmp_path / 'accumulated gradients' / 'straight' / 'epoch_1.pth')['gradients']
    assert len(waiting) == 2 and not same(*waiting)


def test_without_reseeding_the_resumed_run_would_differ(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, default_hooks=dict(reseed=dict(type='IterTimerHook')))
    make_runner(file, tmp_path / 'straight').train()
    make_runner(file, tmp_path / 'resumed', resume=str(tmp_path / 'straight' / 'epoch_1.pth')).train()
    assert not same(weights(tmp_path / 'straight' / 'epoch_2.pth'), weights(tmp_path / 'resumed' / 'epoch_2.pth'))
