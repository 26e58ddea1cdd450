"""The timeline of one query: frames, annotated moment, and ranked candidates."""
import textwrap
from pathlib import Path
from typing import Optional, Sequence, Union

import numpy as np
import torch
from matplotlib.figure import Figure

from mmvmr.features.stores.names import VIDEO_SUFFIXES, short_name
from mmvmr.features.video import probe_video, read_frames_at
from mmvmr.functional.spans import temporal_nms
from mmvmr.visualization.frames import Span, frame_times
from mmvmr.visualization.style import ANSWER, OTHER, TEXT, TRUTH, new_figure, paper_style

_SAME = 0.9  # IoU of a candidate that shows nothing new


def find_video(folder: Union[str, Path], video_id: str) -> Optional[Path]:
    """The file of a video in a folder, by its id or else by its :func:`~mmvmr.features.stores.names.short_name`."""
    name = short_name(video_id)
    found = [path for path in Path(folder).glob('*')
             if path.suffix.lower() in VIDEO_SUFFIXES and short_name(path.name) == name]
    return min(found, key=lambda path: (video_id not in (path.stem, path.name), path), default=None)


def sample_frames(path: Union[str, Path], moments: Sequence[Span] = (), strip: float = 7.5) -> np.ndarray:
    """Frames of equal parts of a video file, as many as fill a strip ``strip`` times as wide as high.

    Args:
        moments: Spans in seconds. Where a part overlaps one, its frame is from inside.

    Returns:
        (F, H, W, 3) uint8, RGB.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file cannot be decoded.
    """
    info = probe_video(path)
    count = max(round(strip * info.height / info.width), 2)
    return np.stack(list(read_frames_at(path, frame_times(info.duration, count, moments))))[..., ::-1]


@paper_style
def draw_timeline(query: str, duration: float, spans: Sequence, truth: Sequence = (),
                  frames: Optional[np.ndarray] = None, title: str = '', width: float = TEXT) -> Figure:
    """Draw one query.

    Args:
        query: The sentence.
        duration: Length of the video in seconds.
        spans: (K, 2) candidates in seconds, best first; the first is drawn as the answer.
        truth: (N, 2) annotated moments in seconds.
        frames: (F, H, W, 3) pictures of equal parts of the video, to put above the timeline; from inside the answer and
            the annotated moments, as :func:`sample_frames` gives them. They are underlined in the colours of these.
        title: Left part of the line above the query, e.g. the video id.
        width: Of the picture, in cm.

    Candidates that are almost the same as a better one are left out.

    Returns:
        A matplotlib figure, for :func:`~mmvmr.visualization.style.save_figure`.
    """
    distinct = temporal_nms(torch.tensor(spans), _SAME).nonzero().flatten().tolist() if len(spans) else []
    rows = [('answer', spans[:1], ANSWER)] + ([('annotated', truth, TRUTH)] if len(truth) else [])
    rows += [(f'{place}.', [spans[rank]], OTHER) for place, rank in enumerate(distinct[1:5], start=2)]
    heading = textwrap.wrap(f'{title}  "{query}"'.lstrip(), round(6.5 * (width - 1.3)))  # letters per cm
    heights = [0.4 * len(rows)] if frames is None else [width / 8.5, 0.4 * len(rows)]
    figure = new_figure(width, sum(heights) + 1 + 0.35 * len(heading))
    axes = figure.subplots(len(heights), squeeze=False, height_ratios=heights)[:, 0]
    if frames is not None:
        axes[0].imshow(np.concatenate(list(frames), axis=1), extent=(0, duration, 0, 1), aspect='auto')
        axes[0].vlines(np.linspace(0, duration, len(frames) + 1)[1:-1], 0, 1, color='white', linewidth=0.8)
        for level, (moments, color) in enumerate(((truth, TRUTH), (spans[:1], ANSWER))):
            parts = [[place, place + 1] for place in range(len(frames)) if any(
                start < (place + 1) * duration / len(frames) and end > place * duration / len(frames)
                for start, end in moments)]
            axes[0].hlines([-0.04 - 0.05 * level] * len(parts), *np.transpose(parts or np.empty((0, 2))) * duration
                           / len(frames), color=color, linewidth=1.5, clip_on=False)
        axes[0].set_ylim(-0.12, 1)
        axes[0].axis('off')
    _draw_rows(axes[-1], rows, duration)
    axes[0].set_title('\n'.join(heading), loc='left')
    return figure


def _draw_rows(axis, rows, duration: float) -> None:
    for position, (_, spans, color) in enumerate(rows):
        for start, end in spans:
            axis.barh(position, max(end - start, duration / 500), left=start, height=0.7, color=color)
            if color != OTHER:
                axis.text(y=position, s=f' {start:.1f} - {end:.1f} s ', va='center', **_text_place(
                    start, end, duration, room=duration / axis.figure.get_figwidth()))
    axis.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    axis.tick_params(axis='y', length=0)
    axis.invert_yaxis()
    axis.set_xlim(0, duration)
    axis.set_xlabel('seconds')


def _text_place(start: float, end: float, duration: float, room: float) -> dict:
    """After the moment if there is room for an inch of text, else before it, else on it."""
    if end + room <= duration:
        return dict(x=end, ha='left')
    return dict(x=start, ha='right') if start >= room else dict(x=(start + end) / 2, ha='center')
