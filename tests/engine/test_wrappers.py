import socket

import torch
from runs import start_tool
from torch import nn
from two_parts import TwoParts, train_two_parts

from mmvmr.engine.wrappers import BFloat16OptimWrapper


def test_two_processes_train_like_one_on_the_whole_batch(tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    processes = [start_tool(['tests/two_parts.py', rank, port, tmp_path]) for rank in (0, 1)]
    for process in processes:
        output = process.communicate(timeout=200)[0]
        assert process.returncode == 0, output
    for in_turn in (False, True):
        model = TwoParts()
        start = {name: value.clone() for name, value in model.state_dict().items()}
        expected = train_two_parts(model, model, slice(None), in_turn)
        assert not torch.equal(expected['head.weight'], start['head.weight'])
        for rank in (0, 1):
            found = torch.load(tmp_path / f'{rank}_{in_turn}.pth')
            for name, value in expected.items():
                torch.testing.assert_close(found[name], value, msg=f'{name}, in turn: {in_turn}')


def test_bfloat16_forward_keeps_float32_weights():
    model = nn.Linear(4, 1)
    wrapper = BFloat16OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    with wrapper.optim_context(model):
        out = model(torch.ones(1, 4))
    assert out.dtype == torch.bfloat16
    wrapper.update_params(out.float().sum())
    assert model.weight.dtype == torch.float32 and model(torch.ones(1, 4)).dtype == torch.float32
