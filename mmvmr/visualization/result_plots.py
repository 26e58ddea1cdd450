"""Figures of results: recall over IoU thresholds, recall by kind of query, and what the blind reach."""
from typing import Dict, List, Optional, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mmvmr.evaluation.blind_panel import blind_scores
from mmvmr.evaluation.breakdown import best_blind, breakdown
from mmvmr.evaluation.scored import Scored
from mmvmr.visualization.style import BLIND, BLIND_LABEL, COLUMN, method_styles, new_figure, paper_style

IOUS = tuple(round(0.05 * step, 2) for step in range(2, 20))  # 0.1 to 0.95
Methods = Dict[str, List[Scored]]  # the runs (seeds) of each method, scored at IOUS; all of the same queries


@paper_style
def draw_recall(methods: Methods, panel: pd.DataFrame) -> Figure:
    """Recall over the IoU that a hit needs, one panel per R@n.

    Several runs of a method are drawn as their mean, with a band of a standard deviation.

    Args:
        panel: Scores of the blind predictors on the same queries at the same thresholds, see
            :func:`~mmvmr.evaluation.blind_panel.blind_panel`; the best one of each threshold is the dashed line.
    """
    tops = sorted({top for runs in methods.values() for top in runs[0].protocol.tops})
    figure, styles = new_figure(COLUMN, 6.2), method_styles(list(methods))
    for axis, top in zip(figure.subplots(1, len(tops), sharey=True, squeeze=False)[0], tops):
        keys = [f'R@{top},IoU={iou:g}' for iou in IOUS]
        axis.plot(IOUS, panel[keys].max(), linestyle='--', color=BLIND, label=BLIND_LABEL)
        for name, runs in methods.items():
            scores = _scores(runs, keys)
            axis.plot(IOUS, scores.mean(), label=name, markevery=(0, 4), **styles[name])
            if len(runs) > 1:
                low, high = scores.mean() - scores.std(), scores.mean() + scores.std()
                axis.fill_between(IOUS, low, high, color=styles[name]['color'], alpha=0.2, linewidth=0)
        axis.set(title=f'R@{top}', xlabel='IoU', xticks=(0.1, 0.3, 0.5, 0.7, 0.9), ylim=(0, 100))
        axis.grid()
    figure.axes[0].set_ylabel('recall (%)')
    _add_legend(figure)
    return figure


@paper_style
def draw_breakdown(methods: Methods, metric: str, train_spans: Optional[np.ndarray] = None) -> Figure:
    """A metric by length and by position of the annotated moment; several runs of a method count with their mean.

    Args:
        metric: Such as ``R@1,IoU=0.5``.
        train_spans: (M, 2) training spans as fractions, for the fitted windows of the blind panel.
    """
    first, styles = next(iter(methods.values()))[0], method_styles(list(methods))
    groups = {by: breakdown(first.table, first.scores).loc[by, 'queries'] for by in ('length', 'position')}
    blind = best_blind(first.table, blind_scores(first.table, first.protocol, train_spans))[metric]
    rows = [len(queries) for queries in groups.values()]
    figure = new_figure(COLUMN, 1.9 + 1.1 * sum(rows))
    for axis, (by, queries) in zip(figure.subplots(2, sharex=True, height_ratios=rows), groups.items()):
        places = np.arange(len(queries))
        axis.vlines(blind.loc[by], places - 0.38, places + 0.38, color=BLIND, linestyle='--', label=BLIND_LABEL,
                    clip_on=False)
        for number, (name, runs) in enumerate(methods.items()):
            scores = sum(breakdown(run.table, run.scores).loc[by, metric] for run in runs) / len(runs)
            shift = 0.6 * ((number + 0.5) / len(methods) - 0.5)  # side by side, so that equal ones can be seen
            axis.plot(scores, places + shift, linestyle='none', label=name, clip_on=False, **styles[name])
        axis.set_yticks(places, [f'{group}\n{count:.0f} queries' for group, count in queries.items()])
        axis.set(xlim=(0, 100), ylim=(len(queries) - 0.5, -0.5))
        axis.hlines(places[1:] - 0.5, 0, 100, color='#e4e4e4', linewidth=0.6)
        axis.grid(axis='x')
        axis.tick_params(axis='y', length=0)
    figure.axes[-1].set_xlabel(f'{metric} (%)')
    _add_legend(figure)
    return figure


@paper_style
def draw_blind_panel(methods: Methods, panel: pd.DataFrame, metrics: Sequence[str]) -> Figure:
    """Bars of the blind predictors and, below them, of the methods; one panel per metric.

    A line marks the best blind predictor: what is left of it needs no video and no query. Several runs of a method are
    drawn as their mean, with whiskers of a standard deviation.
    """
    bars = {name: (panel.loc[[name], list(metrics)], BLIND) for name in panel.index}
    styles = method_styles(list(methods))
    bars.update({name: (_scores(runs, metrics), styles[name]['color']) for name, runs in methods.items()})
    figure, places = new_figure(COLUMN, 1.5 + 0.38 * len(bars)), np.arange(len(bars)) + 0.5
    places[:len(panel)] -= 0.5  # a gap before the methods
    for axis, metric in zip(figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0], metrics):
        means = [scores[metric].mean() for scores, _ in bars.values()]
        whiskers = [scores[metric].std() if len(scores) > 1 else 0 for scores, _ in bars.values()]
        axis.barh(places, means, xerr=whiskers, height=0.72, color=[color for _, color in bars.values()],
                  error_kw=dict(linewidth=0.7))
        axis.axvline(panel[metric].max(), color=BLIND, linestyle='--', linewidth=0.9, zorder=0)
        longest = max(np.nan_to_num(np.add(means, whiskers)).max(), panel[metric].max(), 1)
        for place, mean in zip(places, means):  # in a column of their own, where no bar and no line ends
            axis.text(1.4 * longest, place, f'{mean:.1f}' if np.isfinite(mean) else 'n/a', ha='right', va='center',
                      fontsize=6)
        axis.set(xlabel=f'{metric} (%)', xlim=(0, 1.4 * longest))
        axis.set_xticks([tick for tick in MaxNLocator(4).tick_values(0, longest) if tick <= longest])
        axis.tick_params(axis='y', length=0)
    figure.axes[0].set_yticks(places, bars)
    figure.axes[0].set_ylim(len(bars), -0.5)
    if any(name.endswith('*') for name in panel.index):
        figure.supxlabel('* fitted on the timestamps of the training set', fontsize=6, x=0.01, ha='left')
    return figure


def _scores(runs: Sequence[Scored], keys: Sequence[str]) -> pd.DataFrame:
    """(runs, keys) in per cent; nothing where a method gives too few candidates for R@n."""
    return pd.DataFrame([100 * run.scores.mean() for run in runs]).reindex(columns=list(keys))


def _add_legend(figure: Figure) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower center', ncols=min(len(labels), 4))
