"""From a folder of videos, and a table of sentences if there is one, to annotations."""
import csv
import hashlib
from pathlib import Path
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Union

from mmvmr.datasets.annotations import check_pair, in_holdout
from mmvmr.datasets.forms import SENTENCE_COLUMNS
from mmvmr.features.stores.names import VideoNames, without_suffix
from mmvmr.utils.text_files import find_column, read_table

_COLUMNS = {  # the first that is there
    'video': ('video', 'video_id', 'vid', 'id', 'file', 'filename'),
    'start': ('start', 'start_time', 'start_sec', 'start_seconds', 'begin', 'from'),
    'end': ('end', 'end_time', 'end_sec', 'end_seconds', 'stop', 'to'),
    'sentence': SENTENCE_COLUMNS}
_TESTED = 0.2  # share of the videos with known moments


class Skeleton(NamedTuple):
    """Entries ``[video_id, duration, span, sentence]`` of both files; for the span also None, or a list of several."""
    train: List[List[Any]]
    test: List[List[Any]]
    left_out: int  # entries of test videos without a span, which neither file has
    ignored: List[str]  # columns of the table that are not read


def write_skeleton(durations: Mapping[str, float], sentences: Union[str, Path, None] = None) -> Skeleton:
    """An entry per sentence of a video, with all its moments, or one to be filled in per video.

    A fifth of the videos whose moments are known are for testing, chosen by their ids; training never sees moments.

    Args:
        durations: Seconds of each video.
        sentences: A CSV file with the columns video and sentence and, where known, start and end in seconds, or as
            m:ss or h:mm:ss.

    Raises:
        ValueError: If the table is not what it should be, or names a video or a moment that is not there.
    """
    if sentences is None:
        return Skeleton([[video_id, duration, None, ''] for video_id, duration in durations.items()], [], 0, [])
    rows = read_table(sentences)
    columns = {what: find_column(rows.fieldnames, known) for what, known in _COLUMNS.items()}
    entries = _entries(rows, columns, sentences, durations)
    timed = sorted({video_id for video_id, _, span, _ in entries if span},
                   key=lambda video_id: hashlib.md5(video_id.encode()).hexdigest())
    tested = set(timed[:max(round(_TESTED * len(timed)), 1)]) if len(durations) > 1 else set()
    return Skeleton([entry for entry in entries if entry[0] not in tested],
                    [entry for entry in entries if entry[0] in tested and entry[2]],
                    sum(entry[0] in tested and not entry[2] for entry in entries),
                    [name for name in rows.fieldnames if name not in columns.values()])


def validation_share(video_ids: Sequence[str]) -> float:
    """The least share of training videos to hold out that leaves one on both sides; 0 if none does."""
    for share in (0.1, 0.2, 0.3, 0.5, 0.7):
        if 0 < len({video_id for video_id in video_ids if in_holdout(video_id, share)}) < len(set(video_ids)):
            return share
    return 0.0


def _seconds(time: str) -> float:
    """Seconds of a time that is written as ``69.5``, ``1:09.5`` or ``0:01:09.5``."""
    *before, last = time.split(':')
    parts = [*map(int, before), float(last)]
    if len(parts) > 3 or any(not 0 <= part < 60 for part in parts[1:]):
        raise ValueError
    return sum(part * 60 ** place for place, part in enumerate(reversed(parts)))


def _entries(rows: csv.DictReader, columns: Mapping[str, Optional[str]], path: Union[str, Path],
             durations: Mapping[str, float]) -> List[List[Any]]:
    if columns['video'] is None or columns['sentence'] is None:
        raise ValueError(f'"{path}" should begin with the names of its columns, video and sentence, and start and end '
                         f'where they are known; got {rows.fieldnames}.')
    videos, spans = VideoNames(list(durations)), {}
    for row in rows:
        where = f'"{path}", line {rows.line_num}'
        if None in row:
            raise ValueError(f'{where}: there are more cells than columns. Put a sentence with commas into quotes.')
        cells = {what: (row.get(name) or '').strip() for what, name in columns.items()}
        name = Path(cells['video']).name
        try:
            video_id = name if name in durations else videos.find(without_suffix(name))
        except KeyError:
            raise ValueError(f'{where}: there is no video {cells["video"]!r}. There are '
                             f'{", ".join(list(durations)[:5])}{", ..." if len(durations) > 5 else ""}.') from None
        try:
            span = [[_seconds(cells['start']), _seconds(cells['end'])]] if cells['start'] or cells['end'] else []
        except ValueError:
            raise ValueError(f'{where}: start and end must be seconds, m:ss or h:mm:ss, or both empty, got '
                             f'{cells["start"]!r} and {cells["end"]!r}.') from None
        pair = check_pair(dict(video_id=video_id, duration=durations[video_id], query=cells['sentence'], spans=span),
                          where)
        known = spans.setdefault((video_id, pair['query']), [])
        known += [one for one in pair['spans'] if one not in known]
    if not spans:
        raise ValueError(f'"{path}" has no rows below its first line.')
    return [[video_id, durations[video_id], known if len(known) > 1 else known[0] if known else None, sentence]
            for (video_id, sentence), known in spans.items()]
