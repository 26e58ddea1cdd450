"""Combiners: how component masks become positive masks.

MCMT makes one mask of all components (section "Positive Sample Mask Generation"). Its formula is not public; the first
four are the readings of it in ``docs/methods``, of which :class:`ReconstructionWeighted` is the default. PPS makes a
mixture of each group of components: :class:`AttentiveMixture`.
"""
from typing import Sequence

import torch
from torch import Tensor, nn

from mmvmr.functional.groups import check_groups, group_members
from mmvmr.functional.masks import resample
from mmvmr.functional.words import mean_words
from mmvmr.models.interface import Explain
from mmvmr.registry import MODELS
from mmvmr.structures import EncodedQuery, Proposals


def merge(components: Proposals, weights: Tensor, peak_normalized: bool = True) -> Proposals:
    """One proposal sum_k a_k m_k per pair, its ends averaged with the same weights.

    Args:
        components: K proposals per pair.
        weights: (B, K), summing to 1.
        peak_normalized: Divide the mask by its maximum, so that it reaches 1.
    """
    weights = weights.unsqueeze(-1)
    masks = (weights * components.masks).sum(dim=1, keepdim=True)  # (B, 1, T')
    masks = masks / masks.amax(dim=-1, keepdim=True) if peak_normalized else masks.clamp(max=1)  # rounding exceeds 1
    return Proposals(spans=(weights * components.spans).sum(dim=1, keepdim=True), masks=masks)


@MODELS.register_module()
class ReconstructionWeighted(nn.Module):
    """Components that explain the query better count more: a = softmax_k(-nll(m_k) / tau). Variant D of MCMT.

    Gradients flow through the weights.

    Args:
        temperature: tau, above 0.
    """
    ranks_components = True  # the components are candidates for the answer as well, behind what is made of them

    def __init__(self, temperature: float = 0.1, peak_normalized: bool = True) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f'temperature should be above 0, got {temperature!r}.')
        self.temperature = temperature
        self.peak_normalized = peak_normalized

    def forward(self, components: Proposals, video: Tensor, query: EncodedQuery, explain: Explain) -> Proposals:
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

    def forward(self, components: Proposals, video: Tensor, query: EncodedQuery, explain: Explain) -> Proposals:
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

    def forward(self, components: Proposals, video: Tensor, query: EncodedQuery, explain: Explain) -> Proposals:
        weights = torch.full_like(components.masks[..., 0], 1 / components.masks.size(1))
        return merge(components, weights, self.peak_normalized)


@MODELS.register_module()
class Union(nn.Module):
    """The largest component at every clip, max_k m_k, from the first start to the last end. Variant C of MCMT."""
    ranks_components = True

    def forward(self, components: Proposals, video: Tensor, query: EncodedQuery, explain: Explain) -> Proposals:
        start = components.spans[..., 0].amin(dim=1, keepdim=True)
        end = components.spans[..., 1].amax(dim=1, keepdim=True)
        return Proposals(torch.stack([start, end], dim=-1), components.masks.amax(dim=1, keepdim=True))


@MODELS.register_module()
class AttentiveMixture(nn.Module):
    """One mixture sum_j a_j g_j per group of components: the Gaussian mixture proposals of PPS.

    The weights a = softmax_j(u^T tanh(U h_j)) read the state h_j in which the query is reconstructed under component j
    alone. The ends of a mixture are those of its components, averaged with the same weights, then moved inwards. The
    mask need not reach 1.

    Args:
        dim: D.
        groups: Sizes of the groups; PPS has 1, 2, ..., P.
        shrink: gamma, the fraction of its width that a span loses, half of it on each side.
    """

    def __init__(self, dim: int, groups: Sequence[int], shrink: float = 0.0) -> None:
        super().__init__()
        if max(groups, default=0) < 2:
            raise ValueError(f'groups {tuple(groups)} leave nothing to mix. Take AttentiveMixture out, or let a group '
                             'have several components.')
        self.projection = nn.Linear(dim, dim, bias=False)
        self.score = nn.Linear(dim, 1, bias=False)
        self.shrink = shrink
        members = group_members(groups)
        mixed = members[members.sum(dim=1) > 1].any(dim=0).nonzero().squeeze(1)  # components that are not alone
        self.register_buffer('members', members, persistent=False)  # (P, K)
        self.register_buffer('mixed', mixed, persistent=False)

    def forward(self, components: Proposals, video: Tensor, query: EncodedQuery, explain: Explain) -> Proposals:
        """K components -> P mixtures with masks (B, P, T')."""
        check_groups(self.members, components.masks.size(1))
        weights = self._weights(components.masks, explain).unsqueeze(-1)  # (B, P, K, 1)
        # rounding must not take a mask beyond 1, where its complement would be negative
        masks = (weights * components.masks.unsqueeze(1)).sum(dim=2).clamp(max=1)
        spans = (weights * components.spans.unsqueeze(1)).sum(dim=2)
        inwards = self.shrink / 2 * (spans[..., 1] - spans[..., 0])
        return Proposals(spans + torch.stack([inwards, -inwards], dim=-1), masks)

    def _weights(self, masks: Tensor, explain: Explain) -> Tensor:
        """How much component k counts in mixture p: (B, P, K), 0 outside of the mixture, each row adding up to 1."""
        states = explain(masks.index_select(1, self.mixed))[1]  # a component alone in its group needs none
        scores = self.score(torch.tanh(self.projection(states))).squeeze(-1).to(masks.dtype)
        scores = torch.zeros_like(masks[..., 0]).index_copy(1, self.mixed, scores)
        return scores.unsqueeze(1).masked_fill(~self.members, -torch.inf).softmax(dim=2)
