import math

import pytest
import torch

from mmvmr.models.losses.diversity import DiversityLoss
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
    assert DiversityLoss(target=0.2)(_outputs(masks)).item() == pytest.approx(expected)
    assert DiversityLoss(target=0.2, components=True, loss_weight=3)(
        _outputs(None, masks)).item() == pytest.approx(3 * expected)


def test_diversity_target_is_a_prior_on_the_width():
    time, num_clips, std = torch.linspace(0, 1, 200), 200, 0.1
    mask = torch.exp(-(time - 0.5)**2 / (2 * std**2)).view(1, 1, -1)
    target = 1 / (2 * math.sqrt(math.pi) * std * num_clips)
    assert DiversityLoss(target)(_outputs(mask)).item() == pytest.approx(0, abs=1e-8)
