"""Score per-query predictions again without the model: another protocol, other thresholds, against another model.

    python tools/analysis_tools/eval_results.py work_dirs/cpl_charades/predictions.jsonl --top 1 5 10 --iou 0.5
    python tools/analysis_tools/eval_results.py official/predictions.jsonl --protocol charades_sta/filtered
    python tools/analysis_tools/eval_results.py A/predictions.jsonl --against B/predictions.jsonl

Prints the score card, intervals that allow for several queries per video, and with --against a paired test.
"""
import argparse
from typing import Optional

import numpy as np
import pandas as pd
from mmengine.registry import init_default_scope
from terminaltables import AsciiTable

from mmvmr.cli.launch import friendly_errors, read_config
from mmvmr.evaluation.moment_recall import annotated_fractions
from mmvmr.evaluation.predictions import check_same_queries, read_predictions, select_protocol
from mmvmr.evaluation.protocols import find_protocol
from mmvmr.evaluation.report import score_card
from mmvmr.evaluation.scoring import answerable, per_query
from mmvmr.evaluation.significance import confidence_interval, paired_p_value


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('predictions', help='predictions.jsonl of tools/test.py')
    parser.add_argument('--protocol', help='e.g. charades_sta/filtered: only its pairs, and its way of counting')
    parser.add_argument('--top', type=int, nargs='+', help='the n of R@n')
    parser.add_argument('--iou', type=float, nargs='+', help='the m of IoU=m')
    parser.add_argument('--strict', action=argparse.BooleanOptionalAction, help='a hit is IoU > m instead of >= m')
    parser.add_argument('--nms', type=float, help='drop predictions that overlap more than this with a better one')
    parser.add_argument('--config', help='config with the `train_set` that the constant windows are fitted on')
    parser.add_argument('--against', help='predictions of another model on the same queries: is the difference real?')
    return parser.parse_args(argv)


def load(path: str, protocol: Optional[str]) -> pd.DataFrame:
    """The annotated queries of a file, under a protocol."""
    table = read_predictions(path)
    table = table if protocol is None else select_protocol(table, protocol)
    table = table[table['gt_spans'].str.len() > 0].reset_index(drop=True)
    if table.empty:
        raise ValueError(f'"{path}" has no query with an annotated moment, so there is nothing to measure.')
    return table


def train_spans(path: Optional[str]) -> Optional[np.ndarray]:
    """Training spans as fractions, from the annotations that a config names."""
    if path is None:
        return None
    config = read_config(path)
    if 'train_set' not in config:
        raise ValueError(f'"{path}" has no `train_set`: a dataset config of the training annotations.')
    init_default_scope('mmvmr')
    return annotated_fractions(config.train_set)


def intervals(table: pd.DataFrame, scores: pd.DataFrame) -> str:
    """A table of the scores with their confidence intervals."""
    rows = [['', 'score', '95 % interval (by video)']]
    for key in scores:
        low, high = confidence_interval(scores[key], table['video_id'])
        rows.append([key, f'{100 * scores[key].mean():.2f}', f'{100 * low:.2f} .. {100 * high:.2f}'])
    return AsciiTable(rows).table


def compare(table: pd.DataFrame, scores: pd.DataFrame, other: pd.DataFrame, others: pd.DataFrame) -> str:
    """A table of both models' scores, their differences and p-values.

    Raises:
        ValueError: If the two are not about the same queries.
    """
    check_same_queries(table, other)
    rows = [['', 'this', 'the other', 'difference', 'p (by video)']]
    for key in scores.columns.intersection(others.columns, sort=False):
        p_value = paired_p_value(scores[key], others[key], table['video_id'])
        first, second = 100 * scores[key].mean(), 100 * others[key].mean()
        rows.append([key, f'{first:.2f}', f'{second:.2f}', f'{first - second:+.2f}', f'{p_value:.4f}'])
    return AsciiTable(rows).table


@friendly_errors
def main(argv=None) -> None:
    args = parse_args(argv)
    table = load(args.predictions, args.protocol)
    protocol = find_protocol(table['protocol'].iloc[0], args.top, args.iou, args.strict, args.nms)
    scores = per_query(table, answerable(protocol, table))
    print(score_card(table, scores, answerable(protocol, table), train_spans(args.config)))
    print(intervals(table, scores))
    if args.against:
        other = load(args.against, args.protocol)
        print(compare(table, scores, other, per_query(other, answerable(protocol, other))))


if __name__ == '__main__':
    main()
