"""Sizes of a model that follow from its data: a config may leave them out, and they are checked where it does not."""
import copy
from typing import Any, Dict, Iterator, List, Optional, Tuple

from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from mmvmr.engine.run.check_config import SIZES, arguments_of, find_part
from mmvmr.registry import DATASETS, MODELS
from mmvmr.text.interface import TextEncoder


def data_sizes(dataset: Any) -> Dict[str, int]:
    """``video_dim``, ``word_dim`` and ``vocab_size`` of a data set with features and words; {} of another one."""
    store, text = getattr(dataset, 'store', None), getattr(dataset, 'text', None)
    return {} if store is None or text is None else input_sizes(store.dim, text)


def input_sizes(video_dim: int, text: TextEncoder) -> Dict[str, int]:
    """The sizes that features of ``video_dim`` dimensions and a text encoder give; without words, no ``vocab_size``."""
    words = {} if text.vocabulary is None else dict(vocab_size=len(text.vocabulary))
    return dict(video_dim=video_dim, word_dim=text.dim, **words)


def fill_sizes(config: Config, sizes: Optional[Dict[str, int]] = None) -> None:
    """Write the sizes that the parts of the model need and the config leaves out into the config.

    Args:
        sizes: By name; those of the data that the config trains on, or else tests on, by default. Their files are
            opened if a size is missing.

    Raises:
        FileNotFoundError: If a size is missing, and the data are absent.
        ValueError: If a size is missing, and the data set does not tell it.
    """
    missing = [(key, part, size) for key, part in parts_of(config.model, 'model')
               for size in SIZES if part.get(size) is None and size in arguments_of(find_part(part['type'], key))]
    if not missing:
        return
    if sizes is None:
        loaders = [config.get(f'{name}_dataloader') for name in ('train', 'val', 'test')]
        dataset = next((loader['dataset'] for loader in loaders if loader), None)
        sizes = data_sizes(DATASETS.build(dict(innermost(dataset), lazy_init=True))) if dataset else {}
    for key, part, size in missing:
        if size not in sizes:
            raise ValueError(f'{key}.{size} is not given, and no data set of the config tells it. Add it there.')
        part[size] = sizes[size]


def names_of_weights(config: Config) -> List[str]:
    """Some of the weights that the model of a config has; [] if it has nothing to learn."""
    sized = [key for key, part in parts_of(config.model, 'model')
             if set(SIZES) & set(arguments_of(find_part(part['type'], key)))]
    if sized:  # it has weights of these sizes, and the data need not be there to say so
        return sized
    with DefaultScope.overwrite_default_scope('mmvmr'):
        return list(MODELS.build(copy.deepcopy(config.model)).state_dict())


def check_untrained(config: Config, question: str) -> None:
    """Refuse the config of a model that has weights.

    Args:
        question: What is asked of whoever gave it, before the reason.

    Raises:
        ValueError: If it has some.
    """
    names = names_of_weights(config)
    if names:
        raise ValueError(f'{question} The model of "{config.filename}" has weights, such as those of {names[0]}: give '
                         'a checkpoint or the folder of a run, too.')


def parts_of(value: Any, key: str) -> Iterator[Tuple[str, Dict]]:
    """The configs of all parts within a config, with their dotted keys."""
    if isinstance(value, dict):
        if 'type' in value:
            yield key, value
        for name in list(value):
            yield from parts_of(value[name], f'{key}.{name}')
    elif isinstance(value, (list, tuple)):
        for place, item in enumerate(value):
            yield from parts_of(item, f'{key}.{place}')


def innermost(dataset: Dict) -> Dict:
    """The first data set inside those that wrap others."""
    while 'dataset' in dataset or 'datasets' in dataset:
        dataset = dataset.get('dataset') or dataset['datasets'][0]
    return dataset


def check_sizes(model: nn.Module, sizes: Dict[str, int], trained: bool = False) -> None:
    """Compare the sizes that the parts of a model were built with to those of the data.

    Args:
        trained: The model has weights, so only the data can be others.

    Raises:
        ValueError: If one differs; the message gives the ``--cfg-options`` that repair it.
    """
    wrong = {f'model.{place}.{size}': (getattr(part, size), found) for place, part in model.named_modules()
             for size, found in sizes.items() if isinstance(getattr(part, size, None), int)
             and getattr(part, size) != found}
    if wrong:
        listed = '; '.join(f'{key} is {given}, the data have {found}' for key, (given, found) in wrong.items())
        if trained:
            files = {'vocab_size': 'vocabulary', 'word_dim': 'vocabulary', 'video_dim': 'features'}
            names = sorted({files[key.rpartition('.')[2]] for key in wrong})
            options = ' '.join(f'dataset.{name}=PATH' for name in names)
            raise ValueError(f'The data are not those that the model was trained on: {listed}. Give it '
                             f'{" and ".join(names)} of its training: --cfg-options {options}')
        options = ' '.join(f'{key}={found}' for key, (_, found) in wrong.items())
        raise ValueError(f'The model does not fit the data: {listed}. If the data are right, leave these sizes out of '
                         f'the config, or add --cfg-options {options}')
