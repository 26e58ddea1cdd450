"""The only model class: it runs the six verbs of the interface in order."""
from typing import Dict, List, Optional, Sequence, Tuple, Union

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmvmr.functional.masks import mask_spans
from mmvmr.models.match_score import match_scores
from mmvmr.models.train_step import train_step
from mmvmr.registry import LOSSES, MODELS, PROPOSAL_GENERATORS, RECONSTRUCTORS
from mmvmr.structures import Batch, MomentSample, Outputs, Proposals


def _build_all(registry, configs: Optional[Dict[str, dict]]) -> nn.ModuleDict:
    return nn.ModuleDict({name: registry.build(config) for name, config in (configs or {}).items()})


@MODELS.register_module()
class MomentRetriever(BaseModel):
    """Encode, propose, combine, oppose, explain, judge.

    ===========  ========================================================================================
    encode       ``encoder(video, query) -> video (B, T, D), query``
    propose      ``proposal_generator(video, query) -> Proposals``, the components
    combine      ``combiner(components, video, query, explain) -> Proposals``, where there is one
    oppose       ``negative(proposals, video, query) -> masks (B, K, T') or (B, 1, T')``
    explain      ``reconstructor(video, query, masks (B, M, T')) -> nll (B, M)``, lower is better
    judge        ``loss(outputs) -> scalar`` in training, ``ranker(outputs) -> scores (B, C)`` in prediction
    ===========  ========================================================================================

    Args:
        encoder, proposal_generator, combiner, ranker: Configs of the parts.
        reconstructors: Configs by task, e.g. ``dict(query=..., inverse=...)``. A combiner asks the one named ``query``.
        negatives: Configs by name. A loss names the negatives that it needs; no others are reconstructed.
        losses: Configs by name; the log shows them as ``loss_<name>``.
        tie_transformers: Let the generator and all reconstructors share one transformer.
        span_level: Read the span of a candidate where its mask has fallen to this fraction of its peak, instead of
            taking the span that its part gives.
    """

    def __init__(self, encoder: dict, proposal_generator: dict, reconstructors: Optional[Dict[str, dict]] = None,
                 combiner: Optional[dict] = None, negatives: Optional[Dict[str, dict]] = None,
                 losses: Optional[Dict[str, dict]] = None, ranker: Optional[dict] = None,
                 tie_transformers: bool = False, span_level: Optional[float] = None,
                 data_preprocessor: Optional[dict] = None, init_cfg: Optional[dict] = None) -> None:
        super().__init__(MODELS.build(data_preprocessor or dict(type='MomentDataPreprocessor')), init_cfg)
        self.encoder = MODELS.build(encoder)
        self.proposal_generator = PROPOSAL_GENERATORS.build(proposal_generator)
        self.reconstructors = _build_all(RECONSTRUCTORS, reconstructors)
        self.combiner = MODELS.build(combiner) if combiner else None
        self.negatives = _build_all(MODELS, negatives)
        self.losses = _build_all(LOSSES, losses)
        self.ranker = MODELS.build(ranker) if ranker else None
        self.span_level = span_level
        self._check()
        if tie_transformers:
            self._tie_transformers()

    def _tie_transformers(self) -> None:
        for part in (self.proposal_generator, *self.reconstructors.values()):
            if not hasattr(part, 'transformer'):
                raise ValueError(f'{type(part).__name__} has no transformer that could be shared. '
                                 'Set `tie_transformers=False` in the config.')
            part.transformer = self.proposal_generator.transformer

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

    def retrieve(self, batch: Batch, negatives: Sequence[str] = (), explain: bool = True) -> Outputs:
        """Everything up to the judgement.

        Per task, ``nll`` holds 'positive' (B, K) and each named negative of the proposal with the lowest nll (B, 1).
        """
        outputs = self._propose(batch)
        nll = {}
        for task, reconstructor in self.reconstructors.items():
            nll[task] = self._explain(reconstructor, outputs, dict(positive=outputs.proposals.masks))
            if negatives:
                best = nll[task]['positive'].argmin(dim=1)
                opposed = select_masks(self._oppose(outputs, negatives), best)
                nll[task].update(self._explain(reconstructor, outputs, opposed))
        return outputs._replace(nll=nll)

    def _propose(self, batch: Batch) -> Outputs:
        """Encode, propose, combine."""
        video, query = self.encoder(batch.video, batch.query)
        components = self.proposal_generator(video, query)
        proposals = components
        if self.combiner is not None:
            explain = self.reconstructors['query'].explain
            proposals = self.combiner(components, video, query, lambda masks: explain(video, query, masks))
        return Outputs(video, query, batch.video_ids, components, proposals, nll={})

    def _oppose(self, outputs: Outputs, negatives: Sequence[str]) -> Dict[str, Tensor]:
        """Masks (B, K or 1, T') of the negatives of all proposals, by name."""
        return {name: self.negatives[name](outputs.proposals, outputs.video, outputs.query) for name in negatives}

    @staticmethod
    def _explain(reconstructor: nn.Module, outputs: Outputs, masks: Dict[str, Tensor]) -> Dict[str, Tensor]:
        """Reconstruct from all masks in one call and hand the results out by name."""
        nll = reconstructor(outputs.video, outputs.query, torch.cat(list(masks.values()), dim=1))
        return dict(zip(masks, nll.split([mask.size(1) for mask in masks.values()], dim=1)))

    def loss(self, batch: Batch, names: Optional[Sequence[str]] = None) -> Dict[str, Tensor]:
        """The losses called ``names``; only the negatives that they need are reconstructed."""
        chosen = {name: self.losses[name] for name in names or self.losses}
        outputs = self.retrieve(batch, self._needed_negatives(chosen))
        return {f'loss_{name}': loss(outputs) for name, loss in chosen.items()}

    def predict(self, inputs: Batch, data_samples: List[MomentSample], margin: bool = False,
                match: bool = False) -> List[MomentSample]:
        """Add ranked moments to the data samples: ``pred_spans`` (C, 2) in seconds and ``pred_scores`` (C,).

        Args:
            margin: Also add ``margin``, the reconstruction margin of the moment ranked first.
            match: Also add ``pred_matches`` (C,), which can be compared between videos; see :func:`match_scores`.
        """
        outputs, ranked, order = self.rank(inputs)
        for sample, fractions, scores in zip(data_samples, ranked.spans.cpu(), ranked.scores.cpu()):
            sample.pred_spans, sample.pred_scores = fractions * sample.duration, scores
        if margin:
            for sample, value in zip(data_samples, self._margin(outputs, ranked.masks[:, :1]).tolist()):
                sample.set_field(value, 'margin')
        if match:
            for sample, matches in zip(data_samples, match_scores(outputs, self.reconstructors).gather(1, order).cpu()):
                sample.pred_matches = matches
        return data_samples

    def rank(self, batch: Batch) -> Tuple[Outputs, Proposals, Tensor]:
        """The candidates (B, C) as the ranker sees them; the same best first; and that order (B, C).

        Those ranked have spans inside the video and the scores of the ranker, 0 where there is none.
        """
        outputs = self._rank_inputs(batch)
        spans, masks = outputs.proposals[:2]
        if self.span_level is not None:
            spans = mask_spans(masks, self.span_level)
        scores = self.ranker(outputs) if self.ranker is not None else torch.zeros_like(spans[..., 0])
        order = scores.argsort(dim=1, descending=True, stable=True)
        rows = order.unsqueeze(-1)
        ranked = Proposals(spans.clamp(0, 1).gather(1, rows.expand_as(spans)), masks.gather(1, rows.expand_as(masks)),
                           scores.gather(1, order))
        return outputs, ranked, order

    def _rank_inputs(self, batch: Batch) -> Outputs:
        """The candidates for the answer as proposals (B, C), explained as far as the ranker reads it."""
        outputs = self._propose(batch)
        if getattr(self.combiner, 'ranks_components', False):
            pairs = zip(outputs.proposals[:2], outputs.components)
            outputs = outputs._replace(proposals=Proposals(*(torch.cat(pair, dim=1) for pair in pairs)))
        if self.ranker is None or 'scores' in getattr(self.ranker, 'reads', ()):
            return outputs
        opposed = self._oppose(outputs, getattr(self.ranker, 'negatives', ()))
        masks = dict(opposed, positive=outputs.proposals.masks)
        return outputs._replace(nll={
            task: self._explain(part, outputs, masks) for task, part in self.reconstructors.items()})

    def _margin(self, outputs: Outputs, mask: Tensor) -> Tensor:
        """How much better a mask (B, 1, T') explains the query than both the rest of the video and the whole: (B,)."""
        three = torch.cat([mask, 1 - mask, torch.ones_like(mask)], dim=1)
        nll = sum(part(outputs.video, outputs.query, three) for part in self.reconstructors.values())
        return (nll[:, 1:].amin(dim=1) - nll[:, 0]) / max(len(self.reconstructors), 1)

    def train_step(self, data: dict, optim_wrapper) -> Dict[str, Tensor]:
        """One step of one optimizer, or one step of each of several in turn."""
        return train_step(self, self, data, optim_wrapper)

    def val_step(self, data: dict) -> List[MomentSample]:
        """Predict, and report the reconstruction margin, by which a checkpoint is chosen without annotations."""
        data = self.data_preprocessor(data, False)
        return self.predict(**data, margin=bool(self.reconstructors))

    def _needed_negatives(self, losses) -> List[str]:
        return list(dict.fromkeys(name for loss in losses.values() for name in loss.negatives))

    def _check(self) -> None:
        """Refuse combinations of parts that cannot work; docs/mixtures.md lists them."""
        judges = {f'Loss "{name}"': loss for name, loss in self.losses.items()}
        if self.ranker is not None:
            judges['The ranker'] = self.ranker
        for name, judge in judges.items():
            self._check_judge(f'{name} ({type(judge).__name__})', judge)
        if self.reconstructors and self.encoder.reads_query:
            raise ValueError(f'{type(self.encoder).__name__} reads the query, so the video that it encodes would tell '
                             'the reconstructors the hidden words. Use an encoder that does not, e.g. LinearEncoder.')
        if self.combiner and 'query' not in self.reconstructors:
            raise ValueError('A combiner asks the reconstructor named "query", but the model has '
                             f'{list(self.reconstructors)}. Name one of `reconstructors` so in the config.')

    def _check_judge(self, name: str, judge: nn.Module) -> None:
        for kind, attribute in (('negatives', 'negatives'), ('reconstructors', 'tasks')):
            present = getattr(self, kind)
            missing = [item for item in getattr(judge, attribute, ()) if item not in present]
            if missing:
                raise ValueError(f'{name} needs the {kind} {missing}, but the model has {list(present)}. Add them '
                                 f'under `{kind}` in the config, or name others there.')
        reads = getattr(judge, 'reads', ())
        if judge is self.ranker and 'scores' not in reads and not self.reconstructors:
            raise ValueError(f'{name} needs at least one of `reconstructors`, but there is none.')
        for field in reads:
            sources = [self.proposal_generator]
            if self.combiner is not None and field != 'clips':  # what is said of clips passes by a combiner
                sources = [self.combiner] if judge is self.ranker else [*sources, self.combiner]
            for source in sources:
                if field not in getattr(source, 'gives', ()):
                    raise ValueError(f'{name} reads the {field} of proposals, but {type(source).__name__} gives none.')


def select_masks(masks: Dict[str, Tensor], chosen: Tensor) -> Dict[str, Tensor]:
    """Masks (B, K or 1, T') by name -> those of the chosen proposal (B,): (B, 1, T') each."""
    index = chosen[:, None, None]
    return {name: mask if mask.size(1) == 1 else mask.gather(1, index.expand(-1, 1, mask.size(2)))
            for name, mask in masks.items()}
