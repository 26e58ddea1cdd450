"""Which half precision, and what it leaves alone."""
import pytest
import torch
from torch import nn

from mmvmr.engine.optim.mixed_precision import BFloat16OptimWrapper, use_mixed_precision


@pytest.mark.parametrize('capability, expected', [
    (None, dict(type='BFloat16OptimWrapper')),
    ((9, 0), dict(type='BFloat16OptimWrapper')),
    ((7, 0), dict(type='Float16OptimWrapper')),
])
def test_mixed_precision_is_what_the_device_has(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda: capability)
    adam = dict(optimizer=dict(type='Adam'))
    one = dict(type='OptimWrapper', **adam)
    several = dict(constructor='AlternatingConstructor', a=dict(adam), b=dict(adam))
    use_mixed_precision(one)
    use_mixed_precision(several)
    assert one == dict(adam, **expected)
    assert several == dict(constructor='AlternatingConstructor', a=dict(adam, **expected), b=dict(adam, **expected))


def test_bfloat16_forward_keeps_float32_weights():
    model = nn.Linear(4, 1)
    wrapper = BFloat16OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    with wrapper.optim_context(model):
        out = model(torch.ones(1, 4))
    assert out.dtype == torch.bfloat16
    wrapper.update_params(out.float().sum())
    assert model.weight.dtype == torch.float32 and model(torch.ones(1, 4)).dtype == torch.float32
