"""Rankers: which candidate is the answer? They see no ground truth and need no training."""
import torch
from torch import Tensor, nn

from mmvmr.functional.spans import temporal_iou
from mmvmr.registry import MODELS
from mmvmr.structures import Outputs


def candidate_nll(outputs: Outputs) -> Tensor:
    """NLL of each candidate, averaged over the tasks: (B, C), proposals first, then the components behind them."""
    return torch.stack([torch.cat([nll[name] for name in ('positive', 'components') if name in nll], dim=1)
                        for nll in outputs.nll.values()]).mean(dim=0)


@MODELS.register_module()
class ReconstructionRanker(nn.Module):
    """The lower the NLL, the better. A combined proposal comes before the components that it was made of."""

    def forward(self, outputs: Outputs) -> Tensor:
        """Scores (B, C), higher is better."""
        scores = -candidate_nll(outputs)
        num_proposals = outputs.proposals.masks.size(1)
        lead = scores.amax(dim=1, keepdim=True)
        if scores.size(1) > num_proposals:  # ties are broken in favour of the first
            scores = torch.cat([lead.expand(-1, num_proposals), scores[:, num_proposals:]], dim=1)
        return scores


@MODELS.register_module()
class VoteRanker(nn.Module):
    """Top-1 by votes, sum_j IoU(i, j) k_j; the rest in the order of their NLL (CPL section "Inference").

    Args:
        weight_by_best: k_j = IoU(best, j), with the candidate of the lowest NLL as best (CPL on Charades-STA), instead
            of k_j = 1 (CPL on ActivityNet Captions).
    """

    def __init__(self, weight_by_best: bool = False) -> None:
        super().__init__()
        self.weight_by_best = weight_by_best

    def forward(self, outputs: Outputs) -> Tensor:
        """Scores (B, K), higher is better."""
        nll = candidate_nll(outputs)
        order = nll.argsort(dim=1, stable=True)
        spans = outputs.proposals.spans.clamp(0, 1)
        spans = spans.gather(1, order.unsqueeze(-1).expand_as(spans))
        iou = temporal_iou(spans.unsqueeze(2), spans.unsqueeze(1))  # (B, K, K), best candidate first
        votes = (iou * iou[:, :1] if self.weight_by_best else iou).sum(dim=2)
        winner = order.gather(1, votes.argmax(dim=1, keepdim=True))
        lead = nll.amax(dim=1, keepdim=True) - nll.amin(dim=1, keepdim=True) + 1
        return (-nll).scatter_add(1, winner, lead)
