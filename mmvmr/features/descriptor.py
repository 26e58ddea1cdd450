"""A visual descriptor that needs no weights: colours, places, outlines and movements of what stands out."""
from pathlib import Path
from typing import Iterable, Iterator, Optional, Union

import cv2
import numpy as np

HUES = 12
GRID = 4
ANGLES = 16


class DescriptorExtractor:
    """Describes the colourful part of each frame and how it changes, averaged over clips of ``clip_seconds``.

    Per frame: areas by hue (12), area on a 4x4 grid (16), extent, compactness, filling and corners of the outline (12), the
    spectrum of its radius over the angle (8), and, against the frame before, speed in four directions, growth, turning,
    appearance and disappearance (9). Everything is squashed to about [-1, 1] by fixed functions.

    Args:
        clip_seconds: Length of a clip.
        saturation: Pixels above this (0..255) stand out.
    """
    name = 'descriptor-1'
    dim = HUES + GRID * GRID + 12 + ANGLES // 2 + 9

    def __init__(self, clip_seconds: float = 0.5, saturation: int = 110) -> None:
        self.clip_seconds = clip_seconds
        self.saturation = saturation

    def __call__(self, frames: Iterable[np.ndarray], fps: float) -> np.ndarray:
        """BGR frames -> (N, dim) float32, one row per clip. Frames are looked at one by one and not kept."""
        step = max(round(self.clip_seconds * fps), 1)
        clips, current, before = [], [], None
        for frame in frames:
            state = self._look(frame)
            current.append(np.concatenate([self._appearance(state), self._movement(state, before)]))
            before = state
            if len(current) == step:
                clips.append(np.mean(current, axis=0))
                current = []
        if current:
            clips.append(np.mean(current, axis=0))
        if not clips:
            raise ValueError('The video has no frames that can be decoded.')
        return np.stack(clips).astype(np.float32)

    def _look(self, frame: np.ndarray) -> dict:
        """What stands out in a frame: mask, hues, area, centre and outline (in fractions of the frame)."""
        frame = cv2.resize(frame, (96, 96), interpolation=cv2.INTER_AREA) if frame.shape[:2] != (96, 96) else frame
        hsv = cv2.cvtColor(cv2.GaussianBlur(frame, (3, 3), 0), cv2.COLOR_BGR2HSV)
        mask = cv2.morphologyEx((hsv[..., 1] > self.saturation).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        moments = cv2.moments(mask, binaryImage=True)
        area = moments['m00'] / mask.size
        center = np.array([moments['m10'], moments['m01']]) / max(moments['m00'], 1) / 96
        return dict(mask=mask, hue=hsv[..., 0], area=area, center=center, profile=self._profile(mask), seen=area > 0.004)

    @staticmethod
    def _profile(mask: np.ndarray) -> Optional[np.ndarray]:
        """Contour points of the largest region, relative to its centre: angle-sorted radii (16,), plus its figures."""
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        if not contours:
            return None
        contour = max(contours, key=cv2.contourArea)
        area = cv2.contourArea(contour)
        if area < 30:
            return None
        points = contour[:, 0].astype(np.float64)
        offset = points - points.mean(axis=0)
        bins = ((np.arctan2(offset[:, 1], offset[:, 0]) / (2 * np.pi) + 0.5) * ANGLES).astype(int) % ANGLES
        counts = np.bincount(bins, minlength=ANGLES)
        radii = np.bincount(bins, np.hypot(*offset.T), minlength=ANGLES) / np.maximum(counts, 1)
        radii = np.where(counts > 0, radii, radii[counts > 0].mean())
        perimeter = cv2.arcLength(contour, True)
        (_, (width, height), _), hull = cv2.minAreaRect(contour), cv2.contourArea(cv2.convexHull(contour))
        corners = len(cv2.approxPolyDP(contour, 0.03 * perimeter, True))
        figures = [4 * np.pi * area / perimeter**2, area / max(width * height, 1), area / max(hull, 1),
                   min(width, height) / max(width, height, 1)]
        return np.concatenate([radii / radii.mean(), figures, np.eye(8)[np.clip(corners - 3, 0, 7)]])

    @staticmethod
    def _appearance(state: dict) -> np.ndarray:
        mask = state['mask']
        hues = np.bincount(state['hue'][mask > 0].astype(int) * HUES // 180, minlength=HUES)[:HUES] / mask.size
        places = cv2.resize(mask.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA).ravel()
        if state['profile'] is None:
            outline, spectrum = np.zeros(12), np.zeros(ANGLES // 2)
        else:
            outline = state['profile'][ANGLES:]
            spectrum = np.abs(np.fft.rfft(state['profile'][:ANGLES]))[1:] / 4
        return np.concatenate([np.sqrt(hues) * 3, places, outline, spectrum])

    @staticmethod
    def _movement(state: dict, before: Optional[dict]) -> np.ndarray:
        out = np.zeros(9)
        if before is None:
            return out
        if state['seen'] and before['seen']:
            dx, dy = (state['center'] - before['center']) * 25
            growth = np.log(state['area'] / before['area']) * 5
            out[:6] = np.tanh(np.maximum([-dx, dx, -dy, dy, growth, -growth], 0))
            if state['profile'] is not None and before['profile'] is not None:
                out[6] = np.tanh(np.abs(state['profile'][:ANGLES] - before['profile'][:ANGLES]).mean() * 8)
        out[7] = state['seen'] and not before['seen']
        out[8] = before['seen'] and not state['seen']
        return out


def extract_video(path: Union[str, Path], extractor: DescriptorExtractor) -> np.ndarray:
    """Decode a video file and describe it: (N, dim) float32.

    Raises:
        ValueError: If the file cannot be decoded.
    """
    import mmcv
    reader = mmcv.VideoReader(str(path), cache_capacity=1)
    if not reader.opened or not reader.fps:
        raise ValueError(f'"{path}" cannot be decoded as a video. Is the file complete?')
    return extractor(_frames(reader), reader.fps)


def _frames(reader) -> Iterator[np.ndarray]:
    frame = reader.read()
    while frame is not None:
        yield frame
        frame = reader.read()
