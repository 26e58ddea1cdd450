"""Runs that are told to stop, at whatever moment, end soon and go on as if nothing had happened."""
import signal
import zipfile

import pytest
from kills import choose_together
from runs import free_port, make_runner, run_tool, same, start_tool, weights, write_config
from warm import WarmProcess

from mmvmr.engine.checkpoint import find_latest
from mmvmr.engine.hooks.interruption import Stopped
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.training import train

ITERATION, VALIDATION, SAVE = 'before_train_iter', 'before_val_iter', 'before_save_checkpoint'


@pytest.fixture(autouse=True)
def restore_signal():
    yield
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.fixture
def stopped(tmp_path):
    """``stopped(file, point, count)`` trains until SIGTERM comes at that call of that point; gives the folder."""
    def train(file, point, count):
        hook = {'default_hooks.stop': dict(type='SignalAt', point=point, count=count, to=['self', 'self'])}
        with pytest.raises(Stopped) as end:
            make_runner(file, tmp_path / 'stopped', hook).train()
        assert end.value.code == 143
        return tmp_path / 'stopped'
    return train


@pytest.mark.parametrize('point, count, saved', [
    (ITERATION, 1, 'epoch_0_iter_1.pth'), (ITERATION, 4, 'epoch_0_iter_4.pth'), (ITERATION, 8, 'epoch_1_iter_8.pth'),
    (VALIDATION, 1, 'epoch_1_iter_5.pth'), (SAVE, 1, 'epoch_1_iter_5.pth'), (SAVE, 2, 'epoch_1_iter_5.pth')])
def test_run_told_to_stop_at_any_moment_ends_with_the_same_weights(
        point, count, saved, stopped, tmp_path, tiny_dataset):
    """Told twice, as by SLURM and by torchrun. The first epoch is validated and saved as the best and as itself."""
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm',  # two epochs of four iterations
                        default_hooks=dict(checkpoint=dict(save_best='reconstruction_margin')))
    run = stopped(file, point, count)
    assert find_latest(run) == str(run / saved)
    make_runner(file, run, resume=find_latest(run)).train()
    make_runner(file, tmp_path / 'straight').train()
    assert same(weights(run / 'epoch_2.pth'), weights(tmp_path / 'straight' / 'epoch_2.pth'))
    assert sorted(path.name for path in run.glob('*.pth')) == sorted(
        path.name for path in (tmp_path / 'straight').glob('*.pth'))


def test_signals_do_what_they_did_before_when_a_training_is_over(tmp_path, tiny_dataset):
    def own(number, frame):
        raise AssertionError

    numbers = signal.SIGTERM, signal.SIGINT
    before = [signal.signal(number, own) for number in numbers]
    try:
        train(read_config(write_config(tmp_path / 'config.py', tiny_dataset, 'cnm'), work_dir=tmp_path / 'run'))
        assert [signal.getsignal(number) for number in numbers] == [own, own]
        broken = write_config(tmp_path / 'broken.py', tiny_dataset, 'cnm', load_from=str(tmp_path / 'nothing.pth'))
        with pytest.raises(FileNotFoundError):
            train(read_config(broken, work_dir=tmp_path / 'broken'))
        assert [signal.getsignal(number) for number in numbers] == [own, own]
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)


def test_run_told_to_stop_in_its_last_validation_completes_it(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm')
    hook = {'default_hooks.stop': dict(type='SignalAt', point=VALIDATION, count=4)}  # two per epoch
    make_runner(file, tmp_path / 'run', hook).train()
    assert find_latest(tmp_path / 'run').endswith('epoch_2.pth')


def test_signal_to_all_processes_leaves_loader_workers_to_the_run_until_it_has_saved(tmp_path, tiny_dataset):
    """The worker is told in the first epoch and still loads the second; both are told there."""
    hooks = dict(early=dict(type='SignalAt', point=ITERATION, count=1, to=['workers']),
                 late=dict(type='SignalAt', point=ITERATION, count=6, to=['workers', 'self']))
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', custom_imports=dict(imports=['kills']),
                        default_hooks=hooks)
    options = ['--cfg-options', 'train_dataloader.num_workers=1', 'train_dataloader.persistent_workers=True']
    WarmProcess('tools/train.py', [file, '--work-dir', tmp_path / 'run', *options], tmp_path / 'log').wait(143)
    assert find_latest(tmp_path / 'run').endswith('epoch_1_iter_6.pth')


def test_checkpoints_by_iteration_are_resumed_where_they_were_saved(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', default_hooks=dict(
        checkpoint=dict(by_epoch=False, interval=3, save_best=None, max_keep_ckpts=10)))
    make_runner(file, tmp_path / 'straight').train()
    make_runner(file, tmp_path / 'resumed', resume=str(tmp_path / 'straight' / 'iter_3.pth')).train()
    assert same(weights(tmp_path / 'straight' / 'iter_8.pth'), weights(tmp_path / 'resumed' / 'iter_8.pth'))


def test_middle_of_an_epoch_needs_the_same_batches(stopped, tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset)
    found = find_latest(stopped(file, ITERATION, 6))
    with pytest.raises(ValueError, match='in the middle of an epoch of 4 batches, but now an epoch has 8'):
        make_runner(file, tmp_path / 'other', {'train_dataloader.batch_size': 2}, resume=found).train()


def test_damaged_checkpoint_is_passed_over(tmp_path, tiny_dataset):
    run = tmp_path / 'run'
    make_runner(write_config(tmp_path / 'config.py', tiny_dataset), run).train()
    content = bytearray((run / 'epoch_2.pth').read_bytes())
    content[len(content) // 2] ^= 1  # one bit; the archive still opens
    (run / 'epoch_2.pth').write_bytes(content)
    assert zipfile.is_zipfile(run / 'epoch_2.pth')
    assert find_latest(run) == str(run / 'epoch_1.pth')
    (run / 'epoch_1.pth').write_bytes(content[:1000])
    assert find_latest(run) is None


def test_all_processes_resume_from_the_checkpoint_that_the_main_one_sees(tmp_path):
    """The second process sees a newer one; in the second folder it does not see that of the first."""
    port = free_port()
    processes = [WarmProcess(choose_together, [rank, port, tmp_path], tmp_path / f'{rank}.log') for rank in (0, 1)]
    first, second = (process.wait() for process in processes)
    assert f'common: {tmp_path}/common_0/epoch_3.pth' in first
    assert f'common: {tmp_path}/common_1/epoch_3.pth' in second
    assert 'The main process resumes from "epoch_3.pth", which process 1 does not find in' in second
    assert 'lonely: None' in first and 'lonely: None' in second


@pytest.mark.parametrize('point, told', [(ITERATION, 'after this iteration'), (VALIDATION, 'once this validation is')])
def test_ctrl_c_is_told_when_the_training_will_be_saved(point, told, tmp_path, tiny_dataset, capsys):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm')
    hook = {'default_hooks.stop': dict(type='SignalAt', point=point, count=1, name='SIGINT')}
    with pytest.raises(Stopped) as end:
        make_runner(file, tmp_path / 'run', hook).train()
    assert end.value.code == 130
    assert f'Ctrl-C: the training is saved {told}' in capsys.readouterr().out


def test_ctrl_c_ends_several_processes_with_a_checkpoint_and_without_a_traceback(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=1000))
    process = start_tool(['bash', 'tools/dist_train.sh', file, 2, '--work-dir', tmp_path / 'run'], PORT=free_port())
    while not (tmp_path / 'run' / 'epoch_1.pth').exists() and process.poll() is None:
        pass
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=100)[0]
    assert process.returncode == 130, output
    assert 'Stopped by Ctrl-C' in output and '--resume' in output and 'Traceback' not in output, output


def test_process_told_to_stop_by_the_system_says_how_to_go_on(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=1000))
    process = start_tool(['tools/train.py', file, '--work-dir', tmp_path / 'run'])
    while not (tmp_path / 'run' / 'epoch_1.pth').exists() and process.poll() is None:
        pass
    process.terminate()
    output = process.communicate(timeout=100)[0]
    assert process.returncode == 143, output
    assert 'Stopped by SIGTERM' in output and '--resume' in output and 'Traceback' not in output
    refused = run_tool(['tools/train.py', file, '--work-dir', tmp_path / 'run'], 1)
    assert 'holds the checkpoints of a training. Add --resume' in refused
