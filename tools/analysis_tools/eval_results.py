"""Score per-query predictions again, without the model: other thresholds, other pairs, or against another model.

    python tools/analysis_tools/eval_results.py work_dirs/cpl_charades/predictions.jsonl --top 1 5 10 --iou 0.5
    python tools/analysis_tools/eval_results.py A/predictions.jsonl --against B/predictions.jsonl
    python tools/analysis_tools/eval_results.py official/predictions.jsonl --pairs data/charades_sta/test.json
"""
import argparse

import pandas as pd
from terminaltables import AsciiTable

from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.engine.launch import friendly_errors
from mmvmr.evaluation.protocols import find_protocol
from mmvmr.evaluation.report import score_card
from mmvmr.evaluation.scoring import answerable, per_query, read_predictions
from mmvmr.evaluation.significance import confidence_interval, paired_p_value


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('predictions', help='predictions.jsonl of tools/test.py')
    parser.add_argument('--top', type=int, nargs='+', help='the n of R@n')
    parser.add_argument('--iou', type=float, nargs='+', help='the m of IoU=m')
    parser.add_argument('--strict', action='store_true', help='a hit is IoU > m (2D-TAN) instead of >= m')
    parser.add_argument('--nms', type=float, help='drop predictions that overlap more than this with a better one')
    parser.add_argument('--pairs', help='JSON list of [video_id, duration, [start, end], sentence]: only these pairs, with '
                        'these spans; e.g. the filtered test set of CNM and CPL on predictions for the official one')
    parser.add_argument('--against', help='predictions of another model on the same queries: is the difference real?')
    return parser.parse_args()


def select_pairs(table: pd.DataFrame, path: str) -> pd.DataFrame:
    """The rows of the pairs in an annotation file, with its spans."""
    wanted = pd.DataFrame(MomentDataset(path).data_list)[['video_id', 'query', 'spans', 'duration']]
    wanted = wanted.assign(number=wanted.groupby(['video_id', 'query']).cumcount())
    table = table.assign(number=table.groupby(['video_id', 'query']).cumcount())
    chosen = wanted.merge(table.drop(columns=['gt_spans', 'duration']), on=['video_id', 'query', 'number'])
    if len(chosen) < len(wanted):
        raise ValueError(f'"{path}" has {len(wanted)} pairs, but there are predictions for {len(chosen)} of them only. Test '
                         'on a set that contains all.')
    return chosen.rename(columns=dict(spans='gt_spans')).assign(protocol=f'custom ({path})')


def compare(table: pd.DataFrame, scores: pd.DataFrame, other: pd.DataFrame, others: pd.DataFrame) -> str:
    """A table of both models' scores, their differences and p-values."""
    keys = ['video_id', 'query', 'sample_idx']
    if not table[keys].reset_index(drop=True).equals(other[keys].reset_index(drop=True)):
        raise ValueError('The two files are about different queries. Compare tests on the same pairs.')
    rows = [['', 'this', 'the other', 'difference', 'p (by video)']]
    for key in scores:
        p_value = paired_p_value(scores[key], others[key], table['video_id'])
        first, second = 100 * scores[key].mean(), 100 * others[key].mean()
        rows.append([key, f'{first:.2f}', f'{second:.2f}', f'{first - second:+.2f}', f'{p_value:.4f}'])
    return AsciiTable(rows).table


@friendly_errors
def main() -> None:
    args = parse_args()

    def load(path: str) -> pd.DataFrame:
        table = read_predictions(path)
        table = select_pairs(table, args.pairs) if args.pairs else table
        return table[table['gt_spans'].str.len() > 0].reset_index(drop=True)

    table = load(args.predictions)
    protocol = find_protocol(table['protocol'].iloc[0])
    protocol = protocol._replace(tops=tuple(args.top or protocol.tops), ious=tuple(args.iou or protocol.ious),
                                 strict=args.strict)
    protocol = answerable(protocol, table)
    scores = per_query(table, protocol, args.nms)
    print(score_card(table, scores, protocol))
    rows = [['', 'score', '95 % interval (by video)']]
    for key in scores:
        low, high = confidence_interval(scores[key], table['video_id'])
        rows.append([key, f'{100 * scores[key].mean():.2f}', f'{100 * low:.2f} .. {100 * high:.2f}'])
    print(AsciiTable(rows).table)
    if args.against:
        other = load(args.against)
        print(compare(table, scores, other, per_query(other, protocol, args.nms)))


if __name__ == '__main__':
    main()
