"""Multi-head attention whose keys can be weighted by temporal masks, and what stands around it in a layer."""
import math
from typing import List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Projected = Tuple[Tensor, Tensor]  # keys and values, (B, M or 1, N, D) each


def mask_bias(masks: Tensor) -> Tensor:
    """What to add to the logits so that attention is weighted by ``masks`` and renormalised.

    softmax(a) * (m + 1e-10), divided by its sum, equals softmax(a + log(m + 1e-10)) (CNM section "Mask Conditioned
    Attention"; the 1e-10 is theirs and keeps a mask of zeros defined).

    Args:
        masks: (B, M, T') in [0, 1].

    Returns:
        (B, M, 1, 1, T'), broadcast over heads and queries.
    """
    return (masks + 1e-10).log()[:, :, None, None]


class Attention(nn.Module):
    """Multi-head attention over inputs with a mask axis M, which may be 1 where the masks make no difference yet.

    Queries, keys and values are projected before they are repeated M times, so what does not depend on a mask is
    computed once.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f'Attention needs a dim that its heads divide, got dim={dim} and num_heads={num_heads}.')
        self.num_heads = num_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.xavier_uniform_(self.out_proj.weight)
        nn.init.zeros_(self.out_proj.bias)

    def extra_repr(self) -> str:
        return f'num_heads={self.num_heads}'

    def forward(self, x: Tensor, keys: Optional[Tensor] = None, bias: Optional[Tensor] = None,
                causal: bool = False, before: Optional[Projected] = None) -> Tensor:
        """
        Args:
            x: (B, M or 1, Nq, D).
            keys: (B, M or 1, Nk, D); x itself by default.
            bias: (B, M or 1, 1, 1, Nk) added to the logits, or the same in bool with False on keys to leave out.
            causal: Query i looks at the keys up to i only.
            before: What :meth:`project` makes of further keys (B, 1, N, D), which stand before the others and which all
                queries may look at; the bias is for both.

        Returns:
            (B, M, Nq, D).
        """
        dim = x.size(-1)
        if keys is None:
            q, k, v = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        else:
            q = F.linear(x, self.in_proj_weight[:dim], self.in_proj_bias[:dim])
            k, v = self.project(keys)
        if before is not None:
            k, v = (torch.cat([known.expand(-1, own.size(1), -1, -1), own], dim=2)
                    for known, own in zip(before, (k, v)))
        batch, num_masks = x.size(0), max(q.size(1), k.size(1), 1 if bias is None else bias.size(1))
        q, k, v = (self._split(tensor, num_masks) for tensor in (q, k, v))
        if bias is not None:
            bias = bias.expand(-1, num_masks, -1, -1, -1).flatten(0, 1)
            bias = bias if bias.dtype == torch.bool else bias.to(q.dtype)
            if causal:
                first = 0 if before is None else before[0].size(2)
                future = torch.ones(q.size(2), k.size(2), dtype=torch.bool, device=q.device).triu(first + 1)
                bias = bias.masked_fill(future, False if bias.dtype == torch.bool else -torch.inf)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=causal and bias is None)
        return self.out_proj(out.transpose(1, 2).reshape(batch, num_masks, -1, dim))

    def project(self, keys: Tensor) -> Projected:
        """(B, M or 1, Nk, D) -> by what they are found, and what is found: the same each."""
        dim = keys.size(-1)
        return F.linear(keys, self.in_proj_weight[dim:], self.in_proj_bias[dim:]).chunk(2, dim=-1)

    def _split(self, tensor: Tensor, num_masks: int) -> Tensor:
        """(B, M or 1, N, D) -> (B*M, heads, N, D/heads): the only place where M folds into the batch."""
        tensor = tensor.unflatten(-1, (self.num_heads, -1)).expand(-1, num_masks, -1, -1, -1)
        return tensor.flatten(0, 1).transpose(1, 2)


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


class Draws:
    """What dropout draws in a pass over all masks, for another pass that starts with one of them.

    Attributes:
        chosen: (B,) int64, the mask of the first pass that is the first one of the second; the others of the second
            pass are new. None in the first pass.
    """

    def __init__(self) -> None:
        self.kept: List[Tensor] = []
        self.chosen: Optional[Tensor] = None

    def draw(self, like: Tensor, p: float) -> Tensor:
        """As :func:`draw` for (B, M or 1, N, D)."""
        if self.chosen is None:
            self.kept.append(draw(like, p))
            return self.kept[-1]
        kept = self.kept.pop(0)
        if kept.size(1) == 1:  # the same for all masks
            return kept
        own = kept.gather(1, self.chosen[:, None, None, None].expand_as(kept[:, :1]))
        return torch.cat([own, draw(like[:, 1:], p)], dim=1)


def draw(like: Tensor, p: float) -> Tensor:
    """0 with probability ``p``, else 1, in a shape.

    On CPUs it takes two thirds of the time of PyTorch's Bernoulli numbers: four of 16 bits are cut from each random
    number of 64, so that ``p`` is rounded to a multiple of 2^-16.
    """
    if like.device.type != 'cpu':
        return torch.empty_like(like, memory_format=torch.contiguous_format).bernoulli_(1 - p)
    return _draw(like.detach(), p)


@torch.library.custom_op('mmvmr::draw', mutates_args=())  # the compiler does not know random_ with these bounds
def _draw(like: Tensor, p: float) -> Tensor:
    bits = torch.empty((like.numel() + 3) // 4, dtype=torch.int64).random_(-2**63, None).view(torch.int16)
    return (bits[:like.numel()].view(like.shape) >= round(p * 2**16) - 2**15).to(like.dtype)


@_draw.register_fake
def _(like: Tensor, p: float) -> Tensor:
    return torch.empty(like.shape, dtype=like.dtype, device=like.device)


class Dropout(nn.Dropout):
    """PyTorch's, with draws of :func:`draw`."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not 0 < self.p < 1 or x.device.type != 'cpu':
            return super().forward(x)
        return x * draw(x, self.p).div_(1 - self.p)


class ResidualDropout(Dropout):
    """residual + dropout(branch)."""

    def forward(self, residual: Tensor, branch: Tensor, draws: Optional[Draws] = None) -> Tensor:
        if not self.training or not 0 < self.p < 1 or draws is None and branch.device.type != 'cpu':
            return residual + super().forward(branch)
        noise = draw(branch, self.p) if draws is None else draws.draw(branch, self.p)
        return torch.addcmul(residual, branch, noise, value=1 / (1 - self.p))
