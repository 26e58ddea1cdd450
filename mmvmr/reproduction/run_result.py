"""What came out of a run: scores, probe, cost, and what it was made with."""
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Dict, NamedTuple, Optional, Union

import pandas as pd
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

import mmvmr
from mmvmr.evaluation.predictions import read_predictions, select_protocol
from mmvmr.evaluation.protocols import Protocol, find_protocol
from mmvmr.evaluation.scoring import answerable, per_query, summarize
from mmvmr.registry import MODELS


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
    table = read_predictions(path)
    table = table if protocol is None else select_protocol(table, protocol)
    table = table[table['gt_spans'].str.len() > 0].reset_index(drop=True)
    if table.empty:
        raise ValueError(f'"{path}" has no query with an annotated moment, so there is nothing to measure.')
    rules = find_protocol(table['protocol'].iloc[0], **{key: evaluator.get(key) for key in ('tops', 'ious', 'nms')})
    rules = answerable(rules, table)
    return Scored(table, rules, per_query(table, rules))


def describe_run(config: Config, checkpoint: str, predictions: Path, probe: Path, cost: Dict[str, float],
                 threads: int) -> Dict:
    """A run as plain data.

    Args:
        config: The config, with the seed in ``randomness``.
        checkpoint: The weights that were tested.
        predictions: File of the predictions on the test set.
        probe: File of the predictions with the queries shuffled.
        cost: What the training cost; the number of parameters is added.
        threads: How many a process had.
    """
    evaluator = find_evaluator(config)
    with DefaultScope.overwrite_default_scope('mmvmr'):
        parameters = sum(parameter.numel() for parameter in MODELS.build(config.model).parameters())
    scores = {name: summarize(score_predictions(path, evaluator).scores)
              for name, path in (('metrics', predictions), ('probe', probe))}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f'CPU with {threads} thread(s)'
    return dict(
        seed=config.randomness.seed, checkpoint=Path(checkpoint).name, **scores, cost=dict(cost, parameters=parameters),
        made_with=dict(mmvmr=mmvmr.__version__, torch=str(torch.__version__), mmengine=version('mmengine'),
                       numpy=version('numpy'), Python=platform.python_version(), device=device))
