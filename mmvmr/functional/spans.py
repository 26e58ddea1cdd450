"""Temporal spans: (start, end) pairs, in seconds or in fractions of the video."""
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


def temporal_nms(spans: Tensor, threshold: float) -> Tensor:
    """Greedy non-maximum suppression of spans that are sorted best first.

    A span is dropped if its IoU with a better span that was kept is above ``threshold``.

    Args:
        spans: (K, 2), best first.

    Returns:
        Indices of the spans that are kept, in order.

    Example:
        >>> temporal_nms(torch.tensor([[0.0, 4.0], [0.0, 5.0], [6.0, 8.0]]), 0.5)
        tensor([0, 2])
    """
    iou = temporal_iou(spans.unsqueeze(1), spans.unsqueeze(0))
    kept = []
    for index in range(len(spans)):
        if not any(iou[index, better] > threshold for better in kept):
            kept.append(index)
    return torch.tensor(kept, dtype=torch.long)
