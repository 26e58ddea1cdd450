"""From one video file to its features, and what a store says about where they come from.

An extractor is a class in the registry ``EXTRACTORS`` with the attributes ``name`` (changes whenever the same frames
give other numbers), ``dim``, ``clip_seconds`` and ``fps`` (frames per second that it wants to see, at most), and
``weights_sha256`` where it has weights; where sentences lie in the same space, ``text``, the config of their encoder,
or a method ``embed_text``. It is called with the frames, (H, W, 3) uint8 BGR one by one, and their rate, and returns
(N, dim) float32: row i describes the seconds [i, i + 1) * ``clip_seconds``.
"""
import math
from itertools import groupby
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Union

import numpy as np

from mmvmr.features.video import probe_video, read_frames


def extract_video(path: Union[str, Path], extractor: Callable) -> np.ndarray:
    """Decode a video file and describe it, with memory that does not grow with its length.

    The extractor sees ``extractor.fps`` frames per second on a regular grid, or all if the video has fewer, but at
    least one per clip.

    Returns:
        (N, dim) float32; row i covers the seconds [i, i + 1) * ``extractor.clip_seconds``. What is left at the end has
        a row if it lasts half a clip or more, or is all there is.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be decoded, or its features are no finite numbers.
    """
    video = probe_video(path)
    fps = max(min(extractor.fps, video.fps), 1 / extractor.clip_seconds)
    num_clips = max(math.floor(video.duration / extractor.clip_seconds + 0.5), 1)
    frames = read_frames(path, fps, end=num_clips * extractor.clip_seconds)
    rows = extractor((frame for _, frame in frames), fps)
    if not np.isfinite(rows).all():
        raise ValueError(f'Features of "{path}" are NaN or infinite. Look at the video, and at the weights.')
    return rows


def check_positive(**numbers: float) -> None:
    """Refuse lengths and rates that are not above 0.

    Raises:
        ValueError: The message names the number.
    """
    for name, value in numbers.items():
        if not 0 < value < math.inf:
            raise ValueError(f'{name} should be above 0, got {value!r}.')


def by_clip(items: Iterable, fps: float, clip_seconds: float) -> Iterator[List]:
    """Group what belongs to the frames of a video, ``fps`` per second, into clips: a list for each.

    >>> list(by_clip('abcdefg', fps=5, clip_seconds=0.5))
    [['a', 'b', 'c'], ['d', 'e'], ['f', 'g']]

    Raises:
        ValueError: If there are no frames, or fewer than one per clip.
    """
    if not 1 - 1e-6 <= fps * clip_seconds < float('inf'):
        raise ValueError(f'Each clip needs at least one frame: {clip_seconds=} and {fps=} do not fit.')
    clip = None
    for _, clip in groupby(enumerate(items), key=lambda numbered: int(numbered[0] / (fps * clip_seconds) + 1e-6)):
        yield [item for _, item in clip]
    if clip is None:
        raise ValueError('The video has no frames that can be decoded.')


def make_manifest(config: Dict[str, Any], extractor: Callable) -> Dict[str, Any]:
    """What a feature store says about its extractor; ``extractor`` in it is the config that builds the same one again.

    Where it ran (``device``) is left out: the store may be used on another machine. ``text`` is the config of the text
    encoder whose sentences lie in the space of the features, where there is one.
    """
    config = {key: value for key, value in config.items() if key != 'device'}
    text = getattr(extractor, 'text', None)
    if text is None and hasattr(extractor, 'embed_text'):
        text = dict(type='AdapterText', adapter=config)
    return dict(extractor=config, extractor_name=extractor.name,
                weights_sha256=getattr(extractor, 'weights_sha256', None), clip_seconds=extractor.clip_seconds,
                fps=extractor.fps, **({} if text is None else dict(text=text)))
