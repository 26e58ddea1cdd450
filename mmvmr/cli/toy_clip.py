"""Make a tiny CLIP that knows the colours and shapes of Moving Shapes: a stand-in for published weights.

    mmvmr toy-clip toy_clip
    mmvmr infer --zero-shot toy_clip data/moving_shapes/videos/test_0000.mp4 "A red square spins."

It is trained on pictures and sentences of the renderer, of other seeds than the benchmark, in some minutes on two
cores. It takes the extra `clip`.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser, at_least


def add_arguments(parser: Parser) -> None:
    parser.add_argument('folder', type=Path, help='folder to write, in the format of transformers')
    parser.add_argument('--seed', type=at_least(0), default=0, help='of pictures and weights')


def run(args: argparse.Namespace) -> None:
    from mmvmr.reproduction.toy_clip import make_toy_clip
    make_toy_clip(args.folder, seed=args.seed)
    print(f'{args.folder}: a CLIP that knows Moving Shapes. To try it: '
          f'mmvmr infer --zero-shot {args.folder} VIDEO SENTENCE')
