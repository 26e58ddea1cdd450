"""Weights that a part begins with, and that mmvmr leaves MMEngine to others as it is."""
import json
import subprocess
import sys

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.registry import DefaultScope
from runs import make_runner, write_config
from test_checkpoint import Exploit
from torch import nn

from mmvmr.engine.run.check_config import check_config
from mmvmr.engine.run.config import read_config

CHECK = """
import json, mmengine.runner.checkpoint as c, mmengine.fileio.backends.registry_utils as r
from mmengine import registry
def state():
    return dict(schemes={k: v.__module__ + v.__name__ for k, v in c.CheckpointLoader._schemes.items()},
                prefixes={k: v.__module__ + v.__name__ for k, v in r.prefix_to_backends.items()},
                backends={k: v.__module__ + v.__name__ for k, v in r.backends.items() if not k.startswith('mmvmr')},
                parts={k: sorted(v.module_dict) for k, v in vars(registry).items() if isinstance(v, registry.Registry)})
import mmengine.hooks, mmengine.model, mmengine.evaluator, mmengine.visualization, mmengine.infer, mmcv.cnn  # their own
import mmengine.dataset, mmengine.optim, mmengine.runner, mmcv.transforms
before = state()
from mmvmr.registry import import_all
import_all('mmvmr')
after = state()
print(json.dumps([key for key in before if before[key] != after[key]]))
"""


def test_importing_mmvmr_changes_nothing_in_mmengine():
    done = subprocess.run([sys.executable, '-c', CHECK], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


class Part(BaseModule):
    def __init__(self, path, **options):
        super().__init__(dict(type='Pretrained', checkpoint=str(path), **options))
        self.layer = nn.Linear(2, 3)


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmvmr'):
        yield


def test_local_weights_of_a_part_are_read_without_running_anything(tmp_path):
    weights = nn.Linear(2, 3).state_dict()
    for name, content, options in (('whole', dict(state_dict={f'layer.{k}': v for k, v in weights.items()}), {}),
                                   ('bare', {f'layer.{k}': v for k, v in weights.items()}, {}),
                                   ('inside', {f'backbone.layer.{k}': v for k, v in weights.items()},
                                    dict(prefix='backbone'))):
        torch.save(content, tmp_path / f'{name}.pth')
        part = Part(tmp_path / f'{name}.pth', **options)
        part.init_weights()
        assert torch.equal(part.layer.weight, weights['weight']), name
    with pytest.raises(ValueError, match='has no weights that begin with "head.", but backbone.layer'):
        Part(tmp_path / 'inside.pth', prefix='head').init_weights()
    torch.save(dict(state_dict=Exploit(tmp_path / 'owned')), tmp_path / 'bad.pth')
    with pytest.raises(ValueError, match='was refused, and nothing in it has been run'):
        Part(tmp_path / 'bad.pth').init_weights()
    assert not (tmp_path / 'owned').exists()


def test_a_training_begins_with_the_weights_that_its_config_names(tmp_path, tiny_dataset):
    still = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.0))
    runner = make_runner(write_config(tmp_path / 'first.py', tiny_dataset, 'cpl', train_cfg=dict(max_epochs=1)),
                         tmp_path / 'first')
    runner.train()
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'first/epoch_1.pth'))
    model = dict(read_config(str(tmp_path / 'first.py')).model, init_cfg=init_cfg)
    file = write_config(tmp_path / 'second.py', tiny_dataset, 'cpl', model=model, optim_wrapper=still)
    check_config(read_config(file))
    again = make_runner(file, tmp_path / 'second')
    again.train()
    torch.testing.assert_close(dict(again.model.state_dict()), dict(runner.model.state_dict()), rtol=0, atol=1e-5)
    with pytest.raises(KeyError, match='model.init_cfg: "Pretraned" is not in the mmvmr::weight initializer registry'):
        check_config(read_config(file, {'model.init_cfg.type': 'Pretraned'}))


def test_addresses_are_left_to_mmengine(monkeypatch):
    asked = []
    monkeypatch.setattr('mmengine.runner.checkpoint.load_checkpoint', lambda *args, **_: asked.append(args[1]))
    Part('torchvision://resnet50').init_weights()
    assert asked == ['torchvision://resnet50']
