"""Several features of the same videos, side by side."""
from pathlib import Path
from typing import Any, Dict, Iterable, List, Sequence

import numpy as np

from mmvmr.features.stores.names import VideoNames
from mmvmr.features.stores.resampling import check_rows, resample_clips

_KNOWN = ('extractor', 'extractor_name', 'weights_sha256', 'clip_seconds', 'fps', 'stride')


class Streams:
    """Features of several extractors: each is resampled to T clips, and the clips are put side by side.

    A video belongs to it if every stream has it.

    Args:
        stores: One per stream.
        normalize: Whether each row of a stream is divided by its L2 norm, as Moment-DETR does; before resampling.

    Raises:
        ValueError: If no video is in all of them.

    Attributes:
        manifest: What is known of each stream, ``streams``; ``planted`` where one of them is.
        dim: Dv, the sum over the streams.
    """
    num_clips = None

    def __init__(self, stores: Sequence[Any], normalize: Sequence[bool]) -> None:
        self.stores, self.normalize = list(stores), list(normalize)
        self.path = Path(' + '.join(str(store.path) for store in stores))  # for messages
        first, *others = self.stores
        self.video_ids: List[str] = [video_id for video_id in first.video_ids
                                     if all(video_id in store for store in others)]
        if not self.video_ids:
            raise ValueError(f'No video is in all streams: {_examples(self.stores)}. Their ids must be the same.')
        self.names = VideoNames(self.video_ids)
        self.dim: int = sum(store.dim for store in self.stores)
        self.manifest: Dict[str, Any] = dict(streams=[
            dict(source=store.path.name, dim=store.dim, normalize=normal,
                 **{key: value for key, value in getattr(store, 'manifest', {}).items() if key in _KNOWN})
            for store, normal in zip(self.stores, self.normalize)])
        planted = [store.manifest['planted'] for store in self.stores if 'planted' in getattr(store, 'manifest', {})]
        if planted:  # the whole is made up then
            self.manifest['planted'] = planted
        seconds = {stream.get('clip_seconds') for stream in self.manifest['streams']}
        if len(seconds) == 1 and None not in seconds:
            self.manifest['clip_seconds'] = seconds.pop()

    def __contains__(self, video_id: str) -> bool:
        return video_id in self.names

    def read(self, video_id: str) -> np.ndarray:
        """(N, Dv) rows of one video, if all streams have as many.

        Raises:
            ValueError: If they have not.
        """
        name = self.names.find(video_id)
        streams = [store.read(name) for store in self.stores]
        if len({len(rows) for rows in streams}) > 1:
            counts = ' and '.join(str(len(rows)) for rows in streams)
            raise ValueError(f'The streams of video {video_id!r} have {counts} rows, which only clips have in common: '
                             'give their number (num_clips, --num-clips).')
        return join_streams(streams, self.normalize)

    def read_clips(self, video_ids: Iterable[str], num_clips: int) -> np.ndarray:
        """(B, T, Dv) clips of several videos.

        Raises:
            ValueError: If some are NaN or infinite, or a stream was packed with another number of clips.
        """
        names = [self.names.find(video_id) for video_id in video_ids]
        clips = np.concatenate([_read_clips(store, names, num_clips, normal)
                                for store, normal in zip(self.stores, self.normalize)], axis=-1)
        if not np.isfinite(clips).all():
            bad = [name for name, rows in zip(names, clips) if not np.isfinite(rows).all()]
            raise ValueError(f'{self.path}: NaN or infinite features in {", ".join(bad[:5])}. Extract them again; '
                             '`mmvmr verify` lists all such videos.')
        return clips


def join_streams(streams: Sequence[np.ndarray], normalize: Sequence[bool]) -> np.ndarray:
    """Rows (N, Dv) of each stream, normalised where asked for, side by side."""
    return np.concatenate([normalize_rows(rows) if normal else np.asarray(rows, np.float32)
                           for rows, normal in zip(streams, normalize)], axis=1)


def normalize_rows(rows: np.ndarray) -> np.ndarray:
    """Divide each row by its L2 norm plus 1e-5, as Moment-DETR does.

    Example:
        >>> normalize_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).round(3)
        array([[0.6, 0.8],
               [0. , 0. ]], dtype=float32)
    """
    rows = np.asarray(rows, np.float32)
    return rows / (np.linalg.norm(rows, axis=-1, keepdims=True) + 1e-5)


def _read_clips(store: Any, names: List[str], num_clips: int, normalize: bool) -> np.ndarray:
    if not normalize:
        return store.read_clips(names, num_clips)
    if getattr(store, 'num_clips', None):
        return normalize_rows(store.read_clips(names, num_clips))
    return np.stack([resample_clips(normalize_rows(check_rows(store.read(name), name)), num_clips) for name in names])


def _examples(stores: Sequence[Any]) -> str:
    return '; '.join(f'{store.path} has {", ".join(store.video_ids[:2])}, ...' for store in stores)
