"""One run in its folder: steps, costs, interruptions."""
import json
import time

import pytest

from mmvmr.engine.run.config import MomentConfig
from mmvmr.reproduction.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / 'method' / 'seed_0', MomentConfig(dict(randomness=dict(seed=0), lr=0.1)))


@pytest.fixture
def script(tmp_path):
    """``script(text)`` writes a Python script and returns its path."""
    def write(text):
        path = tmp_path / f'script_{abs(hash(text))}.py'
        path.write_text(text)
        return path
    return write


def _finish(run):
    """The places that a run has yielded."""
    places = []
    for place in run:
        places.append(place)
        time.sleep(0.02)
    return places


def test_steps_run_in_order_and_those_that_succeeded_are_not_repeated(folder, script, tmp_path):
    note = script('import sys; open(sys.argv[1], "a").write(sys.argv[2])')
    broken = script('import sys; sys.exit(3)')
    with pytest.raises(RuntimeError, match='The step "two" failed'):
        _finish(folder.run(dict(one=[note, tmp_path / 'log', 1], two=[broken])))
    assert folder.cost('one') is not None and folder.cost('two') is None
    _finish(folder.run(dict(one=[note, tmp_path / 'log', 1], two=[note, tmp_path / 'log', 2])))
    assert (tmp_path / 'log').read_text() == '12'


def test_error_has_the_last_lines(folder, script):
    with pytest.raises(RuntimeError, match=r'(?s)train.log ends with\n +line 15.*\n +line 29$') as error:
        _finish(folder.run(dict(train=[script('for i in range(30): print("line", i)\nraise SystemExit(1)')])))
    assert 'line 14' not in str(error.value)


def test_variables_reach_the_step(folder, script):
    _finish(folder.run(dict(train=[script('import os; print(os.environ["OMP_NUM_THREADS"])')]), OMP_NUM_THREADS='7'))
    assert (folder.path / 'train.log').read_text() == '7\n'


def test_memory_is_that_of_the_step_and_not_of_this_process(folder, script):
    ballast = bytearray(b'x') * (400 << 20)
    _finish(folder.run(dict(small=[script('pass')], large=[script('text = "x" * (100 << 20)')])))
    small, large = folder.cost('small')['peak_mb'], folder.cost('large')['peak_mb']
    assert len(ballast) >> 20 == 400 and small < 100
    assert 90 < large - small < 110


def test_costs_of_all_attempts_are_added(folder):
    folder.path.mkdir(parents=True)
    attempts = [dict(exit_code=-15, seconds=5.0, cpu_seconds=4.0, peak_mb=300.0),
                dict(exit_code=0, seconds=2.5, cpu_seconds=2.0, peak_mb=200.0)]
    (folder.path / 'train.costs').write_text(json.dumps(attempts[0]) + '\n')
    assert folder.cost('train') is None
    (folder.path / 'train.costs').write_text(''.join(json.dumps(attempt) + '\n' for attempt in attempts))
    assert folder.cost('train') == dict(seconds=7.5, cpu_seconds=6.0, peak_mb=300.0)


def test_closing_ends_the_step_and_notes_what_it_has_cost(folder, script, tmp_path):
    beat = tmp_path / 'beat'
    text = f'import time\nwhile True: open({str(beat)!r}, "a").write("x"); time.sleep(.01)'
    run = folder.run(dict(train=[script(text)]))
    while not beat.exists():
        next(run)
    run.close()
    size = beat.stat().st_size
    time.sleep(0.1)
    assert beat.stat().st_size == size
    attempt, = map(json.loads, (folder.path / 'train.costs').read_text().splitlines())
    assert attempt['exit_code'] == -15 and attempt['seconds'] > 0
    assert folder.cost('train') is None


def test_two_processes_do_not_work_in_one_folder(folder, script):
    first, second = (folder.run(dict(train=[script('import time; time.sleep(60)')])) for _ in range(2))
    next(first)
    with pytest.raises(FileExistsError, match='seed_0" is in use by process'):
        next(second)
    with pytest.raises(FileExistsError, match='seed_0" is in use by process'):
        folder.clear()
    first.close()


def test_place_is_read_from_the_log(folder, script):
    line = 'I - Epoch(train)   [3][40/68]  lr: 1e-3  eta: 0:02:10  time: 0.3\nI - Something else'
    places = _finish(folder.run(dict(train=[script(f'import time; print({line!r}, flush=True); time.sleep(.5)')])))
    assert places[0] == 'train' and places[-1] == 'train [3][40/68], 0:02:10 left'


def test_config_that_has_changed_is_noticed(folder):
    assert folder.changes() == []
    _finish(folder.run({}))
    assert folder.changes() == []
    other = folder._replace(config=MomentConfig(dict(randomness=dict(seed=0), lr=0.2)))
    assert other.changes() == ['- lr = 0.1', '+ lr = 0.2']
    other.clear()
    assert not folder.path.exists()


def test_a_folder_in_which_no_run_was_begun_is_not_deleted(folder):
    folder.path.mkdir(parents=True)
    (folder.path / 'thesis.txt').touch()
    folder.clear()
    assert (folder.path / 'thesis.txt').exists()
