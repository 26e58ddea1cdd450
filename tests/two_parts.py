"""A model without randomness, and its training in two processes:  two_parts.py RANK PORT FOLDER."""
import sys
from pathlib import Path

import torch
from mmengine.model import BaseModel
from torch import nn

from mmvmr.engine.distributed import MomentDistributedDataParallel, end_processes
from mmvmr.engine.optim.alternating import AlternatingConstructor
from mmvmr.engine.optim.guards import OptimWrapper
from mmvmr.models.train_step import train_step

SGD = dict(optimizer=dict(type='SGD', lr=0.1))


class TwoParts(BaseModel):
    """Two losses, one of which trains the head alone in turn."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 1)
        self.unused = nn.Linear(2, 2)
        self.losses = dict(low=None, near=None)

    def forward(self, inputs, mode='loss', losses=('low', 'near')):
        out = self.head(self.body(inputs)).square().mean()
        values = dict(loss_low=out, loss_near=(self.body(inputs) - inputs).square().mean())
        return {f'loss_{name}': values[f'loss_{name}'] for name in losses}

    def train_step(self, data, optim_wrapper):
        return train_step(self, self, data, optim_wrapper)


def train_two_parts(model: TwoParts, wrapped: nn.Module, rows: slice, in_turn: bool) -> dict:
    """Three steps on some rows of a fixed batch of eight, with one optimizer or two in turn; gives the weights."""
    if in_turn:
        wrapper = AlternatingConstructor(dict(near=dict(SGD), low=dict(SGD, modules=['head'])))(model)
    else:
        wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    data = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    for step in range(3):
        wrapped.train_step(dict(inputs=data[rows] + step), wrapper)
    return model.state_dict()


def skip_together(rank: int, wrapped: nn.Module) -> dict:
    """One step in which only the second process has a loss that is not finite; what became of it."""
    wrapper = OptimWrapper(torch.optim.SGD(wrapped.parameters(), lr=0.1))
    loss = wrapped(torch.ones(1, 4))['loss_low']
    wrapper.update_params(loss + float('inf') if rank == 1 else loss)
    return dict(skipped=wrapper.skipped, weights=wrapped.module.state_dict())


def train_in_process(rank: int, port: int, folder: Path) -> None:
    """Train on every second row, together with another process; write the weights."""
    torch.distributed.init_process_group('gloo', f'tcp://127.0.0.1:{port}', rank=rank, world_size=2)
    for in_turn in (False, True):
        model = TwoParts()
        wrapped = MomentDistributedDataParallel(model, device_ids=[rank])
        torch.save(train_two_parts(model, wrapped, slice(rank, 8, 2), in_turn), f'{folder}/{rank}_{in_turn}.pth')
    torch.save(skip_together(rank, MomentDistributedDataParallel(TwoParts())), f'{folder}/skip_{rank}.pth')
    end_processes()


if __name__ == '__main__':
    train_in_process(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
