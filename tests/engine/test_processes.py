"""N processes with B / N pairs each compute what one process with B pairs does."""
from pathlib import Path

import pytest
import torch
from runs import write_config
from shares import CASES, evaluate, run_in_process, train_case
from tiny import make_tiny_dataset
from warm import WarmProcess

ROUNDING = dict(rtol=2e-6, atol=1e-6)  # of sums in another order, through three steps


@pytest.fixture(scope='module')
def file(tmp_path_factory) -> Path:
    """A config that tests on ten pairs."""
    folder = tmp_path_factory.mktemp('evaluation')
    return Path(write_config(folder / 'config.py', make_tiny_dataset(folder / 'tiny', test=5), 'cpl'))


@pytest.fixture(scope='module', params=[2, 4])
def folder(request, tmp_path_factory, file) -> Path:
    """What each of several processes has found."""
    folder = tmp_path_factory.mktemp(f'{request.param}_processes')
    processes = [WarmProcess(run_in_process, [rank, request.param, folder, file], folder / f'{rank}.log')
                 for rank in range(request.param)]
    for process in processes:
        process.wait()
    return folder


@pytest.mark.parametrize('case', CASES)
def test_losses_and_weights_are_those_of_one_process(case, folder):
    one = train_case(case, slice(None))
    several = [torch.load(path) for path in sorted(folder.glob(f'{case}_[0-9].pth'))]
    assert len(several) in (2, 4)
    for found in several:
        torch.testing.assert_close(found, one, **ROUNDING)


def test_metrics_and_predictions_are_those_of_one_process_to_the_last_bit(folder, file):
    one = evaluate(file)
    found = [torch.load(path) for path in folder.glob('metrics_[0-9].pth')]
    assert set(one) >= {'mIoU', 'reconstruction_margin'} and found == [one] * len(found)
    texts = [(file.parent / f'{count}.jsonl').read_text() for count in (1, len(found))]
    assert texts[0] == texts[1] and texts[0].count('\n') == 10
