"""Small pictures of a video for a page: they show it where the browser cannot."""
import base64
from pathlib import Path
from typing import Dict, Union

import cv2
import mmcv
import numpy as np


def frame_strip(path: Union[str, Path], count: int, height: int = 96) -> Dict:
    """``count`` frames, each from the middle of an equal part of the video, beside each other in one JPEG.

    Returns:
        ``count``, ``width`` and ``height`` of a frame in pixels, and ``jpeg``, the picture in base64.

    Raises:
        ValueError: If the file cannot be decoded.
    """
    reader = mmcv.VideoReader(str(path))
    frames = [reader[int((place + 0.5) / count * len(reader))] for place in range(count)] if len(reader) else [None]
    frames = [frame for frame in frames if frame is not None]
    if len(frames) < count:
        raise ValueError(f'"{path}" cannot be decoded as a video. Check that the file is complete.')
    width = max(round(reader.width / reader.height * height), 1)
    strip = np.concatenate([mmcv.imresize(frame, (width, height), interpolation='area') for frame in frames], axis=1)
    jpeg = cv2.imencode('.jpg', strip, [cv2.IMWRITE_JPEG_QUALITY, 75])[1]
    return dict(count=count, width=width, height=height, jpeg=base64.b64encode(jpeg).decode())
