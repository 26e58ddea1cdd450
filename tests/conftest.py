"""Fixtures that all tests share."""
import os
from pathlib import Path

import pytest
from tiny import TinyDataset, make_tiny_dataset

os.environ.setdefault('OMP_NUM_THREADS', '1')


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
