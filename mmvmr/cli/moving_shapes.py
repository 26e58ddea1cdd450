"""Render Moving Shapes: videos, annotations, features and vocabulary.

    mmvmr moving-shapes
    mmvmr moving-shapes --difficulty hard --out data/moving_shapes_hard
    mmvmr moving-shapes --scale 0.1 --out data/moving_shapes_small

The folder appears under its name only when all of it is there: after a run that was stopped, start it again.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser, at_least
from mmvmr.utils.files import check_writable
from mmvmr.utils.processes import count_cores


def add_arguments(parser: Parser) -> None:
    parser.add_argument('--out', type=Path, default=Path('data/moving_shapes'), help='folder to make')
    parser.add_argument('--difficulty', choices=['easy', 'medium', 'hard'], default='medium')
    parser.add_argument('--scale', type=at_least(1e-3, float), default=1.0,
                        help='times as many videos as the benchmark has')
    parser.add_argument('--seed', type=at_least(0), default=0)
    parser.add_argument('--num-clips', type=at_least(1), default=64, help='clips per video in the feature store')
    parser.add_argument('--workers', type=at_least(1), default=count_cores(), help='processes')
    parser.add_argument('--force', action='store_true', help='replace what this tool made in the folder before')


def run(args: argparse.Namespace) -> None:
    check_writable(args.out)
    from mmvmr.datasets.moving_shapes_files import write_moving_shapes
    made = write_moving_shapes(args.out, args.difficulty, args.scale, args.seed, args.num_clips, args.workers,
                               args.force)
    print(f'"{args.out}": {made}.' if made else f'"{args.out}" is there already, with these settings.')
