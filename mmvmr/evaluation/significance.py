"""How sure is a score, and a difference between two? Queries of one video are not independent, so videos are drawn."""
from typing import Tuple

import numpy as np
import pandas as pd


def confidence_interval(values: pd.Series, videos: pd.Series, level: float = 0.95) -> Tuple[float, float]:
    """Percentile bootstrap interval of the mean over queries, drawing whole videos; NaN for a single video.

    Args:
        values: Score of each query.
        videos: Video of each query, in the same order.
    """
    from scipy.stats import bootstrap  # slow to import, and only tools need it
    sums, counts = _by_video(values.dropna(), videos[values.notna().to_numpy()])
    if len(sums) < 2:
        return float('nan'), float('nan')
    result = bootstrap((sums, counts), lambda s, n, axis=-1: s.sum(axis=axis) / n.sum(axis=axis), paired=True,
                       vectorized=True, n_resamples=2000, confidence_level=level, method='percentile', batch=200,
                       random_state=np.random.default_rng(0))
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def paired_p_value(values: pd.Series, others: pd.Series, videos: pd.Series) -> float:
    """Two-sided p-value of a difference between two models on the same queries: signs are swapped by whole videos."""
    from scipy.stats import permutation_test  # slow to import, and only tools need it
    sums, _ = _by_video(pd.Series(values.to_numpy() - others.to_numpy()), videos)
    if len(sums) < 2 or not sums.any():  # one video proves nothing
        return 1.0
    result = permutation_test((sums,), lambda x, axis=-1: x.sum(axis=axis), permutation_type='samples', vectorized=True,
                              n_resamples=1999, batch=500, random_state=np.random.default_rng(0))
    return float(result.pvalue)


def _by_video(values: pd.Series, videos: pd.Series) -> Tuple[np.ndarray, np.ndarray]:
    """Sum of the values and number of queries that have one, of each video."""
    grouped = values.groupby(videos.to_numpy())
    return grouped.sum().to_numpy(float), grouped.count().to_numpy(float)
