"""Proposals as runs of clips whose matching score with the query is high."""
from typing import Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvmr.functional.curves import fed_back
from mmvmr.functional.runs import LEVELS, as_levels, best_runs, smooth, stretch
from mmvmr.registry import MODELS, PROPOSAL_GENERATORS
from mmvmr.structures import Clips, EncodedQuery, Proposals


@PROPOSAL_GENERATORS.register_module()
class FrameScoreProposalGenerator(nn.Module):
    """Frame-wise matching scores s_t = sigmoid(MLP(F_t)), F_t a clip that has looked at the query (MSCL).

    Proposals are the connected runs above several levels of the score curve, which is smoothed by a Gaussian of one
    clip and stretched to [0, 1]. The score of a proposal is its contrast, mean inside minus mean outside; its mask is
    the curve inside it. In training, a video is scored for queries of other pairs as well, see :class:`Clips`.

    Args:
        co_attention: Config of the :class:`~mmvmr.models.layers.co_attention.CoAttention` that reads the query.
        dim: D.
        feature_dim: E, size of the features that are contrasted.
        num_mismatched: R, how many queries of other pairs each video is scored for in training.
        num_proposals: K.
        num_clips: T', the length of a mask; T by default.
        levels: Of the curve, from which runs are taken.
        nms: IoU with a better run above which a run is no proposal.
        feedback: In prediction, raise the clips that look like the highest ones before runs are taken, see
            :func:`~mmvmr.functional.curves.fed_back`: a width as a fraction of the video. By default none is, as in
            MSCL.
    """
    gives = ('scores', 'clips')

    def __init__(self, co_attention: dict, dim: int, feature_dim: int = 128, num_mismatched: int = 1,
                 num_proposals: int = 8, num_clips: Optional[int] = None,
                 levels: Sequence[float] = LEVELS, nms: float = 0.5, feedback: Optional[float] = None) -> None:
        super().__init__()
        if feedback is not None and not 0 < feedback <= 1:
            raise ValueError(f'feedback must be None or in (0, 1], a share of the video, got {feedback}.')
        self.co_attention = MODELS.build(co_attention)
        self.score = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 1))
        self.project = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, feature_dim))
        self.num_mismatched = num_mismatched
        self.num_proposals = num_proposals
        self.num_clips = num_clips
        self.register_buffer('levels', as_levels(levels), persistent=False)
        self.nms = nms
        self.feedback = feedback

    def forward(self, video: Tensor, query: EncodedQuery) -> Proposals:
        """video (B, T, D), encoded query -> K proposals with masks (B, K, T')."""
        num_queries = 1 + self.num_mismatched if self.training else 1
        states = self.co_attention(video, query.features, query.mask, num_queries)  # (B, 1+R, T, D)
        logits = self.score(states).squeeze(-1)
        scores = logits.to(torch.promote_types(logits.dtype, torch.float32)).sigmoid()  # too fine for bfloat16
        features = F.normalize(self.project(states[:, 0]).to(scores.dtype), dim=-1)
        clips = Clips(scores[:, 0], features, scores[:, 1:] if self.training else None)
        return self._decode(clips, fed_back(scores[:, 0], video, None if self.training else self.feedback))

    def _decode(self, clips: Clips, scores: Tensor) -> Proposals:
        """The best runs of a score curve (B, T) as proposals."""
        curve = stretch(smooth(scores, std=1.0))
        runs, contrast = best_runs(curve.detach(), self.levels, self.num_proposals, self.nms)
        time = torch.arange(curve.size(1), device=curve.device)
        inside = (time >= runs[..., :1]) & (time < runs[..., 1:])  # (B, K, T)
        masks = curve.unsqueeze(1) * inside
        if self.num_clips is not None:
            masks = F.adaptive_avg_pool1d(masks, self.num_clips)
        return Proposals(runs.to(curve.dtype) / curve.size(1), masks, contrast, clips)
