"""Every method in bfloat16 and float16: the losses of float32 up to rounding, gradients for the same parameters."""
from contextlib import nullcontext

import pytest
import torch
from parts import METHODS, config, make_batch

from mmvmr.registry import MODELS
from mmvmr.structures import MomentSample

pytestmark = [pytest.mark.parametrize('method', METHODS),
              pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16], ids=str)]


def _build(method):
    """A model without dropout in the middle of its training, so that all losses count."""
    torch.manual_seed(0)
    model = MODELS.build(config(method))
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, 'set_progress'):
            module.set_progress(0.5)
    return model


def _step(model, dtype=None, scale=1.0):
    """Losses and gradients by name, with the same hidden words and draws each time."""
    model.data_preprocessor.seed = 1
    model.zero_grad()
    inputs = model.data_preprocessor(dict(inputs=make_batch()), True)['inputs']
    with torch.autocast('cpu', dtype) if dtype else nullcontext():
        losses = model(inputs, mode='loss')
    (scale * sum(losses.values())).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return {name: loss.item() for name, loss in losses.items()}, gradients


def test_losses_and_gradients_are_those_of_float32_up_to_rounding(method, dtype):
    model = _build(method)
    exact, expected = _step(model)
    losses, gradients = _step(model, dtype, scale=256.0)  # far from both ends of float16
    for name, loss in exact.items():
        # what is rounded are likelihoods and scores of about 1; a loss may be a small difference of them
        assert losses[name] == pytest.approx(loss, abs=2 * torch.finfo(dtype).eps * max(loss, 1)), name
    assert gradients.keys() == expected.keys()
    largest = max(gradient.abs().max() for gradient in expected.values())
    for name, gradient in gradients.items():
        assert gradient.isfinite().all(), name
        assert gradient.any() or expected[name].abs().max() < 1e-6 * largest, f'the gradient of {name} is lost'


def test_moments_are_finite_and_inside_the_video(method, dtype):
    model = _build(method).eval()
    samples = [MomentSample(metainfo=dict(video_id='v', query='q', duration=20.0)) for _ in range(3)]
    with torch.no_grad(), torch.autocast('cpu', dtype):
        model.val_step(dict(inputs=make_batch(), data_samples=samples))
    for sample in samples:
        assert sample.pred_scores.isfinite().all()
        assert 0 <= sample.pred_spans.min() and sample.pred_spans.max() <= 20
