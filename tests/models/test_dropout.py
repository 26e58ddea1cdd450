import pytest
import torch

from mmvmr.models.layers.attention import Draws, Dropout, ResidualDropout, draw


@pytest.mark.parametrize('p', [0.1, 0.5])
def test_draws_are_zero_as_often_as_asked_for_and_independent(p):
    torch.manual_seed(0)
    noise = draw(torch.empty(3, 40_001), p)
    assert set(noise.unique().tolist()) == {0.0, 1.0} and noise.shape == (3, 40_001)
    dropped = 1 - noise
    assert dropped.mean().item() == pytest.approx(p, abs=0.005)
    for apart in (1, 2, 3, 4):  # numbers cut from one draw of 64 bits
        together = (dropped[:, apart:] * dropped[:, :-apart]).mean().item()
        assert together == pytest.approx(p * p, abs=0.005)


def test_dropout_keeps_the_mean_and_the_residual_and_gives_the_gradient_of_what_it_kept():
    torch.manual_seed(0)
    x = torch.ones(100, 1000, requires_grad=True)
    out = Dropout(0.2)(x)
    assert out.mean().item() == pytest.approx(1, abs=0.01) and set(out.detach().unique().tolist()) == {0.0, 1.25}
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach())
    branch = torch.ones(100, 1000, requires_grad=True)
    out = ResidualDropout(0.2)(torch.full_like(x, 2.0), branch)
    assert set(out.detach().unique().tolist()) == {2.0, 3.25}
    out.sum().backward()
    torch.testing.assert_close(branch.grad, out.detach() - 2)


def test_nothing_is_dropped_in_evaluation():
    x = torch.ones(4, 1000)
    assert Dropout(0.5).eval()(x) is x
    assert (ResidualDropout(0.5).eval()(x, x, Draws()) == 2).all()
    assert (ResidualDropout(0.0)(x, x) == 2).all()


def test_a_second_pass_draws_the_same_for_the_chosen_masks_and_anew_for_others():
    draws, masks, shared = Draws(), torch.empty(2, 3, 50, 8), torch.empty(2, 1, 50, 8)
    first = [draws.draw(like, 0.5) for like in (shared, masks)]
    draws.chosen = torch.tensor([2, 0])
    again = [draws.draw(like, 0.5) for like in (shared, torch.empty(2, 2, 50, 8))]
    assert (again[0] == first[0]).all()
    assert (again[1][:, 0] == first[1][[0, 1], draws.chosen]).all()
    assert all((again[1][0, 1] != first[1][0, mask]).any() for mask in range(3))
