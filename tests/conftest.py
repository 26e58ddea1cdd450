"""Fixtures that all tests share."""
import os
import random
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault('OMP_NUM_THREADS', '1')  # before PyTorch is imported

import torch  # noqa: E402
from runs import make_runner, write_config  # noqa: E402
from tiny import TinyDataset, make_tiny_dataset  # noqa: E402


@pytest.fixture(autouse=True)
def same_draws() -> None:
    """Every test draws the same inputs every time, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """Folder with the real annotations of the benchmarks; the tests that need them are skipped where it is absent."""
    path = Path(os.environ.get('MMVMR_TEST_DATA', Path(__file__).parents[2] / 'shared' / 'data'))
    if not path.is_dir():
        pytest.skip(f'real annotations are not at {path}; set MMVMR_TEST_DATA to their folder')
    return path


@pytest.fixture
def tiny_dataset(tmp_path: Path) -> TinyDataset:
    """A tiny data set on disk; see :func:`tiny.make_tiny_dataset`."""
    return make_tiny_dataset(tmp_path / 'tiny')


@pytest.fixture(scope='session')
def inferencer(tmp_path_factory):
    """A model of CPL, trained for an epoch on videos of about 10 s, in use."""
    from mmvmr.apis import MomentRetrievalInferencer
    root = tmp_path_factory.mktemp('trained')
    file = write_config(root / 'config.py', make_tiny_dataset(root / 'tiny'), 'cpl', train_cfg=dict(max_epochs=1))
    make_runner(file, root / 'run').train()
    return MomentRetrievalInferencer(root / 'run', device='cpu', show_progress=False)
