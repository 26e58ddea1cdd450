"""Which queries does a model answer, and which not?"""
from typing import Dict

import numpy as np
import pandas as pd

from mmvmr.utils.tables import format_table

_INF = float('inf')
_GROUPS = {  # name -> upper borders and their labels
    'length': ([0.1, 0.25, 0.5, _INF], ['moment < 10 % of the video', 'moment 10 - 25 %', 'moment 25 - 50 %',
                                        'moment > 50 %']),
    'position': ([1 / 3, 2 / 3, _INF], ['centre in the first third', 'centre in the middle third',
                                        'centre in the last third']),
    'words': ([5, 8, 12, _INF], ['query up to 5 words', 'query 6 - 8 words', 'query 9 - 12 words',
                                 'query > 12 words']),
}


def describe_queries(table: pd.DataFrame) -> Dict[str, np.ndarray]:
    """Length and centre of the (first) annotated moment as fractions of the video, and words of the query."""
    first = np.array([spans[0] for spans in table['gt_spans']], dtype=float) / table['duration'].to_numpy()[:, None]
    return dict(length=first[:, 1] - first[:, 0], position=first.mean(axis=1),
                words=table['query'].str.split().str.len().to_numpy())


def group_queries(table: pd.DataFrame) -> Dict[str, pd.Categorical]:
    """The group of each query by moment ``length``, moment ``position`` and ``words`` of the query."""
    return {name: pd.cut(values, [-_INF, *_GROUPS[name][0]], labels=_GROUPS[name][1])
            for name, values in describe_queries(table).items()}


def breakdown(table: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Means of all metrics, in per cent, by moment length, moment position and query length.

    Returns:
        Indexed by kind of group and group; with the number of ``queries``. Empty groups are left out.
    """
    parts = {}
    for name, groups in group_queries(table).items():
        grouped = scores.groupby(groups, observed=True)
        parts[name] = (100 * grouped.mean()).assign(queries=grouped.size()).rename(index=str)
    return pd.concat(parts, names=['by', 'group'])


def breakdown_table(table: pd.DataFrame, scores: pd.DataFrame, form: str = 'text') -> str:
    """The breakdown as a table, see :func:`~mmvmr.utils.tables.format_table`."""
    keys = [key for key in scores if key.startswith('R@1,') or key in ('mIoU', 'mAP')]
    rows = [['', 'queries', *keys]]
    rows += [[group, int(row['queries']), *(f'{row[key]:.2f}' for key in keys)]
             for (_, group), row in breakdown(table, scores).iterrows()]
    return format_table(rows, 'by moment length, moment position and query length', form)
