"""Models that ask other models, and vote with them."""
import pytest
import torch
from parts import config, make_batch
from torch import nn

from mmvmr.engine.optim.alternating import AlternatingConstructor
from mmvmr.functional.votes import behind_better, decided_weights
from mmvmr.models.mergers import CurveVoteMerger
from mmvmr.models.moment_retriever import MomentRetriever
from mmvmr.registry import MODELS
from mmvmr.structures import Clips, MomentSample, Proposals


def build(method='cpl', *advisers, **changes):
    torch.manual_seed(0)
    others = {name: dict(config(name), type='MomentRetriever') for name in advisers}
    return MODELS.build(dict(config(method), advisers=others, **changes))


def predict(model, batch, **kwargs):
    samples = [MomentSample(metainfo=dict(video_id='v', query='q', duration=20.0)) for _ in batch.video]
    with torch.no_grad():
        return model.eval().predict(**model.data_preprocessor(dict(inputs=batch, data_samples=samples)), **kwargs)


class Fixed(nn.Module):
    """Proposes what it is told."""
    gives = ('scores',)

    def __init__(self, spans, scores):
        super().__init__()
        self.spans, self.scores = torch.tensor(spans), torch.tensor(scores)

    def forward(self, video, query):
        spans = self.spans.expand(len(video), -1, -1)
        return Proposals(spans, torch.ones(*spans.shape[:2], 8), self.scores.expand(len(video), -1))


def fixed(*given, part=Fixed, **changes):
    return MomentRetriever(config('mscl')['encoder'], part(*given), ranker=dict(type='ScoreRanker'), **changes)


def test_a_moment_that_both_find_comes_before_the_favourites_of_each():
    own = [[0.7, 1.0], [0.4, 0.6], [0.0, 0.05]], [0.2, 0.19, 0.0]
    other = [[0.0, 0.2], [0.4, 0.6], [0.95, 1.0]], [90.0, 88.0, 1.0]  # on another scale
    found = predict(fixed(*own, advisers=dict(other=fixed(*other))), make_batch())[0]
    shared = sum(decided_weights(torch.tensor([scores]))[0, 1] for _, scores in (own, other))
    assert found.pred_spans[0].tolist() == pytest.approx([8, 12])
    assert found.pred_scores[0].item() == pytest.approx(shared.item(), abs=1e-5)
    assert found.pred_spans[-1].tolist() == pytest.approx([8, 12])  # the same moment of the other, behind all


class WithCurve(Fixed):
    """Proposes what it is told, and says how well each clip matches."""
    gives = ('scores', 'clips')

    def __init__(self, spans, scores, curve):
        super().__init__(spans, scores)
        self.curve = torch.tensor(curve)

    def forward(self, video, query):
        return super().forward(video, query)._replace(clips=Clips(self.curve.expand(len(video), -1)))


def with_curve(*given, **changes):
    return fixed(*given, part=WithCurve, **changes)


# each model has a favourite, and both curves, of other lengths and scales, have their second peak in clips 12 to 17
OWN = [[0.0, 0.2], [0.9, 1.0]], [1.0, 0.0], [5.0] * 4 + [0.0] * 8 + [4.0] * 6 + [0.0] * 2
OTHER = [[0.4, 0.5], [0.9, 1.0]], [9.0, 0.0], [0.0] * 16 + [0.3] * 4 + [0.0] * 4 + [0.28] * 12 + [0.0] * 4


def test_the_sum_of_the_curves_has_a_vote():
    def moments(**merger):
        model = with_curve(*OWN, advisers=dict(other=with_curve(*OTHER)), **merger)
        return predict(model, make_batch())[0].pred_spans.tolist()

    shared = pytest.approx([12, 18], abs=0.5 + 1e-5)
    assert shared in moments(merger=dict(type='CurveVoteMerger'))[:4]
    assert len(moments()) == 2 + 2 and not [one for one in moments() if one == shared], 'of no model alone'


def test_who_has_the_clearer_curve_weighs_more():
    clear, blurred = [0.0] * 10 + [1.0] * 4 + [0.0] * 6, [0.0, 1.0] * 10
    for own, other, first in ((clear, blurred, [0, 4]), (blurred, clear, [8, 10])):
        model = with_curve(*OWN[:2], own, advisers=dict(other=with_curve(*OTHER[:2], other)),
                           merger=dict(type='CurveVoteMerger', num_proposals=1, levels=[0.999]))
        spans = predict(model, make_batch())[0].pred_spans.tolist()
        assert spans.index(first) < spans.index([8, 10] if first == [0, 4] else [0, 4])


def test_a_merger_that_reads_curves_wants_them_of_all_and_one_without_advisers_is_refused():
    curve = with_curve(*OTHER)
    with pytest.raises(ValueError, match='clips of each answer, but the Fixed of the model does not give them'):
        fixed(*OWN[:2], advisers=dict(other=curve), merger=dict(type='CurveVoteMerger'))
    with pytest.raises(ValueError, match='the Fixed of advisers.other does not give them'):
        with_curve(*OWN, advisers=dict(other=fixed(*OTHER[:2])), merger=dict(type='CurveVoteMerger'))
    both = with_curve(*OWN, advisers=dict(other=curve))
    with pytest.raises(ValueError, match='the VoteMerger of advisers.both does not give them'):
        with_curve(*OWN, advisers=dict(both=both), merger=dict(type='CurveVoteMerger'))
    both = with_curve(*OWN, advisers=dict(other=curve), merger=dict(type='CurveVoteMerger'))
    assert predict(with_curve(*OWN, advisers=dict(both=both), merger=dict(type='CurveVoteMerger')), make_batch())
    with pytest.raises(ValueError, match='there are no `advisers`'):
        fixed(*OWN[:2], merger=dict(type='VoteMerger'))


def test_curves_are_smoothed_before_they_are_read():
    curve = [0.0] * 3 + [1.0] + [0.0] * 6 + [0.7] * 6 + [0.0] * 4  # a spike, and what is lower and lasts
    model = with_curve(*OWN[:2], curve, advisers=dict(other=with_curve(*OTHER[:2], curve)),
                       merger=dict(type='CurveVoteMerger', num_proposals=1, levels=[0.6]))
    assert [10, 16] in predict(model, make_batch())[0].pred_spans.tolist()


def test_moments_that_overlap_by_half_keep_their_votes():
    spans, scores = [[0.0, 0.6], [0.2, 0.8]], [1.0, 0.5]  # IoU 0.5
    found = predict(fixed(spans, scores, advisers=dict(other=fixed([[0.0, 0.6]], [1.0]))), make_batch())[0]
    assert found.pred_spans.tolist()[:2] == [pytest.approx([0, 12]), pytest.approx([4, 16])]


def test_a_flat_curve_has_no_weight():
    flat, clear = [0.3] * 20, [0.0] * 10 + [1.0] * 4 + [0.0] * 6
    for own, other, first in ((flat, clear, [8, 10]), (clear, flat, [0, 4])):
        model = with_curve(*OWN[:2], own, advisers=dict(other=with_curve(*OTHER[:2], other)),
                           merger=dict(type='CurveVoteMerger', levels=[0.999]))
        found = predict(model, make_batch())[0]
        spans = found.pred_spans.tolist()
        unheard = [0, 4] if own is flat else [8, 10]
        assert found.pred_scores[spans.index(first)] > found.pred_scores[spans.index(unheard)] == 0


def test_a_model_weighs_as_much_as_it_tells_videos_apart():
    merger = CurveVoteMerger()
    assert merger.separation == 1, 'not measured yet'
    merger.observe(torch.tensor([1.0, 3.0]), torch.tensor([4.0, 6.0]))  # means 3 apart, deviation 1
    assert merger.separation == pytest.approx(3)
    for broken in ('nan', 'inf'):  # the next pair is of the same video, or the step is skipped
        merger.observe(torch.tensor([1.0]), torch.tensor([float(broken)]))
    assert merger.separation == pytest.approx(3)
    for _ in range(1000):
        merger.observe(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0]))
    assert merger.separation == pytest.approx(1, rel=1e-4), 'later batches count for more'
    merger.observe(torch.full((2,), 2.0), torch.full((2,), 103.0))
    variances = 0.99, 0.99 + 0.99 * 0.01 * 100**2
    assert merger.separation == pytest.approx(2 / (sum(variances) / 2)**0.5, rel=1e-2), 'a batch is a hundredth of all'


def test_the_separation_does_not_depend_on_how_many_pairs_a_batch_has():
    found = []
    for size in (1, 2, 3, 64):
        merger, generator = CurveVoteMerger(), torch.Generator().manual_seed(0)
        for _ in range(40000 // size):
            own = torch.randn(size, generator=generator)
            merger.observe(own + 4, own + 5.5)
        found.append(merger.separation.item())
    assert found == pytest.approx([1.5] * 4, rel=0.25)  # a hundred batches of one pair are few
    merger.observed = merger.observed.half()
    assert merger.separation.item() == pytest.approx(found[-1], rel=5e-3), 'as published with --half'


def test_one_video_cannot_be_told_from_others():
    model = build('cpl', 'mscl', combiner=dict(type='KeepDeleteScan'), ranker=dict(type='ScoreRanker'),
                  merger=dict(type='VoteMerger'))
    for ids, separable in (([3, 3, 3], 0), ([3, 3, 4], 2)):
        batch = make_batch()._replace(video_ids=torch.tensor(ids))
        model(**model.data_preprocessor(dict(inputs=batch), True), mode='loss')
        assert model.merger.observed[0] == separable
    alone = make_batch(lengths=(5,))
    model.merger.observed.zero_()
    model(**model.data_preprocessor(dict(inputs=alone), True), mode='loss')
    assert model.merger.separation == 1, 'the next pair is the pair itself'


def test_votes_of_a_model_count_as_much_as_its_separation():
    clear = [0.0] * 10 + [1.0] * 4 + [0.0] * 6
    model = with_curve(*OWN[:2], clear, advisers=dict(other=with_curve(*OTHER[:2], clear)),
                       merger=dict(type='CurveVoteMerger', levels=[0.999]))
    for separation, first in ((2.0, [0, 4]), (0.5, [8, 10]), (0.0, [8, 10]), (-1.0, [8, 10])):
        model.merger.observed = torch.tensor([4, 0, separation, 1, 1])
        found = predict(model, make_batch())[0]
        spans = found.pred_spans.tolist()
        assert spans.index(first) < spans.index([8, 10] if first == [0, 4] else [0, 4])
        if separation <= 0:
            assert found.pred_scores[spans.index([0, 4])] == 0


def test_a_training_step_shows_the_merger_queries_in_their_own_video_and_in_that_of_the_next_pair():
    def step(model):
        torch.manual_seed(1)
        return model(**model.data_preprocessor(dict(inputs=make_batch()), True), mode='loss')

    vote = dict(combiner=dict(type='KeepDeleteScan'), ranker=dict(type='ScoreRanker'))
    model, plain = (build('cpl', 'mscl', **vote, merger=merger) for merger in (dict(type='VoteMerger'), OwnMerger()))
    losses, expected = step(model), step(plain)
    assert losses == expected, 'nothing is trained by it'
    step(model.eval())
    assert model.merger.observed[0] == 3 and model.merger.separation != 1, 'in training alone'

    model, seen = build('cpl', 'mscl', **vote, merger=dict(type='CurveVoteMerger')), []
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    model.merger.observe = lambda *nll: seen.extend(nll)
    inputs = model.data_preprocessor(dict(inputs=make_batch()), True)['inputs']
    model.train()(inputs, mode='loss')
    for nll, batch in zip(seen, (inputs, inputs._replace(video=inputs.video.roll(-1, 0)))):
        outputs = model.retrieve(batch, ['hard'])  # the whole video
        torch.testing.assert_close(nll, outputs.nll['query']['hard'].squeeze(1))
    assert not seen[0].requires_grad and not torch.allclose(*seen)


class OwnMerger(nn.Module):
    def __init__(self, change=lambda merged: merged, gives=('scores',), observe=None):
        super().__init__()
        self.change, self.gives, self.observe = change, gives, observe

    def forward(self, own, advice):
        return self.change(own)


@pytest.mark.parametrize('merger, error, message', [
    (nn.Identity(), TypeError, r'merger: the forward of Identity takes'),
    (OwnMerger(observe=lambda nll: None), TypeError, r'OwnMerger should be a method that takes \(own, other\)'),
    (OwnMerger(observe=True), TypeError, 'observe of OwnMerger should be a method .*: True is not a callable object'),
    (OwnMerger(gives=()), ValueError, 'OwnMerger does not give the scores by which'),
    (OwnMerger(lambda own: own._replace(scores=None)), TypeError, 'OwnMerger returned a NoneType for scores'),
    (OwnMerger(lambda own: own._replace(masks=own.masks[..., :3])), ValueError, r"masks of shape .*, 3\).*T'=8\)"),
])
def test_a_merger_that_does_not_do_what_is_asked_is_named(merger, error, message):
    with pytest.raises(error, match=message):
        predict(fixed(*OWN[:2], advisers=dict(other=fixed(*OTHER[:2])), merger=merger), make_batch())


def test_levels_are_levels():
    for levels in ([], [0], [1.5], [30, 40], 0.5):
        with pytest.raises(ValueError, match='levels should be numbers above 0 and up to 1'):
            MODELS.build(dict(type='CurveVoteMerger', levels=levels))


def test_an_adviser_is_a_whole_model_that_gets_the_batches_of_the_other():
    with pytest.raises(TypeError, match='advisers.other is a Linear; expected a whole model'):
        fixed(*OWN[:2], advisers=dict(other=nn.Linear(2, 2)))
    with pytest.raises(ValueError, match='model.advisers.mscl.data_preprocessor is read by nothing'):
        other = dict(config('mscl'), type='MomentRetriever', data_preprocessor=dict(type='MomentDataPreprocessor'))
        fixed(*OWN[:2], advisers=dict(mscl=other))


def test_losses_that_would_have_one_name_are_refused():
    losses = config('mscl')['losses']
    with pytest.raises(ValueError, match='would be called loss_matching_mscl, so one would be lost'):
        build('mscl', 'mscl', losses=dict(losses, matching_mscl=losses['matching']))


def test_the_twin_of_a_better_moment_comes_last():
    spans = torch.tensor([[[0.0, 0.4], [0.0, 0.41], [0.5, 0.7], [0.0, 0.1]]])
    scores = behind_better(spans, torch.tensor([[2.0, 1.9, 1.0, 0.1]]), nms=0.7, top=4)
    assert scores[0].argsort(descending=True).tolist() == [0, 2, 3, 1]


def test_advisers_are_trained_beside_the_model():
    model, batch = build('cpl', 'mscl', 'cnm'), make_batch()
    losses = model(**model.data_preprocessor(dict(inputs=batch), True), mode='loss')
    own = {f'loss_{name}' for name in model.losses}
    others = {f'loss_{name}_{place}' for place, other in model.advisers.items() for name in other.losses}
    assert set(losses) == own | others and len(losses) == len(own) + len(others)
    sum(losses.values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_the_model_explains_and_matches_the_moments_of_its_advisers():
    model, batch = build('cpl', 'mscl'), make_batch()
    samples = predict(model, batch, margin=True, match=True)
    own, other = (len(predict(build(name), batch)[0].pred_spans) for name in ('cpl', 'mscl'))
    for sample in samples:
        assert len(sample.pred_spans) == len(sample.pred_matches) == own + other
        assert 0 < sample.pred_matches.min() and sample.pred_matches.max() < 1
        assert sample.pred_spans.min() >= 0 and sample.pred_spans.max() <= 20


def test_optimizers_that_take_turns_train_no_advisers_and_say_so():
    adam = dict(optimizer=dict(type='Adam', lr=1e-3))
    with pytest.raises(ValueError, match=r"advisers \['mscl'\].*one optimizer"):
        AlternatingConstructor(dict(reconstruction=adam, ranking=dict(modules=['proposal_generator.head'], **adam)))(
            build('cnm', 'mscl'))
