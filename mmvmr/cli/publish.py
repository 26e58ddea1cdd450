"""Write the weights of a checkpoint alone, for others to use, in a folder with all that using them takes.

    mmvmr publish work_dirs/cpl_charades published/cpl_charades

writes published/cpl_charades with <name>-<8 digits of the sha256>.pth, the config of the run, and what turns a video
and a sentence into its inputs: `mmvmr infer`, `test` and `search` take that folder as they take the run. For
--min-confidence of `infer`, calibrate that folder.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import CHOSEN, Parser
from mmvmr.engine.run.places import find_model, no_run
from mmvmr.utils.files import check_writable


def add_arguments(parser: Parser) -> None:
    parser.add_argument('run', type=Path, help='folder of a run, or a checkpoint in it')
    parser.add_argument('target', type=Path, help='folder to write')
    parser.add_argument('--checkpoint', type=Path, help=f'of the run, by default {CHOSEN}')
    parser.add_argument('--half', action='store_true', help='write the weights in half precision: half the size')


def run(args: argparse.Namespace) -> None:
    find_model(args.run, args.checkpoint)
    if args.checkpoint and not args.checkpoint.exists():
        raise no_run(args.checkpoint, 'checkpoint')
    check_writable(args.target)
    from mmvmr.engine.run.publishing import publish
    for path, size in publish(args.run, args.target, args.checkpoint, args.half):
        print(f'{path}  {size / 1e6:.1f} MB')
