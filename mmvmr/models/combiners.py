"""Combiners: how K component masks become one positive mask (MCMT section "Positive Sample Mask Generation").

The paper's formula is not public; these are the four readings of it in ``docs/methods``, of which
:class:`ReconstructionWeighted` is the default.
"""
from typing import Callable, Tuple

import torch
from torch import Tensor, nn

from mmvmr.functional.masks import resample
from mmvmr.functional.words import mean_words
from mmvmr.registry import MODELS
from mmvmr.structures import Proposals, Query

Explain = Callable[[Tensor], Tuple[Tensor, Tensor]]  # masks (B, M, T') -> nll (B, M), states (B, M, D)


def merge(components: Proposals, weights: Tensor, peak_normalized: bool = True) -> Proposals:
    """One proposal sum_k a_k m_k per pair, its ends averaged with the same weights.

    Args:
        components: K proposals per pair.
        weights: (B, K), summing to 1.
        peak_normalized: Divide the mask by its maximum, so that it reaches 1.
    """
    weights = weights.unsqueeze(-1)
    masks = (weights * components.masks).sum(dim=1, keepdim=True)  # (B, 1, T')
    if peak_normalized:
        masks = masks / masks.amax(dim=-1, keepdim=True)
    return Proposals(spans=(weights * components.spans).sum(dim=1, keepdim=True), masks=masks)


@MODELS.register_module()
class ReconstructionWeighted(nn.Module):
    """Components that explain the query better count more: a = softmax_k(-nll(m_k) / tau). Variant D of MCMT.

    Gradients flow through the weights.

    Args:
        temperature: tau.
    """
    ranks_components = True  # the components are candidates for the answer as well, behind what is made of them

    def __init__(self, temperature: float = 0.1, peak_normalized: bool = True) -> None:
        super().__init__()
        self.temperature = temperature
        self.peak_normalized = peak_normalized

    def forward(self, components: Proposals, video: Tensor, query: Query, explain: Explain) -> Proposals:
        weights = (-explain(components.masks)[0] / self.temperature).softmax(dim=1)
        return merge(components, weights, self.peak_normalized)


@MODELS.register_module()
class AttentionWeighted(nn.Module):
    """Weights from the video inside each component and the query: e_k = v^T tanh(U u_k + Q q). Variant A of MCMT.

    u_k is the average of the clips weighted by mask k, q the average of the words.

    Args:
        dim: D.
    """
    ranks_components = True

    def __init__(self, dim: int, peak_normalized: bool = True) -> None:
        super().__init__()
        self.clip_projection = nn.Linear(dim, dim)
        self.word_projection = nn.Linear(dim, dim, bias=False)
        self.score = nn.Linear(dim, 1, bias=False)
        self.peak_normalized = peak_normalized

    def forward(self, components: Proposals, video: Tensor, query: Query, explain: Explain) -> Proposals:
        masks = components.masks
        inside = masks @ resample(video, masks.size(-1)) / masks.sum(dim=-1, keepdim=True)  # (B, K, D)
        logits = self.score(torch.tanh(self.clip_projection(inside) + self.word_projection(mean_words(query))[:, None]))
        return merge(components, logits.squeeze(-1).softmax(dim=1), self.peak_normalized)


@MODELS.register_module()
class EquallyWeighted(nn.Module):
    """All components count the same. Variant B of MCMT."""
    ranks_components = True

    def __init__(self, peak_normalized: bool = True) -> None:
        super().__init__()
        self.peak_normalized = peak_normalized

    def forward(self, components: Proposals, video: Tensor, query: Query, explain: Explain) -> Proposals:
        weights = torch.full_like(components.masks[..., 0], 1 / components.masks.size(1))
        return merge(components, weights, self.peak_normalized)


@MODELS.register_module()
class Union(nn.Module):
    """The largest component at every clip, max_k m_k, from the first start to the last end. Variant C of MCMT."""
    ranks_components = True

    def forward(self, components: Proposals, video: Tensor, query: Query, explain: Explain) -> Proposals:
        start = components.spans[..., 0].amin(dim=1, keepdim=True)
        end = components.spans[..., 1].amax(dim=1, keepdim=True)
        return Proposals(torch.stack([start, end], dim=-1), components.masks.amax(dim=1, keepdim=True))
