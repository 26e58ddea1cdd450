"""Errors that a person can read."""
import functools
import multiprocessing
import os
import signal
import sys
import traceback
from typing import Callable, Optional

_OF_USERS = (OSError, KeyError, TypeError, ValueError, ImportError, FloatingPointError)
STOPPED = 128 + signal.SIGINT  # exit code of a program that Ctrl-C has ended


def friendly_errors(main: Callable) -> Callable:
    """Print an error as one message instead of a traceback, and exit with 1; MMVMR_DEBUG=1 shows the traceback.

    One of several processes ends at once whatever the error is, so that those that wait for it are ended too.
    """
    @functools.wraps(main)
    def wrapped(*args, **kwargs):
        try:
            try:
                return main(*args, **kwargs)
            finally:  # PyTorch raises in this handler for each lost loader process; not while one is reported
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        except KeyboardInterrupt as stop:
            _end(str(stop) or 'Stopped.', STOPPED)
        except BrokenPipeError:  # whoever read our output has had enough
            sys.stdout = None
            sys.exit(0)
        except Exception as error:
            message = None if os.environ.get('MMVMR_DEBUG') else _explain(error)
            if message is None and not _is_one_of_several():
                raise
            _end(message or traceback.format_exc(), 1)
    return wrapped


def _end(message: str, code: int) -> None:
    print(f'\n{message}', file=sys.stderr)
    if _is_one_of_several():
        from mmvmr.engine.distributed import end_processes
        end_processes(code)
    sys.exit(code)


def _is_one_of_several() -> bool:
    torch = sys.modules.get('torch')  # not imported, if it is not needed
    return torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized()


def _explain(error: Exception) -> Optional[str]:
    """What a user needs to know of an error; None if it is none that a user can cause."""
    message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if _tells_of_lost_loader(error):
        message = ('A process that loads data was lost, mostly because memory is short: lower num_workers of the '
                   'dataloaders or the batch size. --resume goes on with a training from its last checkpoint. '
                   f'{message}')
    elif _tells_of_short_memory(error):
        message = f'Memory is short: lower the batch size, or train with --amp. {message[:200]}'
    elif isinstance(error, OSError) and error.filename and error.errno:
        message = f'{error.strerror}: "{error.filename}".{_hint_for(error)}'
    elif not isinstance(error, _OF_USERS):
        return None
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (f'{type(error).__name__}: {message}\n(raised at {place.filename}:{place.lineno}; MMVMR_DEBUG=1 shows the '
            'whole traceback)')


def _hint_for(error: OSError) -> str:
    hints = {PermissionError: ' Choose a place that you may write to, or change its permissions.',
             FileNotFoundError: ' Is the name right, and is it seen from the folder that you are in, '
                                f'"{os.getcwd()}"?',
             NotADirectoryError: ' A file is where a folder should be. Choose another name.',
             IsADirectoryError: ' A folder is where a file should be. Choose another name.',
             FileExistsError: ' Something else has that name. Choose another one.'}
    return next((hint for kind, hint in hints.items() if isinstance(error, kind)), {
        30: ' The disk is read-only: choose another place.', 28: ' The disk is full.'}.get(error.errno, ''))


def _tells_of_lost_loader(error: Exception) -> bool:
    """Whether a process that loads data has died: PyTorch says so, or the connection to it has broken before."""
    broken = isinstance(error, (ConnectionError, EOFError)) and (
        os.path.dirname(multiprocessing.__file__) in ''.join(traceback.format_exception(error)))
    return broken or 'DataLoader worker (pid' in str(error)


def _tells_of_short_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and (
        'out of memory' in str(error) or "can't allocate memory" in str(error)))
