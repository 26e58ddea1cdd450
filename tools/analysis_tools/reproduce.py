"""Train and test methods with several seeds, and write the table that compares them.

    python tools/analysis_tools/reproduce.py
    python tools/analysis_tools/reproduce.py configs/cpl_moving_shapes.py configs/mcmt_moving_shapes.py --seeds 0 1 2
    python tools/analysis_tools/reproduce.py --jobs 2 --cfg-options train_cfg.max_epochs=1 --out work_dirs/short

May be stopped at any time; the same command goes on from there, and uses what is finished. See docs/reproduction.md.
"""
import argparse
import itertools
import os
import signal
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Optional

import pandas as pd
from mmengine.config import DictAction
from mmengine.registry import init_default_scope
from tqdm import tqdm

from mmvmr.cli.launch import find_config, friendly_errors, read_config
from mmvmr.engine.checkpoint import find_weights
from mmvmr.evaluation.moment_recall import annotated_fractions
from mmvmr.reproduction.comparison import by_protocol, compare, read_method, short_names
from mmvmr.reproduction.comparison_report import to_frame, to_markdown, to_text
from mmvmr.reproduction.run_folder import RunFolder
from mmvmr.reproduction.run_result import describe_run, find_evaluator
from mmvmr.reproduction.seed_plot import draw_seeds
from mmvmr.reproduction.side_by_side import run_side_by_side
from mmvmr.visualization.style import save_figure

TOOLS = Path(__file__).resolve().parents[1]
PROBE = 'shuffle-query'


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='*', metavar='CONFIG', help='config files (all configs/*_moving_shapes.py)')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], help='of the runs of each config (0 1 2)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/reproduction'), help='folder of runs and tables')
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time; they share the cores')
    parser.add_argument('--reference', help='name of a config that all are compared with, beside the best (the first)')
    parser.add_argument('--redo', action='store_true', help='delete and repeat the runs whose config has changed')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='change all configs')
    args = parser.parse_args(argv)
    if args.jobs < 1:
        parser.error(f'--jobs must be 1 or more, got {args.jobs}')
    return args


def plan(args: argparse.Namespace) -> List[RunFolder]:
    """All runs, seed by seed, so that one that is stopped early has compared all methods.

    Raises:
        ValueError: If two configs have one name, or one has changed since its run was begun.
    """
    paths = [find_config(name) for name in args.configs] or sorted(TOOLS.parent.glob('configs/*_moving_shapes.py'))
    names = [Path(path).stem for path in paths]
    if len(set(names)) < len(names) or args.reference not in {None, *names}:
        raise ValueError(f'Configs must have names of their own, and --reference be one of them; got {names}'
                         + (f' and {args.reference!r}.' if args.reference else '.'))
    runs = []
    for seed, path in itertools.product(dict.fromkeys(args.seeds), paths):
        config = read_config(str(path), {**(args.cfg_options or {}), 'randomness.seed': seed})
        find_evaluator(config)
        runs.append(RunFolder(args.out / Path(path).stem / f'seed_{seed}', config))
    for run in runs if args.redo else ():
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
    test = [TOOLS / 'test.py', run.config_file, run.path / 'train', '--work-dir', run.path / 'test', '--out']
    return dict(
        train=[TOOLS / 'train.py', run.config_file, '--work-dir', run.path / 'train', '--resume'],
        test=[*test, run.path / 'predictions.jsonl'],
        probe=[*test, run.path / f'predictions_{PROBE}.jsonl', '--probe', PROBE])


def execute(run: RunFolder, threads: int) -> Iterator[str]:
    """Run the steps and write the result; yields where the run is, see :meth:`RunFolder.run`."""
    yield from run.run(commands(run), OMP_NUM_THREADS=str(threads))
    run.finish(describe_run(run.config, find_weights(run.path / 'train'), run.path / 'predictions.jsonl',
                            run.path / f'predictions_{PROBE}.jsonl', run.cost('train'), threads))


def run_all(runs: List[RunFolder], jobs: int) -> Dict[str, Exception]:
    """Run what is not finished, ``jobs`` at a time; returns what went wrong, by name of the run."""
    threads = int(os.environ.get('OMP_NUM_THREADS') or max(len(os.sched_getaffinity(0)) // jobs, 1))
    waiting = {run.name: execute(run, threads) for run in runs if not run.result_file.exists()}
    done = len(runs) - len(waiting)
    print(f'{len(runs)} runs, {done} of them finished before; {jobs} at a time, with {threads} thread(s) each')
    with tqdm(total=len(runs), initial=done, disable=None, miniters=0, mininterval=0.5,
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
        (out / 'table.md').write_text('\n'.join(map(to_markdown, comparisons)), encoding='utf-8')
        pd.concat(map(to_frame, comparisons)).to_csv(out / 'table.csv')
        save_figure(draw_seeds(comparisons), out / 'table.png')
        print(f'\nWritten to {out}: table.md, table.csv, table.png')


@friendly_errors
def main(argv=None) -> None:
    args = parse_args(argv)
    init_default_scope('mmvmr')
    runs = plan(args)
    try:
        failures = run_all(runs, args.jobs)
    except KeyboardInterrupt:
        sys.exit('\nStopped. The same command goes on from here.')
    report(runs, args.out, args.reference)
    for name, error in failures.items():
        print(f'\n{name} has failed. {error}', file=sys.stderr)
    sys.exit(1 if failures else 0)


def _interrupt(*_) -> None:
    raise KeyboardInterrupt


if __name__ == '__main__':
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)  # as by Ctrl-C: what is running is ended and can be resumed
    main()
