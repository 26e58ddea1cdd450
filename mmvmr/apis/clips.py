"""Cutting a moment out of a video file."""
import hashlib
import os
import re
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Iterator, Union

import av
import av.filter
import numpy as np

from mmvmr.features.video import open_container, probe_video, read_frames
from mmvmr.utils.files import cut_name, written_aside

_ENCODERS = ('libx264', 'mpeg4')  # the second is part of FFmpeg itself


def clip_name(video: Union[str, Path], number: int, query: str) -> str:
    """A file name for the moment that answers a query.

    Example:
        >>> clip_name('videos/kitchen.mp4', 1, 'A person, laughing, sits down.')
        'kitchen_1_a_person_laughing_sits_down.mp4'
    """
    words = re.sub(r'\W+', '_', query.lower()).strip('_')[:60]
    name = f'{Path(video).stem}_{number}_{words}'
    if cut_name(name) != name:
        name = f'{cut_name(name)}_{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}'
    return f'{name}.mp4'


def cut_clip(video: Union[str, Path], start: float, end: float, out: Union[str, Path]) -> None:
    """Encode the seconds [start, end) of a video anew, with its sound: a cut need not wait for a key frame.

    Args:
        out: An MP4 file, written under another name first; an existing one is replaced.

    Raises:
        FileNotFoundError, ValueError: If the video cannot be decoded, or FFmpeg lacks the encoders.
    """
    out = Path(out)
    try:
        with (written_aside(out) as partial, open_container(video) as source,
              av.open(f'file:{partial}', 'w', format='mp4') as target):
            sound = source.streams.audio[0] if source.streams.audio else None
            encoded = target.add_stream(_encoder('aac'), rate=48000, layout='stereo') if sound else None
            _encode_pictures(video, start, end, target)
            if sound:
                _encode_sound(source, sound, start, end, target, encoded)
    except av.FFmpegError as error:
        raise ValueError(f'"{video}" cannot be cut from {start:.1f} to {end:.1f} s ({error.strerror}).') from error


def _encoder(*names: str) -> str:
    found = [name for name in names if name in av.codecs_available]
    if not found:
        raise ValueError(f'This FFmpeg has no encoder {" or ".join(names)}, which clips need. Install PyAV from PyPI '
                         '(pip install av): its wheel brings them.')
    return found[0]


def _encode_pictures(video: Union[str, Path], start: float, end: float, target: av.container.OutputContainer) -> None:
    """What a player shows at an even rate, beginning with the picture that is on the screen at ``start``."""
    info = probe_video(video)
    rate = Fraction(info.fps).limit_denominator(1001)
    width, height = info.width // 2 * 2, info.height // 2 * 2  # colours are stored for 2 x 2 pixels
    stream = target.add_stream(_encoder(*_ENCODERS), rate=rate, width=width, height=height, pix_fmt='yuv420p')
    stream.codec_context.sample_aspect_ratio = info.pixel_ratio
    for number, (_, picture) in enumerate(read_frames(video, float(rate), start, end)):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format='bgr24')
        frame.pts, frame.time_base = number, 1 / rate
        target.mux(stream.encode(frame))
    target.mux(stream.encode(None))


def _encode_sound(source: av.container.InputContainer, sound: av.AudioStream, start: float, end: float,
                  target: av.container.OutputContainer, stream: av.AudioStream) -> None:
    """The sound of the same seconds, cut to the sample."""
    first = start + (source.start_time or 0) / av.time_base  # files need not begin at 0
    source.seek(int(first * av.time_base))
    graph = None
    for frame in _sounds(source, sound):
        if frame.time >= first + end - start:
            break
        graph = graph or _cutter(frame, first, first + end - start)
        graph.push(frame)
        _drain(graph, target, stream)
    if graph:
        graph.push(None)
        _drain(graph, target, stream)
    target.mux(stream.encode(None))


def _sounds(source: av.container.InputContainer, sound: av.AudioStream) -> Iterator[av.AudioFrame]:
    """What is heard from here on, timed by the sample; after a jump into a file, the first piece may be torn."""
    for packet in source.demux(sound):
        with suppress(av.InvalidDataError):
            for frame in packet.decode():
                if frame.time is not None:
                    frame.pts, frame.time_base = round(frame.time * frame.sample_rate), Fraction(1, frame.sample_rate)
                    yield frame


def _cutter(frame: av.AudioFrame, start: float, end: float) -> av.filter.Graph:
    """A filter for sounds such as this one: before one is decoded, a file need not say of what kind they are."""
    graph = av.filter.Graph()
    graph.link_nodes(graph.add_abuffer(sample_rate=frame.sample_rate, format=frame.format.name,
                                       layout=frame.layout.name, time_base=frame.time_base),
                     graph.add('atrim', f'{start}:{end}'), graph.add('asetpts', f'PTS-{start}/TB'),
                     graph.add('abuffersink')).configure()
    return graph


def _drain(graph: av.filter.Graph, target: av.container.OutputContainer, stream: av.AudioStream) -> None:
    while True:
        try:
            target.mux(stream.encode(graph.pull()))
        except (av.BlockingIOError, av.EOFError):
            return
