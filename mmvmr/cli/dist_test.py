"""Test with several processes: one per GPU, or on CPUs where there is none.

    mmvmr dist-test cpl_charades work_dirs/cpl_charades 8

What follows CONFIG, CHECKPOINT and PROCESSES goes to `mmvmr test`. Several machines: see mmvmr dist-train.
"""
import argparse
from pathlib import Path

from mmvmr.cli.dist_train import launch
from mmvmr.cli.main import CHOSEN, Parser, at_least
from mmvmr.engine.run.places import find_config, no_run


def add_arguments(parser: Parser) -> None:
    parser.add_argument('config', help='config file or name')
    parser.add_argument('checkpoint', help=f'a file; or a run: {CHOSEN}')
    parser.add_argument('processes', type=at_least(1), help='processes on this machine')
    parser.add_argument('arguments', nargs=argparse.REMAINDER, metavar='...', help='of `mmvmr test`')


def run(args: argparse.Namespace) -> None:
    find_config(args.config)
    if not Path(args.checkpoint).exists():
        raise no_run(Path(args.checkpoint))
    launch('test', args.processes, [args.config, args.checkpoint, *args.arguments])
