"""Random batches in the form of the authors' loaders."""
from typing import Sequence

import torch
from reference.network import Inputs


def make_inputs(config: dict, lengths: Sequence[int] = (5, 3, 4, 7), seed: int = 0) -> Inputs:
    """Features of videos and words, with a third of the words hidden."""
    data, generator = config['dataset'], torch.Generator().manual_seed(seed)
    count, longest = len(lengths), max(lengths)
    lengths = torch.tensor(lengths)
    real = torch.arange(longest)[None] < lengths[:, None]
    vectors = torch.randn(count, longest, data['word_dim'], generator=generator) * real[..., None]
    return Inputs(
        frames=torch.randn(count, data['max_num_frames'], data['frame_dim'], generator=generator),
        words=torch.cat([vectors[:, :1], vectors], dim=1),  # the first word holds the place of the start token
        lengths=lengths,
        ids=torch.randint(1, data['vocab_size'] + 1, real.shape, generator=generator) * real,
        hidden=hide(real, generator))


def hide(real: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """(B, N) bool: max(n // 3, 1) of the n words of each query, any with the same probability."""
    order = torch.rand(real.shape, generator=generator).masked_fill(~real, 2.0).argsort(dim=1).argsort(dim=1)
    return order < (real.sum(dim=1, keepdim=True) // 3).clamp(min=1)
