"""One HTML file that shows what a model did: it opens from disk, and needs no server and no network."""
import base64
import hashlib
import html
import json
import logging
import os
import string
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Union
from urllib.parse import quote

import numpy as np
import torch
from mmengine.logging import print_log

from mmvmr.functional.spans import temporal_iou
from mmvmr.utils.files import write_text
from mmvmr.utils.progress import progress
from mmvmr.visualization.frame_strip import frame_strip
from mmvmr.visualization.frames import frame_times, moment_times

_ASSETS = Path(__file__).parent / 'page_assets'
_SCRIPTS = ('data', 'list', 'player', 'timeline', 'evidence', 'ask', 'main')  # joined in this order
# nothing is loaded but the page's own pictures and the videos beside it, and no script runs but its own
_POLICY = ("default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data:; media-src 'self' file:; "
           "base-uri 'none'; form-action {form}")


def write_page(path: Union[str, Path], records: Iterable[Dict], title: str, note: str = '',
               videos: Optional[Mapping[str, Union[str, Path]]] = None, frames: int = 32,
               problems: Sequence[Dict] = (), ask: Optional[Mapping[str, Any]] = None) -> None:
    """Write a page to look at predictions.

    Args:
        path: The file; it is replaced as a whole.
        records: What :func:`~mmvmr.visualization.explanation.explain` gives, taken one by one, so that a generator
            needs no memory for all of them.
        title: Above the list, e.g. the name of the run.
        note: Below the title, e.g. the split.
        videos: Video files by id. The page plays them from where they are, seen from the page.
        frames: Pictures per video that are put into the page, spread over it; up to twice as many come from inside the
            moments. 0 for none.
        problems: What could not be answered: dicts with ``error``.
        ask: For a page of ``mmvmr serve``, on which one can ask on: ``video_id`` and ``video``, the name, of the video
            that is asked about, both '' if there is none; ``sentences``, and ``limit``, bytes that may be sent.
    """
    rows, details = [], []
    for record in records:
        rows.append(_row(record))
        details.append(_json(_compact(record)))
    shown = [video_id for video_id in dict.fromkeys(row['video_id'] for row in rows) if video_id in (videos or {})]
    clips = [_json(_video(video_id, videos[video_id], Path(path), frames,
                          [row for row in rows if row['video_id'] == video_id]))
             for video_id in progress(shown, desc='Reading frames', unit='video',
                                  hidden=not (shown and frames))]
    write_text(path, _fill(title, note, ask, index=_json(rows), details='\n'.join(details), videos='\n'.join(clips),
                           problems=_json([dict(problem) for problem in problems])))


def empty_page(title: str, problems: Sequence[Dict], ask: Mapping[str, Any]) -> str:
    """The text of a page on which nothing was asked yet, or nothing answered; see :func:`write_page`."""
    return _fill(title, '', ask, index='[]', details='', videos='', problems=_json(list(problems)))


def _row(record: Dict) -> Dict:
    """What the list shows and filters by."""
    best, chosen, other = None, None, record.get('other')
    if record['gt_spans'] and record['spans']:
        ious = _ious(record['spans'], record['gt_spans'])
        chosen, best = ious[0], max(ious)
    return dict(video_id=record['video_id'], query=record['query'], duration=record['duration'],
                truth=record['gt_spans'], chosen=(record['spans'] or [None])[0], iou=chosen, best=best,
                score=(record['scores'] or [None])[0], scored_by=record['scored_by'],
                confidence=record.get('confidence'), unanswered=record.get('unanswered'),
                unknown_words=record.get('unknown_words', []), other=other,
                other_iou=_ious([other], record['gt_spans'])[0] if other and record['gt_spans'] else None)


def _ious(spans: List, truth: List) -> List[float]:
    """IoU of each span with the annotated moment it fits best."""
    ious = temporal_iou(torch.tensor(spans).unsqueeze(1), torch.tensor(truth)).amax(dim=1)
    return ious.double().round(decimals=4).tolist()


def _compact(record: Dict) -> Dict:
    """The record with a byte per number of masks, maps and curves."""
    components = record['components']
    return dict(
        spans=record['spans'], scores=record['scores'], scored_by=record['scored_by'], words=record['words'],
        reconstruction=record['reconstruction'],
        ious=_ious(record['spans'], record['gt_spans']) if record['gt_spans'] and record['spans'] else [],
        masks=[pack(mask) for mask in record['masks']],
        components=components and dict(spans=components['spans'], masks=[pack(mask) for mask in components['masks']]),
        negatives={name: pack(mask) for name, mask in record['negatives'].items()},
        frame_scores=record['frame_scores'] and pack(record['frame_scores']), window=record.get('window'),
        maps=[dict(size=len(cells), cells=pack(sum(cells, []))) for cells in record['maps']])


def pack(values: List[Optional[float]]) -> List:
    """Numbers as ``[low, high, base64]``, one byte b each: low + (b - 1) / 254 (high - low), or none where b is 0."""
    numbers = np.array(values, dtype=np.float64)  # NaN where there is none
    known = numbers[~np.isnan(numbers)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    scaled = (np.nan_to_num(numbers) - low) / ((high - low) or 1.0)
    data = np.where(np.isnan(numbers), 0, 1 + np.round(254 * scaled)).astype(np.uint8)
    return [low, high, base64.b64encode(data.tobytes()).decode()]


def _video(video_id: str, file: Union[str, Path], page: Path, frames: int, rows: List[Dict]) -> Dict:
    """Where a video is, seen from the page, and its frames: spread over it, and from inside the moments of its rows."""
    relative = Path(os.path.relpath(file, page.parent))
    name = video_id if Path(video_id).suffix else relative.name  # a service calls all files alike
    entry = dict(video_id=video_id, name=name, source=quote(relative.as_posix()), strip=None)
    if frames:
        moments = [moment for row in rows for moment in [row['chosen'], *row['truth']] if moment]
        inside = moment_times(moments) if 3 * len(moments) <= 2 * frames else moment_times(moments[:2 * frames], 1)
        try:
            entry['strip'] = frame_strip(file, frame_times(rows[0]['duration'], frames) + inside)
        except ValueError as error:
            print_log(f'{error} The page shows no frames of it.', 'current', logging.WARNING)
    return entry


def _json(value) -> str:
    """JSON that no HTML can hide in: what could end a script element is escaped."""
    return json.dumps(value, separators=(',', ':'), allow_nan=False).replace('<', '\\u003c')


def _fill(title: str, note: str, ask: Optional[Mapping[str, Any]], **data: str) -> str:
    """The template with everything in its place; a value is never searched for places."""
    style = _asset('page.css')
    script = "'use strict';\n" + '\n'.join(_asset(f'{name}.js') for name in _SCRIPTS)
    policy = _POLICY.format(script=_fingerprint(script), style=_fingerprint(style), form="'self'" if ask else "'none'")
    form = string.Template(_asset('ask.html')).substitute(
        {name: html.escape(str(value)) for name, value in ask.items()}) if ask else ''
    return string.Template(_asset('page.html')).substitute(
        title=html.escape(title), note=html.escape(note), policy=policy, style=style, script=script, ask=form, **data)


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding='utf-8')


def _fingerprint(text: str) -> str:
    return 'sha256-' + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
