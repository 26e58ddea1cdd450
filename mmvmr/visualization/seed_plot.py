"""Scores of methods over several seeds, with the level of the blind."""
from typing import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmvmr.evaluation.comparison import Comparison

MEAN, SEED, BLIND = '#264653', '#8ab6b0', '#e76f51'


def draw_seeds(comparisons: Sequence[Comparison]) -> Figure:
    """One row of panels per comparison, one panel per headline metric, one line per method, best first.

    A large dot is the mean over the seeds, with whiskers of a standard deviation; the small dots below it are the
    seeds, and the dashed line is the best blind predictor.

    Returns:
        A matplotlib figure; ``figure.savefig('x.png')`` or ``'x.svg'`` writes it.
    """
    heights = [0.9 + 0.4 * len(comparison.table) for comparison in comparisons]
    figure = Figure(figsize=(9, sum(heights) + 0.3), layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(comparisons), 2, squeeze=False, height_ratios=heights, sharey='row')
    for row, comparison in zip(panels, comparisons):
        for axis, metric in zip(row, comparison.headlines()):
            _draw_metric(axis, comparison, metric)
        row[0].set_yticks(range(len(comparison.table)), comparison.table.index)
        row[0].set_ylim(len(comparison.table) - 0.4, -0.6)
        row[0].set_title(comparison.protocol.name, loc='left', fontsize=10)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower center', ncols=3, fontsize=8, frameon=False)
    return figure


def _draw_metric(axis, comparison: Comparison, metric: str) -> None:
    table, places = comparison.table, range(len(comparison.table))
    seeds = comparison.runs['metrics', metric]
    axis.axvline(comparison.panel[metric].max(), color=BLIND, linestyle='--', linewidth=1, label='best blind predictor')
    axis.scatter(seeds, table.index.get_indexer(seeds.index.get_level_values('method')) + 0.25, s=16, color=SEED,
                 linewidth=0, label='one seed')
    axis.errorbar(table['mean', metric], places, xerr=table['std', metric].fillna(0), fmt='o', markersize=5, color=MEAN,
                  elinewidth=1.2, capsize=3, label='mean ± standard deviation')
    for place, value in enumerate(table['mean', metric]):
        axis.annotate(f'{value:.1f}', (value, place), (0, 5), textcoords='offset points', ha='center', fontsize=8,
                      bbox=dict(facecolor='white', edgecolor='none', pad=0.5))
    axis.set_xlabel(f'{metric} (%)', fontsize=9)
    axis.margins(x=0.08)
    axis.set_xlim(left=0)
    axis.tick_params(labelsize=9)
    axis.tick_params(axis='y', length=0)
    axis.grid(axis='y', color='#e8e8e8', linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[['top', 'right', 'left']].set_visible(False)
