"""The feature rows of a video: what they must be, and how they become T clips."""
from pathlib import Path
from typing import Any, Iterable, List, Optional, Sequence

import numpy as np

from mmvmr.features.stores.names import VideoNames


def resample_clips(rows: np.ndarray, num_clips: Optional[int]) -> np.ndarray:
    """Average the rows of a video into T clips of equal length; repeat rows where the video has fewer.

    With borders r_j = round(j / T * N), halves to even, clipped to N - 1, clip j is the mean of the rows
    [r_j, r_{j+1}), or row r_j where that range is empty (CNM, CPL and PPS share this rule).

    Args:
        rows: (N, Dv).
        num_clips: T; None takes the rows as they are.

    Returns:
        (T, Dv) float32.

    Example:
        >>> resample_clips(np.array([[0.0], [2.0], [4.0], [6.0], [8.0]]), 2)
        array([[1.],
               [5.]], dtype=float32)
    """
    rows = np.asarray(rows, dtype=np.float32)
    if num_clips is None:
        return np.array(rows)  # those of a store lie in a file
    borders = np.round(np.arange(num_clips + 1) / num_clips * len(rows)).astype(np.int64).clip(max=len(rows) - 1)
    # reduceat sums [r_j, r_{j+1}) and takes row r_j alone where the range is empty: exactly the rule above
    sums = np.add.reduceat(rows, borders, axis=0)[:-1]
    return sums / np.maximum(np.diff(borders), 1)[:, None].astype(np.float32)


def check_rows(rows: np.ndarray, video_id: str, dim: Optional[int] = None) -> np.ndarray:
    """Return ``rows`` as (N, Dv) if they are numbers with N > 0 and Dv = ``dim``; say what is wrong otherwise.

    Axes of length 1 besides those two, as in the (N, 1, 1, Dv) of I3D or with a batch in front, are dropped.
    """
    rows = _drop_single_axes(np.asarray(rows))
    expected = f'(N, {dim or "Dv"}) with N > 0'
    if rows.ndim != 2 or 0 in rows.shape or (dim and rows.shape[1] != dim) or rows.dtype.kind not in 'fiu':
        raise ValueError(f'Features of video {video_id!r} have shape {rows.shape} and dtype {rows.dtype}, expected '
                         f'numbers of shape {expected}. Extract them again, or choose the file with the right ones.')
    return rows


def _drop_single_axes(rows: np.ndarray) -> np.ndarray:
    longer = [size for size in rows.shape if size != 1]
    if rows.ndim < 3 or len(longer) > 2:
        return rows
    if len(longer) == 2:
        return rows.reshape(longer)
    return rows.reshape(1, -1) if rows.shape[0] == 1 else rows  # one clip; of (N, 1, 1) nothing can be said


class ResampledStore:
    """Features that keep all rows of a video, and are resampled whenever they are read.

    A kind of file says where the rows lie: it has ``path``, ``names``, ``video_ids``, ``dim``, and ``_load(name)``,
    which gives the rows of a video by the id that the store has for it.
    """
    path: Path
    names: VideoNames
    video_ids: List[str]
    dim: int

    def _load(self, name: str) -> np.ndarray:
        raise NotImplementedError

    def __contains__(self, video_id: str) -> bool:
        return video_id in self.names

    def read(self, video_id: str) -> np.ndarray:
        """(N, Dv) rows of one video."""
        rows = self._load(self.names.find(video_id))
        try:
            return check_rows(rows, video_id, self.dim)
        except ValueError as error:
            raise ValueError(f'{error}{self._on_axes(np.shape(rows))}') from None

    def _on_axes(self, shape: Sequence[int]) -> str:
        """What to do if time is the second axis, which differs from video to video, as a sentence."""
        first = np.shape(self._load(self.video_ids[0]))
        if len(shape) != 2 or shape[:1] != first[:1] or shape == first:
            return ''
        return f' Beside {first} of {self.video_ids[0]!r}, these look like (dimensions, time): transpose them.'

    def read_clips(self, video_ids: List[str], num_clips: int) -> np.ndarray:
        """(B, T, Dv) clips of several videos, see :func:`read_and_resample`."""
        return read_and_resample(self, video_ids, num_clips)


def read_and_resample(store: Any, video_ids: Iterable[str], num_clips: int) -> np.ndarray:
    """(B, T, Dv) clips of several videos of a store that keeps all rows.

    Raises:
        ValueError: If some are NaN or infinite.
    """
    video_ids = list(video_ids)
    clips = np.stack([resample_clips(store.read(video_id), num_clips) for video_id in video_ids])
    if not np.isfinite(clips).all():
        bad = [video_id for video_id, rows in zip(video_ids, clips) if not np.isfinite(rows).all()]
        raise ValueError(f'{store.path}: NaN or infinite features in {", ".join(bad[:5])}. Extract them again; '
                         '`mmvmr verify` lists all such videos.')
    return clips
