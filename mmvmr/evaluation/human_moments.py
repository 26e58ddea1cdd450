"""What people reach: moments that further annotators gave for queries of a benchmark, scored as predictions."""
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import pandas as pd

from mmvmr.evaluation.protocols import Protocol
from mmvmr.evaluation.scoring import per_query, summarize
from mmvmr.features.stores.names import short_name
from mmvmr.utils.text_files import open_text

COLUMNS = ('video_id', 'description', 'start', 'end')
Moments = Dict[Tuple[str, str], List[Tuple[float, float]]]  # (video, query) -> moments as fractions of the video


class HumanLine(NamedTuple):
    """Mean scores of people, in per cent."""
    scores: Dict[str, float]
    count: int  # of the queries that someone has answered


def read_human_moments(paths: Sequence[Union[str, Path]]) -> Moments:
    """Read CSV files with ``video_id, description, start, end``, times in per cent of the video.

    This is the form in which Otani et al. (BMVC 2020) publish five annotators for 1,000 queries of Charades-STA and
    1,288 of ActivityNet Captions. Moments that end before they start are left out.

    Raises:
        FileNotFoundError: If a file is absent.
        ValueError: If one is no such table, or has times that are no per cent.
    """
    moments: Moments = {}
    for path in paths:
        if not Path(path).is_file():
            raise FileNotFoundError(f'There is no file "{path}" with moments that people gave: CSV with the columns '
                                    f'{", ".join(COLUMNS)}.')
        try:
            with open_text(path) as file:
                table = pd.read_csv(file, dtype=str, na_filter=False)
        except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
            raise ValueError(f'"{path}" is no CSV with the columns {", ".join(COLUMNS)} '
                             f'({str(error).strip()}).') from error
        if not {*COLUMNS} <= {*table}:
            raise ValueError(f'"{path}" has the columns {", ".join(table)}; expected {", ".join(COLUMNS)}, times in '
                             'per cent of the video.')
        times = table[['start', 'end']].apply(pd.to_numeric, errors='coerce')
        if not ((times >= 0) & (times <= 100)).all(axis=None):
            raise ValueError(f'"{path}" has times that are not between 0 and 100. They are per cent of the video.')
        empty = table[['video_id', 'description']].apply(lambda column: column.str.strip()).eq('').any(axis=1)
        if empty.any():
            raise ValueError(f'"{path}": row {empty.to_numpy().argmax() + 1} has no video_id or no description.')
        for video, query, start, end in zip(table['video_id'], table['description'], *(times / 100).T.to_numpy()):
            if start < end:
                moments.setdefault(_key(video, query), []).append((float(start), float(end)))
    return moments


def human_line(queries: pd.DataFrame, moments: Moments, protocol: Protocol) -> Optional[HumanLine]:
    """Score what people gave against the annotation; None if they were asked about none of the queries.

    Each annotator counts as a model with one prediction; their scores are averaged by query, then over queries. Where
    a sentence stands twice for a video, the moment that fits best counts.

    Args:
        queries: ``video_id``, ``query``, ``duration`` and ``gt_spans`` (seconds) of each.
    """
    truths: Dict[Tuple[str, str], Tuple[float, List]] = {}
    for video, query, duration, spans in zip(*(queries[name] for name in ('video_id', 'query', 'duration',
                                                                         'gt_spans'))):
        truths.setdefault(_key(video, query), (duration, []))[1].extend(spans)
    rows = [dict(key=key, duration=duration, gt_spans=spans, pred_spans=[[start * duration, end * duration]])
            for key, (duration, spans) in truths.items() for start, end in moments.get(key, ())]
    if not rows:
        return None
    table = pd.DataFrame(rows)
    scores = per_query(table, protocol._replace(tops=(1,), all_moments=False, segment=None))
    return HumanLine(summarize(scores.groupby(table['key'].astype(str)).mean()), table['key'].nunique())


def _key(video: str, query: str) -> Tuple[str, str]:
    """Video without the ending of its file, words in small letters without what stands around them."""
    return short_name(video), ' '.join(query.lower().strip(' .').split())
