"""How far the epoch that a rule chooses without annotations lies behind the best epoch of a run."""
import copy
import itertools
import json
import re
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from mmvmr.engine.checkpoint import load_checkpoint, mean_weights
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.places import find_run_config
from mmvmr.engine.run.runner import MomentRunner
from mmvmr.engine.run.sizes import fill_sizes
from mmvmr.evaluation.moment_recall import MomentRecall
from mmvmr.evaluation.probes import apply_probe
from mmvmr.evaluation.protocols import find_protocol
from mmvmr.evaluation.scoring import per_query, summarize
from mmvmr.functional.spans import temporal_iou
from mmvmr.models.moment_retriever import MomentRetriever
from mmvmr.registry import MODELS
from mmvmr.utils.files import sha256_of_files, write_text
from mmvmr.utils.progress import progress
from mmvmr.utils.text_files import read_json

METRICS = ('mIoU', 'R@1,IoU=0.5')
RULES = {  # each takes the epoch with the highest value
    'last epoch': 'the number of the epoch',
    'margin': 'how much better the chosen moment explains the query than the rest of its video',
    'margin minus another video': 'the margin, minus that in the video of another pair',
    'own against another video': 'share of queries that match their own video better than that of another pair',
    'agreement with the match': 'IoU of the moment ranked first with the one of the best match',
    'agreement of the first two': 'IoU of the two moments ranked first',
    'stability': 'IoU of the moment ranked first with that of the epoch before',
}
AVERAGES = (2, 3)  # epochs at the end of a run whose weights are averaged


class Reading(NamedTuple):
    """What a model says of N pairs, without their annotation."""
    first: Tensor  # (N, 2) moment ranked first, as fractions of the video
    second: Optional[Tensor]  # (N, 2)
    by_match: Tensor  # (N, 2) the one of the best match
    match: Tensor  # (N,) of the moment ranked first
    margin: Optional[Tensor]  # (N,)


def measure_regret(folder: Path, options: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
    """Measure rules and scores of all epochs of a run.

    Rules look at the validation pairs, whose moments they are not given; scores are those of the test pairs.

    Args:
        folder: Of a training that kept the checkpoints of all its epochs.
        options: Changes of its config.

    Returns:
        Plain data: ``rules``, by rule one value per epoch, None where a model has none; ``scores``, by metric one per
        epoch; ``averages``, by number of epochs and metric; ``protocol``.

    Raises:
        ValueError: If checkpoints are missing.
    """
    epochs = epochs_of(folder)
    config = read_config(find_run_config(folder), options)
    fill_sizes(config)
    planned = config.train_cfg.get('max_epochs') or 0
    if len(epochs) < planned:
        print(f'"{folder}" has {len(epochs)} of {planned} epochs. If it was not stopped early, but is not finished, '
              'its best epoch may be still to come.', file=sys.stderr)
    model = MODELS.build(config.model).eval()
    own, other, test = (MomentRunner.build_dataloader(copy.deepcopy(config[part])) for part in (
        'val_dataloader', 'val_dataloader', 'test_dataloader'))
    try:
        apply_probe(other.dataset, 'shuffle-video')
    except ValueError as error:
        other = None
        print(f'Rules that need videos of other pairs are left out for "{folder}": its validation set has too few of '
              f'them. {error}', file=sys.stderr)
    rules, scores, states, before = [], [], [], None
    for path in progress(epochs, desc=folder.name, unit='epoch'):
        states.append(load_checkpoint(path)['state_dict'])
        model.load_state_dict(states[-1])
        reading = read_pairs(model, own)
        rules.append(apply_rules(len(rules) + 1, reading, other and read_pairs(model, other), before))
        scores.append(score(model, test))
        before = reading
    averages = {}
    for count in (count for count in AVERAGES if count <= len(states)):
        model.load_state_dict(mean_weights(states[-count:]))
        averages[count] = score(model, test)
    return dict(protocol=test.dataset.metainfo['protocol'], rules=_columns(rules), scores=_columns(scores),
                averages=averages)


def epochs_of(folder: Path) -> List[Path]:
    """The checkpoints of all epochs of a run, first to last.

    Raises:
        ValueError: If there are fewer than two, or some are missing.
    """
    found = {int(match[1]): path for path in folder.glob('epoch_*.pth')
             if (match := re.fullmatch(r'epoch_(\d+)\.pth', path.name))}
    if len(found) < 2 or sorted(found) != list(range(1, len(found) + 1)):
        raise ValueError(f'"{folder}" should have the checkpoints of all its epochs, two or more; it has those of '
                         f'{sorted(found) or "none"}. Train with --cfg-options default_hooks.checkpoint.'
                         'max_keep_ckpts=-1.')
    return [found[number] for number in sorted(found)]


@torch.no_grad()
def read_pairs(model: MomentRetriever, loader: DataLoader) -> Reading:
    """Let a model find the moments of all pairs."""
    samples = [sample for batch in loader for sample in model.predict(
        **model.data_preprocessor(batch, False), margin=bool(model.reconstructors), match=True)]
    spans = torch.stack([sample.pred_spans / sample.duration for sample in samples])  # (N, C, 2)
    matches = torch.stack([sample.pred_matches for sample in samples])  # (N, C)
    best = matches.argmax(dim=1)
    return Reading(
        spans[:, 0], spans[:, 1] if spans.size(1) > 1 else None, spans[torch.arange(len(spans)), best], matches[:, 0],
        torch.tensor([sample.margin for sample in samples]) if model.reconstructors else None)


def apply_rules(epoch: int, own: Reading, other: Optional[Reading],
                before: Optional[Reading]) -> Dict[str, Optional[float]]:
    """The value of each rule for an epoch; None where it has none.

    Args:
        own: With the videos of the pairs.
        other: With those of other pairs, where there are some.
        before: Of the epoch before.
    """
    several = own.second is not None
    values = dict.fromkeys(RULES)
    values['last epoch'] = epoch
    if own.margin is not None:
        values['margin'] = own.margin.mean().item()
    if other is not None and own.margin is not None:
        values['margin minus another video'] = (own.margin - other.margin).mean().item()
    if other is not None:
        values['own against another video'] = (own.match > other.match).float().mean().item()
    if several:
        values['agreement with the match'] = temporal_iou(own.first, own.by_match).mean().item()
        values['agreement of the first two'] = temporal_iou(own.first, own.second).mean().item()
    if before is not None:
        values['stability'] = temporal_iou(own.first, before.first).mean().item()
    return values


@torch.no_grad()
def score(model: MomentRetriever, loader: DataLoader) -> Dict[str, float]:
    """Scores on annotated pairs, in per cent, as of a test."""
    tested = MomentRecall()
    for batch in loader:
        tested.process(batch, [sample.to_dict() for sample in model.predict(**model.data_preprocessor(batch, False))])
    table = pd.DataFrame(tested.results)
    table = table[table['gt_spans'].str.len() > 0].reset_index(drop=True)
    protocol = find_protocol(loader.dataset.metainfo['protocol'], tops=[1])._replace(all_moments=False)
    scores = summarize(per_query(table, protocol))
    return {metric: scores[metric] for metric in METRICS}


def _columns(rows: List[Dict]) -> Dict[str, List]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def regrets(found: Mapping[str, Any]) -> pd.DataFrame:
    """By how much the best epoch of a run is better than the one that each rule chooses, in points.

    Of epochs that are equally good by a rule, the last one is chosen. The average of weights may be better than any
    epoch: its regret is negative then.

    Returns:
        Index: rules, with those averages; columns: metrics. NaN where a model has no such rule.
    """
    scores = pd.DataFrame(found['scores'])
    best, rows = scores.max(), {}
    for rule, values in found['rules'].items():
        known = np.array([np.nan if value is None else value for value in values], dtype=float)
        if np.isnan(known).all():
            rows[rule] = best * np.nan
        else:
            rows[rule] = best - scores.iloc[np.flatnonzero(known == np.nanmax(known))[-1]]
    for count, averaged in found['averages'].items():
        rows[f'mean of the last {count}'] = best - pd.Series(averaged)
    return pd.DataFrame(rows).T[list(METRICS)]


def regret_table(runs: Mapping[str, Mapping[str, Any]]) -> List[List[str]]:
    """Rules over runs: mean and largest regret in mIoU, mean regret in R@1,IoU=0.5, and the mIoU regret of each run.

    Args:
        runs: By name, as :func:`measure_regret` gives them. A rule that a run has no value for is averaged over the
            others, whose number is given, with the mean regret of the last epoch on the same runs.
    """
    each = {name: regrets(found) for name, found in runs.items()}
    rules = list(dict.fromkeys(rule for one in each.values() for rule in one.index))
    rows = [['', 'runs', 'mIoU', 'of the last epoch', 'largest', 'R@1,IoU=0.5', *each]]
    for rule in rules:
        known = pd.DataFrame({name: one.loc[rule] for name, one in each.items() if rule in one.index}).T.dropna()
        last = np.mean([each[name].loc['last epoch', 'mIoU'] for name in known.index]) if len(known) else np.nan
        rows.append([rule, str(len(known)), *('' if np.isnan(value) else f'{value:.2f}' for value in (
            known['mIoU'].mean(), last, known['mIoU'].max(), known['R@1,IoU=0.5'].mean())),
            *(f'{known.loc[name, "mIoU"]:.2f}' if name in known.index else '' for name in each)])
    return rows


def measure_all(runs: Mapping[str, Path], out: Path, options: Optional[Mapping[str, Any]] = None) -> Dict[str, Dict]:
    """Measure runs, by name, into files of ``out``; what was measured of the same weights and options is read, whatever
    it was called then.
    """
    files = sorted(out.glob('*.json'), key=lambda path: path.stat().st_mtime)
    kept = [one for one in map(read_json, files) if isinstance(one, dict)]
    found = {}
    for name, folder in runs.items():
        of = _identity(folder, options)
        known = [one for one in kept if _is_same(one.get('of') or {}, of)]
        if not known:
            stem, number = name.replace('/', ','), itertools.count(2)
            path = out / f'{stem}.json'
            while path.exists():
                path = out / f'{stem}_{next(number)}.json'
            write_text(path, json.dumps(dict(measure_regret(folder, options), of=of), indent=1) + '\n')
            known = [read_json(path)]
            kept += known
        found[name] = known[-1]
    return found


def _identity(folder: Path, options: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """Of what is measured: folder, weights, None where they are no longer all there, and changes of the config."""
    try:
        weights = sha256_of_files(*epochs_of(folder))
    except ValueError:
        weights = None
    changes = {key: str(value) for key, value in (options or {}).items()}
    return dict(folder=str(folder.resolve()), weights=weights, options=changes)


def _is_same(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """A run may have moved, or lost checkpoints, since it was measured."""
    by = 'weights' if wanted['weights'] else 'folder'
    return all(known.get(key) == wanted[key] for key in ('options', by))
