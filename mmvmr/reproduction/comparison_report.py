"""A comparison of methods as text, Markdown and CSV."""
import base64
from html import escape
from typing import Iterable, Iterator, List, NamedTuple

import pandas as pd

from mmvmr.evaluation.probes import PROBES
from mmvmr.evaluation.report import how_hits_count, how_windows_are_fitted
from mmvmr.reproduction.comparison import Comparison
from mmvmr.utils.tables import format_table

_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Methods and benchmarks</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 80rem; padding: 0 1rem; color: #222 }
div { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
th { vertical-align: bottom; white-space: normal; border-bottom: 1px solid #222 }
td:first-child { text-align: left }
tr:hover td { background: #f3f3f3 }
p { color: #555; max-width: 60rem }
img { max-width: 100%; margin-top: 1.5rem }
</style>"""


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


def to_text(found: Iterable[Section]) -> str:
    """Tables for a terminal."""
    return '\n\n'.join('\n'.join([format_table(rows, title), *notes]) for title, rows, notes in found)


def to_markdown(found: Iterable[Section]) -> str:
    """Tables for a page."""
    parts = []
    for title, rows, notes in found:
        parts += [title and f'## {title}', format_table(rows, form='markdown'), '\n\n'.join(notes).replace('*', r'\*')]
    return '\n\n'.join(part for part in parts if part) + '\n'


def to_latex(section: Section) -> str:
    """A table for a paper; without ``booktabs``, its rules are plain lines."""
    rules = [rf'\providecommand{{\{rule}}}{{\hline}}' for rule in ('toprule', 'midrule', 'bottomrule')]
    notes = [f'% {note}' for note in section.notes]
    return '\n'.join([*rules, format_table(section.rows, section.title, form='latex'), *notes]) + '\n'


def to_html(found: Iterable[Section], picture: bytes) -> str:
    """One page that needs nothing else: tables, and a picture in PNG below them."""
    parts = []
    for title, rows, notes in found:
        head, *body = [[escape(cell) for cell in row] for row in rows]
        parts += [f'<h2>{escape(title)}</h2>', '<div><table>', _html_row('th', head),
                  *(_html_row('td', row) for row in body), '</table></div>',
                  *(f'<p>{escape(note)}</p>' for note in notes if note)]
    image = base64.b64encode(picture).decode()
    return '\n'.join([_PAGE, *parts, f'<img alt="The scores of all seeds" src="data:image/png;base64,{image}">', ''])


def _html_row(kind: str, cells: List[str]) -> str:
    return f'<tr>{"".join(f"<{kind}>{cell}</{kind}>" for cell in cells)}</tr>'


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
    rows += [[f'blind: {name}', '', *('' if pd.isna(value) else f'{value:.2f}' for value in row)]
             for name, row in panel.iterrows()]
    rows += [[name, str(len(comparison.runs.loc[name])), *with_spread(table, name, 'mean', 'std', panel.columns)]
             for name in table.index]
    title = (f'{comparison.protocol.name}: {len(comparison.queries)} queries, '
             f'{comparison.queries["video_id"].nunique()} videos')
    return Section(title, rows, [f'Per cent, mean ± standard deviation over the seeds. '
                                 f'{how_hits_count(comparison.protocol)}', how_windows_are_fitted(comparison.fitted)])


def _checks(comparison: Comparison) -> Section:
    table, keys = comparison.table, comparison.headlines()
    rows = [['', 'probe', *keys, *(f'{key} lift' for key in keys)]]
    for name in table.index:
        for probe in ('', *comparison.panels):
            if not table.loc[name, [(probe or 'mean', key) for key in keys]].isna().all():
                rows.append([name, probe, *with_spread(table, name, probe or 'mean', f'{probe} std'.strip(), keys),
                             *(f'{table.loc[name, (f"{probe} lift".strip(), key)]:+.2f}' for key in keys)])
    return Section('Lift over blind, and probes', rows, [
        'Lift: minus the best blind predictor under the same probe.',
        *(f'{probe}: {PROBES[probe]}.' for probe in comparison.panels)])


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
    rows += [[name, f'{table.loc[name, ("cost", "parameters")]:,.0f}', *with_spread(
        table, name, 'cost', 'cost std', ['seconds', 'cpu_seconds', 'peak_mb'], '{:,.0f}')] for name in table.index]
    notes = ['Of the training process, validation included. Made with '
             + '; or '.join(', '.join(f'{name} {value}' for name, value in made.items() if name != 'device')
                            + f', on {made["device"]}' for made in comparison.made_with) + '.']
    return Section('Cost', rows, notes)


def with_spread(table: pd.DataFrame, name: str, mean: str, std: str, keys, form: str = '{:.2f}') -> List[str]:
    """Cells such as ``46.12 ± 0.80``; empty where there is no value, without spread where there is one seed."""
    cells = []
    for key in keys:
        value, spread = table.loc[name, (mean, key)], table.loc[name, (std, key)]
        cells.append('' if pd.isna(value) else form.format(value) + (
            '' if pd.isna(spread) else f' ± {form.format(spread)}'))
    return cells
