"""Temporal spans: (start, end) pairs, in seconds or in fractions of the video."""
from typing import Optional

import torch
from torch import Tensor


def temporal_iou(spans: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of spans, with broadcasting; 0 where the union is empty.

    Args:
        spans: (..., 2).
        others: (..., 2).

    Returns:
        (...) in [0, 1].

    Example:
        >>> temporal_iou(torch.tensor([0.0, 4.0]), torch.tensor([[2.0, 6.0], [4.0, 8.0]]))
        tensor([0.3333, 0.0000])
    """
    start, end = torch.maximum(spans[..., 0], others[..., 0]), torch.minimum(spans[..., 1], others[..., 1])
    overlap = (end - start).clamp(min=0)
    union = (spans[..., 1] - spans[..., 0]) + (others[..., 1] - others[..., 0]) - overlap
    return torch.where(union > 0, overlap / union.clamp(min=torch.finfo(union.dtype).tiny), torch.zeros_like(union))


def temporal_nms(spans: Tensor, threshold: float, top: Optional[int] = None) -> Tensor:
    """Greedy non-maximum suppression of spans that are sorted best first, for many queries at once.

    A span is dropped if its IoU with a better span that was kept is above ``threshold``.

    Args:
        spans: (..., K, 2), best first.
        threshold: IoU in [0, 1]; 1 keeps everything.
        top: How many to keep at most; all that may stay by default.

    Returns:
        (..., K) bool, True on the spans that are kept.

    Example:
        >>> temporal_nms(torch.tensor([[0.0, 4.0], [0.0, 5.0], [6.0, 8.0]]), 0.5)
        tensor([ True, False,  True])
    """
    candidates = torch.ones(spans.shape[:-1], dtype=torch.bool, device=spans.device)
    kept = torch.zeros_like(candidates)
    for _ in range(min(top or spans.size(-2), spans.size(-2))):
        best = candidates.int().argmax(dim=-1, keepdim=True)  # the first that is left, (..., 1)
        kept.scatter_(-1, best, kept.gather(-1, best) | candidates.gather(-1, best))
        chosen = spans.gather(-2, best.unsqueeze(-1).expand(*best.shape, 2))  # (..., 1, 2)
        candidates &= temporal_iou(spans, chosen) <= threshold
        candidates.scatter_(-1, best, False)
    return kept
