"""Clips of the moment should look like each other and unlike the rest of the same video."""
from typing import Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvmr.functional.masks import resample
from mmvmr.functional.runs import peak_run, stretch
from mmvmr.registry import LOSSES
from mmvmr.structures import Outputs


@LOSSES.register_module()
class SelfContrastiveLoss(nn.Module):
    """Contrast between the clips of one video, from coarse to fine (MSCL).

    At each scale, scores and features are averaged over windows. Positives are the run around the highest score,
    negatives have low scores; the hard ones among these are close to the prototype of the positives or next to their
    run. For positives i,

        L = mean_i -log( exp(f_i p_i / tau) / ( exp(f_i p_i / tau) + sum_hard exp(f_i f_n / tau) ) ),

    where p_i is the prototype of the other positives. Similarity to the prototype then refines the scores for the next
    scale. Where the generator does not score clips, the mask of the proposal with the lowest nll stands in for the
    scores, and the encoded clips for the features.

    Args:
        windows: Clips per window, one number per scale.
        shares: Of the negatives close to the prototype, how many are hard, the closest first; one number per scale.
        high: Positives have at least this score, stretched to [0, 1].
        low: Negatives have at most this score.
        temperature: tau.
        start: Training progress before which the loss is 0: scores have to mean something first.
    """

    def __init__(self, windows: Sequence[int] = (8, 4, 1), shares: Sequence[float] = (1.0, 0.5, 0.25),
                 high: float = 0.7, low: float = 0.4, temperature: float = 0.07, start: float = 0.15,
                 loss_weight: float = 1.0) -> None:
        super().__init__()
        if len(windows) != len(shares):
            raise ValueError(f'Every scale needs a window and a share, got windows={windows} and shares={shares}.')
        self.scales = tuple(zip(windows, shares))
        self.high, self.low = high, low
        self.temperature = temperature
        self.start = start
        self.loss_weight = loss_weight
        self.register_buffer('progress', torch.ones(()), persistent=False)  # on unless training says otherwise

    def set_progress(self, progress: float) -> None:
        """Training progress in [0, 1]."""
        self.progress.fill_(progress)

    def forward(self, outputs: Outputs) -> Tensor:
        scores, features = clip_evidence(outputs)
        with torch.autocast(features.device.type, enabled=False):  # neighbours differ by less than bfloat16 resolves
            loss = self._contrast(stretch(scores.detach().float()), features.float())
        return self.loss_weight * (self.progress >= self.start) * loss

    def _contrast(self, scores: Tensor, features: Tensor) -> Tensor:
        """Sum over the scales of L, for scores (B, T) in [0, 1] and features (B, T, E) of unit length."""
        total = 0
        for window, share in self.scales:
            coarse = stretch(pool(scores.unsqueeze(-1), window).squeeze(-1))  # (B, S)
            inputs = F.normalize(pool(features, window), dim=-1)  # (B, S, E)
            positives, negatives = peak_run(coarse, self.high), coarse <= self.low
            weights = coarse * positives
            prototype = F.normalize(weights.unsqueeze(1) @ inputs, dim=-1)  # (B, 1, E)
            closeness = (inputs * prototype).sum(dim=-1).detach()
            hard = self._hard(closeness, positives, negatives, share, reach=2 * window // stride(window))
            total = total + info_nce(inputs, weights, hard, self.temperature)
            scores = (scores + (1 + (features * prototype).sum(dim=-1).detach()) / 2) / 2
        return total

    def _hard(self, closeness: Tensor, positives: Tensor, negatives: Tensor, share: float, reach: int) -> Tensor:
        """Hard negatives (B, S) bool: close to the prototype, or near the run; the 4 closest where there are none.

        How close is too close, possibly the same event again, is stricter as training goes on: the similarity has to be
        in (0.3, 1) first, in (0.5, 0.9) after a third of training.
        """
        tightness = (3 * self.progress).clamp(max=1)
        close = negatives & (closeness > 0.3 + 0.2 * tightness) & (closeness < 1 - 0.1 * tightness)
        close = closest(closeness, close, (share * close.sum(dim=-1, keepdim=True)).ceil())
        near = F.max_pool1d(positives.float(), 2 * reach + 1, stride=1, padding=reach) > 0
        hard = close | near & negatives
        return torch.where(hard.any(dim=-1, keepdim=True), hard, closest(closeness, negatives, 4))


def clip_evidence(outputs: Outputs) -> Tuple[Tensor, Tensor]:
    """How well each clip matches (B, T), and what it looks like (B, T, E), of unit length: see the loss."""
    clips = outputs.components.clips
    if clips is not None:
        return clips.scores, clips.features
    if 'query' not in outputs.nll:
        raise ValueError('SelfContrastiveLoss needs a generator that scores clips or a reconstructor named "query", '
                         'but the model has neither. Add one of them to the config.')
    masks = outputs.proposals.masks
    best = outputs.nll['query']['positive'].argmin(dim=1)[:, None, None].expand(-1, 1, masks.size(-1))
    return masks.gather(1, best).squeeze(1), F.normalize(resample(outputs.video, masks.size(-1)).float(), dim=-1)


def stride(window: int) -> int:
    """Windows overlap by half."""
    return max(window // 2, 1)


def pool(clips: Tensor, window: int) -> Tensor:
    """Averages over windows: (B, T, E) -> (B, S, E)."""
    if window > clips.size(1):
        raise ValueError(f'SelfContrastiveLoss has a window of {window} clips, but there are {clips.size(1)}. Set '
                         f'`windows` of at most {clips.size(1)}.')
    return F.avg_pool1d(clips.transpose(1, 2), window, stride(window)).transpose(1, 2)


def closest(closeness: Tensor, among: Tensor, count) -> Tensor:
    """The ``count``, a number or (B, 1), highest of those in ``among``: (B, S) -> (B, S) bool."""
    order = closeness.masked_fill(~among, -torch.inf).argsort(dim=-1, descending=True, stable=True)
    return (order.argsort(dim=-1) < count) & among


def info_nce(features: Tensor, weights: Tensor, hard: Tensor, temperature: float) -> Tensor:
    """L of :class:`SelfContrastiveLoss`, averaged over the positives of a video and over the videos.

    Args:
        features: (B, S, E) of unit length.
        weights: (B, S) of the clips in the prototype, positive on positives, 0 elsewhere.
        hard: (B, S) bool, the negatives.
    """
    weighted = weights.unsqueeze(-1) * features
    others = F.normalize(weighted.sum(dim=1, keepdim=True) - weighted, dim=-1)  # (B, S, E) prototypes without i
    attraction = (features * others).sum(dim=-1, keepdim=True) / temperature  # (B, S, 1)
    repulsion = (features @ features.transpose(1, 2) / temperature).masked_fill(~hard.unsqueeze(1), -torch.inf)
    losses = torch.cat([attraction, repulsion], dim=-1).logsumexp(dim=-1) - attraction.squeeze(-1)
    anchors = (weights > 0) & ((weights > 0).sum(dim=1, keepdim=True) > 1)  # alone, it has nobody to be like
    return ((losses * anchors).sum(dim=1) / anchors.sum(dim=1).clamp(min=1)).mean()
