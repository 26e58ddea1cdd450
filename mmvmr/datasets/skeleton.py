"""From a folder of videos, and a table of sentences if there is one, to annotations."""
import hashlib
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

from mmvmr.datasets.annotations import in_holdout
from mmvmr.datasets.forms import SENTENCE_COLUMNS
from mmvmr.features.stores.names import short_name
from mmvmr.utils.text_files import read_table

_COLUMNS = {'video': ('video', 'video_id', 'vid', 'id', 'file', 'filename'), 'start': ('start',), 'end': ('end',),
            'sentence': SENTENCE_COLUMNS}
_TESTED = 0.2  # share of the videos with known moments


class Skeleton(NamedTuple):
    """Entries ``[video_id, duration, span or None, sentence]`` of both files."""
    train: List[List[Any]]
    test: List[List[Any]]


def write_skeleton(durations: Mapping[str, float], sentences: Union[str, Path, None] = None) -> Skeleton:
    """An entry per sentence, or one to be filled in per video.

    A fifth of the videos whose moments are known are for testing, chosen by their ids; training never sees moments.

    Args:
        durations: Seconds of each video.
        sentences: A CSV file with the columns video and sentence and, where known, start and end in seconds.

    Raises:
        ValueError: If the table is not what it should be, or names a video that is not there.
    """
    if sentences is None:
        return Skeleton([[video_id, duration, None, ''] for video_id, duration in durations.items()], [])
    entries = _read_table(sentences, durations)
    timed = sorted({video_id for video_id, _, span, _ in entries if span},
                   key=lambda video_id: hashlib.md5(video_id.encode()).hexdigest())
    tested = set(timed[:max(round(_TESTED * len(timed)), 1)]) if len(durations) > 1 else set()
    return Skeleton([entry for entry in entries if entry[0] not in tested],
                    [entry for entry in entries if entry[0] in tested and entry[2]])


def validation_share(video_ids: Sequence[str]) -> float:
    """The least share of training videos to hold out that leaves one on both sides; 0 if none does."""
    for share in (0.1, 0.2, 0.3, 0.5, 0.7):
        if 0 < len({video_id for video_id in video_ids if in_holdout(video_id, share)}) < len(set(video_ids)):
            return share
    return 0.0


def _read_table(path: Union[str, Path], durations: Mapping[str, float]) -> List[List[Any]]:
    rows = read_table(path)
    names: Dict[str, Optional[str]] = {
        what: next((name for name in rows.fieldnames or () if name in known), None)
        for what, known in _COLUMNS.items()}
    if names['video'] is None or names['sentence'] is None:
        raise ValueError(f'"{path}" should begin with the names of its columns, video and sentence, and start and end '
                         f'where they are known; got {rows.fieldnames}.')
    by_name = {short_name(video_id): video_id for video_id in durations}
    entries = []
    for row in rows:
        where = f'"{path}", line {rows.line_num}'
        cells = {what: (row.get(name) or '').strip() for what, name in names.items()}
        video_id = by_name.get(short_name(Path(cells['video']).name))
        if video_id is None:
            raise ValueError(f'{where}: there is no video {cells["video"]!r}. There are '
                             f'{", ".join(list(durations)[:5])}{", ..." if len(durations) > 5 else ""}.')
        if not cells['sentence']:
            raise ValueError(f'{where}: the sentence is empty.')
        try:
            span = [float(cells['start']), float(cells['end'])] if cells['start'] or cells['end'] else None
        except ValueError:
            raise ValueError(f'{where}: start and end must be numbers of seconds, or both empty, got '
                             f'{cells["start"]!r} and {cells["end"]!r}.') from None
        if span and not 0 <= span[0] <= span[1]:
            raise ValueError(f'{where}: {span} is no moment, which ends after its start.')
        entries.append([video_id, durations[video_id], span, cells['sentence']])
    if not entries:
        raise ValueError(f'"{path}" has no rows below its first line.')
    return entries
