"""Files of predictions with their scores."""
from pathlib import Path
from typing import Dict, NamedTuple, Optional, Union

import numpy as np
import pandas as pd
from mmengine.config import Config

from mmvmr.evaluation.moment_recall import annotated_fractions
from mmvmr.evaluation.predictions import read_predictions, select_protocol
from mmvmr.evaluation.protocols import Protocol, find_protocol
from mmvmr.evaluation.scoring import answerable, per_query


class Scored(NamedTuple):
    """A file of predictions with its scores."""
    table: pd.DataFrame  # of the annotated queries
    protocol: Protocol
    scores: pd.DataFrame  # (queries, metrics)


def find_evaluator(config: Config) -> Dict:
    """The config of the ``MomentRecall`` that a config tests with.

    Raises:
        ValueError: If there is none.
    """
    evaluators = config.get('test_evaluator') or []
    for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
        if evaluator['type'] == 'MomentRecall':
            return evaluator
    raise ValueError(f'"{config.filename}" has no `test_evaluator` of type MomentRecall, which writes the predictions '
                     "that are compared. Add test_evaluator = dict(type='MomentRecall').")


def score_predictions(path: Union[str, Path], evaluator: Dict, protocol: Optional[str] = None) -> Scored:
    """Score a file of predictions as a ``MomentRecall`` with these arguments does; ``protocol`` selects its pairs."""
    table = with_moments(read_protocol(path, protocol), path)
    rules = find_protocol(table['protocol'].iloc[0], **{key: evaluator.get(key) for key in ('tops', 'ious', 'nms')})
    rules = answerable(rules, table)
    return Scored(table, rules, per_query(table, rules))


def read_protocol(path: Union[str, Path], protocol: Optional[str] = None) -> pd.DataFrame:
    """A file of predictions, or those of its rows that are of a smaller protocol."""
    table = read_predictions(path)
    return table if protocol is None else select_protocol(table, protocol)


def with_moments(table: pd.DataFrame, path: Union[str, Path]) -> pd.DataFrame:
    """The rows with annotated moments.

    Args:
        path: Where they are from, for messages.

    Raises:
        ValueError: If there are none.
    """
    table = table[table['gt_spans'].str.len() > 0].reset_index(drop=True)
    if table.empty:
        raise ValueError(f'"{path}" has no query with an annotated moment, so there is nothing to measure.')
    return table


def fitted_on(config: Config) -> np.ndarray:
    """Training spans as fractions, (M, 2), from the ``train_set`` of the ``MomentRecall`` that a config tests with.

    Raises:
        ValueError: If it has none.
    """
    train_set = find_evaluator(config).get('train_set')
    if train_set is None:
        raise ValueError(f'"{config.filename}" has no `train_set` in its test_evaluator: a data set with the training '
                         'annotations.')
    return annotated_fractions(train_set)
