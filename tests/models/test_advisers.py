"""Models that ask other models, and vote with them."""
import pytest
import torch
from parts import config, make_batch
from torch import nn

from mmvmr.engine.optim.alternating import AlternatingConstructor
from mmvmr.functional.votes import behind_better, decided_weights
from mmvmr.models.moment_retriever import MomentRetriever
from mmvmr.registry import MODELS
from mmvmr.structures import MomentSample, Proposals


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


def fixed(spans, scores, **changes):
    return MomentRetriever(config('mscl')['encoder'], Fixed(spans, scores), ranker=dict(type='ScoreRanker'), **changes)


def test_a_moment_that_both_find_comes_before_the_favourites_of_each():
    own = [[0.7, 1.0], [0.4, 0.6], [0.0, 0.05]], [0.2, 0.19, 0.0]
    other = [[0.0, 0.2], [0.4, 0.6], [0.95, 1.0]], [90.0, 88.0, 1.0]  # on another scale
    found = predict(fixed(*own, advisers=dict(other=fixed(*other))), make_batch())[0]
    shared = sum(decided_weights(torch.tensor([scores]))[0, 1] for _, scores in (own, other))
    assert found.pred_spans[0].tolist() == pytest.approx([8, 12])
    assert found.pred_scores[0].item() == pytest.approx(shared.item(), abs=1e-5)
    assert found.pred_spans[-1].tolist() == pytest.approx([8, 12])  # the same moment of the other, behind all


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
