"""The feature rows of a video: what they must be, and how they become T clips."""
from typing import Optional

import numpy as np


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
    """Return ``rows`` if they are (N, Dv) numbers with N > 0 and Dv = ``dim``; say what is wrong otherwise."""
    rows = np.asarray(rows)
    expected = f'(N, {dim or "Dv"}) with N > 0'
    if rows.ndim != 2 or 0 in rows.shape or (dim and rows.shape[1] != dim) or rows.dtype.kind not in 'fiu':
        raise ValueError(f'Features of video {video_id!r} have shape {rows.shape} and dtype {rows.dtype}, expected '
                         f'numbers of shape {expected}. Extract them again, or choose the file with the right ones.')
    return rows
