"""Convert a checkpoint of the authors' code of CNM or CPL, and write the config that goes with it.

    mmvmr convert-official cpl model-best.pt checkpoints/cpl_charades.pth

writes checkpoints/cpl_charades.pth and checkpoints/cpl_charades.py, ready for

    mmvmr test checkpoints/cpl_charades.py checkpoints/cpl_charades.pth

The data set, with its features, is that of the checkpoint; --data takes any other file of configs/_base_/datasets.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser
from mmvmr.engine.run.places import find_config
from mmvmr.utils.files import check_output


def add_arguments(parser: Parser) -> None:
    parser.add_argument('method', choices=['cnm', 'cpl'], help="whose authors' code wrote the checkpoint")
    parser.add_argument('source', type=Path, help='checkpoint of that code')
    parser.add_argument('target', type=Path, help='file to write, .pth; the config goes beside it, .py')
    parser.add_argument('--data', type=Path, help='config of the data set, like those in configs/_base_/datasets')
    parser.add_argument('--force', action='store_true', help='replace files that are there')


def run(args: argparse.Namespace) -> None:
    if args.target.suffix != '.pth':
        raise ValueError(f'The target is a .pth file, got "{args.target}".')
    check_output(args.target, args.force)
    check_output(args.target.with_suffix('.py'), args.force)
    data = args.data and find_config(args.data)
    from mmvmr.reproduction.official_checkpoints import convert
    print('\n'.join(convert(args.method, args.source, args.target, data)))
