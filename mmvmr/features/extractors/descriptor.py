"""A visual descriptor that needs no weights: colours, places, outlines and movements of what stands out."""
from typing import Iterable, Iterator, NamedTuple, Optional

import cv2
import numpy as np

from mmvmr.features.extract import by_clip, check_positive
from mmvmr.registry import EXTRACTORS

HUES = 12
GRID = 4  # cells along each side
ANGLES = 16
FIGURES = 12  # of an outline
MOVEMENTS = 9
SIZE = 96  # pixels that a frame is resized to
RATE = 8  # frames per second: movements are measured per 1/8 second


class Outline(NamedTuple):
    """The contour of the largest region that stands out."""
    radii: np.ndarray  # (16,) distance from its middle by angle, 1 on average
    figures: np.ndarray  # (12,) roundness, filling of box and of hull, aspect, and the number of corners as one of 8


class Region(NamedTuple):
    """What stands out in a frame; lengths and areas in fractions of the frame."""
    mask: np.ndarray  # (96, 96) 0 or 1
    hue: np.ndarray  # (96, 96) 0..179
    area: float
    center: np.ndarray  # (2,)
    outline: Optional[Outline]  # None where the largest region is a speck

    @property
    def seen(self) -> bool:
        return self.area > 0.004


@EXTRACTORS.register_module()
class DescriptorExtractor:
    """Describes the colourful part of each frame and how it changes, averaged over clips of ``clip_seconds``.

    Per frame: areas by hue (12), area on a 4x4 grid (16), roundness, filling, aspect and corners of the outline (12),
    the spectrum of its radius over the angle (8), and, against the frame before, speed in four directions, growth,
    shrinking, turning, appearance and disappearance (9). Fixed functions squash everything to about [-1, 1]; nothing is
    fitted to any data.

    Args:
        clip_seconds: Length of a clip, above 0.
        saturation: Pixels above this (0..255) stand out.
    """
    name = 'descriptor-1'  # changes whenever the same frames give other numbers
    dim = HUES + GRID * GRID + FIGURES + ANGLES // 2 + MOVEMENTS
    fps = RATE

    def __init__(self, clip_seconds: float = 0.5, saturation: int = 110) -> None:
        check_positive(clip_seconds=clip_seconds)
        self.clip_seconds = clip_seconds
        self.saturation = saturation

    def __call__(self, frames: Iterable[np.ndarray], fps: float) -> np.ndarray:
        """Describe a video, whose frames are looked at one by one and not kept.

        Args:
            frames: (H, W, 3) uint8, BGR.
            fps: Frames per second, at most 8: between closer ones trembling outlines drown the movements.

        Returns:
            (N, dim) float32, one row per clip.

        Raises:
            ValueError: If there are no frames, or they are not colour pictures, or fewer than one per clip.
        """
        clips = by_clip(self._describe(frames, fps / RATE), fps, self.clip_seconds)
        return np.stack([np.mean(clip, axis=0) for clip in clips]).astype(np.float32)

    def _describe(self, frames: Iterable[np.ndarray], rate: float) -> Iterator[np.ndarray]:
        before = None
        for frame in frames:
            region = self._look(frame)
            yield np.concatenate([_appearance(region), _movement(region, before, rate)])
            before = region

    def _look(self, frame: np.ndarray) -> Region:
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(f'Frames must be (H, W, 3) uint8 pictures in BGR, got {frame.shape} {frame.dtype}.')
        if frame.shape[:2] != (SIZE, SIZE):
            frame = cv2.resize(frame, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        hsv = cv2.cvtColor(cv2.GaussianBlur(frame, (3, 3), 0), cv2.COLOR_BGR2HSV)
        mask = (hsv[..., 1] > self.saturation).astype(np.uint8)
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        moments = cv2.moments(mask, binaryImage=True)
        center = np.array([moments['m10'], moments['m01']]) / max(moments['m00'], 1) / SIZE
        return Region(mask, hsv[..., 0], moments['m00'] / mask.size, center, _outline(mask))


def _outline(mask: np.ndarray) -> Optional[Outline]:
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=cv2.contourArea, default=None)
    if contour is None or cv2.contourArea(contour) < 30:
        return None
    area, perimeter = cv2.contourArea(contour), cv2.arcLength(contour, True)
    offset = contour[:, 0].astype(np.float64)
    offset = offset - offset.mean(axis=0)
    bins = ((np.arctan2(offset[:, 1], offset[:, 0]) / (2 * np.pi) + 0.5) * ANGLES).astype(int) % ANGLES
    counts = np.bincount(bins, minlength=ANGLES)
    radii = np.bincount(bins, np.hypot(*offset.T), minlength=ANGLES) / np.maximum(counts, 1)
    radii = np.where(counts > 0, radii, radii[counts > 0].mean())
    (_, (width, height), _), hull = cv2.minAreaRect(contour), cv2.contourArea(cv2.convexHull(contour))
    corners = len(cv2.approxPolyDP(contour, 0.03 * perimeter, True))
    figures = [4 * np.pi * area / perimeter**2, area / max(width * height, 1), area / max(hull, 1),
               min(width, height) / max(width, height, 1)]
    return Outline(radii / radii.mean(), np.concatenate([figures, np.eye(8)[np.clip(corners - 3, 0, 7)]]))


def _appearance(region: Region) -> np.ndarray:
    hues = np.bincount(region.hue[region.mask > 0].astype(int) * HUES // 180, minlength=HUES) / region.mask.size
    places = cv2.resize(region.mask.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA).ravel()
    figures, spectrum = np.zeros(FIGURES), np.zeros(ANGLES // 2)
    if region.outline is not None:
        figures, spectrum = region.outline.figures, np.abs(np.fft.rfft(region.outline.radii))[1:] / 4
    return np.concatenate([np.sqrt(hues) * 3, places, figures, spectrum])


def _movement(region: Region, before: Optional[Region], rate: float) -> np.ndarray:
    """What changed since the frame ``before``, per 1/8 second; ``rate`` is the number of frames in that time: (9,)."""
    out = np.zeros(MOVEMENTS)
    if before is None:
        return out
    if region.seen and before.seen:
        dx, dy = (region.center - before.center) * 25 * rate
        growth = np.log(region.area / before.area) * 5 * rate
        out[:6] = np.tanh(np.maximum([-dx, dx, -dy, dy, growth, -growth], 0))
        if region.outline is not None and before.outline is not None:
            out[6] = np.tanh(np.abs(region.outline.radii - before.outline.radii).mean() * 8 * rate)
    out[7] = region.seen and not before.seen
    out[8] = before.seen and not region.seen
    return out

