"""The converted model computes what the equations of CNM give (see tests/reference)."""
import pytest
import torch
from parity import HideInTurn, assert_same, cast, make_pair, to_batch
from reference import cnm
from reference.batches import hide, make_inputs
from reference.network import valid_words
from reference.optimization import Adam

from mmvmr.engine.optim.alternating import AlternatingConstructor
from mmvmr.structures import MomentSample

EXACT = dict(atol=1e-9, rtol=1e-9)  # in double precision
FIRST_EPS = 1e-8 / 0.001**0.5  # with it, PyTorch's first update is that of the authors' Adam with epsilon 1e-8


@pytest.fixture(params=[(5, 3, 4, 7), (4, 4), (1, 6)], ids=['mixed lengths', 'equal lengths', 'one word'])
def case(request):
    config, weights, model = make_pair('cnm')
    return config, weights, model, cast(make_inputs(config, request.param), torch.float64)


def test_masks_spans_and_nll(case):
    config, weights, model, inputs = case
    expected = cnm.forward(weights, config['model']['config'], inputs)
    outputs = model(to_batch(inputs))
    torch.testing.assert_close(outputs.proposals.masks[:, 0], expected.mask, **EXACT)
    torch.testing.assert_close(outputs.proposals.spans[:, 0].clamp(0, 1), cnm.moments(expected), **EXACT)
    for name, nll in outputs.nll['query'].items():
        torch.testing.assert_close(nll[:, 0], expected.nll[name], **EXACT)
    assert expected.center.max() - expected.center.min() > 0.01  # the pairs do get different masks
    assert (expected.nll['positive'] - expected.nll['hard']).abs().min() > 1e-5


def test_word_log_probabilities(case):
    config, weights, model, inputs = case
    expected = cnm.forward(weights, config['model']['config'], inputs)
    outputs = model(to_batch(inputs))
    masks = torch.cat([outputs.proposals.masks, *(model.negatives[name](outputs.proposals, None, None)
                                                  for name in ('hard', 'easy'))], dim=1)
    log_probs = model.reconstructors['query'].word_log_probs(outputs.video, outputs.query, masks)
    valid = valid_words(inputs.lengths, inputs.ids.size(1))
    for number, name in enumerate(('positive', 'hard', 'easy')):
        torch.testing.assert_close(log_probs[:, number][valid], expected.log_probs[name][valid], **EXACT)


def test_losses_and_gradients(case):
    config, weights, model, inputs = case
    for name, loss in (('reconstruction', cnm.reconstruction_loss),
                       ('ranking', lambda result: cnm.contrastive_loss(result, config['loss']))):
        leaves = {key: value.clone().requires_grad_() for key, value in weights.items()}
        expected = loss(cnm.forward(leaves, config['model']['config'], inputs))
        expected.backward()
        model.zero_grad()
        ours = model(to_batch(inputs), mode='loss', losses=[name])[f'loss_{name}']
        ours.backward()
        torch.testing.assert_close(ours, expected, **EXACT)
        assert_same('cnm', {key: parameter.grad for key, parameter in model.named_parameters()},
                    {key: leaf.grad for key, leaf in leaves.items()}, **EXACT)
        assert all(leaf.grad.abs().max() > 1e-6 for leaf in leaves.values())


def test_single_precision_at_the_sizes_of_the_paper():
    config, weights, model = make_pair('cnm', torch.float32, dim=256, layers=3, video_dim=1024, word_dim=300,
                                       num_words=1111, num_clips=200)
    inputs = make_inputs(config, (9, 5, 20))
    expected = cnm.forward(weights, config['model']['config'], inputs)
    outputs = model(to_batch(inputs))
    torch.testing.assert_close(outputs.proposals.masks[:, 0], expected.mask, atol=1e-5, rtol=0)
    for name, nll in outputs.nll['query'].items():
        torch.testing.assert_close(nll[:, 0], expected.nll[name], atol=1e-5, rtol=0)
    log_probs = model.reconstructors['query'].word_log_probs(outputs.video, outputs.query, outputs.proposals.masks)
    valid = valid_words(inputs.lengths, inputs.ids.size(1))
    torch.testing.assert_close(log_probs[:, 0][valid], expected.log_probs['positive'][valid], atol=1e-5, rtol=0)


def test_one_alternating_iteration(case):
    config, weights, model, first = case
    second = first._replace(hidden=hide(first.ids > 0, torch.Generator().manual_seed(5)))
    weights = dict(weights)
    expected = cnm.train_step(weights, config['model']['config'], config['loss'], first, second,
                              (Adam(lr=4e-4), Adam(lr=4e-4)))
    adam = dict(optimizer=dict(type='Adam', lr=4e-4, eps=FIRST_EPS), clip_grad=dict(max_norm=10))
    optimizers = AlternatingConstructor(dict(
        reconstruction=dict(adam), ranking=dict(adam, modules=['proposal_generator.head'])))(model)
    model.data_preprocessor = HideInTurn([first.hidden, second.hidden])
    model.train_step(dict(inputs=to_batch(first)), optimizers)
    assert_same('cnm', dict(model.named_parameters()), expected, atol=1e-7, rtol=0)
    assert all((expected[name] - weights[name]).abs().max() > 1e-4 for name in weights)


def test_prediction_is_the_moment_in_seconds(case):
    config, weights, model, inputs = case
    expected = cnm.moments(cnm.forward(weights, config['model']['config'], inputs))
    samples = [MomentSample(metainfo=dict(duration=30.0)) for _ in inputs.lengths]
    for sample, moment in zip(model.predict(to_batch(inputs), samples), expected):
        torch.testing.assert_close(sample.pred_spans[0], 30 * moment, **EXACT)
