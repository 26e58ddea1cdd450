"""What the command-line tools share: reading configs, starting processes, and errors that a user can read."""
import functools
import os
import sys
import traceback
from pathlib import Path
from typing import Callable, Optional

import torch
from mmengine.config import Config


def friendly_errors(main: Callable) -> Callable:
    """Print an error as one message instead of a traceback, and exit with 1; MMVMR_DEBUG=1 shows the traceback."""
    @functools.wraps(main)
    def wrapped(*args, **kwargs):
        try:
            return main(*args, **kwargs)
        except (FileNotFoundError, FileExistsError, KeyError, TypeError, ValueError, ImportError) as error:
            if os.environ.get('MMVMR_DEBUG'):
                raise
            message = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
            place = traceback.extract_tb(error.__traceback__)[-1]
            print(f'\n{type(error).__name__}: {message}\n(raised at {place.filename}:{place.lineno}; MMVMR_DEBUG=1 shows '
                  'the whole traceback)', file=sys.stderr)
            sys.exit(1)
    return wrapped


def read_config(path: str, options: Optional[dict] = None, work_dir: Optional[str] = None) -> Config:
    """Read a config file, apply ``--cfg-options``, and set the work dir to ``work_dirs/<stem>`` unless it is given."""
    if not Path(path).is_file():
        known = sorted(file.stem for file in Path(path).parent.glob('*.py')) if Path(path).parent.is_dir() else []
        raise FileNotFoundError(f'There is no config "{path}".' + (f' In its folder: {", ".join(known)}.' if known else ''))
    config = Config.fromfile(path)
    if options:
        config.merge_from_dict(options)
    config.work_dir = work_dir or config.get('work_dir') or str(Path('work_dirs') / Path(path).stem)
    return config


def start_processes(launcher: str) -> None:
    """Join the processes that a launcher has started; on machines without a GPU they talk by gloo."""
    if launcher != 'none' and not torch.cuda.is_available() and not torch.distributed.is_initialized():
        if launcher == 'slurm':
            os.environ.setdefault('RANK', os.environ['SLURM_PROCID'])
            os.environ.setdefault('WORLD_SIZE', os.environ['SLURM_NTASKS'])
            os.environ.setdefault('LOCAL_RANK', os.environ['SLURM_LOCALID'])
            os.environ.setdefault('MASTER_ADDR', os.environ.get('SLURM_LAUNCH_NODE_IPADDR', '127.0.0.1'))
            os.environ.setdefault('MASTER_PORT', '29500')
        torch.distributed.init_process_group('gloo')


def use_mixed_precision(optim_wrapper: dict) -> None:
    """Change the config of one or several optimizers to bfloat16, or to scaled float16 on GPUs that lack it."""
    old_gpu = torch.cuda.is_available() and not torch.cuda.is_bf16_supported()
    kind = dict(type='AmpOptimWrapper', dtype='float16') if old_gpu else dict(type='BFloat16OptimWrapper')
    nested = [value for value in optim_wrapper.values() if isinstance(value, dict) and 'optimizer' in value]
    for config in nested or [optim_wrapper]:
        config.update(kind)
