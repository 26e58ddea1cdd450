"""The features of one video, from wherever they come, with the times that belong to them."""
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Union

import numpy as np

from mmvmr.features.stores.arrays import read_array
from mmvmr.features.stores.feature_store import open_feature_store
from mmvmr.features.stores.resampling import check_rows


class VideoFeatures(NamedTuple):
    """Rows that follow each other at equal distances."""
    name: str  # what results call the video
    rows: np.ndarray  # (N, Dv)
    row_seconds: float  # row i covers the seconds [i, i + 1) * row_seconds
    duration: float  # seconds; the last row may end after the video
    manifest: Dict = {}  # what their store says of them

    @classmethod
    def from_array(cls, rows: np.ndarray, name: str = 'features', duration: Optional[float] = None,
                   row_seconds: Optional[float] = None) -> 'VideoFeatures':
        """Features (N, Dv) that cover a video evenly.

        Args:
            duration: Seconds; N times ``row_seconds`` by default.
            row_seconds: Seconds per row; by default what divides ``duration`` evenly.

        Raises:
            ValueError: If both are unknown, or the rows are no features.
        """
        rows = check_rows(rows, name)
        if duration is None and row_seconds is None:
            raise ValueError(f'How long "{name}" is cannot be told from {len(rows)} rows of features: the run does not '
                             'know how many seconds a row covers. Give the duration in seconds (--duration).')
        for seconds in (duration, row_seconds):
            if seconds is not None and not 0 < seconds < float('inf'):
                raise ValueError(f'The duration of "{name}" must be a positive number of seconds, got {seconds}.')
        if not np.isfinite(rows).all():
            raise ValueError(f'"{name}" has NaN or infinite features. Extract them again.')
        if duration is None:
            duration = len(rows) * row_seconds
        return cls(name, rows, row_seconds or duration / len(rows), duration)

    @classmethod
    def from_file(cls, path: Union[str, Path], video_id: Optional[str] = None, duration: Optional[float] = None,
                  row_seconds: Optional[float] = None) -> 'VideoFeatures':
        """The same from a ``.npy``, ``.npz`` or ``.pt`` file, or of one video of a feature store.

        Args:
            path: The file; with a ``video_id``, what
                :func:`~mmvmr.features.stores.feature_store.open_feature_store` opens.
            row_seconds: As for :meth:`from_array`, where the store does not say it.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it holds no features of this video.
        """
        if video_id is None:
            return cls.from_array(read_array(path), str(path), duration, row_seconds)
        store = open_feature_store(path)
        if video_id not in store:
            raise ValueError(f'"{path}" has no features of a video {video_id!r}. It has those of '
                             f'{", ".join(store.video_ids[:5])}{", ..." if len(store.video_ids) > 5 else ""}.')
        return cls.from_store(store, video_id, duration, row_seconds)

    @classmethod
    def from_store(cls, store: Any, video_id: str, duration: Optional[float] = None,
                   row_seconds: Optional[float] = None) -> 'VideoFeatures':
        """The same of one video of an open store."""
        manifest = getattr(store, 'manifest', {})
        resampled = getattr(store, 'num_clips', None)  # then rows no longer cover the same time in all videos
        seconds = None if resampled else manifest.get('clip_seconds', row_seconds)
        return cls.from_array(store.read(video_id), video_id, duration, seconds)._replace(manifest=manifest)
