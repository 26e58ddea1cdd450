"""Proposals without training: where is the video like the sentence, in a space that both share?"""
from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvmr.functional.curves import bridge, relevance_feedback
from mmvmr.functional.votes import behind_better, votes
from mmvmr.models.interface import Decoder, trait
from mmvmr.registry import MODELS, PROPOSAL_GENERATORS
from mmvmr.structures import Clips, EncodedQuery, Proposals


@PROPOSAL_GENERATORS.register_module()
class SimilarityProposalGenerator(nn.Module):
    """Decodes the curve of cosine similarities between the clips of a video and the vector of the sentence.

    Clips and sentence must be of one space. There is nothing to learn, and clips whose features are all zero, as those
    of absent videos and of padding, do not count; between others they get the lower value of those around them. A
    clip has the score (1 + cosine) / 2.

    Args:
        decoder: Config of the decoder, see :class:`~mmvmr.models.interface.Decoder`.
        paraphrases: What becomes of the vectors of paraphrases, where the text encoder gives some: 'mean' averages the
            curves of query and paraphrases (TFVTG), 'union' decodes each and takes the best proposals of all (VTG-GPT),
            'vote' decodes each and the average, and lets all proposals vote: number i gets sum_j IoU(i, j) score_j,
            scores below 0 counting as 0. The query alone counts by default.
        nms: With 'union' and 'vote', the IoU with a better proposal above which a proposal is left out.
        feedback: Raise the clips that look like the most similar ones, taken under a Gaussian of so many clips, before
            the curves are decoded, see :func:`~mmvmr.functional.curves.relevance_feedback`; they are left as they are
            by default.
    """
    gives = ('scores', 'clips')

    def __init__(self, decoder: dict, paraphrases: Optional[str] = None, nms: float = 0.95,
                 feedback: Optional[float] = None) -> None:
        super().__init__()
        if paraphrases not in (None, 'mean', 'union', 'vote'):
            raise ValueError(f"paraphrases must be None, 'mean', 'union' or 'vote', got {paraphrases!r}.")
        self.decoder = MODELS.build(decoder)
        self.sigma = trait(self.decoder, Decoder, 'sigma')
        self.paraphrases = paraphrases
        self.nms = nms
        self.feedback = feedback

    def forward(self, video: Tensor, query: EncodedQuery) -> Proposals:
        """video (B, T, D), encoded query with sentence vectors (B, S, D) -> K proposals with masks (B, K, T)."""
        similarities = self.curves(video, query.words.sentences)  # (B, S, T)
        counts = video.ne(0).any(dim=-1)
        curves = similarities
        if self.feedback is not None:
            curves = relevance_feedback(curves, video, counts, self.feedback)
        curves, mask = bridge(curves, counts)
        found = self._united(curves, mask) if self.paraphrases in ('union', 'vote') else self.decoder(
            self._one(curves), mask)
        similarity = self._one(bridge(similarities, counts)[0])
        return found._replace(clips=Clips((1 + similarity) / 2, F.normalize(video, dim=-1), mismatched=None))

    def _one(self, curves: Tensor) -> Tensor:
        """(B, S, T) -> the curve of the query, or the mean of all: (B, T)."""
        return curves[:, 0] if self.paraphrases is None else curves.mean(dim=1)

    @staticmethod
    def curves(video: Tensor, sentences: Optional[Tensor]) -> Tensor:
        """Cosine similarities of clips (B, T, D) and sentence vectors (B, S, D): (B, S, T).

        Raises:
            ValueError: If there are no sentence vectors, or they are of another size than the clips.
        """
        if sentences is None:
            raise ValueError('SimilarityProposalGenerator compares clips with sentence vectors, but the queries have '
                             'none. Give the data set a text encoder that has some, in the space of the clips: '
                             "text=dict(type='PrecomputedText', features=...).")
        if sentences.size(-1) != video.size(-1):
            raise ValueError(f'Clips have {video.size(-1)} dimensions and sentence vectors {sentences.size(-1)}: they '
                             'are of two spaces. Take both from one model.')
        return F.normalize(sentences.to(video.dtype), dim=-1) @ F.normalize(video, dim=-1).transpose(1, 2)

    def _united(self, curves: Tensor, mask: Tensor) -> Proposals:
        """The best K of the proposals from each curve."""
        if self.paraphrases == 'vote':
            curves = torch.cat([curves, curves.mean(dim=1, keepdim=True)], dim=1)
        found = self.decoder(curves.flatten(0, 1), mask.repeat_interleave(curves.size(1), dim=0))
        count = found.scores.size(1)
        spans, masks, scores = (part.unflatten(0, curves.shape[:2]).flatten(1, 2) for part in found[:3])
        if self.paraphrases == 'vote':
            scores = votes(spans, scores.clamp(min=0))
        scores, rows = behind_better(spans, scores, self.nms, top=count).sort(dim=1, descending=True, stable=True)
        rows = rows[:, :count].unsqueeze(-1)
        return Proposals(spans.gather(1, rows.expand(-1, -1, 2)), masks.gather(1, rows.expand(-1, -1, masks.size(-1))),
                         scores[:, :count])
