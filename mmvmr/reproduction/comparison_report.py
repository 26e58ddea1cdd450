"""A comparison of methods as text, Markdown and CSV."""
from typing import Iterator, List, NamedTuple

import pandas as pd

from mmvmr.evaluation.report import how_hits_count, how_windows_are_fitted
from mmvmr.reproduction.comparison import Comparison
from mmvmr.utils.tables import format_table


class Section(NamedTuple):
    """A table with a title above it and notes below it; the first of its rows is the header."""
    title: str
    rows: List[List[str]]
    notes: List[str]


def sections(comparison: Comparison) -> Iterator[Section]:
    """What there is to say about a comparison, most important first."""
    yield _scores(comparison)
    yield _checks(comparison)
    if len(comparison.table) > 1:
        yield _differences(comparison)
    yield _costs(comparison)


def to_text(comparison: Comparison) -> str:
    """Tables for a terminal."""
    return '\n\n'.join('\n'.join([format_table(rows, title), *notes])
                       for title, rows, notes in sections(comparison))


def to_markdown(comparison: Comparison) -> str:
    """Tables for a page."""
    parts = []
    for title, rows, notes in sections(comparison):
        parts += [f'## {title}', format_table(rows, form='markdown'), '\n\n'.join(notes).replace('*', r'\*')]
    return '\n\n'.join(part for part in parts if part) + '\n'


def to_frame(comparison: Comparison) -> pd.DataFrame:
    """All numbers in one table: one row per blind predictor and method, one column per quantity."""
    blind = pd.concat({'mean': comparison.panel}, axis=1)
    blind.index = [f'blind: {name}' for name in blind.index]
    frame = pd.concat([blind, comparison.table]).reindex(columns=comparison.table.columns)
    frame.columns = [name if what in ('mean', 'cost') else f'{name} {what.removeprefix("cost ")}'
                     for what, name in frame.columns]
    frame.insert(0, 'seeds', comparison.runs.groupby('method').size().reindex(frame.index).astype('Int64'))
    frame.insert(0, 'protocol', comparison.protocol.name)
    return frame.rename_axis('method').round(4)


def _scores(comparison: Comparison) -> Section:
    table, panel = comparison.table, comparison.panel
    rows = [['', 'seeds', *panel.columns]]
    rows += [[f'blind: {name}', '', *map('{:.2f}'.format, row)] for name, row in panel.iterrows()]
    rows += [[name, str(len(comparison.runs.loc[name])), *_with_spread(table, name, 'mean', 'std', panel.columns)]
             for name in table.index]
    title = (f'{comparison.protocol.name}: {len(comparison.queries)} queries, '
             f'{comparison.queries["video_id"].nunique()} videos')
    return Section(title, rows, [f'Per cent, mean ± standard deviation over the seeds. '
                                 f'{how_hits_count(comparison.protocol)}', how_windows_are_fitted(comparison.fitted)])


def _checks(comparison: Comparison) -> Section:
    table, keys = comparison.table, comparison.headlines()
    rows = [['', *(f'{key} lift' for key in keys), *(f'{key} shuffled' for key in keys)]]
    rows += [[name, *(f'{table.loc[name, ("lift", key)]:+.2f}' for key in keys),
              *_with_spread(table, name, 'probe', 'probe std', keys)] for name in table.index]
    return Section('Lift over blind, and the probe with shuffled queries', rows, [
        'Lift: minus the best blind predictor of the column. Shuffled: with the query of another video in place of '
        'each; a method that reads the query falls to the level of the blind.'])


def _differences(comparison: Comparison) -> Section:
    table, pairs = comparison.table, [(key, other) for other in comparison.others for key in comparison.headlines()]

    def cell(name: str, key: str, other: str) -> str:
        return '' if name == other else (f'{table.loc[name, (f"minus {other}", key)]:+.2f} '
                                         f'(p = {table.loc[name, (f"p against {other}", key)]:.3f})')

    rows = [['', *(f'{key} minus {other}' for key, other in pairs)]]
    rows += [[name, *(cell(name, key, other) for key, other in pairs)] for name in table.index]
    return Section('Differences', rows, [
        f'{comparison.others[0]} has the best mIoU. Permutation test on the scores of the queries, averaged over the '
        'seeds, by whole videos; p-values, 0.001 at least, are not corrected for their number.'])


def _costs(comparison: Comparison) -> Section:
    table = comparison.table
    rows = [['', 'parameters', 'training, s', 'CPU time, s', 'peak memory, MiB']]
    rows += [[name, f'{table.loc[name, ("cost", "parameters")]:,.0f}', *_with_spread(
        table, name, 'cost', 'cost std', ['seconds', 'cpu_seconds', 'peak_mb'], '{:,.0f}')] for name in table.index]
    notes = ['Of the training process, validation included. Made with '
             + '; or '.join(', '.join(f'{name} {value}' for name, value in made.items() if name != 'device')
                            + f', on {made["device"]}' for made in comparison.made_with) + '.']
    return Section('Cost', rows, notes)


def _with_spread(table: pd.DataFrame, name: str, mean: str, std: str, keys, form: str = '{:.2f}') -> List[str]:
    """Cells such as ``46.12 ± 0.80``; empty where there is no value, without spread where there is one seed."""
    cells = []
    for key in keys:
        value, spread = table.loc[name, (mean, key)], table.loc[name, (std, key)]
        cells.append('' if pd.isna(value) else form.format(value) + (
            '' if pd.isna(spread) else f' ± {form.format(spread)}'))
    return cells
