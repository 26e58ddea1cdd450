"""Parts keep to their protocols, or are refused with the line to add."""
import copy
import re
from pathlib import Path
from typing import get_type_hints

import pytest
import torch
from parts import METHODS, config, make_batch
from torch import nn

import mmvmr
from mmvmr.models import interface
from mmvmr.models.checks import check_model
from mmvmr.models.data_preprocessor import MomentDataPreprocessor
from mmvmr.models.encoders.linear import LinearEncoder
from mmvmr.models.moment_retriever import MomentRetriever
from mmvmr.models.negatives import Complement, WholeVideo
from mmvmr.models.rankers import ReconstructionRanker
from mmvmr.registry import LOSSES, MODELS, PROPOSAL_GENERATORS, RECONSTRUCTORS
from mmvmr.structures import EncodedQuery, MomentSample, Proposals

VERBS = [interface.Encoder, interface.ProposalGenerator, interface.Decoder, interface.Combiner, interface.Negative,
         interface.Reconstructor, interface.Loss, interface.Ranker, interface.Merger]


def _parts(method='cpl'):
    """The parts of a method, as a notebook would build them."""
    torch.manual_seed(0)
    given = config(method)
    generator = PROPOSAL_GENERATORS.build(given['proposal_generator'])
    return dict(
        encoder=MODELS.build(given['encoder']), proposal_generator=generator,
        reconstructors=dict(query=RECONSTRUCTORS.build(given['reconstructors']['query'])),
        negatives=dict(easy=Complement(), hard=WholeVideo()),
        losses=dict(reconstruction=LOSSES.build(dict(type='ReconstructionLoss', references=['hard']))),
        ranker=ReconstructionRanker(), data_preprocessor=MomentDataPreprocessor())


def _predict(model, duration=1.0):
    samples = [MomentSample(metainfo=dict(video_id='v', query='q', duration=duration)) for _ in range(3)]
    return model.eval().val_step(dict(inputs=make_batch(), data_samples=samples))


def test_model_takes_parts_as_modules_as_well_as_configs():
    parts = _parts()
    model = MomentRetriever(**parts)
    assert model.encoder is parts['encoder'] and model.ranker is parts['ranker']
    assert model.reconstructors['query'] is parts['reconstructors']['query']
    assert model.data_preprocessor is parts['data_preprocessor']
    mixed = MomentRetriever(**dict(parts, encoder=config('cpl')['encoder'], ranker=dict(type='ReconstructionRanker')))
    mixed.encoder.load_state_dict(model.encoder.state_dict())
    for one, other in zip(_predict(model), _predict(mixed)):
        torch.testing.assert_close(one.pred_spans, other.pred_spans)


@pytest.mark.parametrize('method', METHODS)
def test_own_parts_keep_to_the_protocols(method):
    check_model(MODELS.build(config(method)))


def test_nothing_of_a_part_is_asked_for_but_what_its_protocol_names():
    """`getattr` and `hasattr` of parts are found in `trait` and in the checks alone."""
    asked = set()
    for path in sorted(Path(mmvmr.__file__).parent.rglob('*.py')):
        text = path.read_text(encoding='utf-8')
        asked |= set(re.findall(r"trait\([^()]*?(?:\([^()]*\))?, ([A-Z]\w+),\s*'(\w+)'\)", text))
        if path.parts[-2:] != ('models', 'interface.py') and path.name != 'checks.py':
            assert not re.findall(r"(?:getattr|hasattr)\((?:part|loss|ranker|generator|negative|reconstructor|"
                                  r"[a-z_.]*\.(?:proposal_generator|combiner|ranker|encoder)), '", text), path
    assert {('ProposalGenerator', 'score_maps'), ('Reconstructor', 'word_log_probs'), ('Ranker', 'reads')} <= asked
    known = {verb.__name__: set(get_type_hints(verb)) for verb in VERBS}
    assert [(verb, name) for verb, name in asked if name not in known[verb]] == []


def test_every_attribute_of_a_protocol_is_described():
    for verb in VERBS:
        for name in get_type_hints(verb):
            assert f'        {name}: ' in verb.__doc__, (verb, name)


class _Without(nn.Module):
    def forward(self, video, query):
        return video, query


class _NoModule:
    reads_query = False


class _Swapped(nn.Module):
    def forward(self, outputs, weight):
        return outputs


class _OneName(nn.Module):
    negatives = 'easy'

    def forward(self, outputs):
        return outputs.nll['query']['positive'].mean()


class _UnknownField(_OneName):
    negatives, reads = (), ('score',)


class _ReadsScores(_OneName):
    negatives, reads = (), ('scores',)


class _Plain(nn.Module):
    def forward(self, video, query, masks):
        return masks.mean(dim=-1)


@pytest.mark.parametrize('changes, error, message', [
    (dict(encoder=_Without()), TypeError, r'encoder: _Without does not say what reads_query is. Add the line '
                                          r'`reads_query = False`, or True, to the class'),
    (dict(encoder=dict(type=_NoModule)), TypeError, r'encoder is a _NoModule; expected a part, an nn.Module'),
    (dict(ranker=_Swapped()), TypeError, r'ranker: the forward of _Swapped takes \(outputs, weight\); expected '
                                         r'\(outputs\): All that is known of C candidates'),
    (dict(losses=dict(own=_OneName())), TypeError, r"losses.own: negatives of _OneName is 'easy'; expected a tuple of "
                                                   r"names, such as `negatives = \('easy',\)`"),
    (dict(losses=dict(own=_UnknownField())), TypeError, r"reads of _UnknownField is \('score',\); expected a tuple of "
                                                        r"names, of 'scores', 'probabilities', 'clips'"),
    (dict(losses=dict(own=_ReadsScores())), ValueError, r"GaussianProposalGenerator does not say that it gives them. "
                                                        r"If it does, add the line `gives = \('scores',\)`"),
    (dict(reconstructors=dict(query=_Plain()), combiner=dict(type='ReconstructionWeighted')), ValueError,
     r'_Plain has no method explain\(video, query, masks\) -> nll \(B, M\), states \(B, M, D\). Add it'),
    (dict(negatives=dict(hard=WholeVideo(), left=dict(type='Side', side='left', sigma=4))), ValueError,
     r'negatives.left \(Side\) has sigma=4, but the proposals are drawn with sigma=9. Give both'),
    (dict(losses=dict(own=dict(type='DiversityLoss', width=0.3, sigma=4))), ValueError,
     r'losses.own \(DiversityLoss\) has sigma=4, but the proposals are drawn with sigma=9'),
    (dict(ranker=nn.Module()), TypeError, r'ranker: Module has no forward. Add it to the class: All that is known of'),
    (dict(losses=[dict(type='ReconstructionLoss')]), TypeError, r'model.losses should be parts by name, .* got \['),
    (dict(losses={'a.b': _OneName()}), ValueError, r'model.losses: .* can\'t contain ".".* Choose another name.'),
])
def test_part_that_cannot_do_its_work_is_refused_with_what_to_do(changes, error, message):
    with pytest.raises(error, match=message):
        MomentRetriever(**dict(_parts(), **changes))


class _Returns(nn.Module):
    """A part that computes something else of what another part returns."""
    reads_query = False

    def __init__(self, part, change):
        super().__init__()
        self.part, self.change = part, change

    def forward(self, *inputs):
        return self.change(self.part(*inputs))


class _Encoder(_Returns):
    def forward(self, video, query):
        return super().forward(video, query)


class _Generator(_Encoder):
    pass


class _Negative(_Returns):
    def forward(self, proposals, video, query):
        return super().forward(proposals, video, query)


class _Reconstructor(_Returns):
    def forward(self, video, query, masks):
        return super().forward(video, query, masks)


class _Judge(_Returns):
    @property
    def negatives(self):
        return getattr(self.part, 'negatives', ())

    def forward(self, outputs):
        return super().forward(outputs)


@pytest.mark.parametrize('place, kind, change, message', [
    ('encoder', _Encoder, lambda found: (found[0], found[1].words),
     r'_Encoder returned a tuple of Tensor, Query; expected video and query, the second as EncodedQuery'),
    ('encoder', _Encoder, lambda found: (found[0], found[1]._replace(features=found[1].features[:, 1:])),
     r'query.features \(a start token, then the words\) of shape \(3, 5, 16\); expected \(B=3, N=6, D\)'),
    ('encoder', _Encoder, lambda found: (found[0], found[1]._replace(mask=found[1].words.mask)),
     r'query.mask .* of shape \(3, 5\); expected \(B=3, N=6\)'),
    ('encoder', _Encoder, lambda found: (found[0][:, ::2], found[1]), r'video of shape \(3, 10, 16\); expected'),
    ('proposal_generator', _Generator, tuple, r'_Generator returned a tuple of .*; expected Proposals\(spans, masks\)'),
    ('proposal_generator', _Generator, lambda found: found._replace(masks=found.masks[:, :2]),
     r"masks of shape \(3, 2, 10\); expected \(B=3, K=4, T'\)"),
    ('proposal_generator', _Generator, lambda found: found._replace(spans=found.spans[:, :0]),
     r'_Generator returned no proposal for any video; expected one at least'),
    ('proposal_generator', _Generator, lambda found: found._replace(spans=found.spans.flip(-1)),
     r'_Generator gave the span \[.*\]; expected \[start, end\] as fractions of the video, from 0 to 1, the start'),
    ('proposal_generator', _Generator, lambda found: found._replace(spans=found.spans * 30),
     'fractions of the video, from 0 to 1'),
    ('proposal_generator', _Generator, lambda found: found._replace(spans=found.spans * float('nan')),
     '_Generator gives NaN or infinite numbers as spans'),
    ('proposal_generator', _Generator, lambda found: found._replace(masks=found.masks * 5),
     r'_Generator gives masks from .* to [45]\.?\d*; expected numbers from 0 to 1'),
    ('proposal_generator', _Generator, lambda found: found._replace(masks=found.masks - 0.5), '_Generator gives masks'),
    ('proposal_generator', _Generator, lambda found: found._replace(masks=found.masks * float('nan')),
     '_Generator gives masks from nan to nan'),
    ('proposal_generator', _Generator, lambda found: found._replace(masks=found.masks > 0.5),
     r'_Generator returned masks of torch\.bool; expected floating-point numbers'),
    ('encoder', _Encoder, lambda found: (found[0], found[1]._replace(mask=found[1].mask.float())),
     r'query\.mask .* of torch\.float32; expected torch\.bool'),
    ('losses', _Judge, lambda found: found.long(), r'the loss of torch\.int64; expected floating-point'),
    ('negatives', _Negative, lambda found: found[:, :, ::2],
     r"masks of shape \(3, 4, 5\); expected \(B=3, K=4, T'=10\)"),
    ('reconstructors', _Reconstructor, lambda found: found.unsqueeze(-1), r'nll of shape .*; expected \(B=3, M=4\)'),
    ('losses', _Judge, lambda found: found.expand(3), r'the loss of shape \(3,\); expected \(\)'),
    ('ranker', _Judge, lambda found: found[:, :1], r'scores of shape \(3, 1\); expected \(B=3, C=4\)'),
])
def test_part_that_returns_another_shape_is_named(place, kind, change, message):
    parts = _parts()
    if isinstance(parts[place], dict):
        name = dict(negatives='easy', reconstructors='query', losses='reconstruction')[place]
        parts[place][name] = kind(parts[place][name], change)
    else:
        parts[place] = kind(parts[place], change)
    if place == 'negatives':
        parts['losses']['reconstruction'].negatives = ('easy', 'hard')
    model = MomentRetriever(**parts)
    with pytest.raises((TypeError, ValueError), match=message):
        model(**model.data_preprocessor(dict(inputs=make_batch()), True), mode='loss')
        _predict(model)


class _ReadsHard(nn.Module):
    """A loss of a negative that it does not name."""
    negatives = ('easy',)

    def forward(self, outputs):
        return outputs.nll['query']['easy'].mean() - outputs.nll['query'][self.read].mean()


@pytest.mark.parametrize('read, message', [
    ('hard', r'_ReadsHard reads the negative "hard", which it does not name, .* Add `negatives = '),
    ('hrad', "^'hrad'$")])
def test_loss_that_reads_what_it_does_not_name_is_told_so(read, message):
    loss = _ReadsHard()
    loss.read = read
    model = MomentRetriever(**dict(_parts(), losses=dict(own=loss)))
    with pytest.raises(KeyError, match=message):
        model(**model.data_preprocessor(dict(inputs=make_batch()), True), mode='loss')


def _records(model):
    """Masks per query that the reconstructor is given in one prediction."""
    masks = []
    hook = model.reconstructors['query'].register_forward_pre_hook(lambda _, inputs: masks.append(inputs[2].size(1)))
    explain = model.reconstructors['query'].explain

    def counted(video, query, given):
        masks.append(given.size(1))
        return explain(video, query, given)

    model.reconstructors['query'].explain = counted
    return masks, hook


@pytest.mark.parametrize('method, options, expected', [
    ('cpl', dict(), 4),
    ('cpl', dict(match=True), 4),  # the NLL of the ranker
    ('cpl', dict(margin=True), 4 + 2),  # the rest and the whole of the moment ranked first
    ('cpl', dict(margin=True, match=True), 4 + 2),
    ('mcmt', dict(), 3 + 1),  # the combiner asks about the components, the ranker about what it has made of them
    ('mcmt', dict(margin=True, match=True), 3 + 1 + 2),
])
def test_no_mask_is_reconstructed_twice(method, options, expected):
    model = MODELS.build(config(method)).eval()
    masks, _ = _records(model)
    data = model.data_preprocessor(dict(inputs=make_batch(), data_samples=[
        MomentSample(metainfo=dict(video_id='v', query='q', duration=1.0)) for _ in range(3)]), False)
    with torch.no_grad():
        model.predict(**data, **options)
    assert sum(masks) == expected


def test_what_is_not_reconstructed_again_is_the_same():
    """NLL, margin and match against a model that reconstructs everything by itself."""
    model = MODELS.build(config('mcmt')).eval()
    data = model.data_preprocessor(dict(inputs=make_batch(), data_samples=[
        MomentSample(metainfo=dict(video_id='v', query='q', duration=1.0)) for _ in range(3)]), False)
    with torch.no_grad():
        outputs, _, order = model.rank(data['inputs'])
        samples = model.predict(**data, margin=True, match=True)
        masks = outputs.proposals.masks
        nll = {task: part(outputs.video, outputs.query, masks) for task, part in model.reconstructors.items()}
        for task, found in nll.items():
            torch.testing.assert_close(outputs.nll[task]['positive'], found)
        matches = torch.stack(list(nll.values())).mean(dim=0).neg().exp().gather(1, order)
        best = torch.stack([masks[row, place] for row, place in enumerate(order[:, 0])])[:, None]
        margins = []
        for part in model.reconstructors.values():
            own, rest, whole = (part(outputs.video, outputs.query, mask)[:, 0]
                                for mask in (best, 1 - best, torch.ones_like(best)))
            margins.append(torch.minimum(rest, whole) - own)
    torch.testing.assert_close(torch.stack([sample.pred_matches for sample in samples]), matches)
    torch.testing.assert_close(torch.tensor([sample.margin for sample in samples]), torch.stack(margins).mean(dim=0))


def test_judges_see_the_spans_that_are_reported():
    """With `span_level`, those of the masks; and unclamped, as the authors of CPL let proposals vote."""
    seen = []

    class Ranker(nn.Module):
        def forward(self, outputs):
            seen.append(outputs.proposals.spans)
            return -outputs.proposals.masks.sum(dim=-1)

    for level in (None, 0.5):
        model = MomentRetriever(**dict(_parts(), ranker=Ranker(), span_level=level))
        with torch.no_grad():
            model.proposal_generator.head.bias.fill_(2)  # late and long
        samples = _predict(model)
        spans = seen.pop()
        if level is None:
            assert (spans < 0).any() or (spans > 1).any()
        for row, sample in enumerate(samples):
            reported = {tuple(span) for span in sample.pred_spans.tolist()}
            assert reported == {tuple(span) for span in spans[row].clamp(0, 1).tolist()}


def test_scan_is_ranked_by_its_reconstruction_and_leads_nothing():
    """A scan's candidates take the place of the components; a combined proposal comes before those it is made of."""
    given = dict(config('cpl'), combiner=dict(type='KeepDeleteScan', num_proposals=6))
    model = MODELS.build(dict(given, ranker=dict(type='ReconstructionRanker'))).eval()
    batch = model.data_preprocessor(dict(inputs=make_batch()), False)['inputs']
    with torch.no_grad():
        outputs, _, order = model.rank(batch)
    assert outputs.num_combined == 0
    assert torch.equal(order, outputs.nll['query']['positive'].argsort(dim=1, stable=True))
    combined = MODELS.build(config('mcmt')).eval()
    with torch.no_grad():
        outputs, _, order = combined.rank(combined.data_preprocessor(dict(inputs=make_batch()), False)['inputs'])
    assert outputs.num_combined == 1 and order[:, 0].tolist() == [0, 0, 0]


def test_encoded_query_holds_what_was_encoded():
    batch = make_batch()
    video, query = LinearEncoder(8, 6, 16, readout=True)(batch.video, batch.query)
    assert isinstance(query, EncodedQuery) and query.words is batch.query
    assert query.mask[:, 0].all() and torch.equal(query.mask[:, 1:], batch.query.mask)
    assert query.features.shape == (3, 6, 16) and query.blank.shape == (16,) and query.readout.shape == (3, 1, 16)


def test_an_encoder_that_rescales_reads_features_in_any_unit_and_only_those_that_count():
    batch = make_batch()
    torch.manual_seed(0)
    encoder = LinearEncoder(8, 6, 16, readout=True, rescale=True).eval()
    video, query = encoder(batch.video, batch.query)
    factors = torch.tensor([1e-3, 20.0, 7.0])[:, None, None]
    padding = batch.query.features.masked_fill(~batch.query.mask.unsqueeze(-1), 9.0)
    again, other = encoder(batch.video * factors, batch.query._replace(features=padding * factors))
    torch.testing.assert_close(again, video)
    torch.testing.assert_close(other.features[other.mask], query.features[query.mask])
    unit = batch.video / batch.video.square().mean(dim=(1, 2), keepdim=True).sqrt()
    torch.testing.assert_close(video, encoder.video_projection(unit))
    assert torch.isfinite(encoder(torch.zeros_like(batch.video), batch.query)[0]).all(), 'of an absent video'


def test_configs_of_parts_are_left_as_they_were():
    given = config('mcmt')
    before = copy.deepcopy(given)
    MODELS.build(given)
    assert given == before


def test_proposals_without_scores_are_refused_where_scores_are_said_to_be_given():
    class Generator(nn.Module):
        gives = ('scores',)

        def forward(self, video, query):
            return Proposals(torch.rand(len(video), 2, 2), torch.rand(len(video), 2, 10))

    model = MomentRetriever(**dict(_parts(), proposal_generator=Generator()))
    with pytest.raises(TypeError, match=r'Generator returned a NoneType for scores; expected a tensor of shape \(B=3'):
        _predict(model)
