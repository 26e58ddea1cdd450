"""Features of a whole data set in one memory-mapped file, with a manifest that says where they come from."""
import hashlib
import json
import os
import shutil
from itertools import accumulate
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Optional, Tuple, Union

import numpy as np

from mmvmr.datasets.resampling import resample_clips

FORMAT = 'mmvmr-packed-1'
MANIFEST, INDEX, DATA = 'manifest.json', 'index.json', 'features.bin'


class PackedStore:
    """One memory-mapped file with the features of all videos; the fastest store.

    Written by :func:`write_packed_store`. With ``num_clips`` in the manifest every video has T rows and a batch is
    gathered in one copy; otherwise the rows of a video are resampled when they are read.

    Args:
        path: The folder.

    Raises:
        ValueError: If the store is damaged, incomplete or of another format.

    Attributes:
        array: (V, T, Dv) of all videos, or (rows, Dv) where ``num_clips`` is None; memory-mapped.
    """

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = Path(path)
        self.manifest, index = _read_json(self.path / MANIFEST), _read_json(self.path / INDEX)
        if self.manifest.get('format') != FORMAT:
            raise ValueError(f'{self.path / MANIFEST} has format {self.manifest.get("format")!r}, expected {FORMAT!r}. '
                             'Pack the features again with tools/misc/pack_features.py.')
        try:
            self._read_head(index)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f'{self.path} has no complete {MANIFEST} and {INDEX} ({type(error).__name__}: {error}). '
                             'Pack the features again with tools/misc/pack_features.py.') from error

    def _read_head(self, index: Dict) -> None:
        self.video_ids: List[str] = index['video_ids']
        self.num_rows: List[int] = index['num_rows']  # of the source, before resampling
        if _sha256(self.video_ids) != self.manifest['sha256_of_ids']:
            raise ValueError(f'{self.path / INDEX} does not belong to its manifest: pack the features again.')
        self.dim: int = self.manifest['dim']
        self.num_clips: Optional[int] = self.manifest['num_clips']
        self._row_of = {video_id: row for row, video_id in enumerate(self.video_ids)}
        self._offsets = [0, *accumulate(self.num_rows)]
        self._map()

    def _map(self) -> None:
        rows = len(self.video_ids) * self.num_clips if self.num_clips else self._offsets[-1]
        dtype = np.dtype(self.manifest['dtype'])
        expected, found = rows * self.dim * dtype.itemsize, os.path.getsize(self.path / DATA)
        if expected != found:
            raise ValueError(f'{self.path / DATA} has {found} bytes, its manifest promises {expected}: the copy is '
                             'incomplete. Copy it again, or pack the features again.')
        shape = (len(self.video_ids), self.num_clips, self.dim) if self.num_clips else (rows, self.dim)
        self.array = np.memmap(self.path / DATA, dtype=dtype, mode='r', shape=shape)
        self._file = open(self.path / DATA, 'rb', buffering=0)  # closed with the store

    def __contains__(self, video_id: str) -> bool:
        return video_id in self._row_of

    def rows(self, video_ids: Iterable[str]) -> np.ndarray:
        """(B,) int64, where each video lies in the store."""
        return np.fromiter((self._row_of[video_id] for video_id in video_ids), dtype=np.int64)

    def read(self, video_id: str) -> np.ndarray:
        """(N, Dv) rows of one video, as they are stored."""
        row = self._row_of[video_id]
        return self.array[row] if self.num_clips else self.array[self._offsets[row]:self._offsets[row + 1]]

    def read_clips(self, video_ids: Iterable[str], num_clips: int) -> np.ndarray:
        """(B, T, Dv) clips of several videos.

        Raises:
            ValueError: If the store was packed with another number of clips.
        """
        if self.num_clips is None:
            return np.stack([resample_clips(self.read(video_id), num_clips) for video_id in video_ids])
        if num_clips != self.num_clips:
            raise ValueError(f'{self.path} was packed with {self.num_clips} clips per video, asked for are '
                             f'{num_clips}. Set num_clips={self.num_clips}, or pack again with '
                             f'--num-clips {num_clips}.')
        rows = self.rows(video_ids)
        clips = np.empty((len(rows), *self.array.shape[1:]), self.array.dtype)
        # Positional reads copy as fast as the memory map once its pages are mapped, and ten times faster before; the
        # descriptor may be shared across a fork.
        for clip, row in zip(clips, rows.tolist()):
            if os.preadv(self._file.fileno(), [clip], row * clip.nbytes) != clip.nbytes:
                raise ValueError(f'{self.path / DATA} ends too early: it was changed while it was in use.')
        return clips

    def __getstate__(self) -> Dict:
        return {key: value for key, value in self.__dict__.items() if key not in ('array', '_file')}

    def __setstate__(self, state: Dict) -> None:
        self.__dict__.update(state)
        self._map()


def write_packed_store(folder: Union[str, Path], features: Union[Mapping[str, np.ndarray], Iterable[Tuple]],
                       num_clips: Optional[int] = None, dtype: str = 'float32', manifest: Optional[Dict] = None,
                       overwrite: bool = False) -> PackedStore:
    """Write features of many videos as a :class:`PackedStore`, in one piece or not at all.

    Everything goes to a temporary folder beside ``folder``, which is renamed at the end: an interrupted run leaves no
    store that looks whole.

    Args:
        folder: Where the store shall be.
        features: (N, Dv) array of each video id, as a mapping or as an iterator over pairs, which need not fit in
            memory.
        num_clips: T, to resample every video once and for all; None keeps all rows.
        dtype: 'float32' or 'float16' (half the size and half the reading time).
        manifest: What else is known: extractor, sha256 of its weights, fps, stride. What the store itself knows, such
            as dim and dtype, goes before it.
        overwrite: Replace a store that is there.

    Raises:
        FileExistsError: If the folder is there and ``overwrite`` is not given.
        ValueError: If features are not finite, not (N, Dv), of another dim than the first, or of a known id.
    """
    folder = Path(folder)
    if folder.exists() and not overwrite:
        raise FileExistsError(f'{folder} exists. Remove it, choose another folder, or pass --force (overwrite=True).')
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f'{folder.name}.partial-{os.getpid()}')
    partial.mkdir()
    try:
        index, dim = _write_rows(partial / DATA, features, num_clips, np.dtype(dtype))
        head = dict(format=FORMAT, dim=dim, dtype=np.dtype(dtype).name, num_clips=num_clips,
                    num_videos=len(index), sha256_of_ids=_sha256(index))
        (partial / INDEX).write_text(json.dumps(dict(video_ids=list(index), num_rows=list(index.values()))))
        (partial / MANIFEST).write_text(json.dumps({**head, **(manifest or {}), **head}, indent=2) + '\n')
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return PackedStore(folder)


def _write_rows(path: Path, features: Union[Mapping, Iterable], num_clips: Optional[int],
                dtype: np.dtype) -> Tuple[Dict[str, int], int]:
    """Append the rows of each video to ``path``; returns the number of source rows of each id, and Dv."""
    index, dim = {}, None
    with open(path, 'wb') as file:
        for video_id, rows in features.items() if isinstance(features, Mapping) else features:
            if video_id in index:
                raise ValueError(f'Video {video_id!r} comes twice.')
            rows = check_rows(rows, video_id, dim)
            dim = rows.shape[1]
            stored = resample_clips(rows, num_clips) if num_clips else rows
            with np.errstate(over='ignore'):
                stored = np.ascontiguousarray(stored, dtype=dtype)
            if not np.isfinite(stored).all():
                raise ValueError(f'Features of video {video_id!r} are NaN, infinite or too large for {dtype}. Extract '
                                 'them again; where they are large, pack with --dtype float32.')
            stored.tofile(file)
            index[video_id] = len(rows)
    if not index:
        raise ValueError('There are no features to pack.')
    return index, dim


def check_rows(rows: np.ndarray, video_id: str, dim: Optional[int] = None) -> np.ndarray:
    """Return ``rows`` if they are (N, Dv) numbers with N > 0 and Dv = ``dim``; say what is wrong otherwise."""
    rows = np.asarray(rows)
    expected = f'(N, {dim or "Dv"}) with N > 0'
    if rows.ndim != 2 or 0 in rows.shape or (dim and rows.shape[1] != dim) or rows.dtype.kind not in 'fiu':
        raise ValueError(f'Features of video {video_id!r} have shape {rows.shape} and dtype {rows.dtype}, expected '
                         f'numbers of shape {expected}. Extract them again, or choose the file with the right ones.')
    return rows


def _sha256(video_ids: Iterable[str]) -> str:
    return hashlib.sha256('\n'.join(video_ids).encode()).hexdigest()


def _read_json(path: Path) -> Dict:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        if not isinstance(content, dict):
            raise ValueError(f'it holds a {type(content).__name__}')
        return content
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f'{path} cannot be read ({error}): the packed store is incomplete. Pack the features again '
                         'with tools/misc/pack_features.py.') from error
