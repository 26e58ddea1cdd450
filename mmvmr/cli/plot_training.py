"""Draw the training curves of one or several runs: losses, learning rates, validation scores.

    mmvmr plot-training work_dirs/mcmt_charades
    mmvmr plot-training work_dirs/cpl_charades work_dirs/mcmt_charades --labels CPL MCMT \\
        --keys reconstruction_margin mIoU --out figures/training.pdf

Resumed trainings are joined. Runs with the same label are the seeds of one method, drawn in its colour.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser
from mmvmr.engine.run.places import no_run
from mmvmr.utils.files import check_output


def add_arguments(parser: Parser) -> None:
    parser.add_argument('runs', type=Path, nargs='+', help='folders of trainings')
    parser.add_argument('--labels', nargs='+', help='names of the methods, one per run (from the folders)')
    parser.add_argument('--keys', nargs='+', help='what to draw, by its name in the log (losses, learning rates, '
                                                  'validation scores)')
    parser.add_argument('--out', type=Path, help='picture to write or replace: .png, .svg or .pdf (training.png in '
                                                 'the first run)')


def run(args: argparse.Namespace) -> None:
    for run in args.runs:
        if not run.is_dir():
            raise no_run(run)
    out = args.out or args.runs[0] / 'training.png'
    check_output(out, overwrite=True)
    from mmvmr.reproduction.comparison import names_by_path
    from mmvmr.visualization.style import save_figure
    from mmvmr.visualization.training_log import read_training_log
    from mmvmr.visualization.training_plot import choose_scalars, draw_training
    labels = args.labels or names_by_path(args.runs)
    if len(labels) != len(args.runs):
        raise ValueError(f'--labels needs one name per run: {len(args.runs)}, got {len(labels)}')
    logs = {}
    for label, folder in zip(labels, args.runs):
        logs.setdefault(label, []).append(read_training_log(folder))
    save_figure(draw_training(logs, choose_scalars(logs, args.keys)), out)
    print(out)
