"""Scores with their intervals, and beside those of another model, as text."""
import pandas as pd

from mmvmr.evaluation.predictions import check_same_queries
from mmvmr.evaluation.significance import confidence_interval, paired_p_value
from mmvmr.utils.tables import format_table


def intervals(table: pd.DataFrame, scores: pd.DataFrame, form: str = 'text') -> str:
    """A table of the scores with their confidence intervals."""
    rows = [['', 'score', '95 % interval (by video)']]
    for key in scores:
        low, high = confidence_interval(scores[key], table['video_id'])
        rows.append([key, f'{100 * scores[key].mean():.2f}', f'{100 * low:.2f} .. {100 * high:.2f}'])
    return format_table(rows, form=form)


def compare(table: pd.DataFrame, scores: pd.DataFrame, other: pd.DataFrame, others: pd.DataFrame,
            form: str = 'text') -> str:
    """A table of both models' scores, their differences and p-values.

    Raises:
        ValueError: If the two are not about the same queries.
    """
    check_same_queries(table, other)
    rows = [['', 'this', 'the other', 'difference', 'p (by video)']]
    for key in scores.columns.intersection(others.columns, sort=False):
        p_value = paired_p_value(scores[key], others[key], table['video_id'])
        first, second = 100 * scores[key].mean(), 100 * others[key].mean()
        rows.append([key, f'{first:.2f}', f'{second:.2f}', f'{first - second:+.2f}', f'{p_value:.4f}'])
    return format_table(rows, form=form)
