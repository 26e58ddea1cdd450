"""Draw figures for a paper from the predictions of one or several methods.

    mmvmr plot-results work_dirs/{cpl,mcmt}_charades --labels CPL MCMT --config cpl_charades --out figures --format pdf
    mmvmr plot-results work_dirs/reproduction/*/seed_*/predictions.jsonl --out figures

Writes `recall` (over IoU thresholds), `breakdown` (by length and position of the moment) and `blind` (beside predictors
that see neither video nor query) into the folder, one file each, 8.5 cm wide. Files with the same label, such as those
in folders seed_0, seed_1, ..., are the seeds of one method: drawn as their mean, with their standard deviation.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser, at_least
from mmvmr.engine.run.places import find_config, find_predictions_of
from mmvmr.utils.files import check_writable


def add_arguments(parser: Parser) -> None:
    parser.add_argument('predictions', type=Path, nargs='+', help='predictions.jsonl of tests; or runs: their tests '
                        'without changes')
    parser.add_argument('--labels', nargs='+', help='names of the methods, one per file (from the folders)')
    parser.add_argument('--out', type=Path, required=True, help='folder for the pictures; those in it are replaced')
    parser.add_argument('--format', choices=['png', 'svg', 'pdf'], default='png')
    parser.add_argument('--protocol', help='e.g. charades_sta/filtered: only its pairs, and its way of counting')
    parser.add_argument('--nms', type=at_least(0, float, most=1),
                        help='drop predictions that overlap more than this with a better one')
    parser.add_argument('--config', help='config of a test with the training set that constant windows are fitted on; '
                        'by default that of the first run')


def read_methods(args: argparse.Namespace):
    """The scored runs of each method.

    Raises:
        ValueError: If they are about different queries.
    """
    from mmvmr.engine.run.testing import find_predictions
    from mmvmr.evaluation.predictions import check_same_queries
    from mmvmr.evaluation.scored import score_predictions
    from mmvmr.utils.progress import progress
    from mmvmr.visualization.result_plots import IOUS
    methods = {}
    rules = dict(tops=(1, 5), ious=IOUS, nms=args.nms)
    for label, path in progress(list(zip(args.labels, args.predictions)), desc='Scoring'):
        methods.setdefault(label, []).append(score_predictions(find_predictions(path), rules, args.protocol))
        check_same_queries(methods[args.labels[0]][0].table, methods[label][-1].table)
    return methods


def run(args: argparse.Namespace) -> None:
    config = args.config and find_config(args.config)
    args.predictions = list(map(find_predictions_of, args.predictions))
    check_writable(args.out)
    from mmengine.registry import init_default_scope

    from mmvmr.engine.run.config import read_config
    from mmvmr.engine.run.testing import windows_of_run
    from mmvmr.evaluation.blind_panel import blind_panel
    from mmvmr.evaluation.scored import fitted_on
    from mmvmr.reproduction.comparison import names_by_path
    from mmvmr.visualization.result_plots import draw_blind_panel, draw_breakdown, draw_recall
    from mmvmr.visualization.style import save_figure
    args.labels = args.labels or names_by_path(args.predictions)
    if len(args.labels) != len(args.predictions):
        raise ValueError(f'--labels needs one name per file: {len(args.predictions)}, got {len(args.labels)}')
    init_default_scope('mmvmr')
    train_spans = fitted_on(read_config(config)) if config else windows_of_run(args.predictions[0])
    methods = read_methods(args)
    all_runs = [run for runs in methods.values() for run in runs]
    first = max(all_runs, key=lambda run: run.protocol.tops)  # with R@5, if one has it
    panel = blind_panel(first.table, first.protocol, train_spans)
    metrics = [f'R@{top},IoU=0.5' for top in first.protocol.tops]
    figures = dict(recall=draw_recall(methods, panel), blind=draw_blind_panel(methods, panel, metrics),
                   breakdown=draw_breakdown(methods, metrics[0], train_spans))
    for name, figure in figures.items():
        save_figure(figure, args.out / f'{name}.{args.format}')
        print(args.out / f'{name}.{args.format}')
