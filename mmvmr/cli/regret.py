"""Measure how far the epoch that a rule chooses without annotations lies behind the best epoch of a run.

    mmvmr regret work_dirs/cpl_moving_shapes work_dirs/mscl_moving_shapes
    mmvmr regret runs/*/seed_*/train --out work_dirs/regret

The runs have kept the checkpoints of all their epochs, by --cfg-options default_hooks.checkpoint.max_keep_ckpts=-1.
The rules look at the validation pairs without their moments; the regret is measured on the test pairs. What has been
measured lies in --out, and is not measured again with the same weights and options.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser, add_config_options
from mmvmr.engine.run.places import no_run
from mmvmr.utils.files import check_writable


def add_arguments(parser: Parser) -> None:
    parser.add_argument('runs', type=Path, nargs='+', help='folders of trainings')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/regret'), help='folder of what is measured')
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    for folder in args.runs:
        if folder.is_file():
            raise NotADirectoryError(f'"{folder}" is a file, expected the folder of a training, such as '
                                     f'"{folder.parent}".')
        if not folder.is_dir():
            raise no_run(folder)
    check_writable(args.out)
    import os

    from mmengine.registry import init_default_scope

    from mmvmr.engine.run.config import parse_options
    from mmvmr.reproduction.regret import measure_all, regret_table
    from mmvmr.utils.files import write_text
    from mmvmr.utils.tables import format_table
    init_default_scope('mmvmr')
    common = os.path.commonpath([folder.absolute().parent for folder in args.runs])
    runs = {os.path.relpath(folder.absolute(), common): folder for folder in args.runs}
    rows = regret_table(measure_all(runs, args.out, parse_options(args.cfg_options)))
    print(format_table(rows, 'Regret in points'))
    write_text(args.out / 'regret.md', format_table(rows, form='markdown') + '\n')
