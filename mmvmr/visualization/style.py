"""How all pictures look: sizes and fonts for a paper, colours that the colour-blind can tell apart, the same bytes."""
import itertools
from io import BytesIO
from pathlib import Path
from typing import Dict, Sequence, Union

import numpy as np
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmvmr.utils.files import write_bytes

COLUMN, TEXT = 8.5, 17.5  # cm, the widths of a column and of a page of two columns
FORMATS = {'png': {'Software': None}, 'svg': {'Date': None}, 'pdf': {'CreationDate': None}}  # and what is left out
TRUTH, ANSWER, OTHER, BLIND = '#009e73', '#d55e00', '#b8c0cc', '#666666'
BLIND_LABEL = 'best blind predictor'
# Okabe and Ito (2008) without yellow, which is too light for lines on white
_COLORS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000')
_MARKERS = 'osD^vPX*'  # not as many as colours, so that the pairs repeat late
_KNOWN = ('mmvmr_best', 'mcmt', 'cpl', 'pps', 'cnm', 'ms2d', 'mscl', 'vote', 'mscl_cnm', 'mcmt_ms2d', 'ms2d_faithful',
          'zero_shot_vote', 'zero_shot_otsu', 'zero_shot_otsu_paraphrases', 'zero_shot_subarray', 'zero_shot_tfvtg',
          'zero_shot_vtg_gpt')  # keep their colours, whoever else is drawn

paper_style = style.context(['default', {
    'font.size': 7, 'axes.titlesize': 7, 'axes.labelsize': 7, 'xtick.labelsize': 6.5, 'ytick.labelsize': 6.5,
    'legend.fontsize': 6.5, 'legend.frameon': False, 'legend.handlelength': 1.8,
    'axes.linewidth': 0.6, 'xtick.major.width': 0.6, 'ytick.major.width': 0.6, 'xtick.major.size': 2.5,
    'ytick.major.size': 2.5, 'lines.linewidth': 1.1, 'lines.markersize': 3.5, 'axes.spines.top': False,
    'axes.spines.right': False, 'grid.color': '#e4e4e4', 'grid.linewidth': 0.6, 'axes.axisbelow': True,
    'figure.dpi': 150, 'savefig.dpi': 300,
    'text.parse_math': False,  # a dollar in a query is a dollar
    'pdf.fonttype': 42,  # publishers refuse the default, Type 3
    'svg.hashsalt': 'mmvmr'}])  # else the names inside are drawn by lot


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in cm, without pyplot and its global state."""
    figure = Figure(figsize=(width / 2.54, height / 2.54), layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def method_styles(names: Sequence[str]) -> Dict[str, Dict[str, str]]:
    """Colour and marker of each method; those that mmvmr comes with keep theirs in all pictures.

    Example:
        >>> method_styles(['ours', 'CPL'])
        {'ours': {'color': '#0072b2', 'marker': 'o'}, 'CPL': {'color': '#009e73', 'marker': 'D'}}
    """
    looks = [dict(color=color, marker=marker) for color, marker in
             zip(itertools.islice(itertools.cycle(_COLORS), 56), itertools.cycle(_MARKERS))]
    taken = {name: looks[_KNOWN.index(name.lower())] for name in names if name.lower() in _KNOWN}
    free = itertools.cycle([look for look in looks if look not in taken.values()])
    return {name: taken.get(name) or next(free) for name in dict.fromkeys(names)}


@paper_style
def save_figure(figure: Figure, path: Union[str, Path]) -> None:
    """Write a figure as PNG, SVG or PDF, as the name ends; the same figure gives the same bytes.

    Raises:
        ValueError: If the name ends otherwise.
    """
    kind = Path(path).suffix[1:].lower()
    if kind not in FORMATS:
        raise ValueError(f'A picture is written as {", ".join(FORMATS)}; "{path}" should end with one of them.')
    content = BytesIO()
    figure.savefig(content, format=kind, metadata=FORMATS[kind])
    write_bytes(path, content.getvalue())


@paper_style
def to_array(figure: Figure) -> np.ndarray:
    """A figure as a picture: (H, W, 3) uint8, RGB."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
