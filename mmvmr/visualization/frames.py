"""Pictures of a video, spread evenly over it."""
from pathlib import Path
from typing import List, Union

import numpy as np

from mmvmr.features.video import probe_video, read_frames

_JUMP = 10.0  # seconds between two pictures, from which on a jump is faster than decoding all that lies between


def even_frames(path: Union[str, Path], count: int) -> List[np.ndarray]:
    """The pictures in the middle of ``count`` equal parts of a video file: (H, W, 3) uint8, BGR.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be decoded.
    """
    step = probe_video(path).duration / count
    if step < _JUMP:
        frames = [frame for _, frame in read_frames(path, rate=1 / step, start=step / 2)][:count]
    else:
        frames = [frame for place in range(count)
                  for _, frame in [next(read_frames(path, rate=1, start=(place + 0.5) * step), (0.0, None))]
                  if frame is not None]
    if not frames:
        raise ValueError(f'"{path}" has no pictures at the times where they should be. Check that the file is '
                         'complete.')
    return frames + frames[-1:] * (count - len(frames))  # the last picture stays
