"""What is asked of an evaluator beside what MMEngine's ``BaseMetric`` asks: the names of what it measures."""
import difflib
from numbers import Real
from typing import Callable, Dict, List, Optional, Protocol, Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from torch import Tensor


class Evaluator(Protocol):
    """A ``BaseMetric``, which measures predictions.

    Attributes:
        keys: Method -> the names that its ``compute_metrics`` may give on the data set of its ``dataset_meta``, without
            the prefix. With it, a misspelt ``save_best`` is refused before training, not after the first epoch.
    """
    keys: Optional[Callable[[], Sequence[str]]] = None


def check_results(evaluator: BaseMetric) -> None:
    """Let an evaluator name itself where what it computes is no dict of names and numbers."""
    compute = evaluator.compute_metrics

    def compute_metrics(results: list) -> Dict[str, float]:
        found = compute(results)
        if not isinstance(found, dict) or not all(isinstance(key, str) and (
                isinstance(value, (Real, np.bool_)) or isinstance(value, Tensor) and value.dim() == 0)
                for key, value in found.items()):
            raise TypeError(f'compute_metrics of {type(evaluator).__name__} returned {found!r:.200}; expected a dict '
                            'of names and numbers.')
        return found

    evaluator.compute_metrics = compute_metrics


def known_keys(evaluators: Sequence[BaseMetric]) -> Optional[List[str]]:
    """The names of all that evaluators may measure, with their prefixes; None if one of them does not say."""
    found: List[str] = []
    for evaluator in evaluators:
        keys = getattr(evaluator, 'keys', Evaluator.keys)
        if keys is None:
            return None
        found += [f'{evaluator.prefix}/{key}' if evaluator.prefix else key for key in keys()]
    return found


def check_key(key: str, setting: str, evaluators: Sequence[BaseMetric]) -> None:
    """Refuse a name that no evaluator measures; if one does not say its names, nothing is refused.

    Args:
        setting: Where the name stands in the config.

    Raises:
        ValueError: The message has the closest name.
    """
    known = known_keys(evaluators)
    if known is not None and key not in known:
        names = {name.lower(): name for name in known}
        close = [names[name] for name in difflib.get_close_matches(key.lower(), names, n=1)]
        raise ValueError(f'{setting} is {key!r}, which the validation does not measure. '
                         + (f'Did you mean {close[0]}? ' if close else '')
                         + f'It measures {", ".join(known) or "nothing"}.')
