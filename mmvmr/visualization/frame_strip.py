"""Small pictures of a video for a page: they show it where the browser cannot."""
import base64
from pathlib import Path
from typing import Dict, Union

import cv2
import numpy as np

from mmvmr.visualization.frames import even_frames


def frame_strip(path: Union[str, Path], count: int, height: int = 96) -> Dict:
    """``count`` frames, each from the middle of an equal part of the video, beside each other in one JPEG.

    Returns:
        ``count``, ``width`` and ``height`` of a frame in pixels, and ``jpeg``, the picture in base64.

    Raises:
        FileNotFoundError, ValueError: If the file cannot be decoded.
    """
    frames = even_frames(path, count)
    width = max(round(frames[0].shape[1] / frames[0].shape[0] * height), 1)
    pictures = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames]
    strip = np.concatenate(pictures, axis=1)
    jpeg = cv2.imencode('.jpg', strip, [cv2.IMWRITE_JPEG_QUALITY, 75])[1]
    return dict(count=count, width=width, height=height, jpeg=base64.b64encode(jpeg).decode())
