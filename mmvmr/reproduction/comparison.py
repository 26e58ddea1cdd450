"""Methods side by side over several seeds: means and spread, lift over blind, probes, real differences."""
import os
import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import pandas as pd

from mmvmr.evaluation.blind_panel import blind_panel
from mmvmr.evaluation.predictions import check_same_queries, relative_truths, same_queries
from mmvmr.evaluation.protocols import Protocol
from mmvmr.evaluation.scored import read_protocol, score_predictions, with_moments
from mmvmr.evaluation.scoring import summarize
from mmvmr.evaluation.significance import paired_p_value
from mmvmr.reproduction.run_result import read_result

_NO_NAME = re.compile(r'seed_\d+|train|predictions\.jsonl')  # parts of a path that do not tell methods apart

COSTS = ('seconds', 'cpu_seconds', 'peak_mb', 'parameters')


class Method(NamedTuple):
    """The finished runs of one config."""
    name: str
    evaluator: Dict  # config of its MomentRecall
    protocol: Protocol
    queries: pd.DataFrame  # the annotated queries
    scores: pd.DataFrame  # (queries, metrics), mean over the seeds
    runs: pd.DataFrame  # index: seed; columns: (metrics | name of a probe | cost, name); scores in per cent
    probed: Dict[str, pd.DataFrame]  # by probe, the annotated queries: it may have moved their moments
    made_with: List[Dict[str, str]]  # versions and device of each run


class Comparison(NamedTuple):
    """Methods under one protocol, best first; scores in per cent."""
    protocol: Protocol
    queries: pd.DataFrame
    panel: pd.DataFrame  # scores of the blind predictors
    panels: Dict[str, pd.DataFrame]  # the same under each probe
    fitted: Optional[np.ndarray]  # training spans that the windows of the panel are fitted on
    runs: pd.DataFrame  # index: method, seed; columns as in Method
    table: pd.DataFrame  # index: method; columns: (what, name), see compare()
    others: List[str]  # the methods that all are compared with: the best and the reference
    made_with: List[Dict[str, str]]  # without repetitions

    def headlines(self) -> List[str]:
        """The two metrics that stand for all: R@1 at IoU 0.5, or the middle one, and mIoU."""
        ious = self.protocol.ious
        return [f'R@{self.protocol.tops[0]},IoU={0.5 if 0.5 in ious else ious[len(ious) // 2]:g}', 'mIoU']


def read_method(name: str, folders: Sequence[Path], evaluator: Dict, probes: Sequence[str]) -> Method:
    """Read the runs of a config, at least one, from folders with ``result.json`` and files of predictions.

    Args:
        probes: Those to read, which each run has.

    Raises:
        ValueError: If they were tested on different queries.
    """
    results = [read_result(Path(folder, 'result.json')) for folder in folders]
    scored = [score_predictions(Path(folder, 'predictions.jsonl'), evaluator) for folder in folders]
    for folder, one in zip(folders, scored):
        if not same_queries(scored[0].table, one.table):
            raise ValueError(f'The predictions in "{folders[0]}" and "{folder}" are for different queries. Was one cut '
                             'off, or tested on other data? Delete that folder, and give the same command.')
    for folder, one, result in zip(folders, scored, results):
        found = summarize(one.scores)
        if any(abs(found[key] - value) > 0.01 for key, value in result['metrics'].items() if key in found):
            raise ValueError(f'The predictions in "{folder}" do not have the scores of its result.json. Was one of '
                             'them changed, or cut off? Delete predictions.jsonl there to test again, or result.json '
                             'to score them again, and give the same command.')
    seeds = pd.Index([result['seed'] for result in results], name='seed')
    runs = {part: pd.DataFrame([result[part] for result in results], seeds) for part in ('metrics', 'cost')}
    probed = {}
    for probe in probes:
        runs[probe] = pd.DataFrame([result['probes'][probe] for result in results], seeds)
        path = Path(folders[0], predictions_file(probe))
        probed[probe] = with_moments(read_protocol(path), path)
    return Method(name, evaluator, scored[0].protocol, scored[0].table, sum(one.scores for one in scored) / len(scored),
                  pd.concat(runs, axis=1), probed, [result['made_with'] for result in results])


def predictions_file(probe: Optional[str] = None) -> str:
    """The file of the predictions under a probe, or of those without."""
    return f'predictions_{probe}.jsonl' if probe else 'predictions.jsonl'


def short_names(names: Sequence[str]) -> List[str]:
    """Names without the ending that all of them have, from an underscore on.

    Example:
        >>> short_names(['cnm_moving_shapes', 'mcmt_moving_shapes'])
        ['cnm', 'mcmt']
    """
    ending = os.path.commonprefix([name[::-1] for name in names])[::-1] if len(names) > 1 else ''
    return [name.removesuffix(ending[ending.find('_'):]) if '_' in ending else name for name in names]


def names_by_path(paths: Sequence[Path]) -> List[str]:
    """Names of methods: the folders in which the paths of their runs or predictions differ; seeds share a name.

    Example:
        >>> names_by_path([Path('runs/cnm_charades/seed_0/train'), Path('runs/mcmt_charades/seed_1/train')])
        ['cnm', 'mcmt']
    """
    parts = [[part for part in path.absolute().parts if not _NO_NAME.fullmatch(part)] for path in paths]
    start = len(os.path.commonprefix(parts))
    end = len(os.path.commonprefix([one[start:][::-1] for one in parts]))
    return short_names(['/'.join(one[start:len(one) - end]) or one[-1] for one in parts])


def by_benchmark(methods: Sequence[Method]) -> List[List[Method]]:
    """Methods that may stand side by side: one list per benchmark, however many candidates they have.

    Two protocols of a data set are one benchmark if they test on the same pairs by the same rules, whatever they train
    on. Data of one's own have no protocol: where their files are called the same, the methods tell them apart.

    Raises:
        ValueError: If methods of one protocol were tested on different queries.
    """
    groups: List[List[Method]] = []
    for method in methods:
        for group in groups:
            if _rules(method) == _rules(group[0]) and _same_pairs(method, group[0]):
                group.append(method)
                break
        else:
            groups.append([method])
    names = [group[0].protocol.name for group in groups]
    return [group if names.count(group[0].protocol.name) < 2 else
            [method._replace(protocol=method.protocol._replace(name=f'{method.protocol.name} of {_which(group)}'))
             for method in group] for group in groups]


def _which(group: Sequence[Method]) -> str:
    """The data set of methods: what they have behind an @, or else the first of them."""
    changes = [method.name.partition('@')[2] for method in group]
    return changes[0] if changes[0] and len(set(changes)) == 1 else group[0].name


def _rules(method: Method) -> Tuple:
    """Data set, remark on its pairs or features, and how hits are counted."""
    name, _, remark = method.protocol.name.partition(' (')
    return name.partition('/')[0], remark, method.protocol._replace(name='', tops=(), shift='')


def _same_pairs(method: Method, other: Method) -> bool:
    if method.protocol.name == other.protocol.name and not method.protocol.name.startswith('custom ('):
        check_same_queries(method.queries, other.queries)
    return same_queries(method.queries, other.queries)


def name_methods(methods: Sequence[Method], configs: Sequence[str]) -> List[Method]:
    """The methods of a benchmark, named by their configs without the data set, or else what ends all the configs."""
    names = [method.name for method in methods]
    short = [_without_data_set(method.name, method.protocol.name) for method in methods]
    if short == names:
        known = dict(zip(configs, short_names(configs)))
        short = [known[name] for name in names]
    unique = len(set(short)) == len(short)
    return [method._replace(name=name) for method, name in zip(methods, short if unique else names)]


def _without_data_set(config: str, protocol: str) -> str:
    """The name of a config without that of its data set, or the begin of it, and what follows an @.

    Example:
        >>> _without_data_set('cpl_charades@planted', 'charades_sta/filtered (planted features)')
        'cpl'
    """
    data_set, words = f'{protocol.partition("/")[0]}_', config.partition('@')[0].split('_')
    return next(('_'.join(words[:place]) for place in range(1, len(words))
                 if data_set.startswith('_'.join(words[place:]) + '_')), config)


def compare(methods: Sequence[Method], reference: Optional[str] = None,
            train_spans: Optional[np.ndarray] = None) -> Comparison:
    """Compare methods under one protocol.

    Args:
        methods: At least one.
        reference: Name of a method that all are compared with, beside the best; the first one by default.
        train_spans: (M, 2) training spans as fractions, for the fitted windows of the blind panel.

    Returns:
        The columns of its ``table`` are ``mean``, ``std`` (sample standard deviation over the seeds), ``lift`` (over
        the best blind predictor, metric by metric), the same for each probe, such as ``shift``, ``shift std`` and
        ``shift lift``, ``minus X`` and ``p against X`` for each of ``others``; for all metrics. Then ``cost`` and
        ``cost std``. Protocols with the same test pairs share a name, such as ``data/one, two``.
    """
    names = list(dict.fromkeys(one.protocol.name for one in methods))
    name = ', '.join([names[0], *(other.partition('/')[2] for other in names[1:])])
    tops = tuple(sorted({top for one in methods for top in one.protocol.tops}))
    protocol = methods[0].protocol._replace(name=name, tops=tops)
    panel = blind_panel(methods[0].queries, protocol, train_spans)
    runs = pd.concat({method.name: method.runs for method in methods}, names=['method'])
    mean, std = (getattr(runs.groupby('method', sort=False), what)() for what in ('mean', 'std'))
    order = mean['metrics', 'mIoU'].sort_values(ascending=False, kind='stable').index
    known = {method.name: method for method in methods}
    others = list(dict.fromkeys([order[0], reference if reference in known else methods[0].name]))
    columns = dict(mean=mean['metrics'], std=std['metrics'], lift=mean['metrics'] - panel.max())
    panels = {}
    for probe, queries in {name: table for one in methods for name, table in one.probed.items()}.items():
        panels[probe] = panel if same_moments(queries, methods[0].queries) else blind_panel(queries, protocol)
        columns.update({probe: mean[probe], f'{probe} std': std[probe],
                        f'{probe} lift': mean[probe] - panels[probe].max()})
    columns = {what: table.reindex(columns=panel.columns) for what, table in columns.items()}
    for other in others:
        columns[f'minus {other}'] = columns['mean'] - columns['mean'].loc[other]
        columns[f'p against {other}'] = pd.DataFrame(
            {name: p_values(method, known[other]) for name, method in known.items()}, panel.columns).T
    columns.update({'cost': mean['cost'].reindex(columns=COSTS),
                    'cost std': std['cost'].reindex(columns=COSTS).drop(columns='parameters')})
    made_with = [dict(made) for made in dict.fromkeys(tuple(made.items()) for one in methods for made in one.made_with)]
    return Comparison(protocol, methods[0].queries, panel, panels, train_spans, runs.loc[order],
                      pd.concat(columns, axis=1).loc[order], others, made_with)


def same_moments(table: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two tables have the same annotated moments, as fractions of their videos."""
    return len(table) == len(other) and relative_truths(table) == relative_truths(other)


def p_values(method: Method, other: Method) -> pd.Series:
    """Two-sided p-values of the differences by metric; none between a method and itself.

    A query counts with its mean score over the seeds, and queries of one video stay together: the question is whether
    the difference would be there on other videos, not whether it would with other seeds.
    """
    check_same_queries(method.queries, other.queries)
    shared = method.scores.columns.intersection(other.scores.columns, sort=False) if method is not other else []
    return pd.Series({key: paired_p_value(method.scores[key], other.scores[key], method.queries['video_id'])
                      for key in shared}, dtype=float)
