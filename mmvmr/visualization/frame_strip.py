"""Small pictures of a video for a page: they show it where the browser cannot."""
import base64
from pathlib import Path
from typing import Dict, Sequence, Union

import cv2
import numpy as np

from mmvmr.features.video import read_frames_at

_WIDEST = 65_000  # pixels; a JPEG can hold a few more


def frame_strip(path: Union[str, Path], times: Sequence[float], height: int = 96) -> Dict:
    """The pictures of a video at some seconds, in order, beside each other in one JPEG.

    Returns:
        ``times``, ``width`` and ``height`` of a frame in pixels, and ``jpeg``, the picture in base64.

    Raises:
        FileNotFoundError, ValueError: If the file cannot be decoded.
    """
    times, pictures = sorted({round(time, 2) for time in times}), []
    for frame in read_frames_at(path, times):
        if not pictures:
            scale = min(height / frame.shape[0], _WIDEST / len(times) / frame.shape[1])
            height, width = (max(int(scale * size + 1e-6), 1) for size in frame.shape[:2])
        pictures.append(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA))
    strip = np.concatenate(pictures, axis=1)
    jpeg = cv2.imencode('.jpg', strip, [cv2.IMWRITE_JPEG_QUALITY, 75])[1]
    return dict(times=times, width=width, height=height, jpeg=base64.b64encode(jpeg).decode())
