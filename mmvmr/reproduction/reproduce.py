"""Methods with several seeds, trained and tested as far as they are not yet, and compared."""
import itertools
import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

import pandas as pd

from mmvmr.engine.checkpoint import find_weights
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.places import find_config, find_run_config, shipped_configs
from mmvmr.evaluation.moment_recall import annotated_fractions
from mmvmr.evaluation.scored import find_evaluator
from mmvmr.reproduction.comparison import by_protocol, compare, read_method, short_names
from mmvmr.reproduction.comparison_report import to_frame, to_markdown, to_text
from mmvmr.reproduction.run_folder import RunFolder
from mmvmr.reproduction.run_result import describe_run
from mmvmr.reproduction.seed_plot import draw_seeds
from mmvmr.reproduction.side_by_side import run_side_by_side
from mmvmr.utils.files import write_text
from mmvmr.utils.progress import progress
from mmvmr.visualization.style import save_figure

PROBE = 'shuffle-query'


def plan(configs: Sequence[str], seeds: Sequence[int], out: Path, options: Optional[Mapping[str, Any]] = None,
         reference: Optional[str] = None, redo: bool = False) -> List[RunFolder]:
    """All runs, seed by seed, so that one that is stopped early has compared all methods.

    Args:
        configs: Files or names; by default all of Moving Shapes that come with mmvmr.
        seeds: Of the runs of each config.
        out: Folder of the runs.
        options: Changes of all configs.
        reference: Name of one of the configs.
        redo: Delete the runs whose config has changed.

    Raises:
        ValueError: If two configs have one name, or one has changed since its run was begun.
    """
    paths = [find_config(name) for name in configs] or sorted(shipped_configs().glob('*_moving_shapes.py'))
    names = [Path(path).stem for path in paths]
    if len(set(names)) < len(names) or reference not in {None, *names}:
        raise ValueError(f'Configs must have names of their own, and --reference be one of them; got {names}'
                         + (f' and {reference!r}.' if reference else '.'))
    runs = []
    for seed, path in itertools.product(dict.fromkeys(seeds), paths):
        config = read_config(path, {**(options or {}), 'randomness.seed': seed})
        find_evaluator(config)
        runs.append(RunFolder(out / Path(path).stem / f'seed_{seed}', config))
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


def commands(run: RunFolder) -> Dict[str, List]:
    """The steps of a run, in order."""
    mmvmr = ['-m', 'mmvmr']
    test = [*mmvmr, 'test', run.config_file, run.path / 'train', '--work-dir', run.path / 'test', '--out']
    return dict(
        train=[*mmvmr, 'train', run.config_file, '--work-dir', run.path / 'train', '--resume'],
        test=[*test, run.path / 'predictions.jsonl'],
        probe=[*test, run.path / f'predictions_{PROBE}.jsonl', '--probe', PROBE])


def execute(run: RunFolder, threads: int) -> Iterator[str]:
    """Run the steps and write the result; yields where the run is, see :meth:`RunFolder.run`."""
    yield from run.run(commands(run), OMP_NUM_THREADS=str(threads))
    trained = read_config(find_run_config(run.path / 'train'))
    run.finish(describe_run(trained, find_weights(run.path / 'train'), run.path / 'predictions.jsonl',
                            run.path / f'predictions_{PROBE}.jsonl', run.cost('train'), threads))


def run_all(runs: List[RunFolder], jobs: int) -> Dict[str, Exception]:
    """Run what is not finished, ``jobs`` at a time; returns what went wrong, by name of the run."""
    threads = int(os.environ.get('OMP_NUM_THREADS') or max(len(os.sched_getaffinity(0)) // jobs, 1))
    waiting = {run.name: execute(run, threads) for run in runs if not run.result_file.exists()}
    done = len(runs) - len(waiting)
    print(f'{len(runs)} runs, {done} of them finished before; {jobs} at a time, with {threads} thread(s) each')
    with progress(total=len(runs), initial=done, miniters=0, mininterval=0.5,
              bar_format='{n_fmt} of {total_fmt} runs [{elapsed}{postfix}]') as bar:
        return run_side_by_side(waiting, jobs, bar)


def report(runs: List[RunFolder], out: Path, reference: Optional[str]) -> None:
    """Compare the finished runs: print the tables, write table.md, table.csv and table.png."""
    names = list(dict.fromkeys(run.method for run in runs))
    labels = dict(zip(names, short_names(names)))
    finished: Dict[str, List[RunFolder]] = {name: [] for name in names}
    for run in sorted(runs, key=lambda run: run.config.randomness.seed):
        if run.result_file.exists():
            finished[run.method].append(run)
    methods = [read_method(labels[name], [run.path for run in found], find_evaluator(found[0].config))
               for name, found in finished.items() if found]
    comparisons = []
    for group in by_protocol(methods):
        train_set = group[0].evaluator.get('train_set')
        spans = annotated_fractions(train_set) if train_set else None
        comparisons.append(compare(group, labels.get(reference), spans))
    for comparison in comparisons:
        print('\n' + to_text(comparison))
    if comparisons:
        write_text(out / 'table.md', '\n'.join(map(to_markdown, comparisons)))
        write_text(out / 'table.csv', pd.concat(map(to_frame, comparisons)).to_csv())
        save_figure(draw_seeds(comparisons), out / 'table.png')
        print(f'\nWritten to {out}: table.md, table.csv, table.png')
