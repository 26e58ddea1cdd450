"""Mixtures of Gaussians and what pulls and pushes them (PPS)."""
import math

import pytest
import torch
import torch.nn.functional as F
from parts import config, make_batch
from torch import nn

from mmvmr.functional.masks import gaussian_mask
from mmvmr.models.combiners.merging import AttentiveMixture
from mmvmr.models.losses.diversity import DiversityLoss, width_of
from mmvmr.models.losses.pull import PullLoss
from mmvmr.registry import MODELS, PROPOSAL_GENERATORS
from mmvmr.structures import Outputs, Proposals

MASKS = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.5, 1.0]]])
SPANS = torch.tensor([[[0.0, 0.2], [0.2, 0.4], [0.6, 0.8]]])
COMPONENTS = Proposals(SPANS, MASKS)


def _mixture(**changes):
    """Groups of 1 and 2 components whose score is tanh of the first number of their state."""
    mixture = AttentiveMixture(**dict(dict(dim=2, groups=[1, 2]), **changes))
    with torch.no_grad():
        mixture.projection.weight.copy_(torch.eye(2))
        mixture.score.weight.copy_(torch.tensor([[2.0, 0.0]]))
    return mixture


def _explain_as(*states):
    """An ``explain`` that gives these first numbers of the states, and the masks that it was asked about."""
    asked = []

    def explain(masks):
        asked.append(masks)
        return None, torch.stack([torch.tensor(states), torch.ones(len(states))], dim=-1).expand(len(masks), -1, -1)

    return explain, asked


def test_weights_in_a_mixture_follow_the_states_of_its_components():
    explain, asked = _explain_as(math.atanh(math.log(3) / 2), 0.0)  # scores log 3 and 0: weights 3/4 and 1/4
    combined = _mixture()(COMPONENTS, None, None, explain)
    torch.testing.assert_close(combined.masks, torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.875, 0.25]]]))
    torch.testing.assert_close(combined.spans, torch.tensor([[[0.0, 0.2], [0.3, 0.5]]]))
    torch.testing.assert_close(asked[0], MASKS[:, 1:])  # a component alone in its group has nothing to be weighed


def test_mixtures_of_one_component_each_are_refused():
    with pytest.raises(ValueError, match=r'groups \(1, 1\) leave nothing to mix'):
        _mixture(groups=[1, 1])


def test_shrinking_moves_both_ends_inwards():
    combined = _mixture(shrink=0.5)(COMPONENTS, None, None, _explain_as(0.0, 0.0)[0])
    torch.testing.assert_close(combined.spans, torch.tensor([[[0.05, 0.15], [0.45, 0.55]]]))


def test_mixture_of_equal_masks_does_not_exceed_one_by_rounding():
    torch.manual_seed(0)
    states = torch.randn(500, 3, 2)
    components = Proposals(torch.zeros(500, 3, 2), torch.ones(500, 3, 4))
    weights = torch.tanh(2 * states[..., 0]).softmax(dim=1)
    assert weights.sum(dim=1).max() > 1  # by rounding
    combined = _mixture(groups=[3])(components, None, None, lambda masks: (None, states))
    assert combined.masks.max() <= 1 and combined.masks.min() > 0.999


def test_order_of_the_components_in_a_mixture_does_not_matter():
    turned = Proposals(SPANS[:, [0, 2, 1]], MASKS[:, [0, 2, 1]])
    combined = _mixture()(COMPONENTS, None, None, _explain_as(0.7, -0.2)[0])
    for field, other in zip(combined[:2], _mixture()(turned, None, None, _explain_as(-0.2, 0.7)[0])):
        torch.testing.assert_close(field, other)


def test_generator_gives_one_width_to_a_group():
    generator = PROPOSAL_GENERATORS.build(dict(config('cpl')['proposal_generator'], num_proposals=3, groups=[1, 2]))
    assert generator.head.out_features == 5  # center, width; center, center, width
    with torch.no_grad():
        generator.head.weight.zero_()
        generator.head.bias.copy_(torch.logit(torch.tensor([0.3, 0.1, 0.4, 0.6, 0.2])))
    model = MODELS.build(config('cpl'))
    batch = make_batch()
    proposals = generator(*model.encoder(batch.video, batch.query))
    torch.testing.assert_close(proposals.spans[0], torch.tensor([[0.25, 0.35], [0.3, 0.5], [0.5, 0.7]]))
    torch.testing.assert_close(proposals.masks[0], gaussian_mask(
        torch.tensor([0.3, 0.4, 0.6]), torch.tensor([0.1, 0.2, 0.2]) / 9, 10, peak_normalized=True))


class _Fixed(nn.Module):
    """A proposal generator that always gives the same masks."""

    def __init__(self, masks):
        super().__init__()
        self.masks = masks

    def forward(self, video, query):
        return Proposals(None, self.masks)


def test_learned_negative_is_a_sum_of_gaussians_that_reaches_one():
    negative = MODELS.build(config('pps')['negatives']['learned'])  # 2 Gaussians per proposal
    negative.generator = _Fixed(torch.tensor([[[1.0, 0.5, 0.0], [1.0, 0.0, 0.5], [0.0, 0.2, 0.0], [0.0, 0.0, 0.1]]]))
    masks = negative(Proposals(None, torch.zeros(1, 2, 3)), None, None)
    torch.testing.assert_close(masks, torch.tensor([[[1.0, 0.25, 0.25], [0.0, 1.0, 0.5]]]))


def test_learned_negative_needs_as_many_gaussians_as_proposals_take():
    negative = MODELS.build(config('pps')['negatives']['learned'])
    negative.generator = _Fixed(torch.zeros(1, 4, 3))
    with pytest.raises(ValueError, match='3 proposals with num_gaussians=2 take .* gives 4'):
        negative(Proposals(None, torch.zeros(1, 3, 3)), None, None)


def _outputs(components, proposals=None):
    return Outputs(None, None, None, components, proposals, {})


def test_pull_is_the_squared_distance_of_the_outermost_centers_of_each_mixture():
    # centers .1 | .3, .7 and, in the second pair, .5 | .5, .4
    spans = torch.cat([SPANS, torch.tensor([[[0.4, 0.6], [0.3, 0.7], [0.4, 0.4]]])])
    loss = PullLoss(groups=[1, 2], loss_weight=5)(_outputs(Proposals(spans, None)))
    assert loss.item() == pytest.approx(5 * (0.4**2 + 0.1**2) / 2)


def test_pull_sees_the_outermost_of_three_only():
    spans = torch.tensor([[[0.1, 0.1], [0.3, 0.3], [0.4, 0.4]]], requires_grad=True)
    loss = PullLoss(groups=[3])(_outputs(Proposals(spans, None)))
    loss.backward()
    assert loss.item() == pytest.approx(0.3**2)
    assert (spans.grad.sum(dim=2) != 0).tolist() == [[True, False, True]]


def test_push_within_mixtures_leaves_out_other_mixtures_and_single_components():
    # shares of components 1 and 2: (0, 1, 0) and (0, 1/3, 2/3); overlaps 1, 1/3, 5/9
    width = width_of(0.2, sigma=9, num_clips=3)
    loss = DiversityLoss(width, components=True, groups=[1, 2], loss_weight=3)
    expected = (0.2 - 1)**2 + (0.2 - 5 / 9)**2 + 2 / 9
    assert loss(_outputs(COMPONENTS)).item() == pytest.approx(3 * expected)
    one_group = DiversityLoss(width, components=True, groups=[3])
    assert one_group(_outputs(COMPONENTS)).item() == pytest.approx(
        DiversityLoss(width, components=True)(_outputs(COMPONENTS)).item())


@pytest.mark.parametrize('part', [
    lambda: _mixture(groups=[2, 2])(COMPONENTS, None, None, _explain_as(0.0)[0]),
    lambda: PullLoss([2, 2])(_outputs(COMPONENTS)),
    lambda: DiversityLoss(0.4, components=True, groups=[2, 2])(_outputs(COMPONENTS)),
], ids=['mixture', 'pull', 'diversity'])
def test_groups_that_do_not_fit_the_components_are_refused(part):
    with pytest.raises(ValueError, match=r'groups \(2, 2\) hold 4 proposals, but there are 3'):
        part()


def test_groups_that_do_not_fit_the_generator_are_refused():
    with pytest.raises(ValueError, match=r'groups \(1, 2\) hold 3 proposals, but there are 4'):
        PROPOSAL_GENERATORS.build(dict(config('cpl')['proposal_generator'], num_proposals=4, groups=[1, 2]))


def _gaussians(generator, video, query, pair):
    """Numbers of the head of a generator for one pair, in (0, 1)."""
    state = generator.transformer.locate(video, generator.positions(query.features), query.mask, query.readout)
    return (state[pair] @ generator.head.weight.T + generator.head.bias).sigmoid()


def _drawn(center, width, sigma):
    time = torch.linspace(0, 1, 10)
    mask = torch.exp(-(time - center)**2 / (2 * (width.clamp(min=0.01) / sigma)**2))
    return mask / mask.max()


def test_losses_of_a_pair_are_those_of_the_equations():
    """Everything from the heads to the losses once more, one mixture at a time."""
    torch.manual_seed(0)
    model = MODELS.build(config('pps')).eval()
    batch = make_batch(lengths=(4,))
    inputs = model.data_preprocessor(dict(inputs=batch), False)['inputs']
    losses = model(inputs, mode='loss')

    video, query = model.encoder(inputs.video, inputs.query)
    explain = model.reconstructors['query'].explain
    numbers = _gaussians(model.proposal_generator, video, query, 0)
    drawn = _gaussians(model.negatives['learned'].generator, video, query, 0).view(3, 2, 2)
    nll, opposed, mixtures, pull, intra = [], [], [], 0, 0
    for k in (1, 2, 3):
        first = k * (k - 1) // 2 + k - 1  # mixture k' takes k' + 1 numbers
        centers, width = numbers[first:first + k], numbers[first + k]
        single = torch.stack([_drawn(center, width, 9) for center in centers])
        hidden = [explain(video, query, mask.view(1, 1, -1))[1].flatten() for mask in single]
        combiner = model.combiner
        score = torch.stack([combiner.score.weight[0] @ torch.tanh(combiner.projection.weight @ h) for h in hidden])
        mixture = score.softmax(dim=0) @ single
        mixtures.append(mixture / mixture.sum())
        nll.append(explain(video, query, mixture.view(1, 1, -1))[0].item())
        negative = sum(_drawn(center, width, 3) for center, width in drawn[k - 1])
        opposed.append(explain(video, query, (negative / negative.max()).view(1, 1, -1))[0].item())
        if k > 1:
            pull += F.mse_loss(centers.max(), centers.min()).item()
            shares = single / single.sum(dim=1, keepdim=True)
            intra += torch.linalg.matrix_norm(0.15 * torch.eye(k) - shares @ shares.T).item()**2
    shares = torch.stack(mixtures)
    inter = torch.linalg.matrix_norm(0.15 * torch.eye(3) - shares @ shares.T).item()**2
    hard = explain(video, query, torch.ones(1, 1, 10))[0].item()
    best = min(range(3), key=nll.__getitem__)
    expected = dict(
        loss_reconstruction=(nll[best] + hard) / 2,
        loss_ranking=3 * (max(nll[best] - hard + 0.1, 0) + max(nll[best] - opposed[best] + 0.15, 0)),
        loss_inter=2 * inter, loss_intra=0.1 * intra, loss_pull=5 * pull)
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(expected, rel=1e-4)


def test_losses_of_a_batch_are_the_mean_of_those_of_its_pairs():
    """The width of a mixture is that of its own pair, whatever else is in the batch."""
    torch.manual_seed(0)
    model = MODELS.build(config('pps')).eval()
    inputs = model.data_preprocessor(dict(inputs=make_batch(lengths=(4, 4, 4))), False)['inputs']
    together = model(inputs, mode='loss')
    alone = [model(inputs._replace(video=inputs.video[i:i + 1], query=type(inputs.query)(
        *(field[i:i + 1] if torch.is_tensor(field) else field for field in inputs.query))), mode='loss')
        for i in range(3)]
    for name, value in together.items():
        assert value.item() == pytest.approx(sum(losses[name].item() for losses in alone) / 3, rel=1e-4, abs=1e-6)
