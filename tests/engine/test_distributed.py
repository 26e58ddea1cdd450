"""Processes that train together."""
import pytest
import torch
from runs import free_port, start_tool
from two_parts import TwoParts, train_two_parts

from mmvmr.engine.distributed import start_processes


@pytest.fixture(scope='module')
def two_processes(tmp_path_factory):
    """The folder of what two processes wrote that trained together."""
    folder = tmp_path_factory.mktemp('two')
    port = free_port()
    processes = [start_tool(['tests/two_parts.py', rank, port, folder]) for rank in (0, 1)]
    for process in processes:
        output = process.communicate(timeout=200)[0]
        assert process.returncode == 0, output
    return folder


def test_two_processes_train_like_one_on_the_whole_batch(two_processes):
    for in_turn in (False, True):
        model = TwoParts()
        start = {name: value.clone() for name, value in model.state_dict().items()}
        expected = train_two_parts(model, model, slice(None), in_turn)
        assert not torch.equal(expected['head.weight'], start['head.weight'])
        for rank in (0, 1):
            found = torch.load(two_processes / f'{rank}_{in_turn}.pth')
            for name, value in expected.items():
                torch.testing.assert_close(found[name], value, msg=f'{name}, in turn: {in_turn}')


def test_all_processes_leave_a_step_out_if_the_loss_of_one_is_not_finite(two_processes):
    for rank in (0, 1):
        found = torch.load(two_processes / f'skip_{rank}.pth')
        assert found['skipped'] == 1
        for name, value in TwoParts().state_dict().items():
            assert torch.equal(found['weights'][name], value), name


@pytest.mark.parametrize('launcher, variable', [
    ('pytorch', 'RANK'), ('slurm', 'SLURM_PROCID'), ('mpi', 'OMPI_COMM_WORLD_RANK')])
def test_process_without_its_launcher_is_told_so(monkeypatch, launcher, variable):
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ValueError, match=f'--launcher {launcher} .* but {variable} is not in the environment'):
        start_processes(launcher)
