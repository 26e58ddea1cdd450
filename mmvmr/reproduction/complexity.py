"""Parameters and operations of a model."""
from typing import Callable

import pandas as pd
import torch
from mmengine.config import Config
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmvmr.registry import MODELS
from mmvmr.reproduction.benchmark import fill_benchmark_sizes
from mmvmr.structures import Batch, Query


def complexity(config: Config, words: int = 8) -> pd.DataFrame:
    """What the parts of a model cost for one pair of a video and a sentence.

    Args:
        config: Sizes that its model leaves to the data are those of Charades-STA.
        words: Of the sentence.

    Returns:
        By part, in millions: ``parameters``; ``answer``, the operations of ranking its moments; ``loss``, those of the
        losses in a training step, forwards. A multiplication and its addition are two operations. What a combiner asks
        a reconstructor counts as the combiner's; parameters that parts share count in each, once in ``all``.
    """
    fill_benchmark_sizes(config)
    model = MODELS.build(config.model).requires_grad_(False)
    pair = dict(inputs=_draw_pair(config, words))
    answer = _count(model.eval(), lambda: model(model.data_preprocessor(pair)['inputs'], [], mode='predict'))
    loss = _count(model.train(), lambda: model(model.data_preprocessor(pair, True)['inputs'], mode='loss'))
    names = {'all': '', **{name: f'.{name}' for name, part in model.named_modules() if _is_part(name, part)}}
    modules = {name: model.get_submodule(path[1:]) for name, path in names.items()}
    found = pd.DataFrame({
        name: dict(parameters=sum(parameter.numel() for parameter in modules[name].parameters()),
                   answer=answer(path), loss=loss(path)) for name, path in names.items()}).T / 1e6
    return found[found.any(axis=1)]


def _is_part(name: str, module: nn.Module) -> bool:
    return bool(name) and not isinstance(module, nn.ModuleDict) and (
        '.' not in name or name.split('.')[0] in ('reconstructors', 'negatives') and name.count('.') == 1)


def _count(model: nn.Module, run: Callable) -> Callable[[str], int]:
    """The operations of each part of a model, by its path."""
    with FlopCounterMode(display=False) as counter:
        run()
    counts = counter.get_flop_counts()
    return lambda path: sum(counts.get(type(model).__name__ + path if path else 'Global', {}).values())


def _draw_pair(config: Config, words: int) -> Batch:
    """A video and a sentence without meaning, in the sizes of a config."""
    encoder, num_clips = config.model.encoder, config.train_dataloader.dataset.num_clips
    ones = torch.ones(1, words)
    query = Query(torch.randn(1, words, encoder.word_dim), ones.bool(), ones.long(), ones)
    return Batch(torch.randn(1, num_clips, encoder.video_dim), query)
