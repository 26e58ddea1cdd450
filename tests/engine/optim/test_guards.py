"""Losses and gradients that are not finite."""
import pytest
import torch
from mmengine.hooks import Hook
from runs import ADAM, ALTERNATING, make_runner, write_config
from torch import nn

from mmvmr.engine.optim.guards import OptimWrapper
from mmvmr.engine.optim.mixed_precision import Float16OptimWrapper
from mmvmr.registry import HOOKS


@HOOKS.register_module()
class PoisonFrom(Hook):
    """Puts a NaN into the features of all batches from one iteration to another, counted from 1."""

    def __init__(self, first, last):
        self.first, self.last = first, last

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if self.first <= runner.iter + 1 <= self.last:
            data_batch['inputs'].video[0, 0, 0] = float('nan')


@pytest.mark.parametrize('fused', [False, True])
@pytest.mark.parametrize('clip', [None, dict(max_norm=1e6)])
def test_step_with_a_gradient_that_is_not_finite_is_left_out(fused, clip):
    layer = nn.Linear(2, 1, bias=False)
    wrapper = OptimWrapper(torch.optim.SGD(layer.parameters(), lr=1.0, fused=fused), clip_grad=clip)
    before = layer.weight.detach().clone()
    for value in (float('nan'), float('inf')):
        wrapper.update_params(layer(torch.tensor([value, 1.0])).sum())
    assert torch.equal(layer.weight, before) and wrapper.skipped == 2
    wrapper.update_params(layer(torch.tensor([2.0, 1.0])).sum())
    assert torch.equal(layer.weight, before - torch.tensor([[2.0, 1.0]])) and wrapper.skipped == 0


def test_a_step_that_a_fused_optimizer_leaves_out_leaves_its_averages_and_its_count():
    states = []
    for poison in (False, True):
        torch.manual_seed(0)
        layer = nn.Linear(2, 1)
        wrapper = OptimWrapper(torch.optim.Adam(layer.parameters(), lr=0.1, fused=True))
        for value in (1.0, float('nan'), 2.0) if poison else (1.0, 2.0):
            wrapper.update_params(layer(torch.tensor([value, 1.0])).sum())
        states.append([layer.weight.detach(), *wrapper.optimizer.state[layer.weight].values()])
    for clean, poisoned in zip(*states):
        assert torch.equal(clean, poisoned)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_step_with_a_loss_that_is_not_finite_is_left_out_even_if_its_gradient_is(value):
    layer = nn.Linear(2, 1)
    wrapper = OptimWrapper(torch.optim.SGD(layer.parameters(), lr=1.0))
    before = layer.weight.detach().clone()
    wrapper.update_params(layer(torch.ones(1, 2)).sum() + value)
    assert torch.equal(layer.weight, before) and wrapper.skipped == 1


def _update_in_float16(weights, wrapper, *slopes):
    """One update by gradients that pass through float16, which ends at 65504 and holds nothing below 2^-24."""
    wrapper.update_params((weights.half().float() * torch.tensor(slopes)).sum())


def test_float16_scales_the_loss_as_far_as_the_gradient_allows():
    weights = nn.Parameter(torch.zeros(2))
    wrapper = Float16OptimWrapper(torch.optim.SGD([weights], lr=1.0))
    for skipped in (1, 2, 3, 4, 5):  # 20 * 2^16, ..., 20 * 2^12 are too large
        _update_in_float16(weights, wrapper, 20.0, 2.0**-26)
        assert wrapper.skipped == skipped and not weights.any()
    _update_in_float16(weights, wrapper, 20.0, 2.0**-26)
    assert wrapper.loss_scale == 2**11 and wrapper.skipped == 0 and weights.tolist() == [-20, -2.0**-26]


def test_scale_of_float16_never_falls_below_1():
    weights = nn.Parameter(torch.zeros(1))
    wrapper = Float16OptimWrapper(torch.optim.SGD([weights], lr=1.0))
    for _ in range(20):
        _update_in_float16(weights, wrapper, float('nan'))
    assert wrapper.loss_scale == 1 and wrapper.skipped == 20
    _update_in_float16(weights, wrapper, 1.0)
    assert wrapper.skipped == 0 and weights.tolist() == [-1]


def test_scale_of_float16_is_resumed_and_no_hindrance_in_other_precisions():
    def build(kind):
        weights = nn.Parameter(torch.zeros(1))
        return weights, kind(torch.optim.SGD([weights], lr=1.0))

    weights, wrapper = build(Float16OptimWrapper)
    _update_in_float16(weights, wrapper, 3.0)  # one step is left out: 3 * 2^16 is too large
    state = wrapper.state_dict()
    weights, resumed = build(Float16OptimWrapper)
    resumed.load_state_dict(state)
    _update_in_float16(weights, resumed, 3.0 / 2)
    assert resumed.loss_scale == 2**15 and weights.tolist() == [-1.5]
    build(OptimWrapper)[1].load_state_dict(state)
    resumed.load_state_dict(build(OptimWrapper)[1].state_dict())


@pytest.mark.parametrize('changes', [{}, dict(optim_wrapper=ALTERNATING)])
def test_training_survives_bad_batches_and_ends_when_there_are_too_many(changes, tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', **changes)  # eight iterations

    def train(folder, first, last):
        runner = make_runner(file, tmp_path / folder, {
            'default_hooks.poison': dict(type='PoisonFrom', first=first, last=last)})
        return runner.train()

    model = train('survives', 2, 5)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    with pytest.raises(FloatingPointError, match='5 losses or gradients in a row.*non_finite_batch_0.pt'):
        train('ends', 2, 6)
    batch = torch.load(tmp_path / 'ends' / 'non_finite_batch_0.pt', weights_only=True)
    assert batch['iter'] == 6 and batch['video'][0, 0, 0].isnan() and batch['word_ids'].shape[0] == 4


def test_float16_ends_training_when_no_scale_helps(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=5), val_dataloader=None,
                        val_cfg=None, val_evaluator=None, optim_wrapper=dict(type='Float16OptimWrapper', **ADAM))
    runner = make_runner(file, tmp_path / 'run', {'default_hooks.poison': dict(type='PoisonFrom', first=1, last=20),
                                                  'default_hooks.checkpoint.save_best': None})
    with pytest.raises(FloatingPointError, match='17 losses or gradients in a row were not finite'):  # 2^16, ..., 2^0
        runner.train()


def test_update_that_was_left_out_is_reported_once_while_gradients_are_accumulated(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm',
                        optim_wrapper=dict(type='OptimWrapper', accumulative_counts=2, **ADAM))
    runner = make_runner(file, tmp_path / 'run', {'default_hooks.poison': dict(type='PoisonFrom', first=1, last=1)})
    runner.train()
    log, = (tmp_path / 'run').glob('*/*.log')
    reports = [line for line in log.read_text().splitlines() if 'was left out' in line]
    assert len(reports) == 1 and 'The update of iteration 2 was left out' in reports[0] and '(1 in a row)' in reports[0]
