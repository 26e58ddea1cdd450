"""What the command-line tools share: reading configs, starting processes, and errors that a user can read."""
import atexit
import difflib
import functools
import inspect
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Callable, Optional

import torch
from mmengine.config import Config
from mmengine.runner import Runner

import mmvmr
from mmvmr import registry


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
        except Exception as error:
            message = None if os.environ.get('MMVMR_DEBUG') else _explain(error)
            if message is None and not torch.distributed.is_initialized():
                raise
            print(message or traceback.format_exc(), file=sys.stderr)
            end_processes(1)
            sys.exit(1)
    return wrapped


def _explain(error: Exception) -> Optional[str]:
    """What a user needs to know of an error; None if it is none that a user can cause."""
    message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if _tells_of_lost_loader(error):
        message = ('A process that loads data was lost, mostly because memory is short: lower num_workers of the '
                   'dataloaders or the batch size. --resume goes on with a training from its last checkpoint. '
                   f'{message}')
    elif not isinstance(error, (OSError, KeyError, TypeError, ValueError, ImportError, FloatingPointError)):
        return None
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (f'\n{type(error).__name__}: {message}{_closest_argument(message)}\n(raised at {place.filename}:'
            f'{place.lineno}; MMVMR_DEBUG=1 shows the whole traceback)')


def _tells_of_lost_loader(error: Exception) -> bool:
    """Whether a process that loads data has died: PyTorch says so, or the connection to it has broken before."""
    broken = isinstance(error, (ConnectionError, EOFError)) and (
        os.path.dirname(multiprocessing.__file__) in ''.join(traceback.format_exception(error)))
    return broken or 'DataLoader worker (pid' in str(error)


def _closest_argument(message: str) -> str:
    """For an argument that a registered part does not have: those that it has, the closest ones first."""
    match = re.search(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", message)
    registries = [value for value in vars(registry).values() if isinstance(value, registry.Registry)]
    parts = [part for known in registries for part in known.module_dict.values() if match and part.__name__ == match[1]]
    if not parts:
        return ''
    names = list(inspect.signature(parts[0]).parameters)
    close = difflib.get_close_matches(match[2], names, n=3, cutoff=0.5)
    return f'. Did you mean {" or ".join(close)}?' if close else f'. Its arguments are {", ".join(names)}.'


class FormattedOnce(Config):
    """A config whose text is formatted only when it has changed.

    MMEngine asks for the text at every checkpoint, and formatting takes half a second.
    """

    @property
    def pretty_text(self) -> str:
        content = repr(self._cfg_dict)
        if self.__dict__.get('_formatted', ('',))[0] != content:
            object.__setattr__(self, '_formatted', (content, super().pretty_text))
        return self.__dict__['_formatted'][1]


def find_config(name: str) -> str:
    """The path of a config: a file, or the name of one that comes with mmvmr, such as 'mcmt_charades'.

    Raises:
        FileNotFoundError: If there is none; the message names the closest ones.
    """
    if Path(name).is_file():
        return str(name)
    package = Path(mmvmr.__file__).parent
    shipped = package / 'configs' if (package / 'configs').is_dir() else package.parent / 'configs'
    known = {path.stem: str(path) for folder in (shipped, Path(name).parent) for path in sorted(folder.glob('*.py'))}
    if name in known:
        return known[name]
    close = difflib.get_close_matches(Path(name).stem, known, n=3) or sorted(known)
    raise FileNotFoundError(f'There is no config "{name}". Did you mean {" or ".join(known[stem] for stem in close)}?')


def _check_entries(config: Config, options: dict) -> None:
    """Refuse a misspelled entry, which MMEngine would not read and so not report."""
    known = {*inspect.signature(Runner.__init__).parameters, 'compile', 'custom_imports', 'sync_bn'}
    wrong = [name for name in config if name not in known and difflib.get_close_matches(name, known, cutoff=0.9)]
    wrong += [name for name in dict.fromkeys(key.split('.')[0] for key in options) if name not in {*config, *known}]
    if wrong:
        close = difflib.get_close_matches(wrong[0], {*config, *known}.difference(wrong), cutoff=0.5)
        raise ValueError(f'"{wrong[0]}" is no entry of a config that anything reads. Did you mean '
                         f'{" or ".join(close) or "one of " + ", ".join(sorted(config))}?')


def read_config(path: str, options: Optional[dict] = None, work_dir: Optional[str] = None) -> Config:
    """Read a config file, apply ``--cfg-options``, and set the work dir to ``work_dirs/<stem>`` unless it is given.

    Raises:
        FileNotFoundError: If there is no such config.
        ValueError: If it cannot be read, or an entry is misspelled.
    """
    path = find_config(path)
    try:
        file = Config.fromfile(path)
    except Exception as error:  # a config is Python, which can fail in any way
        raise ValueError(f'The config "{path}" cannot be read ({type(error).__name__}: {error}). It should be a Python '
                         'file, see docs/configs.md; its `_base_` files count from its own folder.') from error
    config = FormattedOnce(file.to_dict(), cfg_text=file.text, filename=file.filename)
    if 'batch_size' in config.get('train_dataloader', {}):  # the learning rate in a file belongs to its batch size
        config.setdefault('auto_scale_lr', dict(base_batch_size=config.train_dataloader.batch_size, enable=False))
    _check_entries(config, options or {})
    config.merge_from_dict(options or {})
    config.work_dir = work_dir or config.get('work_dir') or str(Path('work_dirs') / Path(path).stem)
    return config


def check_model(config: Config) -> None:
    """Refuse a config without a model.

    Raises:
        ValueError: If there is none.
    """
    if not isinstance(config.get('model'), dict):
        raise ValueError(f'The config "{config.filename}" describes no model: expected `model = dict(type=...)`, got '
                         f'{config.get("model")!r}.')


def start_processes(launcher: str) -> None:
    """Join the processes that a launcher has started. Without a GPU they talk by gloo; else MMEngine sets up NCCL.

    Raises:
        ValueError: If this process was not started by that launcher.
    """
    marks = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')
    if launcher in marks and marks[launcher] not in os.environ:
        raise ValueError(f'--launcher {launcher} is for processes that {launcher} starts, but {marks[launcher]} is not '
                         'in the environment. Use tools/dist_train.sh, tools/slurm_train.sh or mpirun.')
    if launcher == 'none' or torch.cuda.is_available() or torch.distributed.is_initialized():
        return
    if launcher != 'pytorch':
        _set_rank(*(dict(slurm=('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
                         mpi=tuple(f'OMPI_COMM_WORLD_{name}' for name in ('RANK', 'SIZE', 'LOCAL_RANK')))[launcher]))
    _choose_interface()
    torch.distributed.init_process_group('gloo')


def end_processes(code: int = 0) -> None:
    """End this process with an exit code if it is one of several; the last call of a program.

    The threads of gloo may still hold Python objects, and then hang or abort a process that takes Python apart
    (https://github.com/pytorch/pytorch/issues/190489). So it ends at once, as the children of multiprocessing do.
    """
    if torch.distributed.is_initialized():
        if not code:  # else the others may not come along
            torch.distributed.destroy_process_group()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _set_rank(rank: str, size: str, local_rank: str) -> None:
    """Translate the variables of SLURM or Open MPI into those that PyTorch reads."""
    os.environ.update(RANK=os.environ[rank], WORLD_SIZE=os.environ[size], LOCAL_RANK=os.environ[local_rank])
    os.environ.setdefault('MASTER_PORT', '29500')
    if 'MASTER_ADDR' not in os.environ:
        nodes = os.environ.get('SLURM_JOB_NODELIST')
        names = subprocess.run(['scontrol', 'show', 'hostnames', nodes], capture_output=True, text=True,
                               check=True).stdout.split() if nodes else ['127.0.0.1']
        os.environ['MASTER_ADDR'] = names[0]


def _choose_interface() -> None:
    """Let gloo listen where the first process is reached from; by itself it goes by the name of the machine, which on
    machines with several networks, or without an entry for their name, leads elsewhere.
    """
    if 'GLOO_SOCKET_IFNAME' in os.environ or not sys.platform.startswith('linux'):
        return
    import fcntl
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # sends nothing
        probe.connect((os.environ['MASTER_ADDR'], 9))
        address = probe.getsockname()[0]
        for _, name in socket.if_nameindex():
            try:  # SIOCGIFADDR: the address of an interface
                found = fcntl.ioctl(probe.fileno(), 0x8915, name.encode().ljust(256, b'\0'))[20:24]
            except OSError:  # it has none
                continue
            if socket.inet_ntoa(found) == address:
                os.environ['GLOO_SOCKET_IFNAME'] = name


def use_mixed_precision(optim_wrapper: dict) -> None:
    """Change the config of one or several optimizers to bfloat16, or to scaled float16 on GPUs that lack it."""
    lacks_bfloat16 = torch.cuda.is_available() and torch.cuda.get_device_capability() < (8, 0)
    kind = dict(type='Float16OptimWrapper' if lacks_bfloat16 else 'BFloat16OptimWrapper')
    nested = [value for value in optim_wrapper.values() if isinstance(value, dict) and 'optimizer' in value]
    for config in nested or [optim_wrapper]:
        config.update(kind)
