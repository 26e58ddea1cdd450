"""Read all annotations and features of a data set once, and list what is wrong with them. Exit code 1 if anything is.

Examples:
  python tools/misc/verify_dataset.py configs/mcmt_charades.py
  python tools/misc/verify_dataset.py --annotations data/custom/train.json --features data/custom/features
"""
import argparse
import sys
from collections import defaultdict
from pathlib import Path
from textwrap import fill
from typing import Dict, List

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from terminaltables import AsciiTable
from tqdm import tqdm

from mmvmr.features.stores.feature_store import open_feature_store
from mmvmr.registry import DATASETS

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?', type=Path, help='config whose data sets are checked')
    parser.add_argument('--annotations', nargs='+', default=[], help='JSON lists, instead of a config')
    parser.add_argument('--features', help='feature store, with --annotations')
    parser.add_argument('--feature-dim', type=int, help='dimensions that the features must have')
    args = parser.parse_args(argv)
    if bool(args.config) == bool(args.annotations and args.features):
        parser.error('give a config, or --annotations with --features')
    return args


def dataset_configs(args: argparse.Namespace) -> List[Dict]:
    """The data sets to check; each has ``features``."""
    if args.config is None:
        return [dict(type='MomentDataset', ann_file=path, features=args.features, feature_dim=args.feature_dim)
                for path in args.annotations]
    config = Config.fromfile(args.config)
    return [dict(config[loader].dataset) for loader in LOADERS if loader in config]


def check_dataset(config: Dict, problems: Dict[str, List[str]]) -> str:
    """Add what is wrong with one data set to ``problems`` (kind -> cases); returns a line about the data set."""
    features, dim = Path(config.get('data_root', ''), config['features']), config.get('feature_dim')
    try:
        dataset = DATASETS.build(dict(config, features=None))
    except ValueError as error:
        problems['annotations'].append(str(error))
        return ''
    durations = defaultdict(set)
    for pair in dataset.data_list:
        durations[pair['video_id']].add(pair['duration'])
    problems['durations of one video differ'] += [
        f'{video}: {sorted(values)}' for video, values in durations.items() if len(values) > 1]
    try:
        store = open_feature_store(features)
    except (OSError, ValueError) as error:
        problems['features'].append(str(error))
        return ''
    dim = dim or store.dim
    if store.dim != dim:
        problems['wrong dimensions'].append(f'{features}: {store.dim} instead of {dim}')
    problems['no features'] += [video for video in durations if video not in store]
    present = {video: max(values) for video, values in durations.items() if video in store}
    check_features(store, present, problems)
    meta = dataset.metainfo
    return f'{meta["dataset"]} {meta["protocol"]} {meta["split"]}: {meta["num_pairs"]} pairs, {len(durations)} videos'


def check_features(store, durations: Dict[str, float], problems: Dict[str, List[str]]) -> None:
    """Read the features of these videos (seconds of each), and add what is wrong with them."""
    lengths, source_lengths = {}, dict(zip(store.video_ids, getattr(store, 'num_rows', ())))
    for video in tqdm(durations, desc=f'Reading {store.path.name}', unit='video'):
        try:
            rows = store.read(video)
        except ValueError as error:
            problems['unreadable'].append(str(error))
            continue
        if not np.isfinite(rows).all():
            problems['NaN or infinite'].append(video)
        lengths[video] = source_lengths.get(video, len(rows))
    if len(set(lengths.values())) < 2:
        return  # resampled to one length before: the number of rows says nothing about the duration
    usual = np.median([length / durations[video] for video, length in lengths.items()])
    problems['rows do not fit the duration'] += [
        f'{video}: {length} rows in {durations[video]} s, usually {usual:.2f} per second'
        for video, length in lengths.items()
        if abs(length - usual * durations[video]) > max(2, 0.5 * usual * durations[video])]


def main(argv=None) -> int:
    args = parse_args(argv)
    init_default_scope('mmvmr')
    problems = defaultdict(list)
    for config in dataset_configs(args):
        line = check_dataset(config, problems)
        if line:
            print(line)
    found = {kind: cases for kind, cases in problems.items() if cases}
    rows = [[kind, len(cases), '\n'.join(fill(case, 90) for case in [*cases[:5], *['...'] * (len(cases) > 5)])]
            for kind, cases in found.items()]
    print(AsciiTable([['problem', 'cases', 'the first of them'], *rows]).table if rows else 'No problem found.')
    return 1 if found else 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
