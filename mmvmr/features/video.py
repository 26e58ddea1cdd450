"""Video files as pictures at known times, decoded one by one with FFmpeg (PyAV)."""
import math
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Iterator, NamedTuple, Optional, Sequence, Tuple, Union

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

SLACK = 6e-4  # seconds that a timestamp may be late: Matroska rounds them to milliseconds
LONGEST = 3600  # seconds that one picture may be shown; a damaged timestamp can claim thousands of years
FORMATS = 'asf,avi,flv,gif,matroska,mov,mpeg,mpegts,mpegvideo,ogg'  # as FFmpeg calls them, see open_container
STREAMED = ('mpeg', 'mpegts')  # formats whose clock may start again, and whose length is guessed by FFmpeg
FAR = 10  # seconds between two pictures that are asked for, from which on a jump is faster than decoding
JUMP = 10  # seconds between two pictures of such a format that mean another clock, as to FFmpeg


class VideoInfo(NamedTuple):
    """What is known of a video file before all of it is decoded."""
    path: Path
    duration: float  # seconds from where a player starts to the end of the last picture
    fps: float  # pictures per second, on average
    width: int  # pixels of the upright picture
    height: int
    pixel_ratio: Fraction = Fraction(1)  # width of a pixel over its height, on the screen


def probe_video(path: Union[str, Path]) -> VideoInfo:
    """Look at the head of a video file and at its first picture.

    The pictures alone decide how long a video is: its sound may go on after the last one. Where the head does not say
    when they end, as in MKV, WebM, FLV and streams, the times of all pictures are read; without times, all are decoded.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be decoded, has no pictures, or a clock that starts again.
    """
    path = Path(path)
    found = path.stat() if path.exists() else None
    return _probe(path, found and (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=1024)  # a clip or a strip of frames asks again, and long files would be read through each time
def _probe(path: Path, version: Optional[Tuple[int, ...]]) -> VideoInfo:
    """:func:`probe_video` of a file as it is at present."""
    *_, frame = next(_shown(path))
    with _open(path) as (container, stream):
        width, height, ratio = frame.width, frame.height, stream.sample_aspect_ratio or Fraction(1)
        if frame.rotation // 90 % 2:
            width, height, ratio = height, width, 1 / ratio
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        duration = max(_end_of_pictures(container, stream) - _origin(container), 0)
    if not duration or not fps:
        *_, (count, (_, until, _)) = enumerate(_shown(path), start=1)
        duration, fps = duration or until, fps or count / until
    return VideoInfo(path, duration, fps, width, height, ratio)


def read_frames(path: Union[str, Path], rate: Optional[float] = None, start: float = 0.0,
                end: Optional[float] = None) -> Iterator[Tuple[float, np.ndarray]]:
    """The pictures that a player shows ``start``, ``start`` + 1/``rate``, ``start`` + 2/``rate``, ... seconds in.

    Timestamps decide, not frame numbers: a picture is shown until the next one comes, the first one from the beginning.
    Memory does not grow with the length of the video, and only the pictures that are asked for are converted.

    Args:
        path: The file.
        rate: Pictures per second; by default every picture of the file once, at its own time.
        start: Seconds to begin at.
        end: Seconds to stop before; by default the end of the video.

    Yields:
        Seconds, and the upright picture: (H, W, 3) uint8, BGR. All have the size of the first. Its pixels are those of
        the file, as OpenCV and Decord give them, also where a player shows them wider than high.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no pictures, ends before its time or cannot be decoded; if there cannot be such times.
    """
    if not (rate is None or 0 < rate < float('inf')) or not 0 <= start < float('inf'):
        raise ValueError(f'A video is read from a second >= 0 on, at a positive rate; got {start=} and {rate=}.')
    end = float('inf') if end is None else end
    convert, number = _Converter(), 0
    for time, until, frame in _shown(path, start):
        if rate is None:
            times = [time] if start <= time < end else []
        else:
            stop = math.ceil((min(until - SLACK, end - 1e-9) - start) * rate)
            times = [start + tick / rate for tick in range(number, stop)]
            number = max(number, stop)
        if times:
            picture = convert(frame)
            yield from ((second, picture) for second in times)
        if until >= end:
            return


def read_frames_at(path: Union[str, Path], times: Sequence[float]) -> Iterator[np.ndarray]:
    """The pictures that a player shows at some seconds, as :func:`read_frames` gives them; the last one stays.

    What lies between seconds that are far from each other is jumped over.

    Args:
        times: Seconds >= 0 in their order.

    Raises:
        FileNotFoundError, ValueError: As :func:`read_frames` does.
    """
    convert, picture, left = _Converter(), None, list(times)
    while left:
        start = left[0]
        for _, until, frame in _shown(path, start):
            last, picture = frame, None
            while left and left[0] < until - SLACK:
                picture = convert(frame) if picture is None else picture
                left.pop(0)
                yield picture
            if not left or start < left[0] > until + FAR:  # to where decoding has begun there is no jump
                break
        else:
            yield from [convert(last)] * len(left)
            return


class _Converter:
    """From decoded pictures to upright arrays, all of the size of the first."""

    def __init__(self) -> None:
        self.reformatter, self.size = VideoReformatter(), None

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        self.size = self.size or (frame.width, frame.height)
        picture = self.reformatter.reformat(frame, *self.size, format='bgr24').to_ndarray()
        return np.ascontiguousarray(np.rot90(picture, frame.rotation // 90))


def _shown(path: Union[str, Path], start: float = 0.0) -> Iterator[Tuple[float, float, av.VideoFrame]]:
    """Pictures in order with the seconds from and until which each is shown, from ``start`` or somewhat before it."""
    with _open(path) as (container, stream):
        origin, frame, time, until = _origin(container), None, 0.0, 0.0
        if start > 0:
            with suppress(av.FFmpegError):  # a file without an index
                container.seek(round((start + origin) * av.time_base))
        for following in _decode(container, stream):
            stamp = until if following.pts is None else float(following.pts * following.time_base) - origin
            if frame is None and start > 0 and (following.pts is None or stamp > start):
                break  # the jump went too far: the file is decoded from its beginning instead
            if stamp - (start if frame is None else time) > LONGEST:
                raise ValueError(f'"{path}" has no picture between the seconds {time:.1f} and {stamp:.1f}: its '
                                 'timestamps are damaged. Fetch it again.')
            if frame is not None:
                yield time, stamp, frame
            frame, time = following, max(stamp, time)
            until = time + min(_length(frame, stream), LONGEST)
        if frame is not None:
            yield time, until, frame
            return
    if start == 0:
        raise ValueError(f'"{path}" has no pictures that can be decoded.')
    yield from _shown(path)


def open_container(path: Union[str, Path]) -> av.container.InputContainer:
    """Open a video file, and never another one.

    FFmpeg goes by what is in a file, not by its name. Formats that list files or addresses (HLS, concat, VobSub, SDP)
    are not admitted, as it would open these; nor is a name that is an address.
    """
    return av.open(f'file:{path}', metadata_errors='replace',
                   container_options=dict(format_whitelist=FORMATS, protocol_whitelist='file'))


@contextmanager
def _open(path: Union[str, Path]) -> Iterator[Tuple[av.container.InputContainer, av.VideoStream]]:
    """The file and its stream of pictures; what FFmpeg complains about inside becomes a ``ValueError``."""
    if not Path(path).exists():
        raise FileNotFoundError(f'There is no video "{path}".')
    try:
        with open_container(path) as container:
            streams = [stream for stream in container.streams.video
                       if not stream.disposition & Disposition.attached_pic]  # the cover of a song
            if not streams:
                raise ValueError(f'"{path}" has no pictures, only sound.')
            if streams[0].codec_context is None:  # PyAV before 18.1 would crash on its packets
                raise av.InvalidDataError(1, 'its head is missing', str(path))
            streams[0].thread_type = 'AUTO'
            yield container, streams[0]
    except av.FFmpegError as error:
        raise ValueError(f'"{path}" cannot be decoded as a video ({error.strerror}). Fetch it again if it is '
                         'incomplete; else try to repair it: ffmpeg -i BROKEN -c:v libx264 REPAIRED.mp4 (formats that '
                         f'are read: {FORMATS})') from error


def _end_of_pictures(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """The timestamp, in seconds, until which the last picture is shown; 0 if there are no timestamps."""
    known = stream.duration and container.format.name not in STREAMED
    promised = (stream.start_time or 0) + stream.duration if known else 0
    if known:
        with suppress(av.FFmpegError):  # a file that is cut off
            container.seek(promised, stream=stream)  # the last pictures may go on for longer than the head says
    ends = [float(packet.pts * packet.time_base) + _length(packet, stream) for packet in _packets(container, stream)
            if packet.stream is stream and packet.pts is not None and not packet.is_discard]
    return max([*ends, float(promised * stream.time_base)])


def _length(shown: Union[av.Packet, av.VideoFrame], stream: av.VideoStream) -> float:
    """Seconds for which a picture is shown, as far as it says so itself."""
    return float((shown.duration or 0) * shown.time_base or 1 / (stream.guessed_rate or 25))


def _packets(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    """What is in the file, of all streams; a clock of the pictures that jumps is refused."""
    before = None
    with suppress(IndexError):  # PyAV ends so, having read everything, if a stream has begun in the middle of the file
        for packet in container.demux():
            if packet.stream is stream and packet.dts is not None and container.format.name in STREAMED:
                now = float(packet.dts * packet.time_base)
                if before is not None and abs(now - before) > JUMP:
                    name = container.name.removeprefix('file:')
                    raise ValueError(f'The clock of "{name}" jumps from {before:.1f} to {now:.1f} s, so that its '
                                     'moments have no certain times: it may be two recordings in one file. Make a '
                                     f'copy with one: ffmpeg -i "{Path(name).name}" -c copy "{Path(name).stem}.mp4"')
                before = now
            yield packet


def _decode(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """All pictures from here on; a file that ends long before the time in its head is refused."""
    reached = 0.0
    for packet in _packets(container, stream):  # of all streams: the sound may go on after the last picture
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is not None:
            reached = max(reached, float((stamp + (packet.duration or 0)) * packet.time_base))
        if packet.stream is stream:
            yield from packet.decode()
    promised = (container.duration or 0) / av.time_base  # Matroska counts from 0, others from the first timestamp
    if reached and reached < promised - max(1, 0.02 * promised):
        raise ValueError(f'"{container.name.removeprefix("file:")}" ends after {reached:.1f} s, but its head promises '
                         f'{promised:.1f} s: it is incomplete. Fetch it again, or take what is there: '
                         'ffmpeg -i BROKEN -c copy SHORTER.mp4')


def _origin(container: av.container.InputContainer) -> float:
    """The timestamp, in seconds, at which a player starts."""
    return (container.start_time or 0) / av.time_base
