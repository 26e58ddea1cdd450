"""Random numbers that belong to a pair: the same in any batch, on any device and in any process."""
import torch
from torch import Tensor


def pair_noise(seeds: Tensor, count: int, skip: int = 0) -> Tensor:
    """Uniform random numbers in (0, 1), ``count`` per seed: those of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).

    Args:
        seeds: (B,) int64.
        skip: Leave out as many numbers first, for a purpose that shall not see the numbers of another one.

    Returns:
        (B, count) float32.

    Example:
        >>> pair_noise(torch.tensor([0, 1]), 2)
        tensor([[0.8833, 0.4315],
                [0.5666, 0.7458]])
    """
    return _pair_noise(seeds, count, skip)


@torch.library.custom_op('mmvmr::pair_noise', mutates_args=())  # the compiler refuses integers that overflow
def _pair_noise(seeds: Tensor, count: int, skip: int) -> Tensor:
    bits = _split_mix(seeds, count, skip) >> 41 & (1 << 23) - 1  # 23, so that float32 resolves the half that is added
    return (bits + 0.5) / (1 << 23)


@_pair_noise.register_fake
def _(seeds: Tensor, count: int, skip: int) -> Tensor:
    return seeds.new_empty(len(seeds), count, dtype=torch.float32)


def gumbel(uniform: Tensor) -> Tensor:
    """Gumbel noise from uniform numbers in (0, 1): the k largest of logits + noise are k draws without replacement."""
    return -(-uniform.log()).log()


def split_seeds(seed: int, count: int) -> Tensor:
    """``count`` seeds for pairs, made of one: (count,) int64."""
    return _split_mix(torch.tensor([seed]), count)[0]


def _split_mix(seeds: Tensor, count: int, skip: int = 0) -> Tensor:
    """Numbers ``skip`` + 1 to ``skip`` + ``count`` of the generator with each seed: (B, count) int64.

    Arithmetic modulo 2^64 is that of signed integers, but for the shifts, which would repeat the sign.
    """
    steps = torch.arange(skip + 1, skip + count + 1, device=seeds.device)
    numbers = seeds.unsqueeze(1) + steps * -0x61C8864680B583EB
    numbers = (numbers ^ numbers >> 30 & (1 << 34) - 1) * -0x40A7B892E31B1A47
    numbers = (numbers ^ numbers >> 27 & (1 << 37) - 1) * -0x6B2FB644ECCEEE15
    return numbers ^ numbers >> 31 & (1 << 33) - 1
