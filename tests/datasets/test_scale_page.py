"""The page about scale computes what it says."""
import math
import re
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

PAGE = (Path(__file__).parents[2] / 'docs' / 'scale.md').read_text(encoding='utf-8')


def table(heading):
    """The numbers in the rows of the first table below a heading."""
    lines = PAGE.split(f'## {heading}')[1].split('\n## ')[0].splitlines()
    rows = [re.findall(r'[\d.,]*\d', line) for line in lines if re.match(r'\| +\d', line)]
    return [[float(number.replace(',', '')) for number in row] for row in rows]


def test_the_sizes_of_stores_are_clips_times_dimensions_times_bytes():
    rows = table('The store')
    assert len(rows) > 3
    for clips, dim, float32, float16 in rows:  # GB of a million videos
        assert (float32, float16) == (pytest.approx(clips * dim * 4e6 / 1e9, rel=0.01),
                                      pytest.approx(clips * dim * 2e6 / 1e9, rel=0.01))


@pytest.mark.parametrize('share, at_most, at_least', table('The page cache'))
def test_a_cache_of_the_latest_videos_hits_as_often_as_the_formula_says(share, at_most, at_least):
    share /= 100
    assert (100 * share, 100 * (share + (1 - share) * math.log(1 - share))) == pytest.approx((at_most, at_least), abs=1)
    videos, epochs, hits, cache = 2000, 6, 0, OrderedDict()
    rng = np.random.default_rng(0)
    for epoch in range(epochs):
        for video in rng.permutation(videos):
            hits += epoch > 1 and video in cache
            cache[video] = True
            cache.move_to_end(video)
            if len(cache) > share * videos:
                cache.popitem(last=False)
    assert 100 * hits / videos / (epochs - 2) == pytest.approx(at_least, abs=3)


def test_the_plan_of_the_page_is_what_its_code_prints(capsys):
    code, printed = re.search(r'```python\n(.*?)```.*?```text\n(.*?)```', PAGE, flags=re.DOTALL).groups()
    exec(code, {})
    assert capsys.readouterr().out == printed
