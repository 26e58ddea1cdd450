import pytest
import torch

from mmvmr.engine.optim.schedulers import InverseSquareRootLR


def _rates(updates, **kwargs):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=4e-4)
    scheduler, rates = InverseSquareRootLR(optimizer, **kwargs), []
    for _ in range(updates):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return rates, scheduler


def test_warm_up_is_linear_and_the_decay_an_inverse_square_root():
    rates, _ = _rates(1601)
    assert rates[0] == pytest.approx(1e-7)
    assert rates[200] == pytest.approx((1e-7 + 4e-4) / 2)
    assert rates[400] == pytest.approx(4e-4)
    assert rates[1600] == pytest.approx(2e-4)  # sqrt(400 / 1600)


def test_schedule_continues_from_a_saved_state():
    straight, _ = _rates(30, warmup=10)
    _, scheduler = _rates(12, warmup=10)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=4e-4)
    resumed = InverseSquareRootLR(optimizer, warmup=10)
    resumed.load_state_dict(scheduler.state_dict())
    optimizer.step()
    resumed.step()
    assert optimizer.param_groups[0]['lr'] == pytest.approx(straight[13])


def test_schedule_goes_on_when_the_runner_passes_the_number_of_epochs_as_its_end():
    rates, _ = _rates(50, warmup=10, end=3, epoch_length=5)
    assert rates[5] == pytest.approx((1e-7 + 4e-4) / 2)
    assert rates[40] == pytest.approx(2e-4)
