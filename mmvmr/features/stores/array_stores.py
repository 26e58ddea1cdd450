"""Features that lie in a folder, one file per video, or in one file with an array per video."""
import logging
from itertools import accumulate
from pathlib import Path
from typing import Dict, List, Optional, Union

import numpy as np
from mmengine.logging import print_log

from mmvmr.features.stores.arrays import (
    PICKLES,
    SIDE,
    SUFFIXES,
    as_array,
    check_video_ids,
    how_to_convert,
    read_array,
    read_plain,
)
from mmvmr.features.stores.names import VideoNames
from mmvmr.features.stores.resampling import ResampledStore, check_rows


class ArrayFolder(ResampledStore):
    """A folder with one ``<video_id>.npy``, ``.npz``, ``.pt`` or ``.pth`` per video.

    Side files of other tools, such as ``<video_id>_fps.npy``, are known by their names and by being no tables.

    Args:
        path: The folder.
        key: Which array of an ``.npz`` or ``.pt``, or which files, if they are named ``<video_id>_<key>.npy``.

    Raises:
        ValueError: If it cannot be told which file belongs to a video.
    """

    def __init__(self, path: Union[str, Path], key: Optional[str] = None) -> None:
        self.path, self.key = Path(path), key
        files = _files_by_stem(self.path)
        sides = {stem for stem in files if _is_side(files, stem)}
        if sides:
            print_log(f'{self.path}: {len(sides)} side files such as {files[min(sides)].name} are left out.', 'current',
                      logging.INFO)
        self._files = self._by_video({stem: path for stem, path in files.items() if stem not in sides}, sides)
        self.video_ids: List[str] = sorted(self._files)
        self.names = VideoNames(self.video_ids)
        self.dim: int = check_rows(self._load(self.video_ids[0]), self.video_ids[0]).shape[-1]

    def _by_video(self, files: Dict[str, Path], sides: set) -> Dict[str, Path]:
        ending = f'_{self.key}'
        chosen = {stem.removesuffix(ending): path for stem, path in files.items() if self.key and stem.endswith(ending)}
        if chosen:
            self.key = None
            return chosen
        bases = {stem[:-len(side) - 1] for stem in sides for side in SIDE if stem.endswith(f'_{side}')}
        owners = {stem: next((start for start in accumulate(stem.split('_'), '{}_{}'.format) if start in bases), stem)
                  for stem in files}
        kinds = {stem[len(owner) + 1:] for stem, owner in owners.items()}
        if len(kinds) == 1:  # <video_id>_clip.npy beside <video_id>_fps.npy; or nothing behind any id
            return {owners[stem]: path for stem, path in files.items()}
        if '' in kinds:
            return files
        raise ValueError(f'{self.path} holds {" and ".join(sorted(kinds))} of each video. Say which is meant: '
                         'features=dict(path=..., key=NAME), or `mmvmr pack --key NAME`.')

    def _load(self, name: str) -> np.ndarray:
        return read_array(self._files[name], self.key)


class ArrayFile(ResampledStore):
    """One ``.npz``, ``.pt`` or ``.pth`` file with an array per video, named by its id.

    Args:
        path: The file.
        key: Which array, if there are several of each video.

    Raises:
        ValueError: If it holds anything else.
    """

    def __init__(self, path: Union[str, Path], key: Optional[str] = None) -> None:
        self.path, self.key = Path(path), key
        content = read_plain(path, of_all_videos=True)
        if not hasattr(content, 'keys') or not len(content):
            raise ValueError(f'{path} holds no arrays with the ids of their videos. Give a folder with a file per '
                             'video, or a file with an array per video.')
        self._content = None if self.path.suffix.lower() == '.npz' else {str(name): content[name] for name in content}
        self.video_ids: List[str] = list(map(str, content))
        check_video_ids(self.video_ids, str(path))
        self.names = VideoNames(self.video_ids)
        self.dim: int = check_rows(self._load(self.video_ids[0]), self.video_ids[0]).shape[-1]

    def _load(self, name: str) -> np.ndarray:
        if self._content is not None:
            return as_array(self._content[name], self.key, f'{self.path}, video {name!r}')
        with read_plain(self.path) as arrays:  # opened anew: a handle must not be shared across a fork
            return as_array(arrays, name, str(self.path))


def _files_by_stem(folder: Path) -> Dict[str, Path]:
    files: Dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith('.') or path.is_dir():
            continue
        if path.stem in files:
            raise ValueError(f'Video {path.stem!r} may be {files[path.stem]} or {path}. Move one of them away.')
        files[path.stem] = path
    if not files:
        raise ValueError(_nothing(folder))
    return files


def _is_side(files: Dict[str, Path], stem: str) -> bool:
    """Whether a file says something about features and holds none, as ``v_fps.npy`` and ``v_timestamps_ms.npy`` do."""
    named = any(stem.endswith(f'_{side}') for side in SIDE) or (stem in SIDE and len(files) > 1)
    return named and files[stem].suffix == '.npy' and read_array(files[stem]).ndim < 2


def _nothing(folder: Path) -> str:
    pickles = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICKLES)
    if pickles:
        return f'{folder} holds pickles such as {pickles[0].name}, which may run code. {how_to_convert(pickles[0])}'
    inner = sorted({path.parent.name for path in folder.glob('*/*') if path.suffix.lower() in SUFFIXES})
    beneath = f' Its folders {", ".join(inner[:5])} hold such files: give one of them.' if inner else ''
    return (f'{folder} is a folder without manifest.json (packed store) and without {", ".join(SUFFIXES)} files. '
            f'Expected one of them, or the path of an HDF5 file.{beneath}')
