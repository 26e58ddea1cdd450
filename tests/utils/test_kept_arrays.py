"""Arrays that are computed once for all processes of a machine."""
import errno
import logging
import multiprocessing

import numpy as np
import pytest

from mmvmr.utils import kept_arrays as module
from mmvmr.utils.kept_arrays import MOST, kept_arrays

ARRAYS = dict(ids=np.arange(6, dtype=np.uint16).reshape(2, 3), none=np.zeros(0, np.int64), odd=np.array([1.5, 2, 3]))


def compute_and_tell(folder, number=0):
    """Computes slowly, and leaves a file that says so."""
    with open(folder / 'computed', 'a') as file:
        file.write('x')
    return dict(ARRAYS, number=np.full(100_000, number))


def ask(folder, start):
    start.wait()
    kept_arrays(folder / 'kept', 'words', dict(a=1), lambda: compute_and_tell(folder))


@pytest.fixture
def warnings(monkeypatch):
    said = []
    monkeypatch.setattr(module, 'print_log', lambda text, logger, level: said.append((level, text)))
    module._say_once.cache_clear()
    return said


def test_what_was_computed_is_mapped_the_next_time_and_cannot_be_changed(tmp_path):
    for _ in range(2):
        found = kept_arrays(tmp_path / 'kept', 'words', dict(a=1), lambda: compute_and_tell(tmp_path))
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype and not found[name].flags.writeable
    assert (tmp_path / 'computed').read_text() == 'x'
    kept_arrays(tmp_path / 'kept', 'words', dict(a=2), lambda: compute_and_tell(tmp_path))
    assert (tmp_path / 'computed').read_text() == 'xx'


def test_of_several_processes_one_computes_and_the_others_wait(tmp_path):
    spawn = multiprocessing.get_context('fork')
    start = spawn.Event()
    processes = [spawn.Process(target=ask, args=(tmp_path, start), daemon=True) for _ in range(4)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert (tmp_path / 'computed').read_text() == 'x'
    assert [path.suffix for path in (tmp_path / 'kept').iterdir()] == ['.arrays']


@pytest.mark.parametrize('damage', [lambda content: content[:-9], lambda content: b'', lambda content: b'{' + content,
                                    lambda content: content[:-1] + bytes([content[-1] ^ 1])])
def test_a_damaged_file_is_made_anew(tmp_path, warnings, damage):
    compute = lambda: compute_and_tell(tmp_path, 7)  # noqa: E731
    kept_arrays(tmp_path / 'kept', 'words', {}, compute)
    path, = (tmp_path / 'kept').iterdir()
    path.write_bytes(damage(path.read_bytes()))
    for _ in range(2):
        assert (kept_arrays(tmp_path / 'kept', 'words', {}, compute)['number'] == 7).all()
    assert (tmp_path / 'computed').read_text() == 'xx'
    level, text = warnings[0]
    assert level == logging.WARNING and f'"{path}" is damaged' in text


@pytest.mark.parametrize('place', ['_only_one', '_write'])
def test_where_nothing_can_be_kept_the_arrays_are_computed_and_it_is_said_once(tmp_path, warnings, monkeypatch, place):
    def fail(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(module, place, fail)
    for _ in range(2):
        found = kept_arrays(tmp_path / 'kept', 'words', {}, lambda: compute_and_tell(tmp_path))
        np.testing.assert_array_equal(found['ids'], ARRAYS['ids'])
    assert (tmp_path / 'computed').read_text() == 'xx'
    assert len(warnings) == 1
    assert 'No space left on device' in warnings[0][1] and str(tmp_path / 'kept') in warnings[0][1]


def test_an_error_of_the_computation_is_its_own(tmp_path, warnings):
    def fail():
        raise FileNotFoundError('lost.csv')

    with pytest.raises(FileNotFoundError, match='lost.csv'):
        kept_arrays(tmp_path / 'kept', 'words', {}, fail)
    assert warnings == []


def test_old_files_of_the_same_name_go(tmp_path):
    for number in range(MOST + 3):
        kept_arrays(tmp_path, 'a.words', dict(number=number), lambda: ARRAYS)
        kept_arrays(tmp_path, 'a.words.words', dict(number=number), lambda: ARRAYS)
    assert len(list(tmp_path.glob('a.words.??*'))) == 2 * MOST


def test_a_folder_that_is_marked_read_only_stays_as_it_is_for_root_too(tmp_path, warnings):
    given = tmp_path / 'given'
    given.mkdir(mode=0o555)
    for _ in range(2):
        assert kept_arrays(given / 'kept', 'words', dict(a=1), lambda: ARRAYS) == ARRAYS
    assert not any(given.iterdir()) and len(warnings) == 1 and 'read only' in warnings[0][1]
