"""A video should match its own query and no query of another video."""
from torch import Tensor, nn

from mmvmr.registry import LOSSES
from mmvmr.structures import Outputs
from mmvmr.utils.global_batch import following, gather_pairs, of_other_videos


@LOSSES.register_module()
class MatchingLoss(nn.Module):
    """Focal cross-entropy of the video-level score r, the mean of the highest clip scores (MSCL).

    -(1 - r)^2 log r for a video's own query, plus the mean of -r^2 log(1 - r) over the queries of other videos.

    Args:
        share: Of the clips, whose scores are averaged.
    """
    reads = ('clips',)

    def __init__(self, share: float = 0.125, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.share = share
        self.loss_weight = loss_weight

    def forward(self, outputs: Outputs) -> Tensor:
        clips = outputs.components.clips
        matched = self._video_score(clips.scores)  # (B,)
        loss = -((1 - matched).square() * matched.log()).mean()
        if clips.mismatched is not None:
            mismatched = self._video_score(clips.mismatched)  # (B, R)
            losses = -mismatched.square() * (1 - mismatched).log()
            other = of_other_videos(following(mismatched, 1 + mismatched.size(1)), outputs.video_ids)
            count = gather_pairs(other.sum().unsqueeze(0))  # of each process
            loss = loss + len(count) * (losses * other).sum() / count.sum().clamp(min=1)
        return self.loss_weight * loss

    def _video_score(self, scores: Tensor) -> Tensor:
        """(..., T) -> (...), inside (0, 1)."""
        count = max(int(self.share * scores.size(-1)), 1)
        return scores.topk(count, dim=-1).values.mean(dim=-1).clamp(1e-6, 1 - 1e-6)
