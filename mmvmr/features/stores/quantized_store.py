"""Features of many videos in one ``.npz``, as small integers."""
import zipfile
from pathlib import Path
from typing import Iterable, List, Union

import numpy as np

from mmvmr.features.stores.names import VideoNames
from mmvmr.features.stores.resampling import check_rows, resample_clips

_FIELDS = ('ids', 'offsets', 'rows', 'scale')


def is_quantized(path: Path) -> bool:
    """Whether a file is a ``.npz`` with rows and their offsets, as a :class:`QuantizedStore` is."""
    if path.suffix.lower() != '.npz' or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return {'offsets.npy', 'rows.npy'} <= set(archive.namelist())


class QuantizedStore:
    """A ``.npz`` with ``ids`` (V,), ``offsets`` (V + 1,), ``rows`` (R, Dv) of integers and ``scale`` (Dv,).

    Video v has the rows from ``offsets[v]`` to ``offsets[v + 1]``; its features are rows * scale, divided by their
    norm. The integers stay in memory.

    Args:
        path: The file.

    Raises:
        ValueError: If it is damaged, or of another form.
    """

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = Path(path)
        try:
            with np.load(self.path, allow_pickle=False) as file:
                ids, offsets, self._rows, scale = (file[name] for name in _FIELDS)
        except Exception as error:  # a damaged file can fail anywhere inside numpy
            raise ValueError(f'{self.path} cannot be read ({type(error).__name__}: {error}). Expected a .npz with ids, '
                             'offsets, rows and scale; other features belong into HDF5 or a packed store.') from error
        lengths = np.diff(offsets) if offsets.ndim == 1 else np.zeros(0)
        if (ids.ndim != 1 or ids.dtype.kind != 'U' or len(set(ids.tolist())) != len(lengths) or not len(lengths)
                or self._rows.ndim != 2 or offsets[0] != 0 or offsets[-1] != len(self._rows) or lengths.min() < 1
                or scale.shape != self._rows.shape[1:] or not np.isfinite(scale).all()):
            raise ValueError(f'{self.path} has ids {ids.shape}, offsets {offsets.shape}, rows {self._rows.shape} and '
                             f'scale {scale.shape}. Expected V ids that differ, V + 1 offsets that rise from 0 to the '
                             'number of rows, rows (R, Dv) and a finite scale (Dv,). Fetch the file again.')
        self.video_ids: List[str] = ids.tolist()
        self.names = VideoNames(self.video_ids)
        self.dim: int = self._rows.shape[1]
        self._scale = scale.astype(np.float32)
        self._spans = dict(zip(self.video_ids, zip(offsets.tolist(), offsets[1:].tolist())))

    def __contains__(self, video_id: str) -> bool:
        return video_id in self.names

    def read(self, video_id: str) -> np.ndarray:
        """(N, Dv) float32 rows of one video, of unit length."""
        start, end = self._spans[self.names.find(video_id)]
        rows = self._rows[start:end] * self._scale
        return check_rows(rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-12), video_id, self.dim)

    def read_clips(self, video_ids: Iterable[str], num_clips: int) -> np.ndarray:
        """(B, T, Dv) clips of several videos."""
        return np.stack([resample_clips(self.read(video_id), num_clips) for video_id in video_ids])
