"""The batch of all processes that train together. Of N processes, process r has its pairs r, r + N, r + 2N, and so on.

So the sampler deals them out. What compares pairs with each other has to reach those of the other processes; then N
processes with B / N pairs each compute the loss and the gradients of one process with B pairs.
"""
from typing import Optional

import torch
from mmengine.dist import get_dist_info
from torch import Tensor
from torch.autograd import Function


def places(count: int) -> Tensor:
    """Where the pairs of this process lie in the batch of all: (count,) int64."""
    rank, world_size = get_dist_info()
    return torch.arange(rank, count * world_size, world_size)


def following(own: Tensor, count: int) -> Tensor:
    """Where the next ``count`` pairs of each of ``own`` (B, ...) lie, itself first, round the batch of all: (B, count).

    These are rows of what is gathered.

    Example:
        >>> following(torch.zeros(3, 5), 2)
        tensor([[0, 1],
                [1, 2],
                [2, 0]])
    """
    rows = places(len(own)).to(own.device, non_blocking=True)
    return (rows.unsqueeze(1) + torch.arange(count, device=own.device)) % (len(own) * get_dist_info()[1])


def of_other_videos(rows: Tensor, video_ids: Optional[Tensor]) -> Tensor:
    """Are the pairs behind the first in ``rows`` (B, 1 + R), see :func:`following`, of other videos? (B, R) bool.

    Args:
        video_ids: (B,), of the own pairs; without, each pair has a video of its own.
    """
    own = rows[:, 0] if video_ids is None else video_ids
    return own.unsqueeze(1) != gather_pairs(own)[rows[:, 1:]]


def gather_pairs(values: Tensor) -> Tensor:
    """The values (B, ...) of all processes, in the order of the whole batch: (N * B, ...). Gradients flow back.

    All processes have to call it, with values of one shape.
    """
    return _gather(values) if get_dist_info()[1] > 1 else values


@torch.compiler.disable  # messages between processes are no part of a compiled graph
def _gather(values: Tensor) -> Tensor:
    return _Gather.apply(values)


def gather_padded(values: Tensor) -> Tensor:
    """:func:`gather_pairs` for (B, L, ...) with another L in each process: (N * B, longest L, ...), padded with 0."""
    if get_dist_info()[1] == 1:
        return values
    longest = int(gather_pairs(torch.tensor([values.size(1)], device=values.device)).max())
    padding = values.new_zeros(len(values), longest - values.size(1), *values.shape[2:])
    return gather_pairs(torch.cat([values, padding], dim=1))


class _Gather(Function):
    """Each process gets all rows; the gradient of a row is the sum of what all processes say of it."""

    @staticmethod
    def forward(ctx, values: Tensor) -> Tensor:
        values = values.contiguous()
        parts = [torch.empty_like(values) for _ in range(get_dist_info()[1])]
        torch.distributed.all_gather(parts, values)
        return torch.stack(parts, dim=1).flatten(0, 1)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        rank, world_size = get_dist_info()
        gradient = gradient.clone(memory_format=torch.contiguous_format)  # summed in place
        torch.distributed.all_reduce(gradient)
        return gradient[rank::world_size]
