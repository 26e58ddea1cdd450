"""What came out of a run: scores, probes, cost, and what it was made with."""
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Dict, Optional

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

import mmvmr
from mmvmr.evaluation.scored import find_evaluator, score_predictions
from mmvmr.evaluation.scoring import summarize
from mmvmr.registry import MODELS
from mmvmr.utils.text_files import read_json


def read_result(path: Path) -> Dict:
    """What :func:`describe_run` has given, from its file.

    Raises:
        ValueError: If it is damaged.
    """
    try:
        return read_json(path)
    except ValueError as error:
        raise ValueError(f'{error} Delete it, and give the same command: it is written anew.') from error


def describe_run(config: Config, checkpoint: Optional[str], predictions: Path, probes: Dict[str, Path],
                 cost: Optional[Dict[str, float]], threads: int) -> Dict:
    """A run as plain data.

    Args:
        config: The config, with the seed in ``randomness``.
        checkpoint: The weights that were tested; None of a model that has nothing to learn.
        predictions: File of the predictions on the test set.
        probes: Files of the predictions under probes, by their names.
        cost: What the training cost, None without one; the number of parameters is added.
        threads: How many a process had.
    """
    evaluator = find_evaluator(config)
    with DefaultScope.overwrite_default_scope('mmvmr'):
        parameters = sum(parameter.numel() for parameter in MODELS.build(config.model).parameters())
    metrics, *probed = [summarize(score_predictions(path, evaluator).scores)
                        for path in (predictions, *probes.values())]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f'CPU with {threads} thread(s)'
    return dict(
        seed=config.randomness.seed, checkpoint=checkpoint and Path(checkpoint).name, metrics=metrics,
        probes=dict(zip(probes, probed)), cost=dict(cost or {}, parameters=parameters),
        made_with=dict(mmvmr=mmvmr.__version__, torch=str(torch.__version__), mmengine=version('mmengine'),
                       numpy=version('numpy'), Python=platform.python_version(), device=device))
