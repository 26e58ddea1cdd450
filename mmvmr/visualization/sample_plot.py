"""A sample of a data set, as a model sees it: clips and words, beside what they were made of."""
import textwrap
from typing import Optional, Sequence

import numpy as np
from matplotlib.figure import Figure

from mmvmr.visualization.style import TEXT, TRUTH, new_figure, paper_style


@paper_style
def draw_sample(query: str, duration: float, truth: Sequence, clips: np.ndarray,
                words: Optional[Sequence[str]], frames: Optional[np.ndarray] = None, title: str = '',
                width: float = TEXT) -> Figure:
    """Draw one pair of a video and a sentence.

    Args:
        query: The sentence.
        duration: Length of the video in seconds.
        truth: (N, 2) annotated moments in seconds.
        clips: (T, Dv) features that the model gets, each dimension shown in its own standard deviations.
        words: The words that the model gets; None of one that reads without a vocabulary.
        frames: (F, H, W, 3) pictures to put above, evenly spaced.
        title: Left part of the line above the query, e.g. the video id.
        width: Of the picture, in cm.

    Returns:
        A matplotlib figure, for :func:`~mmvmr.visualization.style.save_figure`.
    """
    letters = round(6.5 * (width - 1.3))
    heading = textwrap.wrap(f'{title}  "{query}"'.lstrip(), letters)
    if words is not None:
        heading += textwrap.wrap(f'read as: {" ".join(words) or "nothing, as no word is in the vocabulary"}', letters)
    heights = [*([width / 8.5] if frames is not None else []), 0.5, 3]
    figure = new_figure(width, sum(heights) + 1.2 + 0.35 * len(heading))
    axes = figure.subplots(len(heights), squeeze=False, height_ratios=heights)[:, 0]
    if frames is not None:
        axes[0].imshow(np.concatenate(list(frames), axis=1), extent=(0, duration, 0, 1), aspect='auto')
        axes[0].axis('off')
    for start, end in truth:
        axes[-2].barh(0, max(end - start, duration / 500), left=start, height=0.7, color=TRUTH)
    axes[-2].set(xlim=(0, duration), yticks=[0], yticklabels=['annotated' if len(truth) else 'not annotated'],
                 xticks=[])
    spread = np.where(clips.std(axis=0) > 0, clips.std(axis=0), 1)
    axes[-1].imshow(((clips - clips.mean(axis=0)) / spread).T, aspect='auto', extent=(0, duration, clips.shape[1], 0),
                    vmin=-2, vmax=2, cmap='RdBu_r', interpolation='nearest')
    axes[-1].set(xlabel=f'seconds; {len(clips)} clips', ylabel='feature', xlim=(0, duration))
    axes[0].set_title('\n'.join(heading), loc='left')
    return figure
