"""The timeline of one query: frames, annotated moment, and ranked candidates."""
from typing import Optional, Sequence

import mmcv
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

TRUTH, CHOSEN, OTHER = '#2a9d8f', '#e76f51', '#b8c0cc'


def sample_frames(path: str, strip: float = 7.5) -> np.ndarray:
    """Frames spread evenly over a video file, as many as fill a strip ``strip`` times as wide as high.

    Returns:
        (F, H, W, 3) uint8, RGB.

    Raises:
        ValueError: If the file cannot be decoded.
    """
    reader = mmcv.VideoReader(str(path))
    if not reader.opened or len(reader) == 0:
        raise ValueError(f'"{path}" cannot be decoded as a video. Check that the file is complete.')
    count = max(round(strip * reader.height / reader.width), 2)
    frames = [reader[int((place + 0.5) / count * len(reader))] for place in range(count)]  # the middle of each part
    return np.stack([frame for frame in frames if frame is not None])[..., ::-1]


def draw_timeline(query: str, duration: float, spans: Sequence, truth: Sequence = (),
                  frames: Optional[np.ndarray] = None, title: str = '') -> Figure:
    """Draw one query.

    Args:
        query: The sentence.
        duration: Length of the video in seconds.
        spans: (K, 2) candidates in seconds, best first; the first is drawn as the answer.
        truth: (N, 2) annotated moments in seconds.
        frames: (F, H, W, 3) pictures to put above the timeline, evenly spaced.
        title: Left part of the line above the query, e.g. the video id.

    Returns:
        A matplotlib figure; ``figure.savefig('x.png')`` or ``'x.svg'`` writes it.
    """
    rows = [('answer', spans[:1], CHOSEN)] + ([('annotated', truth, TRUTH)] if len(truth) else [])
    rows += [(f'{rank}.', [span], OTHER) for rank, span in enumerate(spans[1:5], start=2)]
    height = 0.9 + 0.28 * len(rows) + (1.1 if frames is not None else 0)
    figure = Figure(figsize=(9, height), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 if frames is not None else 1, squeeze=False,
                           height_ratios=[1.1, 0.28 * len(rows)] if frames is not None else None)[:, 0]
    if frames is not None:
        axes[0].imshow(np.concatenate(list(frames), axis=1), extent=(0, duration, 0, 1), aspect='auto')
        axes[0].axis('off')
    _draw_rows(axes[-1], rows, duration)
    axes[0].set_title(f'{title}  "{query}"' if title else f'"{query}"', fontsize=10, loc='left')
    return figure


def _draw_rows(axis, rows, duration: float) -> None:
    for position, (_, spans, color) in enumerate(rows):
        for start, end in spans:
            axis.barh(position, max(end - start, duration / 500), left=start, height=0.7, color=color)
            if color != OTHER:
                place = dict(x=start, ha='right') if end > 0.8 * duration else dict(x=end, ha='left')
                axis.text(y=position, s=f' {start:.1f} - {end:.1f} s ', va='center', fontsize=8, **place)
    axis.set_yticks(range(len(rows)), [label for label, _, _ in rows], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlim(0, duration)
    axis.set_xlabel('seconds', fontsize=8)
    axis.tick_params(labelsize=8)
    axis.spines[['top', 'right']].set_visible(False)
