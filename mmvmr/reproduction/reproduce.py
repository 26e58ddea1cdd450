"""Methods on benchmarks with several seeds, trained and tested as far as they are not yet, and compared."""
import itertools
import os
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import pandas as pd

from mmvmr.engine.checkpoint import find_weights
from mmvmr.engine.run.check_config import check_config
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.places import find_config, find_run_config, shipped_configs, split_change
from mmvmr.engine.run.sizes import names_of_weights
from mmvmr.evaluation.human_moments import Moments, human_line
from mmvmr.evaluation.moment_recall import spans_of_training
from mmvmr.evaluation.probes import PROBES
from mmvmr.evaluation.scored import find_evaluator
from mmvmr.reproduction.comparison import (
    Method,
    by_benchmark,
    compare,
    name_methods,
    predictions_file,
    read_method,
)
from mmvmr.reproduction.comparison_report import Section, sections, to_frame, to_html, to_latex, to_markdown, to_text
from mmvmr.reproduction.reported import reported_scores
from mmvmr.reproduction.run_folder import RunFolder
from mmvmr.reproduction.run_result import describe_run, read_result
from mmvmr.reproduction.seed_plot import draw_seeds
from mmvmr.reproduction.side_by_side import run_side_by_side
from mmvmr.reproduction.summary import Benchmark, summarize_benchmarks
from mmvmr.utils.files import write_text
from mmvmr.utils.processes import count_cores
from mmvmr.utils.progress import progress
from mmvmr.visualization.style import save_figure

_BEGIN, _END = '<!-- mmvmr reproduce: written by a command -->', '<!-- mmvmr reproduce: end -->'


def plan(configs: Sequence[str], seeds: Sequence[int], out: Path, options: Optional[Mapping[str, Any]] = None,
         reference: Optional[str] = None, redo: bool = False,
         data: Optional[Mapping[str, Mapping[str, Any]]] = None) -> List[RunFolder]:
    """All runs, seed by seed, so that one that is stopped early has compared all methods.

    Args:
        configs: Files or names, by default all of Moving Shapes that come with mmvmr; with ``@NAME`` behind, changed by
            what ``data`` has under that name.
        seeds: Of the runs of each config; a model that has nothing to learn has one run, with the first of them.
        out: Folder of the runs.
        options: Changes of all configs.
        reference: Name of one of the configs.
        redo: Delete the runs whose config has changed.
        data: Changes by name, that choose another data set.

    Raises:
        ValueError: If two configs have one name, or one has changed since its run was begun.
    """
    given = configs or sorted(map(str, shipped_configs().glob('*_moving_shapes.py')))
    known = {}
    for name in given:
        config, change = split_change(name)
        if change and change not in (data or {}):
            raise ValueError(f'"{name}" needs changes of the data set under the name {change!r}: --data {change} '
                             'KEY=VALUE ...')
        path = find_config(config)
        stem = Path(path).stem + (change and f'@{change}')
        known.setdefault(stem, []).append((path, (data or {}).get(change, {})))
    if len(known) < len(given) or reference not in {None, *known}:
        raise ValueError(f'Configs must have names of their own, and --reference be one of them; got {list(known)}'
                         + (f' and {reference!r}.' if reference else '.'))
    if any('randomness.seed' in change for change in (options or {}, *(data or {}).values())):
        raise ValueError('The seeds are those of --seeds, so randomness.seed would change nothing. Leave it out.')
    runs = []
    for seed, (name, ((path, change),)) in itertools.product(dict.fromkeys(seeds), known.items()):
        config = read_config(path, {**(options or {}), **change, 'randomness.seed': seed})
        find_evaluator(config)
        if seed == seeds[0]:
            check_config(config)
        if trains(config) and not (config.get('default_hooks') or {}).get('checkpoint', True):
            raise ValueError(f'"{config.filename}" keeps no checkpoint (default_hooks.checkpoint=None), so there would '
                             'be nothing to test.')
        if seed == seeds[0] or trains(config):
            runs.append(RunFolder(out / name / f'seed_{seed}', config))
    for run in runs if redo else ():
        if run.changes():
            run.clear()
    changed = [run for run in runs if run.changes()]
    if changed:
        raise ValueError('\n  '.join([
            'These runs were begun with another config. Give --redo, or delete their folders, to repeat them; give '
            'another --out to keep them.', *(str(run.path) for run in changed),
            'The first differs by', *changed[0].changes()[:10]]))
    return runs


def trains(config: Any) -> bool:
    """Whether the model of a config has something to learn."""
    return bool(names_of_weights(config))


def commands(run: RunFolder, probes: Sequence[str]) -> Dict[str, List]:
    """The steps of a run, in order."""
    mmvmr, steps = ['-m', 'mmvmr'], {}
    test = [*mmvmr, 'test', run.config_file]
    if trains(run.config):
        steps['train'] = [*mmvmr, 'train', run.config_file, '--work-dir', run.path / 'train', '--resume']
        test.append(run.path / 'train')
    test += ['--work-dir', run.path / 'test', '--out']
    steps['test'] = [*test, run.path / predictions_file()]
    steps.update({probe: [*test, run.path / predictions_file(probe), '--probe', probe] for probe in probes})
    return steps


def execute(run: RunFolder, probes: Sequence[str], threads: int) -> Iterator[str]:
    """Run the steps and write the result; yields where the run is, see :meth:`RunFolder.run`."""
    files = dict({probe: run.path / predictions_file(probe) for probe in probes}, test=run.path / predictions_file())
    yield from run.run(commands(run, probes), files, OMP_NUM_THREADS=str(threads))
    config, weights = run.config, None
    if trains(run.config):
        config, weights = read_config(find_run_config(run.path / 'train')), find_weights(run.path / 'train')
    known = [probe for probe in PROBES if run.cost(probe) is not None]
    run.finish(describe_run(config, weights, run.path / predictions_file(),
                            {probe: run.path / predictions_file(probe) for probe in known}, run.cost('train'), threads))


def is_finished(run: RunFolder, probes: Sequence[str]) -> bool:
    """Whether a run has its result, with all of these probes, and the predictions that it follows from."""
    try:
        known = read_result(run.result_file)['probes']
    except (FileNotFoundError, ValueError, TypeError, KeyError):  # not there yet, or damaged: it is written anew
        return False
    return {*probes} <= {*known} and all((run.path / predictions_file(probe)).is_file() for probe in (None, *probes))


def run_all(runs: List[RunFolder], probes: Sequence[str], jobs: int) -> Dict[str, Exception]:
    """Run what is not finished, ``jobs`` at a time; returns what went wrong, by name of the run."""
    threads = int(os.environ.get('OMP_NUM_THREADS') or max(count_cores() // jobs, 1))
    waiting = {run.name: execute(run, probes, threads) for run in runs if not is_finished(run, probes)}
    done = len(runs) - len(waiting)
    print(f'{len(runs)} runs, {done} of them finished before; {jobs} at a time, with {threads} thread(s) each')
    with progress(total=len(runs), initial=done, miniters=0, mininterval=0.5,
              bar_format='{n_fmt} of {total_fmt} runs [{elapsed}{postfix}]') as bar:
        return run_side_by_side(waiting, jobs, bar)


def report(runs: List[RunFolder], probes: Sequence[str], out: Path, reference: Optional[str] = None,
           people: Optional[Moments] = None, pages: Sequence[Path] = ()) -> Dict[str, Exception]:
    """Compare the finished runs: print the tables, write table.md, .html, .tex, .csv and .png.

    Returns what was wrong with methods that are not in the tables, by their names.

    Args:
        probes: Only runs with these count as finished, and these are in the tables.
        people: Moments that people gave, scored where they were asked about the queries.
        pages: Markdown files, in which the table of all benchmarks is put between two marks.
    """
    finished: Dict[str, List[RunFolder]] = {}
    for run in sorted(runs, key=lambda run: run.config.randomness.seed):
        if is_finished(run, probes):
            finished.setdefault(run.method, []).append(run)
    order = list(dict.fromkeys(run.method for run in runs))
    methods, failures = [], {}
    for name in filter(finished.get, order):
        try:
            methods.append(read_method(name, [run.path for run in finished[name]],
                                       find_evaluator(finished[name][0].config), probes))
        except (FileNotFoundError, ValueError) as error:
            failures[name] = error
    benchmarks = [_benchmark(group, order, reference, people or {}) for group in by_benchmark(methods)]
    if not benchmarks:
        return failures
    if people and not any(one.human for one in benchmarks):
        print(f'\nNone of the {len(people):,} queries that people gave a moment is one of these benchmarks: is --human '
              'the file of another data set? The tables have no line of people.', file=sys.stderr)
    comparisons = [one.comparison for one in benchmarks]
    summary = summarize_benchmarks(benchmarks)
    tables = [*summary, *itertools.chain.from_iterable(map(sections, comparisons))]
    print('\n' + to_text(tables))
    save_figure(draw_seeds(comparisons), out / 'table.png')
    write_text(out / 'table.md', to_markdown(tables))
    write_text(out / 'table.html', to_html(tables, (out / 'table.png').read_bytes()))
    write_text(out / 'table.tex', to_latex(summary[0]))
    write_text(out / 'table.csv', pd.concat(map(to_frame, comparisons)).to_csv())
    print(f'\nWritten to {out}: table.md, table.html, table.tex, table.csv, table.png')
    for page in pages:
        write_between_marks(page, summary)
        print(f'Written into {page}')
    return failures


def _benchmark(methods: List[Method], configs: List[str], reference: Optional[str], people: Moments) -> Benchmark:
    named = name_methods(methods, configs)
    labels = {one.name: short.name for one, short in zip(methods, named)}
    comparison = compare(named, labels.get(reference), spans_of_training(methods[0].evaluator.get('train_set')))
    reported = {labels[one.name]: reported_scores(one.name, one.protocol.name) for one in methods}
    return Benchmark(comparison, reported, human_line(comparison.queries, people, comparison.protocol))


def check_marks(page: Path) -> Tuple[List[str], int, int]:
    """The lines of a page, and which of them are the marks between which the table goes.

    Raises:
        FileNotFoundError, ValueError: If there is no such page, or it lacks the marks.
    """
    with open(page, encoding='utf-8', newline='') as file:
        lines = file.read().split('\n')  # with the \r of Windows, to be left as they are
    marks = [line.rstrip('\r') for line in lines]
    if marks.count(_BEGIN) != 1 or marks.count(_END) != 1 or marks.index(_BEGIN) > marks.index(_END):
        raise ValueError(f'"{page}" has no place for the table. Mark it by these two lines, once, in this order:\n'
                         f'{_BEGIN}\n{_END}')
    return lines, marks.index(_BEGIN), marks.index(_END)


def between_marks(page: Path) -> str:
    """What stands in a page between the marks."""
    lines, begin, end = check_marks(page)
    return '\n'.join(lines[begin + 1:end])


def write_between_marks(page: Path, summary: Sequence[Section]) -> None:
    """Put the tables of a summary into a page; the rest of it stays."""
    lines, begin, end = check_marks(page)
    block = '\n' + to_markdown(section._replace(title='') for section in summary)
    if lines[begin].endswith('\r'):
        block = block.replace('\n', '\r\n') + '\r'
    write_text(os.path.realpath(page), '\n'.join([*lines[:begin + 1], block, *lines[end:]]))
