"""Clip features behind one ``read(video_id)``, whatever the file format."""
import os
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Union

import h5py
import numpy as np

from mmvmr.features.stores.packed_store import PackedStore, write_packed_store
from mmvmr.features.stores.quantized_store import QuantizedStore
from mmvmr.features.stores.resampling import check_rows, resample_clips
from mmvmr.features.stores.shards import DATA, INDEX, MANIFEST, find_shards
from mmvmr.utils.hdf5 import hdf5_member

__all__ = ['Hdf5Store', 'NpyFolder', 'PackedStore', 'QuantizedStore', 'open_feature_store', 'write_packed_store']


class Hdf5Store:
    """An HDF5 file with one dataset per video: ``file[video_id]``, or ``file[video_id]['c3d_features']``.

    The file is opened once per process, when it is first read: a handle must not be shared across a fork.

    Args:
        path: The HDF5 file.

    Raises:
        ValueError: If the file is truncated, not HDF5 or empty.
    """

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = Path(path)
        self._file: Optional[h5py.File] = None
        self._pid: Optional[int] = None
        try:
            self.video_ids: List[str] = list(self._open())
        except (RuntimeError, UnicodeDecodeError) as error:  # what h5py says of a damaged index
            raise ValueError(f'{self.path} cannot be listed ({error}). The file is damaged: fetch it again.') from error
        if not self.video_ids:
            raise ValueError(f'{self.path} holds no dataset at all: expected one per video.')
        self._known = set(self.video_ids)
        self.dim: int = check_rows(self._read(self.video_ids[0]), self.video_ids[0]).shape[-1]
        self.close()  # whoever reads opens the file anew, after a fork if there is one

    def _open(self) -> h5py.File:
        if self._file is None or self._pid != os.getpid():
            try:
                self._file = h5py.File(self.path, 'r')
            except OSError as error:
                raise ValueError(f'{self.path} cannot be opened as HDF5 ({error}). The download may be incomplete: '
                                 'compare its size with the source and fetch it again.') from error
            self._pid = os.getpid()
        return self._file

    def _read(self, video_id: str) -> np.ndarray:
        try:
            node, names = hdf5_member(self._open(), video_id), []
            if isinstance(node, h5py.Group):
                names = sorted(node)
                wanted = [name for name in names if name == 'c3d_features'] or names
                node = hdf5_member(node, wanted[0]) if len(wanted) == 1 else None
            rows = None if node is None else node[()]
        except Exception as error:  # a damaged file can fail anywhere inside h5py
            raise ValueError(f'{self.path}: video {video_id!r} cannot be read ({error}). The file is damaged or '
                             'no plain table of features: fetch it again.') from error
        if rows is None:
            raise ValueError(f'{self.path}: group {video_id!r} holds {names}, expected one dataset.')
        return rows

    def __contains__(self, video_id: str) -> bool:
        return video_id in self._known

    def read(self, video_id: str) -> np.ndarray:
        """(N, Dv) rows of one video."""
        return check_rows(self._read(video_id), video_id, self.dim)

    def read_clips(self, video_ids: Iterable[str], num_clips: int) -> np.ndarray:
        """(B, T, Dv) clips of several videos."""
        return _read_clips(self, video_ids, num_clips)

    def close(self) -> None:
        """Close the handle of this process; the next read opens it again."""
        if self._file is not None and self._pid == os.getpid():
            self._file.close()
        self._file = None

    def __getstate__(self) -> Dict:
        return dict(self.__dict__, _file=None)  # handles cannot be pickled


class NpyFolder:
    """A folder with one ``<video_id>.npy`` of shape (N, Dv) per video."""

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = Path(path)
        self.video_ids: List[str] = sorted(file.stem for file in self.path.glob('*.npy'))
        self._known = set(self.video_ids)
        self.dim: int = self._load(self.video_ids[0]).shape[-1]

    def _load(self, video_id: str) -> np.ndarray:
        if video_id not in self._known:  # an id from an annotation must not lead out of the folder
            raise KeyError(video_id)
        path = self.path / f'{video_id}.npy'
        try:
            return np.load(path, allow_pickle=False)
        except Exception as error:  # a damaged header can fail anywhere inside np.load
            raise ValueError(f'{path} cannot be read ({error}): fetch or extract it again.') from error

    def __contains__(self, video_id: str) -> bool:
        return video_id in self._known

    def read(self, video_id: str) -> np.ndarray:
        """(N, Dv) rows of one video."""
        return check_rows(self._load(video_id), video_id, self.dim)

    def read_clips(self, video_ids: Iterable[str], num_clips: int) -> np.ndarray:
        """(B, T, Dv) clips of several videos."""
        return _read_clips(self, video_ids, num_clips)


def _read_clips(store: Union[Hdf5Store, NpyFolder], video_ids: Iterable[str], num_clips: int) -> np.ndarray:
    clips = np.stack([resample_clips(store.read(video_id), num_clips) for video_id in video_ids])
    if not np.isfinite(clips).all():
        bad = [video_id for video_id, rows in zip(video_ids, clips) if not np.isfinite(rows).all()]
        raise ValueError(f'{store.path}: NaN or infinite features in {", ".join(bad[:5])}. Extract them again; '
                         '`mmvmr verify` lists all such videos.')
    return clips


def open_feature_store(path: Union[str, Path]) -> Union[PackedStore, Hdf5Store, NpyFolder, QuantizedStore]:
    """Open the features at ``path``: a packed store or all its shards, an HDF5 file, a folder of ``.npy``, a ``.npz``.

    All kinds have ``read(video_id) -> (N, Dv)``, ``read_clips(video_ids, T) -> (B, T, Dv)``, ``video_ids``, ``dim``
    and ``video_id in store``.

    Raises:
        FileNotFoundError: If there is nothing at ``path``.
        ValueError: If what is there is damaged, or of no known kind.
    """
    path = Path(path)
    if path.is_file():
        return QuantizedStore(path) if path.suffix == '.npz' else Hdf5Store(path)
    if not path.exists():
        raise FileNotFoundError(f'No features at {path}.')
    if any((path / name).exists() for name in (MANIFEST, INDEX, DATA)) or find_shards(path):
        return PackedStore(path)
    if any(path.glob('*.npy')):
        return NpyFolder(path)
    raise ValueError(f'{path} is a folder without {MANIFEST} (packed store) and without .npy files. Expected one of '
                     'them, or the path of an HDF5 file.')
