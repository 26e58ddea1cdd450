"""Candidates that vote for each other."""
import torch
from torch import Tensor

from mmvmr.functional.spans import temporal_iou, temporal_nms


def votes(spans: Tensor, weights: Tensor) -> Tensor:
    """What candidates (B, N, 2) get from all: sum_j IoU(i, j) w_j, with weights and result (B, N).

    Example:
        >>> votes(torch.tensor([[[0.0, 4.0], [0.0, 2.0], [6.0, 8.0]]]), torch.tensor([[1.0, 1.0, 1.2]]))
        tensor([[1.5000, 1.5000, 1.2000]])
    """
    return (temporal_iou(spans.unsqueeze(2), spans.unsqueeze(1)) * weights.unsqueeze(1)).sum(dim=2)


def decided_weights(scores: Tensor) -> Tensor:
    """What the votes of the candidates of one model weigh, whatever the scale of its scores (B, N): sums of 1.

    A softmax of twice the standardised scores, so a model that prefers one candidate clearly has most of its say there.

    Example:
        >>> decided_weights(torch.tensor([[3.0, 1.0, 1.0], [30.0, 10.0, 10.0]]))
        tensor([[0.9721, 0.0140, 0.0140],
                [0.9721, 0.0140, 0.0140]])
    """
    deviation = scores.std(dim=1, keepdim=True, correction=0).clamp(min=torch.finfo(scores.dtype).tiny)
    return (2 * (scores - scores.mean(dim=1, keepdim=True)) / deviation).softmax(dim=1)


def behind_better(spans: Tensor, scores: Tensor, nms: float, top: int) -> Tensor:
    """Scores (B, N) in which those with a better neighbour, of IoU above ``nms``, come behind all others.

    Args:
        spans: (B, N, 2).
        scores: (B, N).
        top: How many are kept before them, at most.

    Example:
        >>> behind_better(torch.tensor([[[0.0, 4.0], [0.0, 3.0], [6.0, 8.0]]]), torch.tensor([[3.0, 2.0, 1.0]]), 0.7, 3)
        tensor([[ 3., -1.,  1.]])
    """
    order = scores.argsort(dim=1, descending=True, stable=True)
    kept = temporal_nms(spans.gather(1, order.unsqueeze(-1).expand_as(spans)), nms, top=top)
    kept = torch.zeros_like(kept).scatter(1, order, kept)
    span = scores.amax(dim=1, keepdim=True) - scores.amin(dim=1, keepdim=True)
    return torch.where(kept, scores, scores - span - 1)
