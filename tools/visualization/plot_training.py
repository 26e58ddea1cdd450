"""Draw the training curves of one or several runs: losses, learning rates, validation scores.

    python tools/visualization/plot_training.py work_dirs/mcmt_charades
    python tools/visualization/plot_training.py work_dirs/cpl_charades work_dirs/mcmt_charades --labels CPL MCMT \\
        --keys reconstruction_margin mIoU --out figures/training.pdf

Resumed trainings are joined. Runs with the same label are the seeds of one method, drawn in its colour.
"""
import argparse
from pathlib import Path

from mmvmr.cli.launch import friendly_errors
from mmvmr.reproduction.comparison import names_by_path
from mmvmr.visualization.style import save_figure
from mmvmr.visualization.training_log import read_training_log
from mmvmr.visualization.training_plot import choose_scalars, draw_training


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', type=Path, nargs='+', help='work dirs of tools/train.py')
    parser.add_argument('--labels', nargs='+', help='names of the methods, one per run (from the folders)')
    parser.add_argument('--keys', nargs='+', help='what to draw, by its name in the log (losses, learning rates, '
                                                  'validation scores)')
    parser.add_argument('--out', type=Path, help='picture to write or replace: .png, .svg or .pdf (training.png in '
                                                 'the first run)')
    args = parser.parse_args(argv)
    args.labels = args.labels or names_by_path(args.runs)
    if len(args.labels) != len(args.runs):
        parser.error(f'--labels needs one name per run: {len(args.runs)}, got {len(args.labels)}')
    return args


@friendly_errors
def main(argv=None) -> None:
    args = parse_args(argv)
    logs = {}
    for label, run in zip(args.labels, args.runs):
        logs.setdefault(label, []).append(read_training_log(run))
    out = args.out or args.runs[0] / 'training.png'
    save_figure(draw_training(logs, choose_scalars(logs, args.keys)), out)
    print(out)


if __name__ == '__main__':
    main()
