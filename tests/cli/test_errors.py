"""What a person reads when something goes wrong."""
import multiprocessing
import os
import signal

import pytest

from mmvmr.cli import errors
from mmvmr.cli.errors import friendly_errors


@pytest.mark.parametrize('error, message', [
    (ValueError('Too many.'), 'ValueError: Too many.'),
    (KeyError('Which one?'), 'KeyError: Which one?'),
    (MemoryError(), 'Memory is short: lower the batch size'),
    (RuntimeError('CUDA out of memory. Tried to allocate'), 'Memory is short: lower the batch size')])
def test_error_of_a_user_is_one_message(capsys, monkeypatch, error, message):
    def fail():
        raise error

    with pytest.raises(SystemExit) as stop:
        friendly_errors(fail)()
    text = capsys.readouterr().err
    assert stop.value.code == 1 and message in text and 'Traceback' not in text and 'MMVMR_DEBUG=1' in text
    monkeypatch.setenv('MMVMR_DEBUG', '1')
    with pytest.raises(type(error)):
        friendly_errors(fail)()


@pytest.mark.parametrize('act, message', [
    (lambda folder: open(folder / 'absent.txt'), 'No such file.*absent.txt".*Is the name right'),
    (lambda folder: (folder / 'file' / 'run').mkdir(), 'Not a directory: ".*file/run".*A file is where a folder'),
    (lambda folder: open(folder), 'Is a directory: ".*A folder is where a file should be')])
def test_error_of_the_system_says_of_what_and_what_to_do(capsys, tmp_path, act, message):
    (tmp_path / 'file').touch()
    with pytest.raises(SystemExit):
        friendly_errors(act)(tmp_path)
    text = capsys.readouterr().err
    assert __import__('re').search(message, text), text
    assert '[Errno' not in text


def test_error_that_is_ours_keeps_its_traceback():
    def fail():
        raise AssertionError

    with pytest.raises(AssertionError):
        friendly_errors(fail)()


def test_ctrl_c_ends_with_a_line(capsys):
    def fail():
        raise KeyboardInterrupt('Stopped; what is done is kept.')

    with pytest.raises(SystemExit) as stop:
        friendly_errors(fail)()
    assert stop.value.code == 130
    assert capsys.readouterr().err == '\nStopped; what is done is kept.\n'


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
    explain = errors._explain
    monkeypatch.setattr(errors, '_explain', lambda error: (lose_worker(), explain(error))[1])
    with pytest.raises(SystemExit):
        friendly_errors(lose_worker)()
    signal.signal(signal.SIGCHLD, before)
    assert 'lower num_workers' in capsys.readouterr().err
