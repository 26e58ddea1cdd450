"""Features in an HDF5 file, in whatever layout can be told apart."""
import logging
import os
from pathlib import Path
from tarfile import is_tarfile
from typing import Dict, List, Optional, Tuple, Union
from zipfile import is_zipfile

import h5py
import numpy as np
from mmengine.logging import print_log

from mmvmr.features.stores.arrays import PREFERRED, SIDE, check_video_ids, choose_table
from mmvmr.features.stores.names import VideoNames
from mmvmr.features.stores.resampling import ResampledStore, check_rows
from mmvmr.utils.hdf5 import hdf5_member


class Hdf5Store(ResampledStore):
    """An HDF5 file with a dataset per video, or a group per video with one, or all this below one group or more.

    The file is opened once per process, when it is first read: a handle must not be shared across a fork.

    Args:
        path: The HDF5 file.
        key: The dataset in the group of each video, where there are several; or the group above all videos. By default
            ``features`` or ``c3d_features``, or the only table of numbers.

    Raises:
        ValueError: If the file is truncated, not HDF5 or empty, or it cannot be told what is a video.
    """

    def __init__(self, path: Union[str, Path], key: Optional[str] = None) -> None:
        self.path = Path(path)
        self._file: Optional[h5py.File] = None
        self._pid: Optional[int] = None
        try:
            self._above, self._key, self.video_ids = _layout(self._open(), key, self.path)
        except (RuntimeError, UnicodeDecodeError) as error:  # what h5py says of a damaged index
            raise ValueError(f'{self.path} cannot be listed ({error}). The file is damaged: fetch it again.') from error
        if not self.video_ids:
            raise ValueError(f'{self.path} holds no dataset at all: expected one per video.')
        check_video_ids(self.video_ids, str(self.path))
        self.names = VideoNames(self.video_ids)
        self.dim: int = check_rows(self._load(self.video_ids[0]), self.video_ids[0]).shape[-1]
        self.close()  # whoever reads opens the file anew, after a fork if there is one

    def _open(self) -> h5py.File:
        if self._file is None or self._pid != os.getpid():
            try:
                self._file = h5py.File(self.path, 'r')
            except OSError as error:
                if self.path.is_file() and (is_zipfile(self.path) or is_tarfile(self.path)):
                    raise ValueError(f'{self.path} is an archive. Unpack it, and give what is in it.') from error
                raise ValueError(f'{self.path} cannot be opened as HDF5 ({error}). The download may be incomplete: '
                                 'compare its size with the source and fetch it again.') from error
            self._pid = os.getpid()
        return self._file

    def _load(self, video_id: str) -> np.ndarray:
        try:
            group = self._open() if self._above is None else hdf5_member(self._open(), self._above)
            node, names = hdf5_member(group, video_id), None
            if isinstance(node, h5py.Group):
                names = list(node)
            else:
                rows = node[()]
        except Exception as error:  # a damaged file can fail anywhere inside h5py
            raise self._damaged(video_id, error) from error
        if names is None:
            return rows
        name = choose_table(names, self._key, lambda name: _is_table(node, name), f'{self.path}: group {video_id!r}')
        try:
            return hdf5_member(node, name)[()]
        except Exception as error:
            raise self._damaged(video_id, error) from error

    def _damaged(self, video_id: str, error: Exception) -> ValueError:
        return ValueError(f'{self.path}: video {video_id!r} cannot be read ({error}). The file is damaged or no plain '
                          'table of features: fetch it again.')

    def close(self) -> None:
        """Close the handle of this process; the next read opens it again."""
        if self._file is not None and self._pid == os.getpid():
            self._file.close()
        self._file = None

    def __getstate__(self) -> Dict:
        return dict(self.__dict__, _file=None)  # handles cannot be pickled


def _layout(file: h5py.File, key: Optional[str], path: Path) -> Tuple[Optional[str], Optional[str], List[str]]:
    """The group above all videos, the dataset in the group of each video, where they were given or found; the ids."""
    names = list(file)
    sides = [name for name in names if _is_side(file, name)]
    if sides and len(sides) < len(names):
        print_log(f'{path}: no tables of features, and left out: {", ".join(sides[:3])}'
                  f'{", ..." if len(sides) > 3 else ""}.', 'current', logging.INFO)
        names = [name for name in names if name not in sides]
    if key in names and _group(file, key) is not None:
        return key, None, list(_group(file, key))
    above, group = [], file
    while len(names) == 1 and _group(group, names[0]) is not None and _is_above(_group(group, names[0]), names[0], key):
        above, group = [*above, names[0]], _group(group, names[0])
        names = [name for name in group if not _is_side(group, name)] or list(group)
    return '/'.join(above) or None, key, names


def _is_above(group: h5py.Group, name: str, key: Optional[str]) -> bool:
    """Whether the only group of a file holds the videos, and is none itself."""
    inner = list(group)
    if len(inner) == 1 and _group(group, inner[0]) is not None:  # more groups below
        return True
    if key is not None:
        return key not in inner
    return not any(known in inner for known in PREFERRED) and (
        name in PREFERRED or sum(one.lower() not in SIDE for one in inner) > 1)


def _group(file: h5py.Group, name: str) -> Optional[h5py.Group]:
    here = isinstance(file.get(name, getlink=True), h5py.HardLink) and file.get(name, getclass=True) is h5py.Group
    return file[name] if here else None


def _is_side(group: h5py.Group, name: str) -> bool:
    """Whether a member says something about videos and is none: a list of ids, frames per second."""
    node = _dataset(group, name)
    return node is not None and (node.ndim < 2 or node.dtype.kind not in 'fiu')


def _is_table(group: h5py.Group, name: str) -> bool:
    return _dataset(group, name) is not None and not _is_side(group, name)


def _dataset(group: h5py.Group, name: str) -> Optional[h5py.Dataset]:
    try:
        node = hdf5_member(group, name)
    except (ValueError, KeyError, OSError, RuntimeError):  # what cannot be opened is named when it is read
        return None
    return node if isinstance(node, h5py.Dataset) else None
