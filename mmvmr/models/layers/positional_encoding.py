"""Sinusoidal position code for words."""
import math

import torch
from torch import Tensor, nn


class SinusoidalEncoding(nn.Module):
    """Adds [sin(p f_i) | cos(p f_i)], f_i = 10000^(-i / (D/2 - 1)), to position p; position 0 gets zeros.

    Args:
        dim: D, even.
        max_length: Positions prepared; a longer query is refused by PyTorch's size check.
    """

    def __init__(self, dim: int, max_length: int = 512) -> None:
        super().__init__()
        frequencies = torch.exp(torch.arange(dim // 2) * (-math.log(10000) / (dim // 2 - 1)))
        angles = torch.arange(max_length).unsqueeze(1) * frequencies
        code = torch.cat([angles.sin(), angles.cos()], dim=1)
        code[0] = 0
        self.register_buffer('code', code, persistent=False)

    def forward(self, words: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        if words.size(-1) != self.code.size(1):
            raise ValueError(f'A part with dim={self.code.size(1)} was given words of dim={words.size(-1)}. Give the '
                             'encoder and the parts behind it the same `dim`.')
        return words + self.code[:words.size(1)]
