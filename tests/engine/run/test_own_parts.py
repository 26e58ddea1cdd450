"""Evaluators and hooks of one's own that MMEngine cannot use."""
import pytest
import torch
from mmengine.evaluator import BaseMetric
from runs import make_runner, write_config

from mmvmr.engine.run.check_config import check_config
from mmvmr.engine.run.config import read_config
from mmvmr.registry import EVALUATORS, HOOKS


class Given(BaseMetric):
    """Gives what it is given."""

    def __init__(self, found) -> None:
        super().__init__()
        self.found = found

    def process(self, data_batch, data_samples) -> None:
        self.results += data_samples

    def compute_metrics(self, results):
        return self.found


@pytest.fixture
def registered(monkeypatch):
    for registry in (EVALUATORS, HOOKS):
        monkeypatch.setattr(registry, '_module_dict', dict(registry.module_dict))
    EVALUATORS.register_module()(Given)


@pytest.mark.parametrize('found', [None, [1.0], {'mine': 'much'}, {'mine': [1.0, 2.0]}, {1: 2.0}])
def test_an_evaluator_that_gives_no_numbers_by_names_is_named(registered, tmp_path, tiny_dataset, found):
    runner = make_runner(write_config(tmp_path / 'config.py', tiny_dataset, 'cnm'), tmp_path / 'run')
    evaluator = runner.build_evaluator([dict(type='Given', found=found)])
    with pytest.raises(TypeError, match='compute_metrics of Given returned .*; expected a dict of names and numbers'):
        evaluator.metrics[0].evaluate(1)
    numbers = dict(mine=1, other=torch.tensor(2.0))
    assert runner.build_evaluator([dict(type='Given', found=numbers)]).metrics[0].evaluate(1) == numbers


@pytest.mark.parametrize('registry, entry, base', [
    (HOOKS, dict(custom_hooks=[dict(type='Unfit')]), 'no Hook. Derive the class from mmengine'),
    (EVALUATORS, dict(val_evaluator=[dict(type='Unfit')]), 'no BaseMetric. Derive the class from mmengine')])
def test_what_is_no_part_of_mmengine_is_refused_before_training(registered, tmp_path, tiny_dataset, registry, entry,
                                                                base):
    registry.register_module(name='Unfit')(type('Unfit', (), {}))
    with pytest.raises(TypeError, match=f'Unfit is {base}'):
        check_config(read_config(write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', **entry)))
