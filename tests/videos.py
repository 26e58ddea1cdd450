"""Tiny video files with known pictures at known times, for every test that needs one."""
from fractions import Fraction
from pathlib import Path
from typing import Optional, Sequence

import av
import numpy as np
from av.stream import Disposition


def grey(number: int, height: int = 32, width: int = 48) -> np.ndarray:
    """A picture that says its number."""
    return np.full((height, width, 3), 10 * number, np.uint8)


def numbers(frames) -> list:
    """The numbers of pictures made by :func:`grey`."""
    return [round(frame.mean() / 10) for frame in frames]


def write_frames(target, frames: Sequence[np.ndarray], times: Optional[Sequence[float]] = None, fps: float = 8,
                 codec: str = 'ffv1', pixels: str = 'bgr0', rotation: int = 0, sound: float = 0, cover: bool = False,
                 **options) -> Path:
    """Write BGR pictures to a file, without loss unless ``codec`` says otherwise.

    Args:
        target: Path, or an open file.
        frames: (H, W, 3) uint8 each.
        times: Seconds at which each is shown; every 1/``fps`` by default.
        fps: What the file says of its frame rate.
        rotation: Degrees, counterclockwise, by which a player turns the pictures.
        sound: Seconds of silence that begin at second 0.
        cover: Whether the picture is the cover of a song.
        options: Of the container: ``format``.
    """
    with av.open(target, 'w', **options) as container:
        silence = container.add_stream('flac', rate=8000, layout='mono') if sound else None
        if len(frames):
            stream = container.add_stream(codec, Fraction(fps).limit_denominator(1001), pix_fmt=pixels,
                                          width=frames[0].shape[1], height=frames[0].shape[0])
            stream.codec_context.time_base, stream.bit_rate = Fraction(1, 1000), 10**7
            if cover:
                stream.disposition = Disposition.attached_pic
            if rotation:
                stream.set_display_rotation(rotation)
        if silence:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, round(8000 * sound)), np.int16), 's16', 'mono')
            frame.rate, frame.pts, frame.time_base = 8000, 0, Fraction(1, 8000)
            container.mux([*silence.encode(frame), *silence.encode(None)])
        for place, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format='bgr24')
            frame.pts, frame.time_base = round(1000 * (times[place] if times else place / fps)), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        if len(frames):
            container.mux(stream.encode(None))
    return target
