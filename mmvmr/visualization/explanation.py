"""What a model saw in each pair: the record behind the page, ready for JSON."""
from typing import Dict, List, Optional, Sequence

import torch
from torch import Tensor

from mmvmr.functional.runs import stretch
from mmvmr.models.interface import Negative, ProposalGenerator, Reconstructor, trait
from mmvmr.models.moment_retriever import MomentRetriever, select_masks
from mmvmr.structures import Batch, EncodedQuery, MomentSample, Outputs, Proposals


@torch.no_grad()
def explain(model: MomentRetriever, batch: Batch, data_samples: List[MomentSample],
            words: Sequence[str]) -> List[Dict]:
    """Retrieve moments as ``model.test_step`` does, and keep everything that led there.

    The model is put into eval mode.

    Args:
        model: A trained model.
        batch: As a data set gives it, before the data preprocessor.
        data_samples: One per pair; ``gt_spans`` may be missing. They are not changed.
        words: Those of the vocabulary that the queries were encoded with, ``vocabulary.words``.

    Returns:
        One dict of numbers, text and lists per pair. Times are in seconds, C is the number of candidates:

        ==================  ========================================================================================
        ``sample_idx``      number of the pair in its data set; None where there is none
        ``video_id``        as in the data sample
        ``query``           the sentence
        ``duration``        of the video
        ``gt_spans``        (N, 2) annotated moments, [] where there are none
        ``spans``           (C, 2) candidates, best first; [] where the features of the video are absent
        ``scores``          (C,) of the candidates
        ``scored_by``       by what: here the ``score`` of the ranker
        ``masks``           (C, T') of the candidates, in [0, 1]
        ``components``      the proposals of the generator where a combiner made the candidates of them or replaced
                            them, ``dict(spans=(K, 2), masks=(K, T'))``; else None
        ``negatives``       by name, the mask (T',) that opposes the first candidate
        ``words``           the known words of the query
        ``reconstruction``  by task, the log-probability of each word when it is hidden, under the mask of the first
                            candidate, ``chosen``, under what it leaves out, ``rest``, and ``whole``, everything
        ``frame_scores``    (T,) in [0, 1] where clips are scored: of a scan or of a vote from 0 at the lowest to 1 at
                            the highest; else None
        ``maps``            per scale the scores of all cells (N, N), [start][end], where the generator has maps; None
                            in the place of cells that are no proposals
        ==================  ========================================================================================
    """
    model.eval()
    inputs = model.data_preprocessor(dict(inputs=batch), False)['inputs']
    outputs, ranked, order = model.rank(inputs)
    negatives = _negatives(model, outputs, order)
    reconstruction = _reconstruction(model, outputs, ranked.masks[:, :1])
    score_maps = trait(model.proposal_generator, ProposalGenerator, 'score_maps')
    maps = score_maps(outputs.video, outputs.query) if score_maps is not None else []
    text = _known_words(outputs.query, words)
    curve = _curve(outputs, ranked)
    return [dict(
        _pair(sample, ranked, row),
        components=_components(outputs, row, sample.duration) if model.combiner is not None else None,
        negatives={name: numbers(mask[row, 0]) for name, mask in negatives.items()},
        words=text[row],
        reconstruction={task: dict(zip(('chosen', 'rest', 'whole'), numbers(scores[row, :, :len(text[row])])))
                        for task, scores in reconstruction.items()},
        frame_scores=None if curve is None else numbers(curve[row]),
        maps=[numbers(cells[row]) for cells in maps]) for row, sample in enumerate(data_samples)]


def numbers(values: Tensor) -> List:
    """A tensor as nested lists of numbers with four decimals; None in the place of NaN."""
    return _without_nan(values.double().round(decimals=4).tolist())


def _without_nan(values):
    if isinstance(values, list):
        return [_without_nan(value) for value in values]
    return None if values != values else values


def _pair(sample: MomentSample, ranked: Proposals, row: int) -> Dict:
    """Whom the record is about, and the candidates."""
    count = 0 if sample.get('absent', False) else ranked.spans.size(1)
    return dict(
        sample_idx=sample.get('sample_idx'), video_id=sample.video_id, query=sample.query, duration=sample.duration,
        gt_spans=numbers(sample.gt_spans) if 'gt_spans' in sample else [],
        spans=numbers(ranked.spans[row, :count].cpu() * sample.duration), scores=numbers(ranked.scores[row, :count]),
        scored_by='score',
        masks=numbers(ranked.masks[row, :count]))


def _components(outputs: Outputs, row: int, duration: float) -> Dict:
    components = outputs.components
    return dict(spans=numbers(components.spans[row].clamp(0, 1) * duration), masks=numbers(components.masks[row]))


def _curve(outputs: Outputs, ranked: Proposals) -> Optional[Tensor]:
    """The scores of clips in [0, 1]: as the generator gives them, or else stretched."""
    given = outputs.components.clips
    if ranked.clips is None or ranked.clips is given:
        return None if given is None else given.scores
    return stretch(ranked.clips.scores)


def _negatives(model: MomentRetriever, outputs: Outputs, order: Tensor) -> Dict[str, Tensor]:
    """Masks (B, 1, T') that oppose the candidate ranked first, by name.

    A negative that is learned for each of so many proposals opposes none of another number of candidates.
    """
    count = outputs.proposals.masks.size(1)
    masks = {name: part(outputs.proposals, outputs.video, outputs.query) for name, part in model.negatives.items()
             if trait(part, Negative, 'num_proposals') in (None, count)}
    return select_masks(masks, order[:, 0])


def _reconstruction(model: MomentRetriever, outputs: Outputs, mask: Tensor) -> Dict[str, Tensor]:
    """Log-probabilities of the words (B, 3, L) by task: under a mask (B, 1, T'), what it leaves out, and everything."""
    masks = torch.cat([mask, 1 - mask, torch.ones_like(mask)], dim=1)
    return {task: part.word_scores(outputs.video, outputs.query, masks) for task, part in model.reconstructors.items()
            if trait(part, Reconstructor, 'word_scores') is not None}


def _known_words(query: EncodedQuery, words: Sequence[str]) -> List[List[str]]:
    """The words of each query, without padding and without the empty word of a query that has no known one."""
    return [[words[index - 1] for index in ids if index > 0] for ids in query.words.word_ids.tolist()]
