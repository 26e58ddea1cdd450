"""Temporal maps: cell (x, y) of an N x N map stands for the clips x to y, so only x <= y are moments."""
import torch
import torch.nn.functional as F
from torch import Tensor


def valid_cells(num_clips: int) -> Tensor:
    """The cells that are proposals. From 32 clips on, long moments are sampled sparsely, as in 2D-TAN.

    Moments of up to 16 clips are all there; those of up to 32 start at, and last, multiples of 2; longer ones of 4.

    Returns:
        (N, N) bool, True on [x, y].

    Example:
        >>> valid_cells(3)
        tensor([[ True,  True,  True],
                [False,  True,  True],
                [False, False,  True]])
        >>> valid_cells(64)[:, 63].nonzero().flatten()  # of the moments that end with the video
        tensor([ 0,  4,  8, 12, 16, 20, 24, 28, 32, 34, 36, 38, 40, 42, 44, 46, 48, 49,
                50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63])
    """
    start = torch.arange(num_clips).unsqueeze(1)
    length = torch.arange(1, num_clips + 1) - start  # of cell [start, end]
    stride = 1 + (length > 16).long() + 2 * (length > 32) if num_clips >= 32 else torch.ones_like(length)
    return (length > 0) & (length % stride == 0) & (start % stride == 0)


def max_pool_moments(clips: Tensor) -> Tensor:
    """The maximum of the clips x to y for all x <= y (MS-2D-RL, 2D-TAN), the shortest moments first, then by x.

    Each moment is one comparison away from the one that is a clip shorter.

    Args:
        clips: (B, N, E).

    Returns:
        (B, N (N + 1) / 2, E).

    Example:
        >>> max_pool_moments(torch.tensor([[[2.0], [1.0], [3.0]]])).flatten()
        tensor([2., 1., 3., 2., 3., 3.])
    """
    rows = [clips]
    for shift in range(1, clips.size(1)):
        rows.append(torch.maximum(rows[-1][:, :-1], clips[:, shift:]))
    return torch.cat(rows, dim=1)


def moment_index(cells: Tensor, num_clips: int) -> Tensor:
    """Where :func:`max_pool_moments` puts the moments from clip x to y.

    Args:
        cells: (C, 2) int64, x and y.

    Returns:
        (C,) int64.

    Example:
        >>> moment_index(torch.tensor([[0, 0], [1, 2], [0, 2]]), num_clips=3)
        tensor([0, 4, 5])
    """
    start, end = cells.unbind(dim=-1)
    shift = end - start
    return start + shift * num_clips - shift * (shift - 1) // 2


def neighbour_weights(valid: Tensor, kernel_size: int, num_layers: int) -> Tensor:
    """By what to multiply the outputs of convolutions that should see valid cells only: k^2 / number of those in sight.

    As in 2D-TAN, a cell that has seen a valid one is valid to the next layer, so sparse cells see each other in the
    end; the others stay 0.

    Args:
        valid: (N, N) bool.

    Returns:
        (num_layers, N, N).

    Example:
        >>> neighbour_weights(torch.tensor([[True, False], [False, False]]), kernel_size=3, num_layers=2)
        tensor([[[9.0000, 9.0000],
                 [9.0000, 9.0000]],
        <BLANKLINE>
                [[2.2500, 2.2500],
                 [2.2500, 2.2500]]])
    """
    weights, window = [], torch.ones(1, 1, kernel_size, kernel_size)
    for _ in range(num_layers):
        in_sight = F.conv2d(valid[None, None].float(), window, padding=kernel_size // 2)[0, 0].round()
        valid = in_sight > 0
        weights.append(torch.where(valid, kernel_size**2 / in_sight.clamp(min=1), 0))
    return torch.stack(weights)
