"""Gradients that are not finite."""
import pytest
import torch
from mmengine.hooks import Hook
from runs import ALTERNATING, make_runner, write_config
from torch import nn

from mmvmr.engine.guards import OptimWrapper
from mmvmr.registry import HOOKS


@HOOKS.register_module()
class PoisonFrom(Hook):
    """Puts a NaN into the features of all batches from one iteration to another, counted from 1."""

    def __init__(self, first, last):
        self.first, self.last = first, last

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if self.first <= runner.iter + 1 <= self.last:
            data_batch['inputs'].video[0, 0, 0] = float('nan')


def test_step_with_a_gradient_that_is_not_finite_is_left_out():
    layer = nn.Linear(2, 1, bias=False)
    wrapper = OptimWrapper(torch.optim.SGD(layer.parameters(), lr=1.0))
    before = layer.weight.detach().clone()
    for value in (float('nan'), float('inf')):
        wrapper.update_params(layer(torch.tensor([value, 1.0])).sum())
    assert torch.equal(layer.weight, before) and wrapper.skipped == 2
    wrapper.update_params(layer(torch.tensor([2.0, 1.0])).sum())
    assert torch.equal(layer.weight, before - torch.tensor([[2.0, 1.0]])) and wrapper.skipped == 0


@pytest.mark.parametrize('changes', [{}, dict(optim_wrapper=ALTERNATING)])
def test_training_survives_bad_batches_and_ends_when_there_are_too_many(changes, tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', **changes)  # eight iterations

    def train(folder, first, last):
        runner = make_runner(file, tmp_path / folder, {
            'default_hooks.poison': dict(type='PoisonFrom', first=first, last=last)})
        return runner.train()

    model = train('survives', 2, 5)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    with pytest.raises(FloatingPointError, match='5 gradients in a row were not finite.*non_finite_batch_0.pth'):
        train('ends', 2, 6)
    batch = torch.load(tmp_path / 'ends' / 'non_finite_batch_0.pth', weights_only=True)
    assert batch['iter'] == 6 and batch['video'][0, 0, 0].isnan() and batch['word_ids'].shape[0] == 4
