import math

import pytest
import torch

from mmvmr.models.losses.diversity import DiversityLoss, width_of
from mmvmr.models.losses.pseudo_label import PseudoLabelLoss
from mmvmr.models.losses.ranking import RankingLoss
from mmvmr.models.losses.reconstruction import ReconstructionLoss
from mmvmr.structures import Outputs, Proposals

NLL = dict(
    query=dict(positive=torch.tensor([[3.0, 2.0], [1.0, 4.0]]), hard=torch.tensor([[2.5], [1.05]]),
               easy=torch.tensor([[2.1], [0.5]])),
    inverse=dict(positive=torch.tensor([[1.0, 5.0], [2.0, 2.0]]), hard=torch.tensor([[1.0], [3.0]])))


def _outputs(masks=None, component_masks=None):
    return Outputs(None, None, None, Proposals(None, component_masks), Proposals(None, masks), NLL)


def test_reconstruction_takes_the_best_proposal_and_its_references():
    # best: 2 and 1, mean 1.5; whole video: mean of 2.5 and 1.05
    assert ReconstructionLoss(references=['hard'])(_outputs()).item() == pytest.approx(1.5 + 1.775)
    assert ReconstructionLoss(references=['hard'], loss_weight=0.5)(_outputs()).item() == pytest.approx(3.275 / 2)


def test_reconstruction_of_all_proposals_is_the_mean_over_them():
    assert ReconstructionLoss(best_only=False)(_outputs()).item() == pytest.approx((3 + 2 + 1 + 4) / 4)


def test_reconstruction_sums_over_tasks():
    # inverse: best 1 and 2
    assert ReconstructionLoss(tasks=['query', 'inverse'])(_outputs()).item() == pytest.approx(1.5 + 1.5)


def test_ranking_is_a_hinge_per_negative():
    # hard: max(2-2.5+.1,0)=0, max(1-1.05+.1,0)=.05; easy: max(2-2.1+.15,0)=.05, max(1-.5+.15,0)=.65
    loss = RankingLoss(margins=dict(hard=0.1, easy=0.15))
    assert loss.negatives == ('hard', 'easy')
    assert loss(_outputs()).item() == pytest.approx(0.05 / 2 + 0.7 / 2)


def test_ranking_of_two_tasks_is_the_sum_of_hinges_not_the_hinge_of_the_sum():
    # inverse, hard: max(1-1+.1,0)=.1, max(2-3+.1,0)=0
    loss = RankingLoss(margins=dict(hard=0.1), tasks=['query', 'inverse'])
    assert loss(_outputs()).item() == pytest.approx(0.05 / 2 + 0.1 / 2)


def test_diversity_is_the_distance_of_the_overlaps_from_a_scaled_identity():
    masks = torch.tensor([[[1.0, 1.0, 0.0, 0.0], [0.0, 2.0, 2.0, 0.0]]])
    # rows (.5,.5,0,0) and (0,.5,.5,0): overlaps .5 on, .25 off the diagonal
    expected = 2 * (0.2 - 0.5)**2 + 2 * 0.25**2
    width = width_of(0.2, sigma=9, num_clips=4)
    assert DiversityLoss(width)(_outputs(masks)).item() == pytest.approx(expected)
    assert DiversityLoss(width_of(0.2, sigma=4, num_clips=4), sigma=4, components=True, loss_weight=3)(
        _outputs(None, masks)).item() == pytest.approx(3 * expected)


@pytest.mark.parametrize('num_clips', [100, 200])
def test_diversity_is_nothing_for_one_proposal_of_its_width_whatever_the_number_of_clips(num_clips):
    time, std = torch.linspace(0, 1, num_clips), 0.1
    mask = torch.exp(-(time - 0.5)**2 / (2 * std**2)).view(1, 1, -1)
    assert DiversityLoss(width=0.4, sigma=4)(_outputs(mask)).item() == pytest.approx(0, abs=1e-7)
    assert DiversityLoss(width=0.6, sigma=4)(_outputs(mask)).item() > 1e-5


def _judged(nll, scores):
    proposals = Proposals(None, None, torch.tensor([scores]))
    return Outputs(None, None, None, proposals, proposals, dict(query=dict(positive=torch.tensor([nll]))))


def _cross_entropy(scores, labels):
    terms = [label * math.log(score) + (1 - label) * math.log(1 - score) for score, label in zip(scores, labels)]
    return -sum(terms) / len(terms)


def test_pseudo_labels_by_thresholds_around_the_mean_share():
    # shares 1/6, 1/3, 1/2: below, at and above the mean of 1/3; the middle band gets 1 - l
    nll, scores = [1.0, 2.0, 3.0], [0.9, 0.4, 0.2]
    expected = _cross_entropy(scores, [1, 1 - 1 / 3, 0])
    assert PseudoLabelLoss()(_judged(nll, scores)).item() == pytest.approx(expected, rel=1e-5)
    assert PseudoLabelLoss(loss_weight=3)(_judged(nll, scores)).item() == pytest.approx(3 * expected, rel=1e-5)


def test_pseudo_labels_want_groups_of_equal_size():
    with pytest.raises(ValueError, match='num_groups=2 groups of equal size, but there are 3 proposals'):
        PseudoLabelLoss(num_groups=2)(_judged([1.0, 2.0, 3.0], [0.9, 0.4, 0.2]))


@pytest.mark.parametrize('share, label', [(0.97, 1), (0.99, 1 - 0.99 / 2), (1.01, 1 - 1.01 / 2), (1.03, 0)])
def test_delta_is_the_half_width_of_the_middle_band(share, label):
    loss = PseudoLabelLoss(delta=0.02)(_judged([share, 2 - share], [0.3, 0.5])).item()
    other = {1: 0, 0: 1}.get(label, 1 - (2 - share) / 2)
    assert loss == pytest.approx(_cross_entropy([0.3, 0.5], [label, other]), rel=1e-5)


def test_bounds_are_shares_themselves():
    loss = PseudoLabelLoss(bounds=(0.2, 0.7))(_judged([1.0, 2.0, 7.0], [0.3, 0.5, 0.6])).item()
    assert loss == pytest.approx(_cross_entropy([0.3, 0.5, 0.6], [1, 0.8, 0]), rel=1e-5)


def test_pseudo_labels_by_rank_fall_from_the_best_quarter_to_the_half():
    nll, labels = [5.0, 1.0, 2.0, 8.0, 4.0, 3.0, 6.0, 7.0], [0, 1, 1, 0, 0.25, 0.75, 0, 0]
    scores = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    loss = PseudoLabelLoss(labels='rank')(_judged(nll, scores)).item()
    assert loss == pytest.approx(_cross_entropy(scores, labels), rel=1e-5)


def test_pseudo_labels_compare_within_their_group():
    # in one group 1 and 2 are the best half; in two groups 1 and 10
    nll, scores = [1.0, 2.0, 10.0, 20.0], [0.2, 0.3, 0.4, 0.6]
    assert PseudoLabelLoss(num_groups=1)(_judged(nll, scores)).item() == pytest.approx(
        _cross_entropy(scores, [1, 1, 0, 0]), rel=1e-5)
    assert PseudoLabelLoss(num_groups=2)(_judged(nll, scores)).item() == pytest.approx(
        _cross_entropy(scores, [1, 0, 1, 0]), rel=1e-5)


def test_pseudo_label_loss_starts_after_its_share_of_training():
    loss, outputs = PseudoLabelLoss(warmup=0.25), _judged([1.0, 2.0], [0.5, 0.5])
    losses = []
    for progress in (0.2, 0.25, 0.3, 1.0):
        loss.set_progress(progress)
        losses.append(loss(outputs).item())
    assert losses == pytest.approx([0, 0, math.log(2), math.log(2)])


def test_pseudo_labels_carry_no_gradient_to_what_they_come_from():
    outputs = _judged([1.0, 2.0], [0.5, 0.25])
    nll, scores = outputs.nll['query']['positive'].requires_grad_(), outputs.proposals.scores.requires_grad_()
    PseudoLabelLoss()(outputs).backward()
    assert nll.grad is None
    torch.testing.assert_close(scores.grad, torch.tensor([[-1 / 0.5, 1 / 0.75]]) / 2)


def test_certain_scores_give_a_finite_loss_under_autocast():
    outputs = _judged([1.0, 2.0], [0.0, 1.0])
    scores = outputs.proposals.scores.requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        loss = PseudoLabelLoss()(outputs)
    loss.backward()
    assert loss.item() == pytest.approx(-math.log(1e-6), rel=0.01) and scores.grad.isfinite().all()


def test_unknown_labels_are_refused():
    with pytest.raises(ValueError, match="'thresholds' or 'rank', got 'share'"):
        PseudoLabelLoss(labels='share')
