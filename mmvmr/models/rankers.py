"""Rankers: which candidate is the answer? They see no ground truth and need no training."""
import torch
from torch import Tensor, nn

from mmvmr.functional.spans import temporal_iou
from mmvmr.registry import MODELS
from mmvmr.structures import Outputs


def candidate_nll(outputs: Outputs, name: str = 'positive') -> Tensor:
    """NLL under the mask of each candidate, or under a negative of it, averaged over the tasks: (B, C)."""
    return torch.stack([nll[name] for nll in outputs.nll.values()]).mean(dim=0)


@MODELS.register_module()
class ReconstructionRanker(nn.Module):
    """The lower the NLL, the better. A combined proposal comes before the components that it was made of."""

    def forward(self, outputs: Outputs) -> Tensor:
        """Scores (B, C), higher is better."""
        scores, combined = -candidate_nll(outputs), outputs.num_combined
        lead = scores.amax(dim=1, keepdim=True)  # ties are broken in favour of the first
        return torch.cat([lead.expand(-1, combined), scores[:, combined:]], dim=1)


@MODELS.register_module()
class KeepDeleteRanker(nn.Module):
    """A good moment explains the query if kept and ruins it if deleted: score = weight nll(deleted) - nll(kept).

    Section "Decision stage" of PC-Net++ (CPR, 2026), where it needs no training.

    Args:
        negative: Name of the negative that deletes the moment, e.g. a :class:`~mmvmr.models.negatives.Complement`.
        weight: lambda.
    """

    def __init__(self, negative: str = 'deleted', weight: float = 0.5) -> None:
        super().__init__()
        self.negatives = (negative,)
        self.weight = weight

    def forward(self, outputs: Outputs) -> Tensor:
        """Scores (B, C), higher is better."""
        return self.weight * candidate_nll(outputs, self.negatives[0]) - candidate_nll(outputs)


@MODELS.register_module()
class ScoreRanker(nn.Module):
    """The generator's own scores."""
    reads = ('scores',)  # of the generator, and no reconstruction

    def forward(self, outputs: Outputs) -> Tensor:
        """Scores (B, K), higher is better."""
        return outputs.proposals.scores


@MODELS.register_module()
class VoteRanker(nn.Module):
    """Top-1 by votes, sum_j IoU(i, j) k_j; the rest in the order of their NLL (CPL section "Inference").

    Args:
        weights: k_j: 'equal' is 1 (CPL and PPS on ActivityNet Captions); 'best' is IoU(best, j), with the candidate of
            the lowest NLL as best (CPL on Charades-STA); 'confidence' is 1 - nll_j / max_i nll_i (PPS on Charades-STA).
    """

    def __init__(self, weights: str = 'equal') -> None:
        super().__init__()
        if weights not in ('equal', 'best', 'confidence'):
            raise ValueError(f"weights must be 'equal', 'best' or 'confidence', got {weights!r}.")
        self.weights = weights

    def forward(self, outputs: Outputs) -> Tensor:
        """Scores (B, C), higher is better."""
        nll = candidate_nll(outputs)
        order = nll.argsort(dim=1, stable=True)
        spans = outputs.proposals.spans.clamp(0, 1)
        spans = spans.gather(1, order.unsqueeze(-1).expand_as(spans))
        iou = temporal_iou(spans.unsqueeze(2), spans.unsqueeze(1))  # (B, C, C), best candidate first
        sorted_nll = nll.gather(1, order).unsqueeze(1)  # (B, 1, C)
        weights = dict(equal=torch.ones_like(sorted_nll), best=iou[:, :1],
                       confidence=1 - sorted_nll / sorted_nll[..., -1:])[self.weights]
        winner = order.gather(1, (iou * weights).sum(dim=2).argmax(dim=1, keepdim=True))
        lead = nll.amax(dim=1, keepdim=True) - nll.amin(dim=1, keepdim=True) + 1
        return (-nll).scatter_add(1, winner, lead)
