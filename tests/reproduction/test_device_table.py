"""The table of a device, as far as a CPU goes; waits in a training step, and breaks in a compiled graph."""
import csv
import queue
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope
from parts import METHODS, config, make_batch

from mmvmr.engine.optim.alternating import AlternatingConstructor
from mmvmr.engine.optim.groups import DefaultOptimWrapperConstructor
from mmvmr.engine.run.config import read_config
from mmvmr.registry import MODELS
from mmvmr.reproduction import device_table
from mmvmr.reproduction.benchmark import fill_benchmark_sizes, generate

REPO = Path(__file__).parents[2]
ADAM = dict(optimizer=dict(type='Adam', lr=1e-3), clip_grad=dict(max_norm=10))


@pytest.mark.parametrize('waits', [lambda x: x.sum().item(), lambda x: bool(x.any()), lambda x: x.nonzero(),
                                   lambda x: x[x > 0], lambda x: float(x.max()), lambda x: x.unique()])
def test_waits_are_found(waits):
    assert sum(device_table.waits_of(lambda: waits(torch.ones(3))).values()) >= 1


def _model(method):
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmvmr'):
        return MODELS.build(config(method)).train()


@pytest.mark.parametrize('method', METHODS)
def test_in_a_training_step_the_host_waits_for_nothing(method):
    model = _model(method)
    with DefaultScope.overwrite_default_scope('mmvmr'):
        turns = dict(reconstruction=ADAM, ranking=dict(ADAM, modules=['proposal_generator.head']))
        build = (AlternatingConstructor(turns) if method == 'cnm' else
                 DefaultOptimWrapperConstructor(dict(type='OptimWrapper', **ADAM)))
        wrapper = build(model)
    model.train_step(dict(inputs=make_batch()), wrapper)
    assert device_table.waits_of(lambda: model.train_step(dict(inputs=make_batch()), wrapper)) == {}


@pytest.mark.parametrize('method', METHODS)
def test_the_losses_are_one_graph_apart_from_lstms(method):
    model = _model(method)
    inputs = model.data_preprocessor(dict(inputs=make_batch()), True)['inputs']
    torch.compiler.reset()
    with torch._dynamo.config.patch(allow_rnn=True):
        found = torch._dynamo.explain(lambda: model(inputs, mode='loss'))()
    assert found.graph_break_count == 0, found.break_reasons


@pytest.fixture
def small(tmp_path):
    """A config with its data in a folder."""
    found = read_config(str(REPO / 'configs' / 'cpl_moving_shapes.py'), {
        'train_dataloader.batch_size': 4, 'model.reconstructors.query.vocab_size': 30})
    fill_benchmark_sizes(found)
    generate(tmp_path, found, videos=5)
    return found


def test_each_setting_gives_a_row_and_what_fails_says_why(small, tmp_path):
    rows = queue.Queue()
    with DefaultScope.overwrite_default_scope('mmvmr'):
        device_table.work(small.pretty_text, 'cpl', ['float32', 'TF32', 'resident', device_table.WHOLE], tmp_path, 1, 2,
                          60.0, rows)
    exact, tf32, resident, whole = [rows.get() for _ in range(4)]
    assert exact.training > 0 and exact.evaluation > 0 and exact.waits == 'none' and not exact.note
    assert 'TF32 needs a GPU' in tf32.note and tf32.training is None
    assert resident.training > 0 and resident.evaluation > 0 and not resident.note
    assert whole.note.endswith('s for 2 steps') and whole.training > 0
    device_table.write_table(tmp_path / 'table.md', [exact, tf32], 'here')
    lines = (tmp_path / 'table.md').read_text().splitlines()
    assert lines[0].startswith('here, PyTorch') and len(lines) == 6 and 'TF32 needs a GPU' in lines[-1]
    device_table.write_table(tmp_path / 'table.csv', [exact, tf32], 'here')
    with open(tmp_path / 'table.csv') as file:
        assert [line[1] for line in csv.reader(file)] == ['setting', 'float32', 'TF32']


def test_what_the_time_does_not_suffice_for_is_in_the_table(small, tmp_path):
    rows = device_table.device_table([small], tmp_path / 'table.md', tmp_path / 'data', 1, 5, minutes=0)
    assert [row.setting for row in rows] == ['float32', 'TF32', 'bfloat16', 'resident', device_table.WHOLE, 'compiled']
    assert all(row.note == 'the time was over' for row in rows)
    assert (tmp_path / 'table.md').read_text().count('the time was over') == 6
