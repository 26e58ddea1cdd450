"""One table of features out of a file, in the forms in which they are published. Nothing in a file is run."""
from pathlib import Path
from typing import Any, Callable, Iterable, List, Mapping, Optional, Union

import numpy as np

SUFFIXES = ('.npy', '.npz', '.pt', '.pth')
PICKLES = ('.pkl', '.pickle')
PREFERRED = ('features', 'c3d_features')
SIDE = frozenset({'duration', 'durations', 'fps', 'frame_rate', 'frames', 'id', 'ids', 'length', 'mask', 'masks',
                  'meta', 'metadata', 'num_frames', 'time', 'times', 'timestamp', 'timestamps', 'timestamps_ms',
                  'video_ids'})


def read_array(path: Union[str, Path], key: Optional[str] = None) -> np.ndarray:
    """The features in a ``.npy``, ``.npz``, ``.pt`` or ``.pth`` file.

    Args:
        key: Which of several arrays; by default ``features``, or the only table of numbers.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, holds Python objects, or it cannot be told which array is meant.
    """
    content = read_plain(path)
    try:
        return as_array(content, key, str(path))
    finally:
        if hasattr(content, 'close'):
            content.close()


def read_plain(path: Union[str, Path], of_all_videos: bool = False) -> Any:
    """What is in such a file: an array, or arrays by their names; those of an ``.npz`` are read when asked for.

    Args:
        of_all_videos: Whether the file should hold all videos, else one; for messages.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or holds Python objects.
    """
    path = Path(path)
    if path.suffix.lower() in PICKLES:
        raise ValueError(f'{path} cannot be read: it is a pickle, which may run code. '
                         f'{how_to_convert(path, of_all_videos)}')
    try:
        if path.suffix.lower() in ('.pt', '.pth'):
            import torch
            return torch.load(path, map_location='cpu', weights_only=True)
        return np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged header can fail anywhere inside
        raise ValueError(_unreadable(path, error, of_all_videos)) from error


def as_array(content: Any, key: Optional[str], where: str) -> np.ndarray:
    """The array in what :func:`read_plain` has given, numbers of any precision."""
    if isinstance(content, Mapping):
        names = {str(name): name for name in content}
        name = choose_table(names, key, lambda name: np.ndim(content[names[name]]) > 1, where)
        try:
            content = content[names[name]]
        except ValueError as error:  # of an .npz, whose arrays are read now
            raise ValueError(_unreadable(Path(where), error)) from error
    if hasattr(content, 'detach'):  # a tensor; NumPy knows no bfloat16
        content = content.detach()
        try:
            content = (content.float() if content.is_floating_point() and content.element_size() == 2 else
                       content).numpy()
        except (TypeError, RuntimeError, NotImplementedError) as error:
            raise ValueError(f'{where} holds a tensor that is no plain array ({error}). Save it as one, a sparse one '
                             'after .to_dense().') from error
    if not isinstance(content, np.ndarray):
        raise ValueError(f'{where} cannot be read: it holds a {type(content).__name__}, expected an array (N, Dv). '
                         f'{how_to_convert(Path(where))}')
    return content


def choose_table(names: Iterable[str], key: Optional[str], is_table: Callable[[str], bool], where: str) -> str:
    """Which of several named arrays holds the features of a video.

    Args:
        names: Of the arrays.
        key: Its name, where it was said.
        is_table: Whether the array of a name has rows and columns.
        where: They lie, for messages.

    Raises:
        ValueError: If it cannot be told.
    """
    names = list(names)
    if key is not None:
        if key not in names:
            raise ValueError(f'{where} holds {_listed(names)}, but key={key!r} was asked for. Give one of them.')
        return key
    if len(names) == 1:
        return names[0]
    for name in PREFERRED:
        if name in names:
            return name
    tables = [name for name in names if name.lower() not in SIDE and is_table(name)]
    if len(tables) != 1:
        what = f'{_listed(tables)}, each of which may be the features' if tables else f'{_listed(names)}, but no table'
        raise ValueError(f'{where} holds {what}. Say which of them is meant: features=dict(path=..., key=NAME), or '
                         '`mmvmr pack --key NAME`; NAME may also be that of an outer group, if these are videos.')
    return tables[0]


def check_video_ids(ids: Iterable[str], where: str) -> None:
    """Refuse a file that has one table of all videos where each should have its own.

    Raises:
        ValueError: If so.
    """
    if set(ids) <= set(PREFERRED):
        raise ValueError(f'{where} holds one table, {next(iter(ids))!r}, expected one for each video, named by its id. '
                         'Divide it: np.savez("features.npz", **{video_id: rows of the video}).')


def how_to_convert(path: Path, of_all_videos: bool = False) -> str:
    """The line that turns files with Python objects into plain numbers.

    Args:
        of_all_videos: The file holds a dict of all videos, else it is one of a folder.
    """
    suffix = path.suffix.lower()
    load = {'.npy': 'np.load(f, allow_pickle=True).tolist()', '.npz': 'np.load(f, allow_pickle=True)',
            '.pt': 'torch.load(f, map_location="cpu", weights_only=False)',
            '.pth': 'torch.load(f, map_location="cpu", weights_only=False)'}.get(suffix, 'pickle.load(open(f, "rb"))')
    save = ('np.savez(f[:-{0}] + ".npz", **{{str(k): np.array(v, "float32") for k, v in {1}.items()}})' if of_all_videos
            else 'np.save(f[:-{0}] + ".npy", np.array((lambda x: x["features"] if hasattr(x, "keys") else x)({1}), '
                 '"float32"))').format(len(suffix), load)
    files = f'["{path.name}"]' if of_all_videos else f'glob.glob("*{path.suffix}")'
    return ('If they come from people you trust, convert them once, in their folder: '
            f"python -c 'import glob, pickle, numpy as np, torch; [{save} for f in {files}]'")


def _may_hold_objects(path: Path) -> bool:
    """Whether a file begins as those of NumPy, PyTorch and pickle do."""
    with open(path, 'rb') as file:
        return file.read(6).startswith((b'\x93NUMPY', b'PK', b'\x80'))


def _unreadable(path: Path, error: Exception, of_all_videos: bool = False) -> str:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    objects = 'allow_pickle' in reason or 'Weights only' in reason or 'weights_only' in reason
    if objects and not _may_hold_objects(path):  # both libraries say so of any text
        reason, objects = 'it is no file of arrays', False
    if objects:
        return (f'{path} cannot be read: it holds Python objects, which may run code. '
                f'{how_to_convert(path, of_all_videos)}')
    return f'{path} cannot be read ({reason}): fetch or extract it again.'


def _listed(names: List[str]) -> str:
    names = sorted(names)
    return ', '.join(names[:5]) + (f' and {len(names) - 5} more' if len(names) > 5 else '')
