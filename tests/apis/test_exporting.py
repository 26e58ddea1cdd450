"""A program answers as the model does, and what is said of it is enough to run it."""
import importlib.util
import json

import pytest
import torch
from runs import run_command
from test_docs import code_blocks

from mmvmr.apis import exporting
from mmvmr.apis.exporting import Ranking, export, random_inputs
from mmvmr.apis.onnx_program import read_onnx


def test_a_program_is_the_model_in_other_hands(inferencer, tmp_path, monkeypatch, capsys):
    run = inferencer.cfg.work_dir
    target = tmp_path / 'exported' / 'cpl_charades'
    assert export(run, target, onnx=True) < 1e-5
    assert sorted(path.name for path in target.iterdir()) == ['inputs.json', 'program.json', 'program.onnx',
                                                             'program.pt2', 'vocabulary.npz']
    said = json.loads((target / 'program.json').read_text())
    inputs = random_inputs(inferencer, 3, seed=9)
    assert {one['name']: (one['shape'], one['dtype']) for one in said['inputs']} == {
        name: ([None, *value.shape[1:]], str(value.dtype)[6:]) for name, value in inputs.items()}
    program = torch.export.load(target / 'program.pt2').module()
    with torch.no_grad():
        torch.testing.assert_close(program(*inputs.values()), Ranking(inferencer.model)(*inputs.values()))
    written = read_onnx(target / said['onnx'])
    torch.testing.assert_close(written(*inputs.values()), program(*inputs.values()), atol=1e-5, rtol=1e-5)
    monkeypatch.chdir(tmp_path)
    torch_block, onnx_block = code_blocks('export.md')
    exec(torch_block, names := {})
    start, end = json.loads(capsys.readouterr().out.splitlines()[-1].removeprefix('tensor(').removesuffix(')'))
    assert 0 <= start <= end <= 1
    exec(onnx_block, names)
    assert names['spans'][0, 0].tolist() == pytest.approx([start, end], abs=1e-3)
    with pytest.raises(FileExistsError, match='is not replaced'):
        export(run, target)


def test_a_program_that_differs_is_seen_and_not_kept(inferencer, tmp_path, monkeypatch):
    inputs = random_inputs(inferencer, 1, seed=0)
    model = Ranking(inferencer.model)

    def wrong(*given):
        return [1.5 + one for one in model(*given)]

    assert exporting._difference(wrong, model, inputs) >= 1.5
    monkeypatch.setattr(exporting, 'write_onnx', lambda *_: None)
    monkeypatch.setattr(exporting, 'read_onnx', lambda _: wrong)
    with pytest.raises(ValueError, match='differs by 1.5'):
        export(inferencer.cfg.work_dir, tmp_path / 'out', onnx=True)
    assert not list(tmp_path.iterdir())
    calls = []

    def damaged(*given):
        spans, scores = model(*given)
        calls.append(1)
        return spans, scores * (float('nan') if len(calls) == 2 else 1.0)

    monkeypatch.setattr(exporting, 'read_onnx', lambda _: damaged)
    with pytest.raises(ValueError, match='differs by nan'):
        export(inferencer.cfg.work_dir, tmp_path / 'out', onnx=True)


def test_candidates_of_equal_scores_may_change_places():
    spans, scores = torch.tensor([[[0.0, 0.1], [0.2, 0.3], [0.4, 0.5]]]), torch.tensor([[2.0, 1.0, 1.0]])
    for order, expected in (([0, 2, 1], 0.0), ([1, 0, 2], 0.2)):
        assert exporting._difference(lambda order=order: (spans[:, order], scores), lambda: (spans, scores),
                                     {}) == pytest.approx(expected)
    scores = torch.tensor([[2.0, 1.0, 0.0]])  # the last is no peak of a curve
    moved = spans + torch.tensor([0.0, 0.0, 0.3]).view(1, 3, 1)
    assert exporting._difference(lambda: (moved, scores), lambda: (spans, scores), {}) == 0
    alone = spans[:, :1], torch.zeros(1, 1)
    assert exporting._difference(lambda: (alone[0] + 0.5, alone[1]), lambda: alone, {}) == 0.5


def test_what_onnx_cannot_say_leaves_nothing(inferencer, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, 'write_onnx', lambda *_: 1 / 0)
    with pytest.raises(ValueError, match=r'as ONNX \(ZeroDivisionError: division by zero\). Leave `--onnx` out'):
        export(inferencer.cfg.work_dir, tmp_path / 'out', onnx=True)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_leaves_nothing(inferencer, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError('data-dependent\nmore')

    monkeypatch.setattr(torch.export, 'export', refuse)
    with pytest.raises(ValueError, match=r'cannot be exported \(RuntimeError: data-dependent\)'):
        export(inferencer.cfg.work_dir, tmp_path / 'out')
    assert not list(tmp_path.iterdir())


def test_without_its_packages_onnx_is_refused_before_anything_is_done(inferencer, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None if name == 'onnxruntime' else found(name))
    with pytest.raises(ImportError, match='--onnx needs onnxruntime: pip install'):
        run_command('export', inferencer.cfg.work_dir, tmp_path / 'out', '--onnx')
    assert not list(tmp_path.iterdir())
