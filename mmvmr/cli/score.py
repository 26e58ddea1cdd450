"""Score predictions again without the model, or those of any other program, against annotations.

    mmvmr score work_dirs/cpl_charades --top 1 5 10 --iou 0.5
    mmvmr score official/predictions.jsonl --protocol charades_sta/filtered
    mmvmr score A/predictions.jsonl --against B/predictions.jsonl
    mmvmr score other_program.jsonl --protocol charades_sta/official
    mmvmr score other_program.jsonl --annotations data/custom/test.json --format latex

Prints the score card, intervals that allow for several queries per video, and with --against a paired test. Other
programs write JSON lines with qid, or vid and query; and spans, a list of [start, end] in seconds, best first.
"""
import argparse
from pathlib import Path
from typing import Dict, List, Tuple

from mmvmr.cli.main import Parser, at_least
from mmvmr.engine.run.places import find_config, find_predictions_of


def add_arguments(parser: Parser) -> None:
    parser.add_argument('predictions', type=Path, help='predictions.jsonl, the folder of a test, or of a run; or bare '
                                                       'spans')
    parser.add_argument('--protocol', help='e.g. charades_sta/filtered: only its pairs, and its way of counting')
    parser.add_argument('--annotations', help='what bare spans are compared with: a file, or a config with its test '
                        'set; by default the files of the protocol, where docs/data.md puts them')
    parser.add_argument('--durations', help='Charades_v1_test.csv, with --annotations charades_sta_test.txt')
    parser.add_argument('--top', type=at_least(1), nargs='+', help='the n of R@n')
    parser.add_argument('--iou', type=at_least(0, float), nargs='+', help='the m of IoU=m')
    parser.add_argument('--strict', action=argparse.BooleanOptionalAction, help='a hit is IoU > m instead of >= m')
    parser.add_argument('--nms', type=at_least(0, float, most=1),
                        help='drop predictions that overlap more than this with a better one')
    parser.add_argument('--config', help='config of a test with the training set that constant windows are fitted on; '
                        'by default that of the run')
    parser.add_argument('--format', choices=['text', 'markdown', 'latex'], default='text', help='of the tables')
    parser.add_argument('--against', type=Path, help='predictions, or the run, of another model on the same queries')


def annotated_pairs(args: argparse.Namespace) -> Tuple[List[Dict], str, str]:
    """The pairs that bare spans may be for, their protocol, and that of the pairs which count.

    Raises:
        FileNotFoundError, ValueError: If it is not known where they are.
    """
    from mmvmr.engine.run.config import read_config
    from mmvmr.engine.run.places import names_file, shipped_configs
    from mmvmr.evaluation.predictions import larger_protocol
    from mmvmr.registry import DATASETS
    DATASETS.import_from_location()
    name, _, protocol = (args.protocol or '').partition('/')
    kinds = {kind.slug(): kind for kind in DATASETS.module_dict.values() if hasattr(kind, 'slug')}
    if args.protocol and (name not in kinds or protocol not in kinds[name].PROTOCOLS):
        known = sorted(f'{name}/{one}' for name, kind in kinds.items() for one in kind.PROTOCOLS)
        raise ValueError(f'There is no protocol "{args.protocol}". Known are {", ".join(known)}.')
    is_file = names_file(args.annotations or '')
    if args.durations and not is_file:
        raise ValueError('--durations goes with --annotations FILE; a config says where its durations are.')
    if is_file:
        given = dict(protocol=protocol, type=kinds[name].__name__) if args.protocol else dict(
            type='CharadesSTA' if args.durations else 'MomentDataset')
        given.update(dict(durations=args.durations) if args.durations else {}, ann_file=args.annotations)
    elif args.annotations:
        given = dict(read_config(args.annotations).test_dataloader.dataset)
    else:
        bases = [read_config(path).test_dataloader.dataset
                 for path in sorted(shipped_configs().glob('_base_/datasets/*.py'))]
        given = next((dict(base) for base in bases if args.protocol and base['type'] == kinds[name].__name__
                      and base.get('protocol') == protocol), None)
        if given is None:
            raise ValueError(f'"{args.predictions}" holds no annotated moments. Say what they are compared with: '
                             '--annotations FILE, and --protocol if it is that of a benchmark.')
    given.update(split='test', test_mode=True, features=None, vocabulary=None, text=None)
    counted = f'{DATASETS.get(given["type"]).slug()}/{given.get("protocol")}'
    larger = larger_protocol(counted)
    if larger:
        try:
            dataset = DATASETS.build(dict(given, protocol=larger.partition('/')[2]))
            return dataset.data_list, dataset.metainfo['protocol'], counted
        except ValueError:
            pass  # the file has the pairs that count alone
    dataset = DATASETS.build(given)
    return dataset.data_list, dataset.metainfo['protocol'], dataset.metainfo['protocol']


def run(args: argparse.Namespace) -> None:
    config = args.config and find_config(args.config)
    given = [find_predictions_of(path) for path in (args.predictions, args.against) if path]
    from mmengine.registry import init_default_scope

    from mmvmr.engine.run.config import read_config
    from mmvmr.engine.run.testing import find_predictions, windows_of_run
    from mmvmr.evaluation.bare_predictions import is_bare, read_bare_predictions
    from mmvmr.evaluation.predictions import select_protocol
    from mmvmr.evaluation.protocols import find_protocol
    from mmvmr.evaluation.report import score_card
    from mmvmr.evaluation.score_tables import compare, intervals
    from mmvmr.evaluation.scored import fitted_on, read_protocol, with_moments
    from mmvmr.evaluation.scoring import answerable, per_query

    init_default_scope('mmvmr')
    given = [find_predictions(path) for path in given]
    bare = {path for path in given if path.is_file() and is_bare(path)}
    unread = [f'--{name}' for name in ('annotations', 'durations') if getattr(args, name)]
    if unread and not bare:
        raise ValueError(f'{" and ".join(unread)} would change nothing: "{given[0]}" holds the annotated moments that '
                         'it is compared with. Leave this out; to compare with others, test again.')

    def read(path: Path):
        if path not in bare:
            return with_moments(read_protocol(path, args.protocol), path)
        pairs, protocol, counted = annotated_pairs(args)
        return with_moments(select_protocol(read_bare_predictions(path, pairs, protocol), counted), path)

    table = read(given[0])
    fitted = fitted_on(read_config(config)) if config else windows_of_run(args.predictions)
    protocol = find_protocol(table['protocol'].iloc[0], args.top, args.iou, args.strict, args.nms)
    scores = per_query(table, answerable(protocol, table))
    print(score_card(table, scores, answerable(protocol, table), fitted, args.format))
    print('', intervals(table, scores, args.format), sep='\n')
    if args.against:
        other = read(given[1])
        print('', compare(table, scores, other, per_query(other, answerable(protocol, other)), args.format), sep='\n')
