"""The converted model computes what the equations of CPL give (see tests/reference)."""
import pytest
import torch
from mmengine.optim import OptimWrapper
from parity import HideInTurn, assert_same, cast, make_pair, to_batch
from reference import cpl
from reference.batches import make_inputs
from reference.network import valid_words
from reference.optimization import Adam

from mmvmr.models.rankers import VoteRanker
from mmvmr.structures import MomentSample

EXACT = dict(atol=1e-9, rtol=1e-9)  # in double precision
FIRST_EPS = 1e-8 / 0.001**0.5  # with it, PyTorch's first update is that of the authors' Adam with epsilon 1e-8


@pytest.fixture(params=[(5, 3, 4, 7), (4, 4), (1, 6)], ids=['mixed lengths', 'equal lengths', 'one word'])
def case(request):
    config, weights, model = make_pair('cpl')
    _set_progress(model, 0.0)
    return config, weights, model, cast(make_inputs(config, request.param), torch.float64)


def _set_progress(model, progress):
    for side in ('left', 'right'):
        model.negatives[side].set_progress(progress)


@pytest.mark.parametrize('progress', [0.0, 0.1, 1.0])
@pytest.mark.parametrize('gamma', [0.5, 0])
def test_masks_of_proposals_and_their_sides(progress, gamma):
    config, weights, model = make_pair('cpl')
    config['model']['config']['gamma'] = gamma
    for side in ('left', 'right'):
        model.negatives[side].gamma = gamma
    inputs = cast(make_inputs(config), torch.float64)
    _set_progress(model, progress)
    expected = cpl.forward(weights, config['model']['config'], inputs, progress)
    proposals = model(to_batch(inputs)).proposals
    torch.testing.assert_close(proposals.masks, expected.masks['positive'], **EXACT)
    torch.testing.assert_close(proposals.spans.clamp(0, 1), cpl.moments(expected), **EXACT)
    for side in ('left', 'right'):
        torch.testing.assert_close(model.negatives[side](proposals, None, None), expected.masks[side], **EXACT)
    assert (expected.center.amax(dim=1) - expected.center.amin(dim=1)).min() > 0.1


def test_nll_of_proposals_and_of_the_negatives_of_the_best(case):
    config, weights, model, inputs = case
    expected = cpl.forward(weights, config['model']['config'], inputs)
    nll = model(to_batch(inputs)).nll['query']
    torch.testing.assert_close(nll['positive'], expected.nll['positive'], **EXACT)
    best = cpl.best(expected)
    for name, theirs in (('hard', 'reference'), ('left', 'left'), ('right', 'right')):
        torch.testing.assert_close(nll[name][:, 0], best[theirs], **EXACT)


def test_word_log_probabilities(case):
    config, weights, model, inputs = case
    expected = cpl.forward(weights, config['model']['config'], inputs)
    outputs = model(to_batch(inputs))
    valid = valid_words(inputs.lengths, inputs.ids.size(1))
    for name in ('left', 'right'):
        masks = model.negatives[name](outputs.proposals, None, None)
        ours = model.reconstructors['query'].word_log_probs(outputs.video, outputs.query, masks)
        theirs = expected.log_probs[name]
        torch.testing.assert_close(ours.transpose(1, 2)[valid], theirs.transpose(1, 2)[valid], **EXACT)


@pytest.mark.parametrize('progress', [0.0, 0.3])
def test_losses_and_gradients(case, progress):
    config, weights, model, inputs = case
    _set_progress(model, progress)
    for name in ('reconstruction', 'ranking', 'diversity'):
        leaves = {key: value.clone().requires_grad_() for key, value in weights.items()}
        expected = cpl.losses(cpl.forward(leaves, config['model']['config'], inputs, progress), config['loss'])[name]
        expected.backward()
        model.zero_grad()
        ours = model(to_batch(inputs), mode='loss', losses=[name])[f'loss_{name}']
        ours.backward()
        torch.testing.assert_close(ours, expected, **EXACT)
        found = {key: parameter.grad for key, parameter in model.named_parameters() if parameter.grad is not None}
        wanted = {key: leaf.grad for key, leaf in leaves.items() if leaf.grad is not None}
        assert_same('cpl', found, wanted, **EXACT)
        assert name == 'diversity' or len(wanted) == len(weights)


def test_single_precision_at_the_sizes_of_the_paper():
    config, weights, model = make_pair('cpl', torch.float32, dim=256, layers=3, video_dim=1024, word_dim=300,
                                       num_words=1111, num_clips=200, num_proposals=8)
    inputs = make_inputs(config, (9, 5, 20))
    _set_progress(model, 0.5)
    with torch.no_grad():
        expected = cpl.forward(weights, config['model']['config'], inputs, 0.5)
        outputs, losses = model(to_batch(inputs)), model(to_batch(inputs), mode='loss')
    torch.testing.assert_close(outputs.proposals.masks, expected.masks['positive'], atol=1e-5, rtol=0)
    torch.testing.assert_close(outputs.nll['query']['positive'], expected.nll['positive'], atol=1e-5, rtol=0)
    for name, value in cpl.losses(expected, config['loss']).items():
        torch.testing.assert_close(losses[f'loss_{name}'], value, atol=1e-5, rtol=0)


@pytest.mark.parametrize('max_norm', [10, 0.01])
def test_one_iteration(case, max_norm):
    config, weights, model, inputs = case
    progress = 1 / 30
    _set_progress(model, progress)
    expected = cpl.train_step(weights, config['model']['config'], config['loss'], inputs, progress, Adam(lr=4e-4),
                              max_norm)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-4, eps=FIRST_EPS)
    model.data_preprocessor = HideInTurn([inputs.hidden])
    model.train_step(dict(inputs=to_batch(inputs)), OptimWrapper(optimizer, clip_grad=dict(max_norm=max_norm)))
    assert_same('cpl', dict(model.named_parameters()), expected, atol=1e-7, rtol=0)
    assert all((expected[name] - weights[name]).abs().max() > 1e-4 for name in weights)


def _predict(model, inputs):
    samples = [MomentSample(metainfo=dict(duration=30.0)) for _ in inputs.lengths]
    return [sample.pred_spans for sample in model.predict(to_batch(inputs), samples)]


def test_moments_are_ranked_by_nll(case):
    config, weights, model, inputs = case
    expected = cpl.forward(weights, config['model']['config'], inputs)
    order = expected.nll['positive'].argsort(dim=1)
    for ours, spans, rank in zip(_predict(model, inputs), cpl.moments(expected), order):
        torch.testing.assert_close(ours, 30 * spans[rank], **EXACT)


@pytest.mark.parametrize('weighted', [False, True])
def test_first_moment_is_elected(weighted):
    config, weights, model = make_pair('cpl', num_proposals=8)
    model.ranker = VoteRanker('best' if weighted else 'equal')
    inputs = cast(make_inputs(config, (5, 3, 4, 7, 6, 6)), torch.float64)
    expected = cpl.forward(weights, config['model']['config'], inputs)
    overturned = 0
    for ours, spans, nll in zip(_predict(model, inputs), cpl.moments(expected), expected.nll['positive']):
        by_nll = spans[nll.argsort()]
        elected = cpl.vote(by_nll, weighted)
        torch.testing.assert_close(ours[0], 30 * by_nll[elected], **EXACT)
        overturned += elected != 0
    assert overturned > 0  # the votes matter here
