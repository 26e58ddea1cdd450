"""Mergers: one answer from those of a model and its advisers. They need no training."""
from typing import List, Sequence, Union

import torch
from torch import Tensor, nn

from mmvmr.functional.masks import span_mask
from mmvmr.functional.runs import LEVELS, as_levels, best_runs, resize, score_runs, smooth, stretch
from mmvmr.functional.votes import behind_better, decided_weights, votes
from mmvmr.registry import MODELS
from mmvmr.structures import Clips, Proposals


@MODELS.register_module()
class VoteMerger(nn.Module):
    """All candidates stay, and vote: number i gets sum_j IoU(i, j) w_j, where the w_j of one model sum to 1, see
    :func:`~mmvmr.functional.votes.decided_weights`.

    Those of the model itself, which may read a reconstructor, sum to its :attr:`separation`, which is measured in
    training; a reconstructor that guesses the words whatever the video shows, 0, has no say.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('observed', torch.zeros(5))  # pairs; means of their nll, own and other; variances

    @property
    def separation(self) -> Tensor:
        """By how many standard deviations (Cohen's d) the reconstructor explains a query worse from the whole of
        another video than from the whole of its own, over the pairs of training, which count for 1 % less with each
        later batch. 1 without training, without a reconstructor, and where no pairs of different videos have met."""
        pairs, own, other = self.observed[:3]
        return torch.where(pairs < 2, 1.0, (other - own) / self.observed[3:].mean().clamp(min=1e-9).sqrt())

    def observe(self, own: Tensor, other: Tensor) -> None:
        """Take in the nll (B,) of queries in their own video and in another one; what is not finite is left out."""
        known = (own - other).isfinite()
        nll, count = torch.stack([own, other]).float().where(known, 0.0), known.sum()
        mean = nll.sum(dim=1) / count.clamp(min=1)
        variance = ((nll - mean.unsqueeze(1)).square() * known).sum(dim=1) / count.clamp(min=1)
        pairs, means, variances = self.observed.split([1, 2, 2])
        pairs = pairs * torch.where(count > 0, 0.99, 1.0) + count
        share, change = count / pairs.clamp(min=1), mean - means
        variances = (1 - share) * (variances + share * change.square()) + share * variance
        self.observed.copy_(torch.cat([pairs, means + share * change, variances]))

    def forward(self, own: Proposals, advice: List[Proposals]) -> Proposals:
        """The candidates of the model (B, K), and those of each adviser behind them, with their votes."""
        return self._elect([own, *advice], [1.0] * (1 + len(advice)))

    def _elect(self, voters: List[Proposals], weights: List[Union[float, Tensor]]) -> Proposals:
        """All candidates with their votes, by the weight of each voter, the model first; masks beside its own are the
        spans."""
        masks = voters[0].masks
        weights = [weights[0] * self.separation.clamp(min=0), *weights[1:]]
        spans = torch.cat([one.spans for one in voters], dim=1)
        others = [span_mask(one.spans, masks.size(-1)).to(masks.dtype) for one in voters[1:]]
        said = torch.cat([weight * decided_weights(one.scores) for weight, one in zip(weights, voters)], dim=1)
        scores = behind_better(spans, votes(spans, said), nms=0.7, top=spans.size(1))
        return Proposals(spans, torch.cat([masks, *others], dim=1), scores)


@MODELS.register_module()
class CurveVoteMerger(VoteMerger):
    """As :class:`VoteMerger`, and the sum of the curves of all models has a vote as well.

    Each curve is smoothed and stretched to [0, 1]. Candidates of the sum are its runs above several levels, by
    contrast, as in MSCL, see :class:`~mmvmr.models.proposal_generators.frame_score.FrameScoreProposalGenerator`. The
    votes of a voter are multiplied by how much its curve stands out, the contrast of the best run: mean inside minus
    mean outside, and nothing where the curve is flat.

    Args:
        num_proposals: Candidates of the sum.
        levels, nms: As of ``FrameScoreProposalGenerator``.
    """
    reads = ('clips',)
    gives = ('scores', 'clips')

    def __init__(self, num_proposals: int = 8, levels: Sequence[float] = LEVELS, nms: float = 0.5) -> None:
        super().__init__()
        self.num_proposals = num_proposals
        self.register_buffer('levels', as_levels(levels), persistent=False)
        self.nms = nms

    def forward(self, own: Proposals, advice: List[Proposals]) -> Proposals:
        """The candidates of the model (B, K), those of each adviser, and those of the sum, with their votes; the sum
        (B, T), from 0 to 1, as the scores of clips."""
        curves = [one.clips.scores for one in (own, *advice)]
        longest = max(curve.size(1) for curve in curves)
        curves = [stretch(smooth(resize(one, longest), std=1.0)) for one in curves]
        curves.append(stretch(sum(curves)))
        runs, contrasts = best_runs(curves[-1], self.levels, self.num_proposals, self.nms)
        together = Proposals(runs / longest, own.masks, contrasts)
        elected = self._elect([own, *advice, together], [self._weight(curve) for curve in curves])
        return elected._replace(clips=Clips(curves[-1]))

    def _weight(self, curve: Tensor) -> Tensor:
        """How much a curve (B, T) stands out: (B, 1)."""
        best = score_runs(curve, self.levels)[1].amax(dim=1, keepdim=True)
        return best * (curve.amin(dim=1, keepdim=True) < 1)  # a flat curve is stretched to ones
