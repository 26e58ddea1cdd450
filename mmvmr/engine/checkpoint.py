"""Checkpoints that hold data only: written in one piece, read without running anything that is in them."""
import logging
import os
import pickle
import re
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmengine.dist import broadcast_object_list, get_rank, is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import HistoryBuffer, print_log
from torch import Tensor, nn

from mmvmr.engine.run.places import no_run, runs_near
from mmvmr.utils.files import refuse_lfs_pointers, write_bytes

_HISTORY = '_history_buffer_'


def to_plain(value: Any) -> Any:
    """Numpy values and MMEngine's history buffers as lists and numbers, at any depth; tensors stay."""
    if isinstance(value, HistoryBuffer):
        values, counts = value.data
        return {_HISTORY: [values.tolist(), counts.tolist()]}
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [to_plain(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) else value


def from_plain(value: Any) -> Any:
    """Rebuild the history buffers that :func:`to_plain` has written."""
    if isinstance(value, dict):
        if set(value) == {_HISTORY}:
            return HistoryBuffer(*value[_HISTORY])
        return {key: from_plain(item) for key, item in value.items()}
    return [from_plain(item) for item in value] if isinstance(value, list) else value


def load_checkpoint(filename: Union[str, Path], map_location: Any = 'cpu') -> Dict:
    """Read a checkpoint. Only tensors, numbers, text and containers are admitted, so nothing in it can run.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, holds anything else, or is no checkpoint.
    """
    if '://' in str(filename):
        raise ValueError(f'Checkpoints are read from local files, got "{filename}". Download it, and give its path.')
    filename = Path(filename).expanduser()
    if not filename.is_file():
        raise FileNotFoundError(f'There is no checkpoint "{filename}".')
    refuse_lfs_pointers(filename)
    if not _has_its_checksums(filename):  # PyTorch itself does not look at them
        raise ValueError(f'"{filename}" is damaged: a part of it does not have the checksum that it was written with. '
                         'Use the checkpoint before it, or copy it again.')
    try:
        checkpoint = torch.load(filename, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        reason = ' '.join(re.findall(r'Unsupported \w+: .*|GLOBAL \S+', str(error))[:1]) or str(error).split('\n')[0]
        raise ValueError(
            f'"{filename}" was refused, and nothing in it has been run: it is damaged, or holds more than weights and '
            f'plain data ({reason[:200]}). Use a checkpoint that `mmvmr train` has written; those of the released '
            'code of CNM and CPL are converted by `mmvmr convert-official`.') from error
    except Exception as error:  # a damaged archive can fail anywhere inside torch.load
        reason = (str(error).splitlines() or ['the file is empty'])[0][:200]
        raise ValueError(f'"{filename}" cannot be read as a checkpoint ({type(error).__name__}: {reason}). It may have '
                         'been cut off: use the one before it, or copy it again.') from error
    if not isinstance(checkpoint, dict):
        raise ValueError(f'"{filename}" holds a {type(checkpoint).__name__}; expected a checkpoint, a dict with '
                         '`state_dict`.')
    if 'message_hub' in checkpoint:
        checkpoint['message_hub'] = from_plain(checkpoint['message_hub'])
    if isinstance(checkpoint.get('meta'), dict):
        checkpoint['meta'].pop('config', None)  # MMEngine would execute it on resuming
    return checkpoint


class AtomicLocalBackend(LocalBackend):
    """Writes beside the file and renames, so that a file is either whole or as it was before."""

    def put(self, obj: Union[bytes, memoryview], filepath: Union[str, Path]) -> None:
        write_bytes(filepath, obj)


register_backend('mmvmr_atomic', AtomicLocalBackend, force=True)  # under a name that nobody else uses
ATOMIC = dict(backend='mmvmr_atomic')


def age(path: Union[str, Path]) -> Tuple[int, ...]:
    """How far a training was when it wrote a checkpoint, by the numbers in its name; empty of another name.

    Example:
        >>> age('run/epoch_3_iter_20.pth'), age('best_mIoU_epoch_4.pth'), age('weights.pth')
        ((3, 20), (4, 0), ())
    """
    match = re.fullmatch(r'(?:.*?_)??(?:epoch|iter)_(\d+)(?:_iter_(\d+))?\.pth', Path(path).name)
    return (int(match[1]), int(match[2] or 0)) if match else ()


def find_latest(work_dir: Union[str, Path]) -> Optional[str]:
    """The newest undamaged checkpoint of a training in a folder, judged by the numbers in its name; None without any.

    These are ``epoch_E.pth``, ``epoch_E_iter_I.pth`` (of the middle of the epoch after E) and ``iter_I.pth``.
    MMEngine's file ``last_checkpoint`` is not used: it holds an absolute path, which in a copied folder leads back to
    the original.
    """
    found = [path for path in Path(work_dir).glob('*.pth') if path.name.startswith(('epoch_', 'iter_')) and age(path)]
    paths = sorted(found, key=age, reverse=True)
    for place, path in enumerate(paths):
        if _is_whole(path):
            return str(path)
        rest = 'the checkpoint before it is used' if paths[place + 1:] else 'there is no checkpoint before it'
        print_log(f'"{path}" is damaged and passed over; {rest}.', 'current', logging.WARNING)
    return None


def find_latest_together(work_dir: Union[str, Path]) -> Optional[str]:
    """:func:`find_latest` of the main process, for all processes: a shared disk may show each of them another one.

    Raises:
        FileNotFoundError: If this process does not see the file that the main process has chosen.
    """
    names = [os.path.basename(find_latest(work_dir) or '') if is_main_process() else None]
    broadcast_object_list(names)
    path = Path(work_dir, names[0])
    if names[0] and not path.is_file():
        raise FileNotFoundError(f'The main process resumes from "{names[0]}", which process {get_rank()} does not find '
                                f'in "{work_dir}". The work dir must be the same folder on all machines.')
    return str(path) if names[0] else None


def _is_whole(path: Path) -> bool:
    """Whether a file is an archive, as all our checkpoints are, and none of its parts is damaged."""
    try:
        return zipfile.is_zipfile(path) and _has_its_checksums(path)
    except (OSError, zipfile.BadZipFile):
        return False


def _has_its_checksums(path: Path) -> bool:
    """Whether all parts of an archive have the checksums that they were written with; other files have none."""
    try:
        if not zipfile.is_zipfile(path):
            return True
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # a damaged archive can fail anywhere inside zipfile
        return False


def mean_checkpoint(path: Union[str, Path]) -> Path:
    """Where the mean of the weights of the last epochs lies, if there is one, of which this is the last.

    Example:
        >>> mean_checkpoint('run/epoch_6.pth').name
        'mean_to_epoch_6.pth'
    """
    return Path(path).with_name(f'mean_to_{Path(path).name}')


def write_mean(paths: Sequence[Union[str, Path]], target: Union[str, Path]) -> None:
    """Write the mean of the weights of checkpoints; all else that using them takes is of the last one."""
    checkpoints = [load_checkpoint(path) for path in paths]
    kept = {key: to_plain(checkpoints[-1][key]) for key in ('meta', 'message_hub', 'inputs') if key in checkpoints[-1]}
    content = BytesIO()
    torch.save(dict(kept, state_dict=mean_weights([checkpoint['state_dict'] for checkpoint in checkpoints])), content)
    write_bytes(target, content.getvalue())


def mean_weights(states: Sequence[Dict[str, Tensor]]) -> Dict[str, Tensor]:
    """The mean of weights; what is no fraction, such as a count, is that of the last."""
    means: Dict = {}  # weights that several parts share stay shared
    for name, value in states[-1].items():
        key = value.data_ptr(), value.shape
        if value.is_floating_point() and key not in means:
            means[key] = torch.stack([state[name] for state in states]).mean(dim=0)
    return {name: means.get((value.data_ptr(), value.shape), value) for name, value in states[-1].items()}


def find_weights(path: Union[str, Path]) -> str:
    """A checkpoint for testing: the file itself, or of a folder the best one, the mean to the newest, or the newest.

    Of a folder that has none of these it is the only one.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = Path(path)
    if path.is_file():
        return str(path)
    best = sorted(path.glob('best_*.pth'), key=lambda file: file.stat().st_mtime) if path.is_dir() else []
    found = best[-1] if best else find_latest(path) if path.is_dir() else None
    if found and not best and mean_checkpoint(found).is_file() and _is_whole(mean_checkpoint(found)):
        found = mean_checkpoint(found)
    whole = [file for file in path.glob('*.pth') if _is_whole(file)] if found is None and path.is_dir() else []
    if len(whole) == 1:  # of `mmvmr publish`
        found = whole[0]
    if found is None and not path.is_dir():
        raise no_run(path, 'checkpoint')
    if found is None:
        there = ', '.join(sorted(file.name for file in path.glob('*.pth')))
        raise FileNotFoundError(f'There is no whole checkpoint in "{path}".'
                                + (f' It has {there}.' if there else runs_near(path / 'x')))
    return str(found)


def check_weights(model: nn.Module, checkpoint: Dict, source: Union[str, Path]) -> None:
    """Compare the weights of a checkpoint with those of a model.

    Raises:
        ValueError: If it holds no weights, or names or shapes differ; the message says which.
    """
    state, wanted, problems = checkpoint.get('state_dict'), model.state_dict(), []
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f'"{source}" has no `state_dict` of tensors; it holds {sorted(map(str, checkpoint))[:5]}. '
                         'Checkpoints of the released code of CNM and CPL are converted by '
                         '`mmvmr convert-official`.')
    missing = wanted.keys() - state.keys()
    for title, names in (('missing in the checkpoint', missing), ('not in the model', state.keys() - wanted.keys())):
        if names:
            problems.append(f'{len(names)} weights are {title}, e.g. {", ".join(sorted(map(str, names))[:3])}')
    problems += [f'{name} has shape {tuple(state[name].shape)}, the model needs {tuple(wanted[name].shape)}'
                 for name in sorted(wanted.keys() & state.keys()) if state[name].shape != wanted[name].shape]
    if problems:
        if missing and len(problems) == 1 and missing <= {name for name, _ in model.named_buffers()}:
            advice = ('What is missing is measured in training, which the version of mmvmr that trained it did not do: '
                      'train it anew.')
        else:
            advice = 'Use the config that it was trained with; it lies in the work dir of the run.'
        more = f'; and {len(problems) - 4} more' if len(problems) > 4 else ''
        raise ValueError(f'"{source}" does not fit the model of this config: {"; ".join(problems[:4])}{more}. '
                         f'{advice}')


def load_weights(model: nn.Module, path: Union[str, Path]) -> Dict:
    """Load all weights of a checkpoint into a model, and return the checkpoint.

    Raises:
        ValueError: If it holds no weights, or names or shapes differ.
    """
    checkpoint = load_checkpoint(path)
    check_weights(model, checkpoint, path)
    model.load_state_dict(checkpoint['state_dict'])
    return checkpoint
