"""Temporal maps: cell (x, y) of an N x N map stands for the clips x to y, so only x <= y are moments."""
import torch
import torch.nn.functional as F
from torch import Tensor


def valid_cells(num_clips: int) -> Tensor:
    """The cells that are proposals. From 32 clips on, long moments are sampled sparsely, as in 2D-TAN.

    Moments of up to 16 clips are all there; those of up to 32 start at, and last, multiples of 2; longer ones of 4.

    Returns:
        (N, N) bool.

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
    length = torch.arange(1, num_clips + 1) - start  # of cell (start, end)
    stride = 1 + (length > 16).long() + 2 * (length > 32) if num_clips >= 32 else torch.ones_like(length)
    return (length > 0) & (length % stride == 0) & (start % stride == 0)


def max_pool_map(clips: Tensor) -> Tensor:
    """Cell (x, y) is the maximum of the clips x to y (MS-2D-RL, 2D-TAN); cells below the diagonal are 0.

    A running maximum along each row: every cell costs one comparison.

    Args:
        clips: (B, D, N), non-negative.

    Returns:
        (B, D, N, N).

    Example:
        >>> max_pool_map(torch.tensor([[[2.0, 1.0, 3.0]]]))
        tensor([[[[2., 2., 3.],
                  [0., 1., 3.],
                  [0., 0., 3.]]]])
    """
    upper = torch.ones(clips.size(-1), clips.size(-1), device=clips.device, dtype=clips.dtype).triu()
    return (clips.unsqueeze(-2) * upper).cummax(dim=-1).values


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
