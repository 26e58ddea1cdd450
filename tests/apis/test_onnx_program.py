"""Every method answers in ONNX Runtime as in PyTorch."""
import pytest
import torch
from parts import METHODS, config, make_batch

from mmvmr.apis.exporting import ANY_PAIRS, OUTPUTS, Ranking
from mmvmr.apis.onnx_program import _ABSENT, read_onnx, write_onnx
from mmvmr.registry import MODELS

SCAN = dict(combiner=dict(type='KeepDeleteScan', num_clips=20, feedback=0.1), ranker=dict(type='ScoreRanker'))


def _inputs(seed, pairs):
    batch = make_batch(seed=seed)
    inputs = batch.video, batch.query.features, batch.query.mask, batch.query.word_ids, batch.query.word_weights
    return [torch.cat([one, one])[:pairs] for one in inputs]


@pytest.mark.parametrize('method', [*METHODS, 'scan'])
def test_answers_are_those_of_the_model(method, tmp_path):
    torch.manual_seed(0)
    changes = SCAN if method == 'scan' else {}
    model = Ranking(MODELS.build(dict(config('cpl' if changes else method), **changes))).eval()
    file = tmp_path / 'program.onnx'
    with torch.no_grad():
        program = torch.export.export(model, tuple(_inputs(0, pairs=2)), strict=False, dynamic_shapes=(ANY_PAIRS,) * 5)
        write_onnx(program, file, OUTPUTS)
        assert list(tmp_path.iterdir()) == [file]
        for pairs in (1, 5):
            inputs = _inputs(pairs, pairs)
            torch.testing.assert_close(read_onnx(file)(*inputs), model(*inputs), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('size', [1, 2, 7, 8])
def test_what_onnx_lacks_is_written_by_what_it_has(size):
    aten, x = torch.ops.aten, torch.randn(3, size, generator=torch.Generator().manual_seed(size))
    order = _ABSENT[aten.sort.stable](x, stable=True, dim=1, descending=True)[1]
    assert torch.equal(order, x.argsort(1, descending=True))
    assert torch.equal(_ABSENT[aten.median.dim](x, 1, True)[0], x.median(1, keepdim=True).values)
    assert torch.equal(_ABSENT[aten.median.dim](x.T, 0)[0], x.median(1).values)
    assert torch.equal(_ABSENT[aten.cummax.default](x, -1)[0], x.cummax(-1).values)
    assert torch.equal(_ABSENT[aten.cummin.default](x.T, 0)[0], x.T.cummin(0).values)
