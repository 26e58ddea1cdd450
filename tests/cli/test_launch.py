import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import torch
from runs import REPO, write_config

from mmvmr.cli import launch
from mmvmr.cli.launch import (
    check_model,
    find_config,
    friendly_errors,
    read_config,
    start_processes,
    use_mixed_precision,
)


def test_config_is_found_by_path_and_by_name():
    path = str(REPO / 'configs' / 'mcmt_charades.py')
    assert find_config(path) == path
    assert Path(find_config('mcmt_charades')).samefile(path)
    with pytest.raises(FileNotFoundError, match='There is no config "mcmt_charade". Did you mean .*mcmt_charades.py'):
        find_config('mcmt_charade')


def test_work_dir_is_named_after_the_config_unless_it_is_given(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'mine.py', tiny_dataset)
    assert Path(read_config(file).work_dir) == Path('work_dirs/mine')
    assert read_config(file, dict(work_dir='there')).work_dir == 'there'
    assert read_config(file, dict(work_dir='there'), 'here').work_dir == 'here'


def test_learning_rate_belongs_to_the_batch_size_of_the_file(tmp_path, tiny_dataset):
    config = read_config(write_config(tmp_path / 'mine.py', tiny_dataset), {'train_dataloader.batch_size': 64})
    assert config.train_dataloader.batch_size == 64
    assert config.auto_scale_lr == dict(base_batch_size=4, enable=False)


def test_misspelled_entries_are_refused(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'mine.py', tiny_dataset, optim_wraper=dict(accumulative_counts=2))
    with pytest.raises(ValueError, match='"optim_wraper" is no entry of a config .* Did you mean optim_wrapper'):
        read_config(file)
    file = write_config(tmp_path / 'mine.py', tiny_dataset, hidden_size=3)  # a name of the user's own
    with pytest.raises(ValueError, match='"modle" is no entry .* Did you mean model'):
        read_config(file, {'modle.span_level': 0.3})
    assert read_config(file, {'hidden_size': 4, 'compile': True}).compile


@pytest.mark.parametrize('text, message', [
    (b'model = dict(', "cannot be read .SyntaxError: '.' was never closed"),
    (b'_base_ = ["absent.py"]', 'cannot be read .FileNotFoundError'),
    (b'\xff', 'cannot be read .UnicodeDecodeError'),
    (b'model = undefined + 1', "cannot be read .NameError: name 'undefined'"),
    (b'', 'describes no model.* got None'),
    (b'model = 3', 'describes no model.* got 3')])
def test_config_that_is_none_is_explained(tmp_path, text, message):
    (tmp_path / 'mine.py').write_bytes(text)
    with pytest.raises(ValueError, match=f'mine.py" {message}'):
        check_model(read_config(str(tmp_path / 'mine.py')))


def test_text_of_a_config_follows_its_changes(tmp_path, tiny_dataset):
    config = read_config(write_config(tmp_path / 'mine.py', tiny_dataset))
    assert 'max_epochs=2' in config.pretty_text
    config.train_cfg.max_epochs = 7
    assert 'max_epochs=7' in config.pretty_text


@pytest.mark.parametrize('capability, expected', [
    (None, dict(type='BFloat16OptimWrapper')),
    ((9, 0), dict(type='BFloat16OptimWrapper')),
    ((7, 0), dict(type='Float16OptimWrapper')),
])
def test_mixed_precision_is_what_the_device_has(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda: capability)
    adam = dict(optimizer=dict(type='Adam'))
    one = dict(type='OptimWrapper', **adam)
    several = dict(constructor='AlternatingConstructor', a=dict(adam), b=dict(adam))
    use_mixed_precision(one)
    use_mixed_precision(several)
    assert one == dict(adam, **expected)
    assert several == dict(constructor='AlternatingConstructor', a=dict(adam, **expected), b=dict(adam, **expected))


@pytest.mark.parametrize('launcher, variable', [
    ('pytorch', 'RANK'), ('slurm', 'SLURM_PROCID'), ('mpi', 'OMPI_COMM_WORLD_RANK')])
def test_process_without_its_launcher_is_told_so(monkeypatch, launcher, variable):
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ValueError, match=f'--launcher {launcher} .* but {variable} is not in the environment'):
        start_processes(launcher)


@friendly_errors
def _ask_a_lost_process():
    here, there = multiprocessing.Pipe()
    there.close()
    here.recv()


def test_broken_connection_to_a_loader_worker_is_explained(capsys):
    """PyTorch may find the connection broken before it learns why."""
    with pytest.raises(SystemExit):
        _ask_a_lost_process()
    assert 'lower num_workers' in capsys.readouterr().err


def test_further_lost_loader_worker_does_not_disturb_the_report(capsys, monkeypatch):
    """PyTorch reports each by an error that it raises in the handler of a signal, wherever the program is."""
    def lose_worker():
        os.kill(os.getpid(), signal.SIGCHLD)

    def handle(*_):
        raise RuntimeError('DataLoader worker (pid 1) is killed by signal: Killed.')

    before = signal.signal(signal.SIGCHLD, handle)
    explain = launch._explain
    monkeypatch.setattr(launch, '_explain', lambda error: (lose_worker(), explain(error))[1])
    with pytest.raises(SystemExit):
        friendly_errors(lose_worker)()
    signal.signal(signal.SIGCHLD, before)
    assert 'lower num_workers' in capsys.readouterr().err
