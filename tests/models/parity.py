"""What the parity tests share: a batch and a model of mmvmr that hold the numbers of the reference."""
from typing import Dict, Sequence

import torch
from mmengine.registry import init_default_scope
from reference.checkpoint import make_config, make_weights
from reference.network import Inputs
from torch import Tensor, nn

from mmvmr.models.moment_retriever import MomentRetriever
from mmvmr.registry import MODELS
from mmvmr.reproduction.official_checkpoints import convert_weights, model_config, official_name
from mmvmr.structures import Batch, Query


def to_batch(inputs: Inputs) -> Batch:
    """The same batch as a record of mmvmr."""
    real = torch.arange(inputs.ids.size(1))[None] < inputs.lengths[:, None]
    query = Query(inputs.words[:, 1:], real, inputs.ids, real.to(inputs.words.dtype), hidden=inputs.hidden)
    return Batch(inputs.frames, query)


def make_model(method: str, config: dict, weights: dict) -> MomentRetriever:
    """The converted checkpoint as a model without dropout, in the precision of the weights."""
    init_default_scope('mmvmr')
    model = MODELS.build(model_config(method, config, weights))
    model.to(next(iter(weights.values())).dtype).load_state_dict(convert_weights(weights, model, method))
    return model.eval()


def make_pair(method: str, dtype: torch.dtype = torch.float64, **sizes):
    """Config and random weights in the authors' form, and the converted model."""
    config = make_config(method, **sizes)
    weights = {name: value.to(dtype) for name, value in make_weights(config).items()}
    return config, weights, make_model(method, config, weights)


def cast(inputs: Inputs, dtype: torch.dtype) -> Inputs:
    """Features in another precision."""
    return inputs._replace(frames=inputs.frames.to(dtype), words=inputs.words.to(dtype))


class HideInTurn(nn.Module):
    """Stands in for the data preprocessor: hides given words, those of one forward pass after the other."""

    def __init__(self, hidden: Sequence[Tensor]) -> None:
        super().__init__()
        self.turns = list(hidden)

    def forward(self, data: dict, training: bool = False) -> dict:
        batch = data['inputs']
        return dict(inputs=batch._replace(query=batch.query._replace(hidden=self.turns.pop(0))))


def assert_same(method: str, ours: Dict[str, Tensor], theirs: Dict[str, Tensor], **tolerance) -> None:
    """Weights or gradients under our names equal those under the authors' names, all of them."""
    assert {official_name(name, method) for name in ours} == set(theirs)
    for name, value in ours.items():
        expected = theirs[official_name(name, method)]
        torch.testing.assert_close(value, expected, **tolerance, msg=lambda text, name=name: f'{name}: {text}')
