"""Score per-query predictions again without the model: another protocol, other thresholds, against another model.

    mmvmr score work_dirs/cpl_charades --top 1 5 10 --iou 0.5
    mmvmr score official/predictions.jsonl --protocol charades_sta/filtered
    mmvmr score A/predictions.jsonl --against B/predictions.jsonl

Prints the score card, intervals that allow for several queries per video, and with --against a paired test.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser, at_least
from mmvmr.engine.run.places import find_config, find_predictions_of


def add_arguments(parser: Parser) -> None:
    parser.add_argument('predictions', type=Path, help='predictions.jsonl of a test; or a run: its newest')
    parser.add_argument('--protocol', help='e.g. charades_sta/filtered: only its pairs, and its way of counting')
    parser.add_argument('--top', type=at_least(1), nargs='+', help='the n of R@n')
    parser.add_argument('--iou', type=at_least(0, float), nargs='+', help='the m of IoU=m')
    parser.add_argument('--strict', action=argparse.BooleanOptionalAction, help='a hit is IoU > m instead of >= m')
    parser.add_argument('--nms', type=at_least(0, float, most=1),
                        help='drop predictions that overlap more than this with a better one')
    parser.add_argument('--config', help='config of a test with the training set that constant windows are fitted on')
    parser.add_argument('--against', type=Path, help='predictions, or the run, of another model on the same queries')


def run(args: argparse.Namespace) -> None:
    config = args.config and find_config(args.config)
    given = [find_predictions_of(path) for path in (args.predictions, args.against) if path]
    from mmengine.registry import init_default_scope

    from mmvmr.engine.run.config import read_config
    from mmvmr.engine.run.testing import find_predictions
    from mmvmr.evaluation.protocols import find_protocol
    from mmvmr.evaluation.report import score_card
    from mmvmr.evaluation.score_tables import compare, intervals
    from mmvmr.evaluation.scored import fitted_on, read_annotated
    from mmvmr.evaluation.scoring import answerable, per_query

    def read(path: Path):
        return read_annotated(find_predictions(path) if path.is_dir() else path, args.protocol)

    init_default_scope('mmvmr')
    table, config = read(given[0]), config and read_config(config)
    protocol = find_protocol(table['protocol'].iloc[0], args.top, args.iou, args.strict, args.nms)
    scores = per_query(table, answerable(protocol, table))
    print(score_card(table, scores, answerable(protocol, table), fitted_on(config)))
    print(intervals(table, scores))
    if args.against:
        other = read(given[1])
        print(compare(table, scores, other, per_query(other, answerable(protocol, other))))
