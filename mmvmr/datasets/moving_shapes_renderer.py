"""Draws the videos of Moving Shapes and writes them to files."""
from functools import lru_cache
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Tuple, Union

import av
import cv2
import numpy as np

from mmvmr.datasets.moving_shapes import COLORS, DIFFICULTIES, SHAPES, Event, Script

RENDERER = 'renderer-2'  # changes whenever the same script gives other pixels
SIZE = 96  # pixels
FPS = 8
_SHIFT = 4  # bits of sub-pixel precision
# mbtree reads memory that nobody has written (x264 with AVX-512): the same pictures would not give the same file
_CODING = {'crf': '25', 'threads': '1', 'x264-params': 'mbtree=0'}


class Pose(NamedTuple):
    """Where a shape is and how it looks at one moment; lengths in fractions of the frame."""
    center: np.ndarray  # (2,) x and y, y downwards
    radius: float
    angle: float  # radians
    visible: bool


@lru_cache
def outline(shape: str) -> np.ndarray:
    """Corners of a shape of radius 1 around the origin: (N, 2)."""
    if shape == 'cross':
        arm = 0.32
        return np.array([(-arm, -1), (arm, -1), (arm, -arm), (1, -arm), (1, arm), (arm, arm), (arm, 1), (-arm, 1),
                         (-arm, arm), (-1, arm), (-1, -arm), (-arm, -arm)])
    count = dict(circle=32, square=4, triangle=3, star=10)[shape]
    angles = np.arange(count) / count * 2 * np.pi - np.pi / 2 + (np.pi / 4 if shape == 'square' else 0)
    radius = np.where(np.arange(count) % 2, 0.45, 1.0) if shape == 'star' else np.ones(count)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius[:, None]


def pose(event: Event, time: float, place: np.ndarray) -> Pose:
    """What the action makes of a shape whose home is ``place`` (2,), ``time`` seconds into the video."""
    passed, radius, angle, visible = time - event.start, 0.15, 0.0, True
    center = place.copy()
    cycle = passed / 3.0 % 1  # long events repeat
    if event.action in ('left', 'right', 'up', 'down'):
        axis, sign = (0 if event.action in ('left', 'right') else 1), (-1 if event.action in ('left', 'up') else 1)
        center[axis] = 0.5 + sign * (cycle - 0.5) * 1.3
    elif event.action == 'bounce':
        center[1] -= 0.22 * abs(np.sin(passed * np.pi / 0.9))
    elif event.action == 'spin':
        angle = passed * np.pi
    elif event.action == 'grow':
        radius = 0.08 + 0.2 * cycle
    elif event.action == 'shrink':
        radius = 0.28 - 0.2 * cycle
    elif event.action == 'blink':
        visible = passed * 2 % 1 < 0.5
    return Pose(center, radius, angle, visible)


def _draw(frame: np.ndarray, shape: str, color, center: np.ndarray, radius: float, angle: float = 0.0) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = (outline(shape) @ turn.T * radius + center) * SIZE
    cv2.fillPoly(frame, [np.round(corners * 2**_SHIFT).astype(np.int32)], color, cv2.LINE_AA, _SHIFT)


def render(script: Script, seed: int = 0, difficulty: str = 'medium') -> Iterator[np.ndarray]:
    """The frames of a video: (96, 96, 3) uint8, BGR. The camera shakes, the light changes, the sensor is noisy."""
    settings = DIFFICULTIES[difficulty]
    rng = np.random.default_rng([seed, *script.video_id.encode()])
    wall, drifters = _wall(rng), _drifters(rng, settings['drifters'])
    looks = [(rng.uniform(0.3, 0.7, 2), _color(rng, event.color)) for event in script.events]
    # a few noise pictures, shifted at random, look like fresh noise and cost a tenth
    noise = settings['noise'] * rng.standard_normal((8, SIZE, SIZE, 3), dtype=np.float32)
    bystanders = _bystanders(np.random.default_rng([seed, 1, *script.video_id.encode()]), settings['bystanders'],
                             script.duration)
    shake, light = np.zeros(2), 1.0
    for number in range(int(script.duration * FPS)):
        time = number / FPS
        shake = 0.8 * shake + rng.normal(0, 0.004, 2)
        light = 1 + 0.95 * (light - 1) + rng.normal(0, 0.01)
        frame = wall.copy()
        for drifter in drifters:
            place = (drifter['place'] + time * drifter['speed'] + shake) % 1.2 - 0.1
            _draw(frame, drifter['shape'], drifter['color'], place, 0.1)
        for bystander in bystanders:
            if bystander['start'] <= time < bystander['end']:
                _draw(frame, bystander['shape'], bystander['color'], bystander['place'] + shake, 0.1)
        for event, (place, color) in zip(script.events, looks):
            now = pose(event, time, place)
            if event.start <= time < event.end and now.visible:
                _draw(frame, event.shape, color, now.center + shake, now.radius, now.angle)
        grain = np.roll(noise[rng.integers(len(noise))], rng.integers(SIZE), axis=0)
        yield np.clip(frame * np.float32(light) + grain, 0, 255).astype(np.uint8)


def _wall(rng: np.random.Generator) -> np.ndarray:
    """The background: a grey gradient with a grain and a tint, (96, 96, 3) uint8."""
    wall = np.linspace(rng.integers(90, 150), rng.integers(90, 150), SIZE)[:, None, None]
    wall = wall + rng.normal(0, 6, (SIZE, SIZE, 1))
    return np.ascontiguousarray(np.clip(wall + rng.normal(0, 8, 3), 0, 255), dtype=np.uint8)


def _drifters(rng: np.random.Generator, count: int) -> List[Dict]:
    """Grey shapes that cross the scene all the time; no query speaks of them."""
    return [dict(shape=str(rng.choice(SHAPES)), place=rng.random(2), speed=rng.normal(0, 0.03, 2),
                 color=(int(rng.integers(60, 200)),) * 3) for _ in range(count)]


def _bystanders(rng: np.random.Generator, count: int, duration: float) -> List[Dict]:
    """Coloured shapes that stand still for a fifth to three fifths of the video; no query speaks of them."""
    bystanders = []
    for _ in range(count):
        length = rng.uniform(0.2, 0.6) * duration
        start = rng.uniform(0, duration - length)
        bystanders.append(dict(shape=str(rng.choice(SHAPES)), color=_color(rng, str(rng.choice(list(COLORS)))),
                               place=rng.uniform(0.15, 0.85, 2), start=start, end=start + length))
    return bystanders


def _color(rng: np.random.Generator, name: str) -> Tuple[int, ...]:
    """A colour that people call ``name``, as BGR."""
    hue, saturation, value = COLORS[name] + rng.normal(0, 2), rng.integers(190, 256), rng.integers(170, 256)
    return tuple(cv2.cvtColor(np.uint8([[[hue % 180, saturation, value]]]), cv2.COLOR_HSV2BGR)[0, 0].tolist())


def write_video(path: Union[str, Path], script: Script, seed: int = 0, difficulty: str = 'medium') -> None:
    """Render a video into an ``.mp4`` file, coded as H.264, which browsers play.

    Raises:
        OSError: If it cannot be written.
    """
    if 'libx264' not in av.codecs_available:
        raise OSError('This FFmpeg cannot write H.264. Install PyAV from PyPI (pip install av): its wheel can.')
    try:
        with av.open(f'file:{path}', 'w', format='mp4', options=dict(movflags='faststart')) as target:
            stream = target.add_stream('libx264', FPS, _CODING, width=SIZE, height=SIZE, pix_fmt='yuv420p')
            for frame in render(script, seed, difficulty):
                target.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='bgr24')))
            target.mux(stream.encode(None))
    except av.FFmpegError as error:
        raise OSError(f'"{path}" cannot be written ({error.strerror}).') from error
