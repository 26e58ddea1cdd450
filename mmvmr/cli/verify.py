"""Read all annotations and features of a data set once, and list what is wrong with them. Exit code 1 if anything is.

    mmvmr verify mcmt_charades
    mmvmr verify --annotations data/custom/train.json --features data/custom/features

It looks at all splits of a config, and shows nothing of the test split but what is wrong with it.
"""
import argparse
import re
from typing import Dict, List, Optional

from mmvmr.cli.main import Parser, add_config_options, at_least
from mmvmr.engine.run.places import find_config

_COMMAND = re.compile(r'(?<=: )(mmvmr|python) .*')  # at the end of a case


def add_arguments(parser: Parser) -> None:
    parser.add_argument('config', nargs='?', help='config, or run, whose data sets are checked')
    parser.add_argument('--annotations', nargs='+', default=[], help='JSON lists, instead of a config')
    parser.add_argument('--features', help='feature store, with --annotations')
    parser.add_argument('--feature-dim', type=at_least(1), help='dimensions that the features must have')
    add_config_options(parser)


def dataset_configs(args: argparse.Namespace, path: Optional[str]) -> List[Dict]:
    """The data sets to check; each has ``features``."""
    if path is None:
        return [dict(type='MomentDataset', ann_file=path, features=args.features, feature_dim=args.feature_dim)
                for path in args.annotations]
    from mmvmr.engine.run.check_config import check_config
    from mmvmr.engine.run.config import parse_options, read_config
    config = read_config(path, parse_options(args.cfg_options))
    if 'model' in config:  # data sets alone will do
        check_config(config)
    loaders = [config.get(f'{split}_dataloader') for split in ('train', 'val', 'test')]
    return [dict(loader['dataset']) for loader in loaders if loader]


def run(args: argparse.Namespace) -> int:
    of_lists = bool(args.annotations or args.features or args.feature_dim)
    if args.config and of_lists:
        raise ValueError('Give a config, or --annotations with --features, not both: a config says where its data are.')
    if not args.config and not (args.annotations and args.features):
        raise ValueError('Give a config, or --annotations with --features.')
    if not args.config and args.cfg_options:
        raise ValueError('--cfg-options change a config, and none is given.')
    path = args.config and find_config(args.config)
    from collections import defaultdict
    from textwrap import fill

    from mmengine.registry import init_default_scope
    from terminaltables import AsciiTable

    from mmvmr.datasets.verification import check_dataset
    init_default_scope('mmvmr')
    problems = defaultdict(list)
    for config in dataset_configs(args, path):
        line = check_dataset(config, problems)
        if line:
            print(line)
    found = {kind: cases for kind, cases in problems.items() if cases}
    shown = {kind: [*cases[:5], *['...'] * (len(cases) > 5)] for kind, cases in found.items()}
    rows = [[kind, len(found[kind]), '\n'.join(fill(_COMMAND.sub('see below', case), 90) for case in cases)]
            for kind, cases in shown.items()]
    print(AsciiTable([['problem', 'cases', 'the first of them'], *rows]).table if rows else 'No problem found.')
    commands = [match[0] for cases in shown.values() for case in cases for match in _COMMAND.finditer(case)]
    for command in dict.fromkeys(commands):  # in one piece, to be copied
        print(command)
    return 1 if found else 0
