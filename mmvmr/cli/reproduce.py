"""Train and test methods with several seeds, and write the table that compares them.

    mmvmr reproduce
    mmvmr reproduce cpl_moving_shapes mcmt_moving_shapes --seeds 0 1 2
    mmvmr reproduce --jobs 2 --cfg-options train_cfg.max_epochs=1 --out work_dirs/short

May be stopped at any time; the same command goes on from there, and uses what is finished. See docs/reproduction.md.
"""
import argparse
import signal
import sys
from pathlib import Path

from mmvmr.cli.main import Parser, add_config_options, at_least
from mmvmr.engine.run.places import find_config
from mmvmr.utils.files import check_writable


def add_arguments(parser: Parser) -> None:
    parser.add_argument('configs', nargs='*', metavar='CONFIG', help='config files or names (all of Moving Shapes)')
    parser.add_argument('--seeds', type=at_least(0), nargs='+', default=[0, 1, 2],
                        help='of the runs of each config (0 1 2)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/reproduction'), help='folder of runs and tables')
    parser.add_argument('--jobs', type=at_least(1), default=1, help='runs at a time; they share the cores')
    parser.add_argument('--reference', help='name of a config that all are compared with, beside the best (the first)')
    parser.add_argument('--redo', action='store_true', help='delete and repeat the runs whose config has changed')
    add_config_options(parser)


def run(args: argparse.Namespace) -> int:
    configs = list(map(find_config, args.configs))
    check_writable(args.out)
    from mmengine.registry import init_default_scope

    from mmvmr.engine.run.config import parse_options
    from mmvmr.reproduction.reproduce import plan, report, run_all
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)  # as by Ctrl-C: what is running is ended and can be resumed
    init_default_scope('mmvmr')
    runs = plan(configs, args.seeds, args.out, parse_options(args.cfg_options), args.reference, args.redo)
    try:
        failures = run_all(runs, args.jobs)
    except KeyboardInterrupt:
        raise KeyboardInterrupt('Stopped. The same command goes on from here.') from None
    report(runs, args.out, args.reference)
    for name, error in failures.items():
        print(f'\n{name} has failed. {error}', file=sys.stderr)
    return 1 if failures else 0


def _interrupt(*_) -> None:
    raise KeyboardInterrupt
