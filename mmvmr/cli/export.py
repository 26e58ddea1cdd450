"""Write a trained model as a program that PyTorch runs without mmvmr.

    mmvmr export work_dirs/cpl_charades exported/cpl_charades
    mmvmr export work_dirs/cpl_charades exported/cpl_charades --batch 32

writes the program (program.pt2), names, shapes and types of its inputs (program.json), and what turns a video and a
sentence into them (inputs.json, vocabulary.npz). All sizes are fixed. The program is compared with the model on random
inputs, and the largest difference printed. docs/export.md shows how to run it.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser, at_least
from mmvmr.engine.run.places import find_model, no_run
from mmvmr.utils.files import check_writable, refuse_foreign_files


def add_arguments(parser: Parser) -> None:
    parser.add_argument('run', type=Path, help='folder of a run, or a checkpoint in it')
    parser.add_argument('target', type=Path, help='folder to write')
    parser.add_argument('--checkpoint', type=Path, help='by default the best one of the run, else its newest')
    parser.add_argument('--batch', type=at_least(1), default=1, help='pairs of video and sentence at a time')


def run(args: argparse.Namespace) -> None:
    find_model(args.run, args.checkpoint)
    if args.checkpoint and not args.checkpoint.exists():
        raise no_run(args.checkpoint, 'checkpoint')
    refuse_foreign_files(args.target, ())
    check_writable(args.target)
    from mmvmr.apis.exporting import export
    difference = export(args.run, args.target, args.checkpoint, args.batch)
    print(f'{args.target}: the program answers {args.batch} pairs at a time; on random inputs it differs from the '
          f'model by {difference:.1e} at most.')
