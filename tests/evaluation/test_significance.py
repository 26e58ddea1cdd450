import numpy as np
import pandas as pd
import pytest

from mmvmr.evaluation.significance import confidence_interval, paired_p_value


def test_the_interval_of_independent_queries_is_the_normal_one():
    hits = pd.Series(np.random.default_rng(0).random(1000) < 0.4).astype(float)
    low, high = confidence_interval(hits, pd.Series(np.arange(1000)))
    half = 1.96 * hits.std() / np.sqrt(1000)
    assert (low, high) == pytest.approx((hits.mean() - half, hits.mean() + half), abs=0.004)


def test_queries_of_one_video_count_once():
    # ten equal queries per video hold no more than one: the interval is as wide as that of 100 queries
    one = pd.Series(np.random.default_rng(0).random(100) < 0.4).astype(float)
    videos = pd.Series(np.arange(100))
    assert confidence_interval(pd.concat([one] * 10), pd.concat([videos] * 10)) == pytest.approx(
        confidence_interval(one, videos))


def test_a_video_is_drawn_with_all_its_queries():
    # videos of 2, 20 and 200 queries, half of which are hit: whatever is drawn, the mean is a half
    videos = pd.Series(np.repeat(['a', 'b', 'c'], [2, 20, 200]))
    assert confidence_interval(pd.Series([0.0, 1.0] * 111), videos) == pytest.approx((0.5, 0.5))


def test_a_single_video_has_no_interval():
    assert np.isnan(confidence_interval(pd.Series([0.0, 1.0]), pd.Series(['a', 'a']))).all()


def test_videos_without_a_value_are_not_drawn():
    values = pd.Series([1.0, 3.0, np.nan, np.nan, np.nan])
    interval = confidence_interval(values[:2], pd.Series(['a', 'b']))
    assert confidence_interval(values, pd.Series(list('abcde'))) == interval == (1, 3)
    assert np.isnan(confidence_interval(values[1:], pd.Series(list('bcde')))).all()


def test_the_p_value_is_the_share_of_sign_changes_that_do_as_much():
    # differences of three videos: 1, 1, 1; of 8 choices of signs, 2 give a sum of 3 or more in size
    ones, zeros = pd.Series([1.0, 1.0, 1.0]), pd.Series([0.0, 0.0, 0.0])
    assert paired_p_value(ones, zeros, pd.Series(['a', 'b', 'c'])) == pytest.approx(2 / 8)
    # two videos, differences 2 and 1: of 4 choices, 2
    assert paired_p_value(ones, zeros, pd.Series(['a', 'a', 'b'])) == pytest.approx(2 / 4)
    assert paired_p_value(ones, zeros, pd.Series(['a', 'a', 'a'])) == 1


def test_equal_results_do_not_differ():
    hits = pd.Series([1.0, 0.0])
    assert paired_p_value(hits, hits, pd.Series(['a', 'b'])) == 1


def test_the_p_value_does_not_depend_on_the_index():
    ones, zeros = pd.Series([1.0] * 3, index=[5, 6, 7]), pd.Series([0.0] * 3, index=[9, 1, 2])
    assert paired_p_value(ones, zeros, pd.Series(['a', 'b', 'c'])) == pytest.approx(2 / 8)
