"""Predictions of any program: JSON lines of spans, scored against annotations."""
import re
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import numpy as np
import pandas as pd

from mmvmr.evaluation.highlights import clip_ratings
from mmvmr.features.stores.names import short_name
from mmvmr.utils.text_files import read_json_lines

_SPANS = ('pred_spans', 'pred_relevant_windows', 'spans')
_VIDEO, _QUERY, _QID = ('vid', 'video_id', 'video'), ('query', 'sentence'), ('qid', 'desc_id')
_ELSEWHERE = [-1.0, -1.0]  # stands for a span of another video: it meets no moment
_EXPECTED = ('a dict with qid, or vid and query or sentence; and with spans, a list of [start, end] or [start, end, '
             'score], best first, in seconds')


def is_bare(path: Union[str, Path]) -> bool:
    """Whether a file of predictions lacks the annotated moments, which those of `mmvmr test` have.

    Raises:
        ValueError: If it is empty, or no JSON.
    """
    try:
        first = read_json_lines(path)[:1]
    except ValueError as error:
        raise ValueError(f'{error} Predictions are JSON lines, each {_EXPECTED}.') from error
    if not first:
        raise ValueError(f'"{path}" is empty. Expected predictions, each {_EXPECTED}.')
    return not (isinstance(first[0], dict) and 'gt_spans' in first[0])


def read_bare_predictions(path: Union[str, Path], pairs: Sequence[Dict], protocol: str) -> pd.DataFrame:
    """Put predictions beside the pairs that they are for, as the table that a test writes.

    A pair is found by its ``qid``, or else by its video and its sentence, whatever the case and the punctuation. Where
    several pairs have the same video and sentence, as in TACoS, one entry is for all of them; of as many entries as
    pairs each is for the next.

    Args:
        path: JSON lines, or a JSON list, of dicts with ``qid``, or ``vid`` and ``query`` or ``sentence``; and ``spans``
            or ``pred_relevant_windows``; ``pred_saliency_scores`` if there are. Or a submission to TVR.
        pairs: Of a data set.
        protocol: Its name; ``tvr/val_corpus`` takes the moments of a submission that were found in all videos.

    Raises:
        ValueError: If the file has another form, or its queries are not those of the pairs.
    """
    by_key: Dict[Any, List[int]] = {}
    for number, pair in enumerate(pairs):
        by_key.setdefault(_key(pair['video_id'], pair['query']), []).append(number)
        if 'qid' in pair:
            by_key.setdefault(str(pair['qid']), []).append(number)
    given: Dict[Tuple[int, ...], List[Tuple[List[List[float]], List[float], Any]]] = {}
    for number, entry in enumerate(_entries(path, pairs, protocol)):
        where = f'"{path}", prediction {number}'
        try:
            names = [str(entry[name]) for name in _QID if name in entry]
            names += [_key(entry[video], entry[query]) for video in _VIDEO if video in entry
                      for query in _QUERY if query in entry]
            if not names:
                raise KeyError('query')
            spans, scores = _spans(next(entry[name] for name in _SPANS if name in entry), where)
            saliency = _saliency(entry.get('pred_saliency_scores'), where)
        except (TypeError, ValueError, KeyError, AttributeError, IndexError, StopIteration) as error:
            if str(error).startswith(where):
                raise
            raise ValueError(f'{where}: expected {_EXPECTED}; got {str(entry)[:100]}.') from error
        found = [by_key[name] for name in names if name in by_key]
        if not found:
            raise ValueError(f'{where} is for a query that the annotations do not have: {str(entry)[:100]}. Are they '
                             f'of the same split, {protocol}?')
        rows = _meant(found, entry, pairs, where)
        given.setdefault(rows, []).append((spans, scores, saliency))
        if len(given[rows]) > len(rows):
            raise ValueError(f'{where}: there is another prediction for the same query, {pairs[rows[0]]["query"]!r}. '
                             'Give all spans of a query in one entry.')
    if not given:
        raise ValueError(f'"{path}" holds no predictions. Expected entries, each {_EXPECTED}.')
    found = _of_each_pair(given, pairs, path)
    table = pd.DataFrame([dict(sample_idx=number, video_id=pair['video_id'], query=pair['query'],
                               duration=pair['duration'], gt_spans=pair['spans'],
                               pred_spans=found.get(number, ([],))[0], pred_scores=found.get(number, ([], []))[1],
                               protocol=protocol) for number, pair in enumerate(pairs)])
    if len(found) == len(pairs) and all(saliency for *_, saliency in found.values()) \
            and all(pair.get('saliency_scores') for pair in pairs):
        table['pred_saliency'] = [found[number][2] for number in range(len(pairs))]
        table['gt_saliency'] = [clip_ratings(pair) for pair in pairs]
    return table


def _meant(found: Sequence[Sequence[int]], entry: Dict, pairs: Sequence[Dict], where: str) -> Tuple[int, ...]:
    """The pairs that all names of an entry agree on."""
    rows = tuple(sorted(set(found[0]).intersection(*found[1:])))
    videos = {short_name(str(entry[name])) for name in _VIDEO if name in entry}
    if not rows or videos - {short_name(pairs[row]['video_id']) for row in rows}:
        raise ValueError(f'{where}: its qid is that of {pairs[found[0][0]]["query"]!r} in '
                         f'{pairs[found[0][0]]["video_id"]!r} in the annotations, its video or sentence is another: '
                         f'{str(entry)[:100]}. Are they numbered alike? Leave the qid out, where vid and query tell.')
    if len({_key(pairs[row]['video_id'], pairs[row]['query']) for row in rows}) > 1:
        raise ValueError(f'{where}: the annotations have its qid for several queries, {pairs[rows[0]]["query"]!r} and '
                         f'{pairs[rows[-1]]["query"]!r} among them. Add vid and query to the predictions.')
    return rows


def _of_each_pair(given: Dict[Tuple[int, ...], List], pairs: Sequence[Dict], path: Union[str, Path]) -> Dict[int, Any]:
    found: Dict[int, Any] = {}
    for rows, entries in given.items():
        if len(entries) not in (1, len(rows)):
            pair = pairs[rows[0]]
            raise ValueError(f'"{path}" has {len(entries)} predictions for {pair["query"]!r} in {pair["video_id"]!r}, '
                             f'which the annotations have {len(rows)} times. Give one for all, or one for each.')
        if found.keys() & {*rows}:
            raise ValueError(f'"{path}" has another prediction for the same query, {pairs[rows[0]]["query"]!r}: one by '
                             'its qid, one by its video and sentence.')
        found.update(zip(rows, entries * (len(rows) if len(entries) == 1 else 1)))
    return found


def _entries(path: Union[str, Path], pairs: Sequence[Dict], protocol: str) -> Iterable[Dict]:
    values = read_json_lines(path)
    content = values[0] if len(values) == 1 and isinstance(values[0], list) else values
    if len(content) != 1 or not isinstance(content[0], dict) or 'video2idx' not in content[0]:
        return content
    submission, task = content[0], 'VCMR' if protocol.endswith('_corpus') else 'SVMR'
    if task not in submission:
        raise ValueError(f'"{path}" is a submission to TVR without {task}, which {protocol} takes.')
    videos = {str(pair.get('qid')): submission['video2idx'].get(pair['video_id']) for pair in pairs}
    return [dict(qid=entry['desc_id'], spans=[span[1:3] if span[0] == videos.get(str(entry['desc_id'])) else _ELSEWHERE
                                              for span in entry['predictions']]) for entry in submission[task]]


def _spans(spans: Any, where: str) -> Tuple[List[List[float]], List[float]]:
    """Spans and their scores, where they have any."""
    spans = [spans] if spans and not isinstance(spans[0], (list, tuple)) else spans
    times, scores = [], []
    for start, end, *score in spans:
        if len(score) > 1:
            raise ValueError(f'{where}: expected spans [start, end] or [start, end, score], got '
                             f'{[start, end, *score]}.')
        times.append([float(start), float(end)])
        scores += map(float, score)
    if scores and (len(scores) < len(times) or not np.isfinite(scores).all()):
        raise ValueError(f'{where}: {len(scores)} of {len(times)} spans have a score, expected all or none.')
    if (np.diff(scores) > 0).any():
        raise ValueError(f'{where}: scores rise from span to span. Put the best first.')
    return times, scores or [float(-rank) for rank in range(len(times))]


def _saliency(values: Any, where: str) -> Optional[List[float]]:
    """Scores of the clips of a video, where there are any."""
    if not values:
        return None
    found = np.asarray(values)
    if found.ndim != 1 or found.dtype.kind not in 'fiu' or not np.isfinite(found).all():
        raise ValueError(f'{where}: expected pred_saliency_scores to be a list of numbers, one for each clip of 2 s, '
                         f'got {str(values)[:100]}.')
    return found.tolist()


def _key(video_id: str, query: str) -> Tuple[str, ...]:
    return (short_name(str(video_id)), *re.findall(r'\w+', query.lower()))
