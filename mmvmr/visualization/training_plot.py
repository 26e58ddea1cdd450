"""Figures of trainings: losses, learning rates and validation scores of one or several runs."""
import difflib
import math
from typing import Dict, List, Optional, Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mmvmr.visualization.style import COLUMN, TEXT, method_styles, new_figure, paper_style
from mmvmr.visualization.training_log import TrainingLog


def choose_scalars(logs: Dict[str, List[TrainingLog]], names: Optional[Sequence[str]] = None) -> List[str]:
    """What to draw: the given names or, by default, losses, learning rates and the validation scores but R@n, n > 1.

    Raises:
        ValueError: If nothing of a given name was logged.
    """
    every = [log for runs in logs.values() for log in runs]
    train = list(dict.fromkeys(name for log in every for name in log.train))
    val = list(dict.fromkeys(name for log in every for name in log.val))
    if names is None:
        return [*(name for name in train if name.startswith('loss')), *(name for name in train if name.endswith('lr')),
                *(name for name in val if name.startswith('R@1,') or not name.startswith('R@'))]
    for name in names:
        if name not in (*train, *val):
            close = difflib.get_close_matches(name, [*train, *val]) or [*train, *val]
            raise ValueError(f'None of the runs has logged "{name}". Did you mean {" or ".join(close)}?')
    return list(names)


@paper_style
def draw_training(logs: Dict[str, List[TrainingLog]], names: Sequence[str]) -> Figure:
    """One panel per scalar, one line per run; the runs of a method share its colour.

    Args:
        logs: The runs (seeds) of each method.
        names: The scalars, see :func:`choose_scalars`. One or two give a figure of the width of a column.
    """
    columns = min(len(names), 2 if len(names) <= 2 else 4)
    rows, styles = math.ceil(len(names) / columns), method_styles(list(logs))
    figure = new_figure(COLUMN if columns <= 2 else TEXT, 0.8 + 3.6 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, name in zip(panels, names):
        for method, runs in logs.items():
            for log in runs:
                _draw_scalar(axis, log, name, styles[method])
        axis.set_title(name)
        axis.grid()
        axis.ticklabel_format(style='sci', scilimits=(-2, 4), axis='both')
    for axis in panels[len(names):]:
        axis.remove()
    for axis in figure.axes:
        axis.yaxis.get_offset_text().set_fontsize(6)
    _add_legend(figure, styles)
    return figure


def _draw_scalar(axis, log: TrainingLog, name: str, look: Dict[str, str]) -> None:
    """The line of one run; validation scores, of which there are few, with their points."""
    table, marker = (log.train, '') if name in log.train else (log.val, look['marker'])
    if name in table:
        values = table[name].dropna()
        axis.plot(values.index, values, color=look['color'], marker=marker, markersize=2.5)
        axis.set_xlabel(table.index.name)
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _add_legend(figure: Figure, styles: Dict[str, Dict[str, str]]) -> None:
    handles = [Line2D([], [], label=method, **look) for method, look in styles.items()]
    most = 4 if len(figure.axes) <= 2 else 8
    figure.legend(handles=handles, loc='outside lower center', ncols=min(len(handles), most))
