import pytest
import torch
from runs import ADAM, ALTERNATING, make_runner, write_config

from mmvmr.engine.optim.guards import OptimWrapper
from mmvmr.engine.optim.schedulers import InverseSquareRootLR


def _rates(updates, accumulative_counts=1, **kwargs):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=4e-4)
    wrapper = OptimWrapper(optimizer, accumulative_counts=accumulative_counts)
    scheduler, rates = InverseSquareRootLR(wrapper, **kwargs), []
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


def test_schedule_counts_updates_of_several_iterations_once():
    straight, _ = _rates(30, warmup=10)
    accumulated, _ = _rates(120, accumulative_counts=4, warmup=10)
    assert accumulated == [rate for rate in straight for _ in range(4)]


@pytest.mark.parametrize('warmup, iterations, accumulative_counts, fitted', [
    (50, 100, 1, 50), (51, 100, 1, 25), (400, 100, 1, 25), (400, 100, 4, 6), (400, 3, 1, 1)])
def test_warm_up_of_more_than_half_of_a_training_becomes_a_quarter_of_it(
        warmup, iterations, accumulative_counts, fitted):
    _, scheduler = _rates(1, accumulative_counts, warmup=warmup)
    note = scheduler.fit(iterations)
    assert scheduler.warmup == fitted
    assert note is None if warmup == fitted else f'of {warmup} updates' in note and f'shortened to {fitted}.' in note


@pytest.mark.parametrize('optimizers', [dict(type='OptimWrapper', **ADAM), ALTERNATING], ids=['one', 'in turn'])
def test_runner_fits_the_warm_up_to_the_training(tmp_path, tiny_dataset, optimizers):
    changes = dict(param_scheduler=[dict(type='InverseSquareRootLR', warmup=400)], optim_wrapper=optimizers)
    runner = make_runner(write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', **changes), tmp_path / 'run')
    runner.train()  # eight iterations
    schedules = runner.param_schedulers
    for schedule in sum(schedules.values(), []) if isinstance(schedules, dict) else schedules:
        assert (schedule.warmup, schedule.last_step) == (2, 8), 'it counts iterations, not epochs'
    assert 'it is shortened to 2.' in next((tmp_path / 'run').rglob('*.log')).read_text()


def test_warm_up_takes_an_update_at_least():
    assert _rates(3, warmup=1)[0] == pytest.approx([1e-7, 4e-4, 4e-4 * 0.5**0.5])
    with pytest.raises(ValueError, match='takes 1 update or more, got warmup=0'):
        _rates(1, warmup=0)
