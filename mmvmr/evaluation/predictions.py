"""The table of per-query predictions: what a test writes, and what is scored again without the model."""
import json
from pathlib import Path
from typing import List, Optional, Union

import numpy as np
import pandas as pd

from mmvmr.datasets.annotations import is_video_id
from mmvmr.utils.files import written_aside
from mmvmr.utils.text_files import split_lines

COLUMNS = ('sample_idx', 'video_id', 'query', 'duration', 'gt_spans', 'pred_spans', 'pred_scores', 'protocol')
_TOLERANCE = 1e-3  # seconds


def _ends_inside(table: pd.DataFrame) -> pd.Series:
    """Whether all moments end before their video; protocols that cut them there leave the others at its very end."""
    return pd.Series([max(end for _, end in spans) < duration - _TOLERANCE for spans, duration
                      in zip(table['gt_spans'], table['duration'])], index=table.index)


_SUBSETS = {('charades_sta/official', 'charades_sta/filtered'): _ends_inside}  # (from, to): which pairs stay


def larger_protocol(name: str) -> Optional[str]:
    """The protocol that has all pairs of another one and more, if there is one."""
    return next((source for source, part in _SUBSETS if part == name), None)


def select_protocol(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The predictions for the pairs of another protocol.

    Args:
        table: Predictions made under a protocol that has all of these pairs.
        name: E.g. ``charades_sta/filtered``.

    Raises:
        ValueError: If the pairs of the protocol cannot be found among the predictions.
    """
    source, space, remark = table['protocol'].iloc[0].partition(' ')
    if name == source + space + remark:
        return table
    if (source, name) not in _SUBSETS:
        known = ', '.join(f'{old} -> {new}' for old, new in _SUBSETS)
        raise ValueError(f'Predictions under "{source}" do not hold the pairs of "{name}"; without the model, only '
                         f'{known} can be had. Run `mmvmr test` under that protocol.')
    return table[_SUBSETS[source, name](table)].reset_index(drop=True).assign(
        protocol=name + space + remark)


def same_queries(table: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two files are about the same queries in the same order; times may be rounded in one of them."""
    keys = ['video_id', 'query']
    if not (table[keys].equals(other[keys]) and table['gt_spans'].str.len().equals(other['gt_spans'].str.len())):
        return False
    times, others = (np.array([span for spans in one['gt_spans'] for span in spans]) for one in (table, other))
    return np.allclose(times, others, rtol=1e-6, atol=_TOLERANCE)


def check_same_queries(table: pd.DataFrame, other: pd.DataFrame) -> None:
    """Refuse to compare predictions for different queries.

    Raises:
        ValueError: If the rows are not about the same queries in the same order.
    """
    if not same_queries(table, other):
        raise ValueError('The two files are about different queries. Compare tests on the same pairs; --protocol of '
                         '`mmvmr score` selects the pairs of a smaller protocol from both.')


def relative_truths(table: pd.DataFrame) -> List[List[List[float]]]:
    """The annotated spans of each query as fractions of its video."""
    return [(np.asarray(spans) / duration).tolist() for spans, duration in zip(table['gt_spans'], table['duration'])]


def write_predictions(table: pd.DataFrame, path: Union[str, Path]) -> None:
    """Write per-query results as JSON lines, one query per line."""
    with written_aside(path) as partial:
        table.to_json(partial, orient='records', lines=True, force_ascii=False)


def read_predictions(path: Union[str, Path]) -> pd.DataFrame:
    """Read per-query results.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not one that :func:`write_predictions` wrote.
    """
    remedy = '`mmvmr test` writes such a file, predictions.jsonl.'
    if not Path(path).is_file():
        raise FileNotFoundError(f'There is no file "{path}". {remedy}')
    rows = []
    lines = split_lines(Path(path).read_text(encoding='utf-8', errors='replace'))
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            missing = [column for column in COLUMNS if column not in row]
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f'"{path}", line {number} is no prediction ({error}). Is the file cut off? '
                             f'{remedy}') from error
        if missing:
            raise ValueError(f'"{path}", line {number} lacks {", ".join(missing)}. {remedy}')
        if not is_video_id(row['video_id']):  # it becomes part of file names
            raise ValueError(f'"{path}", line {number}: a video id must be text without a path, got '
                             f'{row["video_id"]!r}. {remedy}')
        rows.append(row)
    if not rows:
        raise ValueError(f'"{path}" is empty. {remedy}')
    return pd.DataFrame(rows)
