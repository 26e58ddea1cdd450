import io

import pytest
from tqdm import tqdm

from mmvmr.reproduction.side_by_side import run_side_by_side


@pytest.fixture
def run():
    """``run(jobs, num)`` returns the failures and the lines that were printed."""
    def side_by_side(jobs, num):
        text = io.StringIO()
        bar = tqdm(total=len(jobs), file=text, bar_format='{n_fmt} {postfix}', mininterval=0, miniters=0)
        bar.write = lambda line: print(line, file=text)
        return run_side_by_side(jobs, num, bar, pause=0), text.getvalue()
    return side_by_side


def _job(log, name, steps, fails=False):
    log.append(f'{name} starts')
    try:
        for step in range(steps):
            yield f'step {step}'
    finally:
        log.append(f'{name} ends')
    if fails:
        raise ValueError(f'{name} is broken')


def test_no_more_than_that_many_run_at_a_time(run):
    log = []
    failures, text = run({name: _job(log, name, 2) for name in 'abc'}, 2)
    assert log == ['a starts', 'b starts', 'a ends', 'b ends', 'c starts', 'c ends']
    assert failures == {} and 'a step 1; b step 1' in text


def test_one_that_fails_does_not_stop_the_others(run):
    log = []
    failures, text = run({'a': _job(log, 'a', 1, fails=True), 'b': _job(log, 'b', 1)}, 1)
    assert {name: str(error) for name, error in failures.items()} == {'a': 'a is broken'}
    assert 'a has failed\n' in text and 'b is finished\n' in text


def test_an_interrupt_ends_those_that_run_and_starts_no_others(run):
    log = []

    def interrupted():
        yield 'here'
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run({'a': _job(log, 'a', 9), 'b': interrupted(), 'c': _job(log, 'c', 1)}, 2)
    assert log == ['a starts', 'a ends']
