"""Features of a whole data set in one file or in several, with a manifest that says where they come from."""
import json
import os
from bisect import bisect_right
from functools import lru_cache
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from mmvmr.features.stores.names import VideoNames
from mmvmr.features.stores.resampling import check_rows, resample_clips
from mmvmr.features.stores.shards import (
    DATA,
    FORMAT,
    INDEX,
    MANIFEST,
    OWN,
    STORE_FILES,
    find_shards,
    is_head,
    read_heads,
    read_json,
    sha256_of_ids,
)
from mmvmr.utils.files import folder_written_aside, refuse_foreign_files, sha256_of_files
from mmvmr.utils.kept_arrays import KEPT, KEPT_FROM, kept_arrays
from mmvmr.utils.text_files import Texts

MAX_OPEN = 256  # files of a store at a time: processes may have 1,024, and there are several stores


class PackedStore:
    """The features of all videos one after the other, in one file or in several shards; the fastest store.

    Written by :func:`write_packed_store`. With ``num_clips`` in the manifest every video has T rows, which are copied
    as they are; otherwise the rows of a video are resampled when they are read. Opening reads the ids alone; files are
    opened when they are read, so a store may be passed on to other processes.

    Args:
        path: The folder of a store, or the folder of all its shards.

    Raises:
        ValueError: If the store is damaged, incomplete or of another format, or its shards do not belong together.

    Attributes:
        video_ids: Of all videos, in the order of their rows.
        num_rows: (V,) int64, rows of each video before resampling.
        manifest: What is known of the features; of shards, what they have in common.
        num_clips: T, or None where all rows were kept.
        nbytes: Size of the features.
    """

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = Path(path)
        folders, columns = self._read()
        self.video_ids: Sequence[str] = Texts(columns['letters'], columns['ends'])
        self.num_rows = columns['num_rows']
        manifest = read_json(folders[0] / MANIFEST)
        self.manifest = manifest if len(folders) == 1 else dict(
            {key: value for key, value in manifest.items() if key not in OWN}, num_videos=len(self.video_ids))
        self.dim: int = self.manifest['dim']
        self.num_clips: Optional[int] = self.manifest['num_clips']
        self.dtype = np.dtype(self.manifest['dtype'])
        self._files = [folder / DATA for folder in folders]
        self._firsts = [0, *columns['counts'].cumsum().tolist()]  # row number of each file's first video
        self._offsets = columns['offsets']  # in its file
        self.nbytes: int = sum(path.stat().st_size for path in self._files)
        self.names = VideoNames(self.video_ids, columns)
        twice = self.names.twice
        if twice is not None:
            raise ValueError(f'{self.path} holds video {twice!r} twice. Pack the features again.')
        self._start()

    def _read(self) -> Tuple[List[Path], Dict[str, np.ndarray]]:
        """The folders of all shards, and what their indices say; of a large store it is kept beside the store."""
        folders = [self.path] if (self.path / MANIFEST).exists() else [*find_shards(self.path).values()]
        files = [folder / name for folder in folders for name in (MANIFEST, INDEX)]
        if not all(map(Path.is_file, files)) or sum(path.stat().st_size for path in files) < KEPT_FROM:
            return self._columns()
        names = [str(path.relative_to(self.path)) for path in files]
        columns = kept_arrays(self.path.resolve().parent / KEPT, f'{self.path.name}.ids',
                              dict(files=names, content=sha256_of_files(*files)), lambda: self._columns()[1])
        if [(folder / DATA).stat().st_size if (folder / DATA).exists() else 0 for folder in folders] != (
                columns['sizes'].tolist()):
            read_heads(self.path)  # says what is wrong
        return folders, columns

    def _columns(self) -> Tuple[List[Path], Dict[str, np.ndarray]]:
        """The folders of all shards, and what their indices say as arrays, with all checks."""
        heads = read_heads(self.path)
        ids = [video_id for head in heads for video_id in head.video_ids]
        texts = Texts.of(ids)
        return [head.folder for head in heads], dict(
            VideoNames.columns_of(ids), letters=texts.letters, ends=texts.ends,
            num_rows=np.concatenate([head.num_rows for head in heads]),
            counts=np.array([len(head.video_ids) for head in heads]),
            offsets=np.concatenate([[0], *(np.cumsum(head.rows_of_videos()) for head in heads)]),
            sizes=np.array([(head.folder / DATA).stat().st_size for head in heads]))

    def _start(self) -> None:
        dtype = self.dtype  # without a cycle of references: files are closed with the store
        self._open = lru_cache(MAX_OPEN)(lambda path: open(path, 'rb', buffering=0))
        self._map = lru_cache(MAX_OPEN)(lambda path: np.memmap(path, dtype, 'r'))

    def __contains__(self, video_id: str) -> bool:
        return video_id in self.names

    def rows(self, video_ids: Iterable[str]) -> np.ndarray:
        """(B,) int64, where each video lies in the store."""
        return np.fromiter((self.names.row(video_id) for video_id in video_ids), dtype=np.int64)

    def _place(self, row: int) -> Tuple[Path, int, int]:
        """File, first number and last number (exclusive) of a video."""
        shard = bisect_right(self._firsts, row) - 1
        start = self._offsets[row] if row > self._firsts[shard] else 0
        return self._files[shard], int(start) * self.dim, int(self._offsets[row + 1]) * self.dim

    def read(self, video_id: str) -> np.ndarray:
        """(N, Dv) rows of one video, as they are stored; memory-mapped, so that they may outgrow the memory."""
        path, start, end = self._place(self.names.row(video_id))
        return self._map(path)[start:end].reshape(-1, self.dim)

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
        clips = np.empty((len(rows), num_clips, self.dim), self.dtype)
        # Positional reads copy as fast as the memory map once its pages are mapped, and ten times faster before; the
        # descriptor may be shared across a fork.
        for clip, row in zip(clips, rows.tolist()):
            path, start, _ = self._place(row)
            if os.preadv(self._open(path).fileno(), [clip], start * clip.itemsize) != clip.nbytes:
                raise ValueError(f'{path} ends too early: it was changed while it was in use.')
        return clips

    def __getstate__(self) -> Dict:
        return {key: value for key, value in self.__dict__.items() if key not in ('_open', '_map')}

    def __setstate__(self, state: Dict) -> None:
        self.__dict__.update(state)
        self._start()


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
        overwrite: Replace a store that is there; never anything else.

    Raises:
        FileExistsError: If the folder is there, and ``overwrite`` is not given or it holds anything but a store.
        ValueError: If features are not finite, not (N, Dv), of another dim than the first, or of a known id.
    """
    folder = Path(folder)
    if folder.exists():
        check_replaceable(folder, overwrite)
    with folder_written_aside(folder, STORE_FILES) as partial:
        index, dim = _write_rows(partial / DATA, features, num_clips, np.dtype(dtype))
        head = dict(format=FORMAT, dim=dim, dtype=np.dtype(dtype).name, num_clips=num_clips,
                    num_videos=len(index), sha256_of_ids=sha256_of_ids(index))
        (partial / INDEX).write_text(json.dumps(dict(video_ids=list(index), num_rows=list(index.values()))))
        (partial / MANIFEST).write_text(json.dumps({**head, **(manifest or {}), **head}, indent=2) + '\n')
    return PackedStore(folder)


def check_replaceable(folder: Path, overwrite: bool) -> None:
    """Refuse to write a store to a folder that is there, unless it is to be replaced and holds nothing but a store.

    Raises:
        FileExistsError: If so; the message says why.
    """
    if not overwrite:
        raise FileExistsError(f'{folder} exists. Choose another folder, or remove it; a feature store is replaced by '
                              '--force (overwrite=True).')
    refuse_foreign_files(folder, STORE_FILES)
    heads = [folder / MANIFEST, *(shard / MANIFEST for shard in find_shards(folder).values())]
    if any(folder.iterdir()) and not any(map(is_head, heads)):
        raise FileExistsError(f'{folder} is no feature store, so it is not replaced. Choose another folder, or remove '
                              'it.')


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
