"""How well a moment matches a query, on a scale that is the same for all videos."""
from typing import Dict

import torch
from torch import Tensor, nn

from mmvmr.functional.masks import resample
from mmvmr.structures import Outputs


def match_scores(outputs: Outputs, reconstructors: Dict[str, nn.Module]) -> Tensor:
    """Scores of all proposals, (B, K) in (0, 1); a ranker's need only order the proposals of one video.

    How likely the words of the query are given the moment: exp(-nll), averaged over words and tasks. Where nothing is
    reconstructed, the mean score of the clips in the moment; without those, the scores of the proposals, which are in
    (0, 1) where they are those of a map.

    Args:
        outputs: Proposals; their ``nll`` is computed where it is not there.
        reconstructors: Of the model, by task.
    """
    masks, clips = outputs.proposals.masks, outputs.components.clips
    if reconstructors:
        nll = [outputs.nll[task]['positive'] if task in outputs.nll else part(outputs.video, outputs.query, masks)
               for task, part in reconstructors.items()]
        return torch.stack(nll).mean(dim=0).neg().exp()
    if clips is None:
        return outputs.proposals.scores
    inside = (masks > 0).to(clips.scores.dtype)  # (B, K, T')
    scores = resample(clips.scores.unsqueeze(-1), masks.size(-1))  # (B, T', 1)
    return (inside @ scores).squeeze(-1) / inside.sum(dim=-1).clamp(min=1)
