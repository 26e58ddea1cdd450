"""Write a trained model as a program that PyTorch runs without mmvmr.

    mmvmr export work_dirs/cpl_charades exported/cpl_charades
    mmvmr export work_dirs/cpl_charades exported/cpl_charades --onnx

writes the program (program.pt2; with --onnx also program.onnx), names, shapes and types of its inputs (program.json),
and what turns a video and a sentence into them (inputs.json, vocabulary.npz). A program answers any number of pairs at
a time; other sizes are fixed. It is compared with the model on random inputs, and the largest difference printed.
docs/export.md shows how to run it.
"""
import argparse
import importlib.util
from pathlib import Path

from mmvmr.cli.main import CHOSEN, Parser
from mmvmr.engine.run.places import find_model, no_run
from mmvmr.utils.files import check_writable, refuse_foreign_files


def add_arguments(parser: Parser) -> None:
    parser.add_argument('run', type=Path, help='folder of a run, or a checkpoint in it')
    parser.add_argument('target', type=Path, help='folder to write')
    parser.add_argument('--checkpoint', type=Path, help=f'of the run, by default {CHOSEN}')
    parser.add_argument('--onnx', action='store_true', help='write program.onnx as well, for runtimes without PyTorch')


def run(args: argparse.Namespace) -> None:
    find_model(args.run, args.checkpoint)
    if args.checkpoint and not args.checkpoint.exists():
        raise no_run(args.checkpoint, 'checkpoint')
    refuse_foreign_files(args.target, ())
    check_writable(args.target)
    absent = [name for name in ('onnx', 'onnxscript', 'onnxruntime') if not importlib.util.find_spec(name)]
    if args.onnx and absent:
        raise ImportError(f'--onnx needs {", ".join(absent)}: pip install -c requirements/constraints.txt '
                          '-e ".[onnx]", in the checkout of mmvmr.')
    from mmvmr.apis.exporting import export
    difference = export(args.run, args.target, args.checkpoint, args.onnx)
    print(f'{args.target}: on random inputs, the program differs from the model by {difference:.1e} at most.')
