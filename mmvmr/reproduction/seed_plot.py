"""Scores of methods over several seeds, with the level of the blind."""
from typing import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mmvmr.reproduction.comparison import Comparison
from mmvmr.visualization.style import BLIND, BLIND_LABEL, TEXT, method_styles, new_figure, paper_style


@paper_style
def draw_seeds(comparisons: Sequence[Comparison]) -> Figure:
    """One row of panels per comparison, one panel per headline metric, one line per method, best first.

    A large dot is the mean over the seeds, with whiskers of a standard deviation; the small dots below it are the
    seeds, and the dashed line is the best blind predictor.

    Returns:
        A matplotlib figure, for :func:`~mmvmr.visualization.style.save_figure`.
    """
    heights = [1.6 + 0.75 * len(comparison.table) for comparison in comparisons]
    figure = new_figure(TEXT, sum(heights) + 0.6)
    panels = figure.subplots(len(comparisons), 2, squeeze=False, height_ratios=heights, sharey='row')
    for row, comparison in zip(panels, comparisons):
        for axis, metric in zip(row, comparison.headlines()):
            _draw_metric(axis, comparison, metric)
        row[0].set_yticks(range(len(comparison.table)), comparison.table.index)
        row[0].set_ylim(len(comparison.table) - 0.4, -0.6)
        row[0].set_title(comparison.protocol.name, loc='left')
    figure.legend(handles=[
        Line2D([], [], color=BLIND, linestyle='--', label=BLIND_LABEL),
        Line2D([], [], color='black', linestyle='none', marker='.', markersize=4, alpha=0.5, label='one seed'),
        Line2D([], [], color='black', marker='o', label='mean ± standard deviation')
    ], loc='outside lower center', ncols=3)
    return figure


def _draw_metric(axis, comparison: Comparison, metric: str) -> None:
    table, places = comparison.table, range(len(comparison.table))
    styles = method_styles(list(table.index))
    colors = [styles[name]['color'] for name in table.index]
    seeds = comparison.runs['metrics', metric]
    rows = table.index.get_indexer(seeds.index.get_level_values('method'))
    axis.axvline(comparison.panel[metric].max(), color=BLIND, linestyle='--', zorder=0.9)
    axis.scatter(seeds, rows + 0.25, s=8, color=[colors[row] for row in rows], alpha=0.5, linewidth=0)
    means, spread = table['mean', metric], table['std', metric].fillna(0)
    axis.hlines(places, means - spread, means + spread, colors=colors)
    axis.scatter(means, places, s=13, color=colors)
    for place, value in enumerate(means):
        axis.annotate(f'{value:.1f}', (value, place), (0, 5), textcoords='offset points', ha='center', fontsize=6,
                      bbox=dict(facecolor='white', edgecolor='none', pad=0.2))
    axis.set_xlabel(f'{metric} (%)')
    axis.margins(x=0.08)
    axis.set_xlim(left=0)
    axis.tick_params(axis='y', length=0)
    axis.grid(axis='y')
    axis.spines['left'].set_visible(False)
