"""What is wrong with the annotations and features of a data set, found by reading all of them once."""
from collections import defaultdict
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np

from mmvmr.features.stores.feature_store import FeatureStore, open_feature_store
from mmvmr.features.stores.names import describe_names
from mmvmr.registry import DATASETS
from mmvmr.text.vocabulary import Vocabulary
from mmvmr.utils.progress import progress


def check_dataset(config: Dict, problems: Dict[str, List[str]]) -> str:
    """Add what is wrong with one data set to ``problems`` (kind -> cases); returns a line about the data set."""
    try:
        dataset = DATASETS.build(dict(config, features=None))
    except ValueError as error:
        problems['annotations'].append(str(error))
        return ''
    _check_vocabulary(config, problems['vocabulary'])
    durations = defaultdict(set)
    for pair in dataset.data_list:
        durations[pair['video_id']].add(pair['duration'])
    problems['durations of one video differ'] += [
        f'{video}: {sorted(values)}' for video, values in durations.items() if len(values) > 1]
    try:
        store = open_feature_store(config['features'], config.get('data_root', ''))
        renamed = describe_names(store, durations, dataset.ann_file)
        problems['no features'] += [video for video in durations if video not in store]
    except (OSError, ValueError) as error:
        _say_once(problems['features'], str(error))
        return ''
    dim = config.get('feature_dim') or store.dim
    if store.dim != dim:
        problems['wrong dimensions'].append(f'{store.path}: {store.dim} instead of {dim}')
    present = {video: max(values) for video, values in durations.items() if video in store}
    lines = [check_features(stream, present, problems) for stream in getattr(store, 'stores', [store])]
    meta = dataset.metainfo
    split = f', {config["split"]} split' if 'split' in config else ''
    head = f'{meta["protocol"]}{split}: {meta["num_pairs"]} pairs, {len(durations)} videos'
    return '\n  '.join([head, *filter(None, [renamed, *lines])])


def _check_vocabulary(config: Dict, problems: List[str]) -> None:
    if not config.get('vocabulary'):
        return
    path = Path(config.get('data_root', ''), config['vocabulary'])
    try:
        Vocabulary.load(path)
    except FileNotFoundError:
        _say_once(problems, f'There is no vocabulary "{path}". Make it: mmvmr vocabulary {path} --vectors VECTORS '
                  '--sentences CONFIG')
    except ValueError as error:
        _say_once(problems, str(error))


def _say_once(cases: List[str], case: str) -> None:
    """Add a case that several splits may have in common."""
    if case not in cases:
        cases.append(case)


def check_features(store: FeatureStore, durations: Dict[str, float], problems: Dict[str, List[str]]) -> str:
    """Read the features of these videos (seconds of each), and add what is wrong with them.

    Returns:
        A line about the time that a row covers.
    """
    lengths, source_lengths = {}, dict(zip(store.video_ids, getattr(store, 'num_rows', ())))
    for video in progress(durations, desc=f'Reading {store.path.name}', unit='video'):
        try:
            rows = store.read(video)
        except ValueError as error:
            problems['unreadable'].append(str(error))
            continue
        if not np.isfinite(rows).all():
            problems['NaN or infinite'].append(video)
        lengths[video] = int(source_lengths.get(store.names.find(video), len(rows)))
    return check_lengths(lengths, durations, seconds_per_row(getattr(store, 'manifest', {})), problems)


def seconds_per_row(manifest: Dict) -> Optional[float]:
    """What a manifest says, if it does: ``clip_seconds``, or ``stride`` frames at ``fps``."""
    if manifest.get('clip_seconds'):
        return manifest['clip_seconds']
    return manifest['stride'] / manifest['fps'] if manifest.get('stride') and manifest.get('fps') else None


def check_lengths(rows: Dict[str, int], durations: Dict[str, float], seconds: Optional[float],
                  problems: Dict[str, List[str]]) -> str:
    """Compare rows times seconds per row with the durations.

    Args:
        rows: Number of rows of each video.
        durations: Seconds of each video.
        seconds: Per row, if they are known; by default what is usual among these videos, if they differ in rows.
        problems: Gets the videos that are off by more than two rows and a tenth of the video, or a third of it where
            the seconds per row are not known.

    Returns:
        What was compared.
    """
    if not rows:
        return ''
    known = seconds is not None
    if not known:
        if len(set(rows.values())) < 2 < len(rows):
            return f'all videos have {next(iter(rows.values()))} rows: resampled before, so they tell no duration'
        seconds = float(np.median([durations[video] / count for video, count in rows.items()]))
    tolerance = 0.1 if known else 1 / 3
    problems['rows do not fit the duration'] += [
        f'{video}: {count} rows x {seconds:.3g} s = {count * seconds:.1f} s, but it lasts {durations[video]:.1f} s'
        for video, count in rows.items()
        if abs(count * seconds - durations[video]) > max(2 * seconds, tolerance * durations[video])]
    return f'a row covers {seconds:.3g} s, {"as the manifest says" if known else "as most videos suggest"}'
