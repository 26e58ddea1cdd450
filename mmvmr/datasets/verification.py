"""What is wrong with the annotations and features of a data set, found by reading all of them once."""
from collections import defaultdict
from pathlib import Path
from typing import Dict, List

import numpy as np

from mmvmr.features.stores.feature_store import open_feature_store
from mmvmr.registry import DATASETS
from mmvmr.utils.progress import progress


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
    return f'{meta["protocol"]}, {meta["split"]} split: {meta["num_pairs"]} pairs, {len(durations)} videos'


def check_features(store, durations: Dict[str, float], problems: Dict[str, List[str]]) -> None:
    """Read the features of these videos (seconds of each), and add what is wrong with them."""
    lengths, source_lengths = {}, dict(zip(store.video_ids, getattr(store, 'num_rows', ())))
    for video in progress(durations, desc=f'Reading {store.path.name}', unit='video'):
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
