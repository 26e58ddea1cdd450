"""What decoders share: the best of many spans as proposals."""
import torch
import torch.nn.functional as F
from torch import Tensor

from mmvmr.functional.spans import temporal_nms
from mmvmr.structures import Proposals


def best_spans(spans: Tensor, scores: Tensor, valid: Tensor, count: int, num_clips: int, nms: float = 1.0) -> Proposals:
    """The ``count`` best spans, best first, with masks that are 1 inside them and 0 outside.

    Where there are fewer, the best one is repeated behind the others, each time with a score of the lowest minus 1;
    where there is none, it is the whole video, with a score of 0.

    Args:
        spans: (B, N, 2) int64, start and end (exclusive) in clips.
        scores: (B, N).
        valid: (B, N) bool, False on what is no candidate.
        num_clips: T.
        nms: IoU with a better span above which a span is left out; 1 leaves none out.

    Returns:
        Proposals with spans (B, K, 2), masks (B, K, T) and scores (B, K), K = ``count``.

    Example:
        >>> spans, valid = torch.tensor([[[0, 1], [2, 4], [3, 4]]]), torch.tensor([[True, True, False]])
        >>> best_spans(spans, torch.tensor([[0.1, 0.7, 0.9]]), valid, count=3, num_clips=4)[::2]
        (tensor([[[0.5000, 1.0000],
                 [0.0000, 0.2500],
                 [0.5000, 1.0000]]]), tensor([[ 0.7000,  0.1000, -0.9000]]))
    """
    whole = torch.tensor([0, num_clips], device=spans.device).expand(len(spans), 1, 2)
    spans = torch.cat([spans, whole], dim=1)  # behind all others
    scores = torch.cat([scores.masked_fill(~valid, -torch.inf), scores.new_zeros(len(scores), 1)], dim=1)
    scores[:, -1].masked_fill_(valid.any(dim=1), -torch.inf)
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    spans = spans.gather(1, order.unsqueeze(-1).expand_as(spans))
    kept = temporal_nms(spans.double(), nms, top=count) if nms < 1 else torch.ones_like(order, dtype=torch.bool)
    scores = scores.masked_fill(~kept, -torch.inf)
    missing = max(count - scores.size(1), 0)
    scores = F.pad(scores, (0, missing), value=-torch.inf)
    spans = torch.cat([spans, spans[:, :1].expand(-1, missing, -1)], dim=1)
    scores, index = (found[:, :count] for found in scores.sort(dim=1, descending=True, stable=True))
    known = scores > -torch.inf
    spans = spans.gather(1, torch.where(known, index, 0).unsqueeze(-1).expand(-1, -1, 2))
    lowest = scores.masked_fill(~known, torch.inf).amin(dim=1, keepdim=True)
    scores = torch.where(known, scores, lowest - 1)
    time = torch.arange(num_clips, device=spans.device)
    masks = ((time >= spans[..., :1]) & (time < spans[..., 1:])).to(scores.dtype)
    return Proposals(spans.to(scores.dtype) / num_clips, masks, scores)
