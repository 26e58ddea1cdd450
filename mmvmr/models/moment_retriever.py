"""The only model class: it runs the six verbs of the interface in order."""
import math
from typing import Dict, List, Optional, Sequence, Tuple, Union

import torch
from mmengine.model import BaseModel, ModuleDict
from torch import Tensor, nn

from mmvmr.functional.masks import mask_spans
from mmvmr.models.checks import (
    check_encoded,
    check_ends,
    check_masks,
    check_model,
    check_negative,
    check_proposals,
    check_shape,
)
from mmvmr.models.interface import Combiner, Loss, Merger, ProposalGenerator, Ranker, Reconstructor, trait
from mmvmr.models.layers.attention import Draws
from mmvmr.models.match_score import match_scores
from mmvmr.models.train_step import train_step, without_autocast_cache
from mmvmr.registry import LOSSES, MODELS, PROPOSAL_GENERATORS, RECONSTRUCTORS, Registry
from mmvmr.structures import Batch, MomentSample, Outputs, Proposals
from mmvmr.utils.global_batch import following, gather_pairs, of_other_videos

Part = Union[dict, nn.Module]  # its config, or the part itself


def _build(registry: Registry, part: Part, place: str) -> nn.Module:
    try:
        return registry.build(part)
    except (TypeError, ValueError, RuntimeError) as error:
        raise type(error)(f'model.{place}: {error}') from error


def _build_all(registry: Registry, parts: Optional[Dict[str, Part]], place: str) -> ModuleDict:
    if parts is not None and not isinstance(parts, dict):
        raise TypeError(f'model.{place} should be parts by name, such as dict(first=...); got {parts!r}.')
    built = {name: _build(registry, part, f'{place}.{name}') for name, part in (parts or {}).items()}
    try:
        return ModuleDict(built)
    except KeyError as error:  # a dot, or the name of an attribute of dicts
        raise ValueError(f'model.{place}: {error.args[0]}. Choose another name.') from error


@MODELS.register_module()
class MomentRetriever(BaseModel):
    """Encode, propose, combine, oppose, explain, judge.

    ===========  ========================================================================================
    encode       ``encoder(video, query) -> video (B, T, D), encoded query``
    propose      ``proposal_generator(video, query) -> Proposals``, the components
    combine      ``combiner(components, video, query, explain) -> Proposals``, where there is one
    oppose       ``negative(proposals, video, query) -> masks (B, K, T') or (B, 1, T')``
    explain      ``reconstructor(video, query, masks (B, M, T')) -> nll (B, M)``, lower is better
    judge        ``loss(outputs) -> scalar`` in training, ``ranker(outputs) -> scores (B, C)`` in prediction
    ===========  ========================================================================================

    :mod:`mmvmr.models.interface` says what is asked of each part. Every part is a module, or the config of one.

    Args:
        encoder, proposal_generator, combiner, ranker: Parts.
        reconstructors: Parts by task, e.g. ``dict(query=..., inverse=...)``. A combiner asks the one named ``query``.
        negatives: Parts by name. A loss names the negatives that it needs; no others are reconstructed.
        losses: Parts by name; the log shows them as ``loss_<name>``.
        tie_transformers: Let the generator and all reconstructors share one transformer.
        advisers: Other whole models by name, each with an encoder and losses of its own. They are trained beside this
            one; a merger makes one answer of theirs and its own. This model explains it.
        merger: A part, for advisers; VoteMerger by default.
        span_level: Read the span of a candidate where its mask has fallen to this fraction of its peak, instead of
            taking the span that its part gives.
    """

    def __init__(self, encoder: Part, proposal_generator: Part, reconstructors: Optional[Dict[str, Part]] = None,
                 combiner: Optional[Part] = None, negatives: Optional[Dict[str, Part]] = None,
                 losses: Optional[Dict[str, Part]] = None, ranker: Optional[Part] = None,
                 advisers: Optional[Dict[str, Part]] = None, merger: Optional[Part] = None,
                 tie_transformers: bool = False, span_level: Optional[float] = None,
                 data_preprocessor: Optional[Part] = None, init_cfg: Optional[dict] = None) -> None:
        super().__init__(MODELS.build(data_preprocessor or dict(type='MomentDataPreprocessor')), init_cfg)
        self.encoder = _build(MODELS, encoder, 'encoder')
        self.proposal_generator = _build(PROPOSAL_GENERATORS, proposal_generator, 'proposal_generator')
        self.reconstructors = _build_all(RECONSTRUCTORS, reconstructors, 'reconstructors')
        self.combiner = _build(MODELS, combiner, 'combiner') if combiner else None
        self.negatives = _build_all(MODELS, negatives, 'negatives')
        self.losses = _build_all(LOSSES, losses, 'losses')
        self.ranker = _build(MODELS, ranker, 'ranker') if ranker else None
        self.advisers = _build_all(MODELS, advisers, 'advisers')
        own = next((name for name, adviser in (advisers or {}).items()
                    if isinstance(adviser, dict) and adviser.get('data_preprocessor')), None)
        if own is not None:
            raise ValueError(f'model.advisers.{own}.data_preprocessor is read by nothing: the model prepares the '
                             'batches for its advisers, too. Set `model.data_preprocessor`.')
        if merger and not advisers:
            raise ValueError('model.merger makes one answer of those of the model and its advisers, but there are no '
                             '`advisers`. Add them, or leave the merger out.')
        self.merger = _build(MODELS, merger or dict(type='VoteMerger'), 'merger') if advisers else None
        if span_level is not None and not 0 < span_level <= 1:
            raise ValueError(f'model.span_level should be None or a fraction of the peak of a mask, above 0 and up to '
                             f'1; got {span_level!r}.')
        self.span_level = span_level
        check_model(self)
        if tie_transformers:
            self._tie_transformers()

    def _tie_transformers(self) -> None:
        shared = trait(self.proposal_generator, ProposalGenerator, 'transformer')
        for part in (self.proposal_generator, *self.reconstructors.values()):
            own = trait(part, Reconstructor, 'transformer')
            if own is None:
                raise ValueError(f'{type(part).__name__} has no transformer that could be shared. '
                                 'Set `tie_transformers=False` in the config.')
            if repr(own) != repr(shared):
                raise ValueError(f'tie_transformers=True gives {type(part).__name__} the transformer of '
                                 f'{type(self.proposal_generator).__name__}, but they are described as two different '
                                 'ones. Give both the same config.')
            part.transformer = shared

    def forward(self, inputs: Batch, data_samples: Optional[List[MomentSample]] = None, mode: str = 'tensor',
                losses: Optional[Sequence[str]] = None) -> Union[Outputs, Dict[str, Tensor], List[MomentSample]]:
        """
        Args:
            mode: 'loss' for a dict of losses, 'predict' for data samples with ranked moments, 'tensor' for Outputs.
            losses: In mode 'loss', the names of the losses to compute; all by default.
        """
        if mode == 'loss':
            return self.loss(inputs, losses)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self.retrieve(inputs, self._needed_negatives(self.losses))
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}.")

    def retrieve(self, batch: Batch, negatives: Sequence[str] = (), best_only: bool = False) -> Outputs:
        """Everything up to the judgement.

        Per task, ``nll`` holds 'positive' (B, K) and each named negative of the proposal with the lowest nll (B, 1).

        Args:
            best_only: No gradient is asked of a 'positive' but of the lowest, so that the others need not have one.
        """
        outputs, _ = self._propose(batch)
        masks, nll = outputs.proposals.masks, {}
        opposed = self._oppose(outputs, negatives)
        for task, part in self.reconstructors.items():
            if masks.size(1) == 1:
                nll[task] = self._explain(part, outputs, dict(positive=masks, **opposed))
            elif best_only and trait(part, Reconstructor, 'keeps_draws'):
                nll[task] = self._explain_best(part, outputs, opposed)
            else:
                nll[task] = self._explain(part, outputs, dict(positive=masks))
                if negatives:
                    best = nll[task]['positive'].argmin(dim=1)
                    nll[task].update(self._explain(part, outputs, select_masks(opposed, best)))
        return outputs._replace(nll=nll)

    def _explain_best(self, part: nn.Module, outputs: Outputs, opposed: Dict[str, Tensor]) -> Dict[str, Tensor]:
        """The nll of all proposals without a gradient, then once more, with one, that of the best and its negatives.

        Dropout draws the same for the best both times, so that losses and gradients are those of a single pass.
        """
        masks, draws = outputs.proposals.masks, Draws()
        with torch.no_grad(), without_autocast_cache():
            positive = self._explain(part, outputs, dict(positive=masks), draws=draws)['positive']
        draws.chosen = positive.argmin(dim=1)
        nll = self._explain(part, outputs, select_masks(dict(positive=masks, **opposed), draws.chosen), draws=draws)
        own = nll['positive'] - nll['positive'].detach()  # 0 with a gradient: rounding must not make another one lowest
        rows = draws.chosen.unsqueeze(1)
        nll['positive'] = positive.scatter(1, rows, positive.gather(1, rows) + own)
        return nll

    def _propose(self, batch: Batch) -> Tuple[Outputs, List[Tuple[Tensor, Tensor]]]:
        """Encode, propose, combine; also the masks that the combiner has asked about, with their nll."""
        encoded = self.encoder(batch.video, batch.query)
        check_encoded(self.encoder, encoded, batch.video, batch.query)
        video, query = encoded
        components = proposals = self.proposal_generator(video, query)
        check_proposals(self.proposal_generator, ProposalGenerator, components, video.size(0))
        asked = []

        def explain(masks: Tensor) -> Tuple[Tensor, Tensor]:
            part = self.reconstructors['query']
            if masks.dim() == 2 and not trait(part, Reconstructor, 'common_masks'):
                masks = masks.expand(video.size(0), -1, -1)
            nll, states = part.explain(video, query, masks)
            asked.append((masks, nll))
            return nll, states

        if self.combiner is not None:
            proposals = self.combiner(components, video, query, explain)
            check_proposals(self.combiner, Combiner, proposals, video.size(0))
        return Outputs(video, query, batch.video_ids, components, proposals, nll={}), asked

    def _oppose(self, outputs: Outputs, negatives: Sequence[str]) -> Dict[str, Tensor]:
        """Masks (B, K or 1, T') of the negatives of all proposals, by name."""
        masks = {}
        for name in negatives:
            masks[name] = self.negatives[name](outputs.proposals, outputs.video, outputs.query)
            check_negative(self.negatives[name], masks[name], outputs.proposals.masks)
        return masks

    @staticmethod
    def _explain(reconstructor: nn.Module, outputs: Outputs, masks: Dict[str, Tensor], **kwargs) -> Dict[str, Tensor]:
        """Reconstruct from all masks in one call and hand the results out by name."""
        together = torch.cat(list(masks.values()), dim=1)
        nll = reconstructor(outputs.video, outputs.query, together, **kwargs)
        check_shape(reconstructor, 'nll', nll, B=together.size(0), M=together.size(1))
        return dict(zip(masks, nll.split([mask.size(1) for mask in masks.values()], dim=1)))

    def loss(self, batch: Batch, names: Optional[Sequence[str]] = None) -> Dict[str, Tensor]:
        """The losses called ``names``, by default all and those of the advisers.

        Only the negatives that they need are reconstructed.
        """
        chosen = {name: self.losses[name] for name in names or self.losses}
        best_only = all(trait(loss, Loss, 'best_only') for loss in chosen.values() if trait(loss, Loss, 'tasks'))
        outputs = self.retrieve(batch, self._needed_negatives(chosen), best_only and torch.is_grad_enabled())
        losses = {f'loss_{name}': self._lose(loss, outputs) for name, loss in chosen.items()}
        for loss, value in zip(chosen.values(), losses.values()):
            check_shape(loss, 'the loss', value)
        if names is None:
            for place, adviser in self.advisers.items():
                losses.update((f'{key}_{place}', value) for key, value in adviser.loss(batch).items())
            if self.training and trait(self.merger, Merger, 'observe') and 'query' in self.reconstructors:
                self._show_merger(outputs)
        return losses

    def _lose(self, loss: nn.Module, outputs: Outputs) -> Tensor:
        try:
            return loss(outputs)
        except KeyError as error:
            name = error.args[0]
            if name not in self.negatives or name in trait(loss, Loss, 'negatives'):
                raise
            raise KeyError(f'{type(loss).__name__} reads the negative "{name}", which it does not name, so nothing was '
                           f"reconstructed from it. Add `negatives = ('{name}',)` to the class.") from error

    @torch.no_grad()
    def _show_merger(self, outputs: Outputs) -> None:
        """Queries explained by the whole of their own video, and by that of the next pair, round the batch of all."""
        whole = torch.ones_like(outputs.proposals.masks[:, :1])
        rows = following(outputs.video, 2)
        own, other = (self.reconstructors['query'](video, outputs.query, whole).squeeze(1)
                      for video in (outputs.video, gather_pairs(outputs.video)[rows[:, 1]]))
        other = other.where(of_other_videos(rows, outputs.video_ids).squeeze(1), math.nan)
        self.merger.observe(gather_pairs(own), gather_pairs(other))

    def predict(self, inputs: Batch, data_samples: List[MomentSample], margin: bool = False,
                match: bool = False) -> List[MomentSample]:
        """Add ranked moments to the data samples: ``pred_spans`` (C, 2) in seconds and ``pred_scores`` (C,).

        Args:
            margin: Also add ``margin``, the reconstruction margin of the moment ranked first.
            match: Also add ``pred_matches`` (C,), which can be compared between videos; see :func:`match_scores`.
        """
        outputs, ranked, order = self.rank(inputs)
        made = [(self.proposal_generator, outputs.components)]
        if outputs.proposals is not outputs.components:
            made.append((self.merger or self.combiner or self.proposal_generator, outputs.proposals))
        for part, found in made:
            check_ends(part, found.spans)
            check_masks(part, found.masks)
        for sample, fractions, scores in zip(data_samples, ranked.spans.cpu(), ranked.scores.cpu()):
            sample.pred_spans, sample.pred_scores = fractions * sample.duration, scores
        if margin:
            for sample, value in zip(data_samples, self._margin(outputs, order[:, :1]).tolist()):
                sample.set_field(value, 'margin')
        if match:
            for sample, matches in zip(data_samples, match_scores(outputs, self.reconstructors).gather(1, order).cpu()):
                sample.pred_matches = matches
        return data_samples

    def rank(self, batch: Batch) -> Tuple[Outputs, Proposals, Tensor]:
        """The candidates (B, C) as the ranker sees them; the same best first; and that order (B, C).

        Those ranked have spans inside the video, the scores of the ranker, 0 where there is none, and what is said of
        clips.
        """
        outputs = self._candidates(batch)
        spans, masks = outputs.proposals[:2]
        scores = self.ranker(outputs) if self.ranker is not None else torch.zeros_like(spans[..., 0])
        check_shape(self.ranker, 'scores', scores, B=spans.size(0), C=spans.size(1))
        clips = outputs.proposals.clips
        if self.merger is not None:
            own = Proposals(spans.clamp(0, 1), masks, scores, clips)
            merged = self.merger(own, [adviser.rank(batch)[1] for adviser in self.advisers.values()])
            check_proposals(self.merger, Merger, merged, spans.size(0))
            check_shape(self.merger, 'masks', merged.masks, **{'B': spans.size(0), 'C': None, "T'": masks.size(-1)})
            spans, masks, scores, clips = merged
            outputs = outputs._replace(proposals=merged, nll={}, num_combined=0)  # the nll is of other candidates
        order = scores.argsort(dim=1, descending=True, stable=True)
        rows = order.unsqueeze(-1)
        ranked = Proposals(spans.clamp(0, 1).gather(1, rows.expand_as(spans)), masks.gather(1, rows.expand_as(masks)),
                           scores.gather(1, order), clips)
        return outputs, ranked, order

    def _candidates(self, batch: Batch) -> Outputs:
        """The candidates for the answer as proposals (B, C), explained as far as the ranker reads it."""
        outputs, asked = self._propose(batch)
        combined = outputs.proposals
        if trait(self.combiner, Combiner, 'ranks_components'):
            pairs = zip(combined[:2], outputs.components)
            outputs = outputs._replace(proposals=Proposals(*(torch.cat(pair, dim=1) for pair in pairs)),
                                       num_combined=combined.masks.size(1))
        if self.ranker is not None and 'scores' not in trait(self.ranker, Ranker, 'reads'):
            opposed = self._oppose(outputs, trait(self.ranker, Ranker, 'negatives'))
            nll = {}
            for task, part in self.reconstructors.items():
                known = [found for masks, found in asked if masks is outputs.components.masks and task == 'query']
                if outputs.num_combined and known:  # the combiner has asked for those of the components
                    nll[task] = self._explain(part, outputs, dict(opposed, positive=combined.masks))
                    nll[task]['positive'] = torch.cat([nll[task]['positive'], known[0]], dim=1)
                else:
                    nll[task] = self._explain(part, outputs, dict(opposed, positive=outputs.proposals.masks))
            outputs = outputs._replace(nll=nll)
        if self.span_level is not None:
            spans = mask_spans(outputs.proposals.masks, self.span_level)
            outputs = outputs._replace(proposals=outputs.proposals._replace(spans=spans))
        return outputs

    def _margin(self, outputs: Outputs, chosen: Tensor) -> Tensor:
        """How much better a candidate explains the query than both the rest of the video and the whole: (B, 1) -> (B,).
        """
        masks = select_masks(dict(own=outputs.proposals.masks), chosen[:, 0])  # (B, 1, T')
        masks.update(rest=1 - masks['own'], whole=torch.ones_like(masks['own']))
        total = 0
        for task, part in self.reconstructors.items():
            known = {'own': outputs.nll[task]['positive'].gather(1, chosen)} if task in outputs.nll else {}
            asked = {name: mask for name, mask in masks.items() if name not in known}
            found = {**known, **self._explain(part, outputs, asked)}
            total = total + torch.minimum(found['rest'], found['whole']) - found['own']
        return total.squeeze(1) / max(len(self.reconstructors), 1)

    def train_step(self, data: dict, optim_wrapper) -> Dict[str, Tensor]:
        """One step of one optimizer, or one step of each of several in turn."""
        return train_step(self, self, data, optim_wrapper)

    def val_step(self, data: dict) -> List[MomentSample]:
        """Predict, and report the reconstruction margin, by which a checkpoint is chosen without annotations."""
        data = self.data_preprocessor(data, False)
        return self.predict(**data, margin=bool(self.reconstructors))

    def _needed_negatives(self, losses) -> List[str]:
        return list(dict.fromkeys(name for loss in losses.values() for name in trait(loss, Loss, 'negatives')))


def select_masks(masks: Dict[str, Tensor], chosen: Tensor) -> Dict[str, Tensor]:
    """Masks (B, K or 1, T') by name -> those of the chosen proposal (B,): (B, 1, T') each."""
    index = chosen[:, None, None]
    return {name: mask if mask.size(1) == 1 else mask.gather(1, index.expand(-1, 1, mask.size(2)))
            for name, mask in masks.items()}
