"""Checkpoints that hold data only: written in one piece, read without running anything that is in them."""
import os
import pickle
import re
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

import numpy as np
import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from mmvmr.registry import HOOKS

_HISTORY = '_history_buffer_'


def to_plain(value: Any) -> Any:
    """Numpy values and MMEngine's history buffers as lists and numbers, at any depth; tensors stay."""
    if isinstance(value, HistoryBuffer):
        values, counts = value.data
        return {_HISTORY: [values.tolist(), counts.tolist()]}
    if isinstance(value, dict):
        return OrderedDict((key, to_plain(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return type(value)(to_plain(item) for item in value)
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) else value


def from_plain(value: Any) -> Any:
    """Rebuild the history buffers that :func:`to_plain` has written."""
    if isinstance(value, dict):
        if set(value) == {_HISTORY}:
            return HistoryBuffer(*value[_HISTORY])
        return type(value)((key, from_plain(item)) for key, item in value.items())
    return [from_plain(item) for item in value] if isinstance(value, list) else value


def load_checkpoint(filename: Union[str, Path], map_location: Any = 'cpu', **kwargs) -> Dict:
    """Read a checkpoint. Only tensors, numbers, text and containers are admitted, so nothing in it can run.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, holds anything else, or is no checkpoint.
    """
    filename = Path(filename).expanduser()
    if not filename.is_file():
        raise FileNotFoundError(f'There is no checkpoint "{filename}".')
    try:
        checkpoint = torch.load(filename, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).split('\n')[0][:300]
        raise ValueError(
            f'"{filename}" was refused, nothing of it has been run: it is damaged, or holds more than weights and plain '
            f'data ({reason}). Checkpoints of mmvmr hold nothing else; those of the authors\' code of CNM and CPL are '
            'converted by tools/model_converters/official_to_mmvmr.py.') from error
    except (RuntimeError, EOFError, OSError, zipfile.BadZipFile, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f'"{filename}" cannot be read as a checkpoint ({type(error).__name__}: '
                         f'{str(error).splitlines()[0][:200] if str(error) else "empty"}). It may be cut off; use the one '
                         'before it, or copy it again.') from error
    if not isinstance(checkpoint, dict):
        raise ValueError(f'"{filename}" holds a {type(checkpoint).__name__}; expected a checkpoint, a dict with state_dict.')
    if 'message_hub' in checkpoint:
        checkpoint['message_hub'] = from_plain(checkpoint['message_hub'])
    if isinstance(checkpoint.get('meta'), dict):
        checkpoint['meta'].pop('config', None)  # MMEngine would execute it on resuming
    return checkpoint


CheckpointLoader.register_scheme(prefixes='', loader=load_checkpoint, force=True)


class AtomicLocalBackend(LocalBackend):
    """Writes beside the file and renames, so that a file is either whole or as it was before."""

    def put(self, obj: Union[bytes, memoryview], filepath: Union[str, Path]) -> None:
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f'.{path.name}.{os.getpid()}.partial')
        try:
            with open(temporary, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


register_backend('local', AtomicLocalBackend, force=True, prefixes='')


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Stores checkpoints as plain data, and keeps a resumed run inside its own work dir."""

    def before_save_checkpoint(self, runner, checkpoint: Dict) -> None:
        for key in ('meta', 'message_hub'):
            checkpoint[key] = to_plain(checkpoint[key])

    def after_load_checkpoint(self, runner, checkpoint: Dict) -> None:
        info = checkpoint.get('message_hub', {}).get('runtime_info', {})
        for key, value in info.items():  # a copied work dir must not touch the files of the original
            if key.startswith(('best_ckpt', 'last_ckpt')) and isinstance(value, str):
                info[key] = str(Path(runner.work_dir) / Path(value).name)


def find_latest(work_dir: Union[str, Path]) -> Optional[str]:
    """The newest readable ``epoch_*.pth`` or ``iter_*.pth`` of a folder, judged by name; None if there is none."""
    def number(path: Path) -> int:
        return int(re.search(r'\d+', path.stem).group())

    files = [path for pattern in ('epoch_*.pth', 'iter_*.pth') for path in Path(work_dir).glob(pattern)
             if re.fullmatch(r'(epoch|iter)_\d+', path.stem)]
    for path in sorted(files, key=number, reverse=True):
        if zipfile.is_zipfile(path):
            return str(path)
    return None


def find_weights(path: Union[str, Path]) -> str:
    """A checkpoint for testing: the file itself, or of a run folder the best one, else the newest.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = Path(path)
    if path.is_dir():
        best = sorted(path.glob('best_*.pth'), key=lambda file: file.stat().st_mtime)
        path = best[-1] if best else Path(find_latest(path) or path / 'epoch_*.pth')
    if not path.is_file():
        raise FileNotFoundError(f'There is no checkpoint "{path}". Train one with tools/train.py.')
    return str(path)


def load_weights(model: nn.Module, path: Union[str, Path]) -> None:
    """Load the weights of a checkpoint into a model, all of them.

    Raises:
        ValueError: If names or shapes differ; the message says which, and that the config may be another one.
    """
    state = load_checkpoint(path)
    state = state.get('state_dict', state)
    model = getattr(model, 'module', model)
    wanted = model.state_dict()
    problems: List[str] = []
    for title, names in (('missing in the checkpoint', wanted.keys() - state.keys()),
                         ('not in the model', state.keys() - wanted.keys())):
        if names:
            problems.append(f'{len(names)} weights are {title}, e.g. {", ".join(sorted(names)[:3])}')
    for name in sorted(wanted.keys() & state.keys()):
        if tuple(state[name].shape) != tuple(wanted[name].shape):
            problems.append(f'{name} has shape {tuple(state[name].shape)}, the model needs {tuple(wanted[name].shape)}')
    if problems:
        raise ValueError(f'"{path}" does not fit the model of this config: {"; ".join(problems[:4])}. Use the config that '
                         'it was trained with (it lies in the work dir of the run).')
    model.load_state_dict(state)
