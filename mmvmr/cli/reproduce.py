"""Train and test methods on benchmarks with several seeds, and write the table that compares them.

    mmvmr reproduce
    mmvmr reproduce cpl_moving_shapes mcmt_moving_shapes --seeds 0 1 2
    mmvmr reproduce --jobs 2 --cfg-options train_cfg.max_epochs=1 --out work_dirs/short
    mmvmr reproduce cpl_moving_shapes cpl_qvhighlights zero_shot_otsu_qvhighlights --probes shuffle-query shift
    mmvmr reproduce cpl_moving_shapes cpl_moving_shapes@hard \\
        --data hard dataset.protocol=hard dataset.data_root=data/moving_shapes_hard

May be stopped at any time; the same command goes on from there, and uses what is finished. See docs/reproduction.md.
"""
import argparse
import sys
from pathlib import Path
from typing import Dict

from mmvmr.cli.main import Parser, add_config_options, at_least
from mmvmr.cli.test import PROBES
from mmvmr.engine.run.places import find_config, split_change
from mmvmr.utils.files import check_writable


def add_arguments(parser: Parser) -> None:
    parser.add_argument('configs', nargs='*', metavar='CONFIG[@NAME]',
                        help='config files or names (all of Moving Shapes); with the changes of --data NAME')
    parser.add_argument('--data', nargs='+', action='append', default=[], metavar=('NAME', 'KEY=VALUE'),
                        help='another data set for the configs that are followed by @NAME: changes of their values')
    parser.add_argument('--seeds', type=at_least(0), nargs='+', default=[0, 1, 2],
                        help='of the runs of each config (0 1 2)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/reproduction'), help='folder of runs and tables')
    parser.add_argument('--jobs', type=at_least(1), default=1, help='runs at a time; they share the cores')
    parser.add_argument('--reference', help='name of a config that all are compared with, beside the best (the first)')
    parser.add_argument('--probes', nargs='*', choices=PROBES, default=['shuffle-query'], metavar='PROBE',
                        help='of `mmvmr test`; each is a row of the table (shuffle-query)')
    parser.add_argument('--human', type=Path, nargs='+', default=[], metavar='CSV',
                        help='moments that people gave for queries: video_id, description, start, end in per cent')
    parser.add_argument('--into', type=Path, nargs='+', default=[], metavar='PAGE',
                        help='Markdown files that get the table of all benchmarks, too, between two marks')
    parser.add_argument('--redo', action='store_true', help='delete and repeat the runs whose config has changed')
    add_config_options(parser)


def run(args: argparse.Namespace) -> int:
    for config in args.configs:
        find_config(split_change(config)[0])
    check_writable(args.out)
    from mmengine.registry import init_default_scope

    from mmvmr.engine.run.config import parse_options
    from mmvmr.evaluation.human_moments import read_human_moments
    from mmvmr.reproduction.reproduce import check_marks, plan, report, run_all
    init_default_scope('mmvmr')
    people = read_human_moments(args.human)
    for page in args.into:
        check_marks(page)
    data = read_data(args)
    probes = list(dict.fromkeys(args.probes))
    runs = plan(args.configs, args.seeds, args.out, parse_options(args.cfg_options), args.reference, args.redo, data)
    try:
        failures = run_all(runs, probes, args.jobs)
    except KeyboardInterrupt:
        raise KeyboardInterrupt('Stopped. The same command goes on from here.') from None
    failures.update(report(runs, probes, args.out, args.reference, people, args.into))
    for name, error in failures.items():
        print(f'\n{name} has failed. {error}', file=sys.stderr)
    return 1 if failures else 0


def read_data(args: argparse.Namespace) -> Dict[str, Dict]:
    """The changes of each ``--data``, by its name."""
    from mmvmr.engine.run.config import parse_options
    data = {}
    for name, *changes in args.data:
        if name in data or not changes:
            raise ValueError(f'--data {name} ' + ('is given twice. Give all its changes at once.' if name in data else
                                                  'changes nothing: give KEY=VALUE behind the name.'))
        data[name] = parse_options(changes)
    used = {split_change(config)[1] for config in args.configs} - {''}
    for name in ({*data} - used) if used <= {*data} else ():
        raise ValueError(f'--data {name} is used by no config: write CONFIG@{name}.')
    return data
