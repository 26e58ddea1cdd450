"""Extractors that look at single frames: the base of adapters for models of one's own."""
from functools import cached_property
from itertools import islice
from typing import Iterable, Iterator, List, Sequence

import numpy as np

from mmvmr.features.extract import by_clip, check_positive
from mmvmr.utils.vectors import checked_vectors


class FrameEmbedder:
    """Embeds frames one by one and averages them over each clip; a subclass says how.

    A subclass has :meth:`embed_frames`, a ``name`` that changes whenever the same frames give other numbers, and, where
    sentences lie in the space of the frames, ``embed_text(sentences) -> (N, dim)``: its features can then be searched
    by sentences without training (:class:`~mmvmr.text.encoders.adapter_text.AdapterText`).

    Args:
        clip_seconds: Length of a clip, above 0.
        fps: Frames per second that are looked at.
        batch_size: Frames that are embedded at once.
    """
    name: str

    def __init__(self, clip_seconds: float = 1.0, fps: float = 2.0, batch_size: int = 32) -> None:
        check_positive(clip_seconds=clip_seconds, fps=fps, batch_size=batch_size)
        self.clip_seconds, self.fps, self.batch_size = clip_seconds, fps, batch_size

    def embed_frames(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """Up to ``batch_size`` RGB pictures, (H, W, 3) uint8 each -> (N, dim) numbers, a row for each."""
        raise NotImplementedError

    @cached_property
    def dim(self) -> int:
        """Dimensions of a row, as those of a black picture."""
        return self._rows([np.zeros((64, 64, 3), np.uint8)]).shape[1]

    def __call__(self, frames: Iterable[np.ndarray], fps: float) -> np.ndarray:
        """(H, W, 3) uint8 BGR frames, ``fps`` per second -> (N, dim) float32, one row per clip."""
        clips = by_clip(self._embed(frames), fps, self.clip_seconds)
        return np.stack([np.mean(clip, axis=0) for clip in clips])

    def _embed(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        frames = (frame[..., ::-1] for frame in frames)
        while batch := list(islice(frames, self.batch_size)):
            yield from self._rows(batch)

    def _rows(self, frames: List[np.ndarray]) -> np.ndarray:
        return checked_vectors(self.embed_frames(frames), len(frames), f'{type(self).__name__}.embed_frames')
