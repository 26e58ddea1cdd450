"""Draw figures for a paper from the predictions of one or several methods.

    python tools/visualization/plot_results.py work_dirs/{cpl,mcmt}_charades/predictions.jsonl --labels CPL MCMT \\
        --config configs/cpl_charades.py --out figures --format pdf
    python tools/visualization/plot_results.py work_dirs/reproduction/*/seed_*/predictions.jsonl --out figures

Writes `recall` (over IoU thresholds), `breakdown` (by length and position of the moment) and `blind` (beside predictors
that see neither video nor query) into the folder, one file each, 8.5 cm wide. Files with the same label, such as those
in folders seed_0, seed_1, ..., are the seeds of one method: drawn as their mean, with their standard deviation.
"""
import argparse
from pathlib import Path

from mmengine.registry import init_default_scope
from tqdm import tqdm

from mmvmr.cli.launch import friendly_errors, read_config
from mmvmr.evaluation.blind_panel import blind_panel
from mmvmr.evaluation.moment_recall import annotated_fractions
from mmvmr.evaluation.predictions import check_same_queries, relative_truths
from mmvmr.reproduction.comparison import names_by_path
from mmvmr.reproduction.run_result import score_predictions
from mmvmr.visualization.result_plots import IOUS, Methods, draw_blind_panel, draw_breakdown, draw_recall
from mmvmr.visualization.style import FORMATS, save_figure


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('predictions', type=Path, nargs='+', help='predictions.jsonl of tools/test.py')
    parser.add_argument('--labels', nargs='+', help='names of the methods, one per file (from the folders)')
    parser.add_argument('--out', type=Path, required=True, help='folder for the pictures; those in it are replaced')
    parser.add_argument('--format', choices=FORMATS, default='png')
    parser.add_argument('--protocol', help='e.g. charades_sta/filtered: only its pairs, and its way of counting')
    parser.add_argument('--nms', type=float, help='drop predictions that overlap more than this with a better one')
    parser.add_argument('--config', help='config with the `train_set` that the constant windows are fitted on')
    args = parser.parse_args(argv)
    args.labels = args.labels or names_by_path(args.predictions)
    if len(args.labels) != len(args.predictions):
        parser.error(f'--labels needs one name per file: {len(args.predictions)}, got {len(args.labels)}')
    return args


def read_methods(args: argparse.Namespace) -> Methods:
    """The scored runs of each method.

    Raises:
        ValueError: If they are about different queries.
    """
    methods: Methods = {}
    rules = dict(tops=(1, 5), ious=IOUS, nms=args.nms)
    for label, path in zip(args.labels, tqdm(args.predictions, desc='Scoring')):
        methods.setdefault(label, []).append(score_predictions(path, rules, args.protocol))
        check_same_queries(methods[args.labels[0]][0].table, methods[label][-1].table)
    return methods


@friendly_errors
def main(argv=None) -> None:
    args = parse_args(argv)
    train_spans = None
    if args.config:
        config = read_config(args.config)
        if 'train_set' not in config:
            raise ValueError(f'"{args.config}" has no `train_set`: a dataset config of the training annotations.')
        init_default_scope('mmvmr')
        train_spans = annotated_fractions(config.train_set)
    methods = read_methods(args)
    all_runs = [run for runs in methods.values() for run in runs]
    first = max(all_runs, key=lambda run: run.protocol.tops)  # with R@5, if one has it
    panel = blind_panel(relative_truths(first.table), first.protocol, train_spans)
    metrics = [f'R@{top},IoU=0.5' for top in first.protocol.tops]
    figures = dict(recall=draw_recall(methods, panel), blind=draw_blind_panel(methods, panel, metrics),
                   breakdown=draw_breakdown(methods, metrics[0], train_spans))
    for name, figure in figures.items():
        save_figure(figure, args.out / f'{name}.{args.format}')
        print(args.out / f'{name}.{args.format}')


if __name__ == '__main__':
    main()
