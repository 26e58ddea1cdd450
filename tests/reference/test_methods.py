"""What CNM and CPL add to the network, and the optimizer, against numbers computed by hand."""
import math

import pytest
import torch
from reference import cnm, cpl
from reference.optimization import Adam, clip_gradients, learning_rate


def test_cnm_mask_falls_to_one_half_where_it_should():
    mask = cnm.gaussian(torch.tensor([0.5]), torch.tensor([0.5]), 3, alpha=math.log(2))  # 2^-(0.5 / 0.5)^2
    torch.testing.assert_close(mask, torch.tensor([[0.5, 1.0, 0.5]]))


def test_cnm_mask_is_never_narrower_than_a_tenth():
    narrow, tenth = (cnm.gaussian(torch.tensor([0.3]), torch.tensor([width]), 50, 5.5) for width in (0.01, 0.1))
    torch.testing.assert_close(narrow, tenth)


def test_cnm_losses_by_hand():
    nll = dict(positive=torch.tensor([1.0, 3.0]), hard=torch.tensor([2.0, 2.0]), easy=torch.tensor([1.1, 4.0]))
    result = cnm.Result(None, None, None, None, nll)
    assert cnm.reconstruction_loss(result).item() == pytest.approx(4.0)
    # hard: 0 and 1.1, easy: 0.05 and 0
    assert cnm.contrastive_loss(result, dict(beta_1=0.1, beta_2=0.15)).item() == pytest.approx(0.55 + 0.025)


def test_cpl_mask_reaches_one_on_its_grid():
    mask = cpl.gaussian(torch.tensor([0.25]), torch.tensor([0.5]), 2)  # exp(-1/8), exp(-9/8) before the division
    torch.testing.assert_close(mask, torch.tensor([[1.0, math.exp(-1)]]))


@pytest.mark.parametrize('progress, gamma, rho', [(0.25, 0.5, 0.25), (0.0, 0.5, 0.0), (0.0, 0, 0.5), (2.0, 0.5, 0.5)])
def test_cpl_side_negatives(progress, gamma, rho):
    center, width = torch.tensor([[0.5]]), torch.tensor([[0.2]])  # 0.4 of the video is free on both sides
    masks = cpl.side_masks(center, width, 50, dict(sigma=9, gamma=gamma), progress)
    std = torch.tensor([[max(rho * 0.4, 0.01) / 4.5]])
    torch.testing.assert_close(masks['left'], cpl.gaussian(torch.tensor([[rho * 0.4]]), std, 50))
    torch.testing.assert_close(masks['left'].flip(-1), masks['right'], atol=1e-5, rtol=1e-4)


def test_cpl_losses_by_hand():
    nll = dict(positive=torch.tensor([[2.0, 1.0]]), left=torch.tensor([[0.0, 1.05]]), right=torch.tensor([[0.0, 3.0]]),
               reference=torch.tensor([[0.9]]))
    masks = dict(positive=torch.tensor([[[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]]]))
    terms = cpl.losses(cpl.Result(None, None, masks, None, nll),
                       {'margin_1': 0.1, 'margin_2': 0.15, 'lambda': 0.1, 'alpha_1': 2, 'alpha_2': 3})
    assert terms['reconstruction'].item() == pytest.approx((1 + 0.9) / 2)
    assert terms['ranking'].item() == pytest.approx(2 * (0.2 + 0.1 + 0))
    # G G^T has 1/2 on and 1/4 off the diagonal
    assert terms['diversity'].item() == pytest.approx(3 * (2 * 0.4**2 + 2 * 0.25**2))


def test_votes_elect_the_middle_and_weighted_votes_stay_near_the_best():
    spans = torch.tensor([[0.0, 0.4], [0.2, 0.6], [0.4, 0.8]])
    assert cpl.vote(spans, weighted=False) == 1
    crowd = torch.tensor([[0.0, 0.3], [0.5, 0.9], [0.5, 0.9], [0.5, 0.9]])
    assert cpl.vote(crowd, weighted=False) == 1
    assert cpl.vote(crowd, weighted=True) == 0


def test_first_update_of_adam_is_the_learning_rate_unless_the_gradient_is_tiny():
    updated = Adam(lr=0.5).step({'w': torch.zeros(2)}, {'w': torch.tensor([3.0, -1e-8])})
    tiny = 1e-8 / (1e-8 + 1e-8 / math.sqrt(0.001))  # sqrt(v) = sqrt(0.001) |g|, and epsilon is not corrected
    torch.testing.assert_close(updated['w'], torch.tensor([-0.5, 0.5 * tiny]))


def test_later_updates_of_adam_are_pytorchs():
    optimizer, weights = Adam(lr=0.1), {'w': torch.tensor([1.0])}
    theirs = torch.nn.Parameter(torch.tensor([1.0]))
    other = torch.optim.Adam([theirs], lr=0.1)
    for gradient in (2.0, -1.0, 0.5):
        weights = optimizer.step(weights, {'w': torch.tensor([gradient])})
        theirs.grad = torch.tensor([gradient])
        other.step()
    torch.testing.assert_close(weights['w'], theirs.detach())


def test_gradients_are_clipped_together():
    clipped = clip_gradients({'a': torch.tensor([3.0]), 'b': torch.tensor([4.0])}, max_norm=1.0)
    assert clipped['a'].item() == pytest.approx(0.6, abs=1e-5) and clipped['b'].item() == pytest.approx(0.8, abs=1e-5)


def test_schedule_warms_up_and_falls_with_the_root():
    assert [learning_rate(u) for u in (1, 201, 401, 1601)] == pytest.approx([1e-7, (4e-4 + 1e-7) / 2, 4e-4, 2e-4])
