"""One table over several benchmarks: a row per method, and who leads where by how much."""
from typing import Dict, List, NamedTuple, Optional, Sequence

import pandas as pd

from mmvmr.evaluation.human_moments import HumanLine
from mmvmr.reproduction.comparison import Comparison
from mmvmr.reproduction.comparison_report import Section, with_spread

_SURE = 2  # standard errors of the difference that a lead must exceed


class Benchmark(NamedTuple):
    """A column of the table."""
    comparison: Comparison
    reported: Dict[str, Dict[str, float]]  # by method, what its paper reports for this protocol
    human: Optional[HumanLine] = None


def summarize_benchmarks(benchmarks: Sequence[Benchmark]) -> List[Section]:
    """The table of all methods on all benchmarks, and the table of the leads."""
    return [_table(benchmarks), _leads(benchmarks)]


def _table(benchmarks: Sequence[Benchmark]) -> Section:
    comparisons = [one.comparison for one in benchmarks]
    rows = [['', *(f'{comparison.protocol.name} {name}' for comparison in comparisons
                   for name in (*comparison.headlines(), 'CPU s'))]]

    def add(title: str, cells: List[List[str]]) -> None:
        cells = [own or [''] * 3 for own in cells]
        if any(map(any, cells)):
            rows.append([title, *(cell for own in cells for cell in own)])

    add('best blind', [[*_numbers(comparison.panel.max(), comparison), ''] for comparison in comparisons])
    for probe in _probes(comparisons):
        add(f'best blind, {probe}', [[*_numbers(comparison.panels[probe].max(), comparison), '']
                                     if _moves(comparison, probe) else [] for comparison in comparisons])
    add('people', [[*_numbers(pd.Series(one.human.scores), one.comparison), ''] if one.human else []
                   for one in benchmarks])
    names = _by_place(comparisons)
    for name in names:
        add(name, [_cells(comparison, name) for comparison in comparisons])
        papers = [pd.Series(one.reported.get(name, {}), dtype=float) for one in benchmarks]
        add(f'{name}, as reported', [[*_numbers(paper, comparison), ''] for paper, comparison in
                                     zip(papers, comparisons)])
        add(f'{name}, minus reported', [
            [*_numbers(comparison.table.loc[name, 'mean'] - paper, comparison, '{:+.2f}'), '']
            if len(paper) and name in comparison.table.index else []
            for paper, comparison in zip(papers, comparisons)])
    for probe in _probes(comparisons):
        for name in names:
            add(f'{name}, {probe}', [_cells(comparison, name, probe) for comparison in comparisons])
    notes = ['Per cent, mean ± standard deviation over the seeds; CPU time of all threads of a training, in seconds. '
             'Best blind: of predictors that see neither video nor query, windows fitted on training moments among '
             'them, the best of each column.']
    counts = [f'{one.human.count:,} of {len(one.comparison.queries):,} queries of {one.comparison.protocol.name}'
              for one in benchmarks if one.human]
    if counts:
        notes.append(f'People: further annotators, scored as predictions; they were asked {"; ".join(counts)}.')
    filled = [place for place, column in enumerate(zip(*rows[1:])) if any(column)]
    return Section('All benchmarks', [[row[place] for place in filled] for row in rows], notes)


def _cells(comparison: Comparison, name: str, probe: str = '') -> List[str]:
    if name not in comparison.table.index or (probe and probe not in comparison.panels):
        return []
    scores = with_spread(comparison.table, name, probe or 'mean', f'{probe} std'.strip(), comparison.headlines())
    cost = [''] if probe else with_spread(comparison.table, name, 'cost', 'cost std', ['cpu_seconds'], '{:,.0f}')
    return scores + cost


def _numbers(scores: pd.Series, comparison: Comparison, form: str = '{:.2f}') -> List[str]:
    return [form.format(scores[key]) if pd.notna(scores.get(key)) else '' for key in comparison.headlines()]


def _probes(comparisons: Sequence[Comparison]) -> List[str]:
    return list(dict.fromkeys(probe for comparison in comparisons for probe in comparison.panels))


def _moves(comparison: Comparison, probe: str) -> bool:
    """Whether the blind reach something else under a probe, since it moves the moments."""
    return probe in comparison.panels and not comparison.panels[probe].equals(comparison.panel)


def _by_place(comparisons: Sequence[Comparison]) -> List[str]:
    """Methods by their mean place in mIoU among the others of their benchmarks, best first."""
    places = pd.concat([pd.Series(range(len(comparison.table)), comparison.table.index, dtype=float)
                        / len(comparison.table) for comparison in comparisons])
    return list(places.groupby(level=0, sort=False).mean().sort_values(kind='stable').index)


def _leads(benchmarks: Sequence[Benchmark]) -> Section:
    rows = [['', 'metric', 'leads', 'before', 'by', 'standard error', 'beyond seed noise', 'p']]
    for comparison in (one.comparison for one in benchmarks):
        for key in comparison.headlines():
            rows.append([comparison.protocol.name, key, *_lead(comparison, key)])
    return Section('Who leads', rows, [
        f'Beyond seed noise: by more than {_SURE} standard errors of the difference of the two means over the seeds. '
        'p: permutation test by whole videos, as in the tables of differences.'])


def _lead(comparison: Comparison, key: str) -> List[str]:
    means = comparison.table['mean', key].dropna().sort_values(ascending=False, kind='stable')
    if len(means) < 2:
        return [*means.index, *[''] * (6 - len(means))]
    first, second = means.index[:2]
    by = means.iloc[0] - means.iloc[1]
    error = sum(_squared_error(comparison, name, key) for name in (first, second))**0.5
    p = next((comparison.table.loc[b, (f'p against {a}', key)] for a, b in ((first, second), (second, first))
              if a in comparison.others), None)
    trained = any(comparison.table.loc[name, ('cost', 'parameters')] for name in (first, second))
    sure = ('nothing is trained' if not trained else 'one seed' if pd.isna(error) else
            'yes' if by > _SURE * error else 'no')
    return [first, second, f'{by:+.2f}', '' if pd.isna(error) or not trained else f'{error:.2f}', sure,
            '' if p is None else f'{p:.3f}']


def _squared_error(comparison: Comparison, name: str, key: str) -> float:
    """Variance of the mean over the seeds; none where nothing is learned, NaN of one seed."""
    if comparison.table.loc[name, ('cost', 'parameters')] == 0:
        return 0.0
    return comparison.table.loc[name, ('std', key)]**2 / len(comparison.runs.loc[name])
