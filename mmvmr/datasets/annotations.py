"""Reading and checking annotations."""
import hashlib
import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Tuple, Union


def read_text(path: Union[str, Path]) -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    Raises:
        ValueError: If it is none.
    """
    try:
        return Path(path).read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'"{path}" is not a text in UTF-8 ({error.reason} at byte {error.start}). Is it damaged, '
                         'packed, or in another encoding? Fetch it again, or save it as UTF-8.') from error


def read_json(path: Union[str, Path]) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: If it is none.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'"{path}" is not a JSON file ({error}). Is it cut off, or in another format?') from error


def read_json_list(path: Union[str, Path]) -> List[Dict]:
    """Read ``[[video_id, duration, [start, end], sentence], ...]``; a span may be null where it is not known.

    Raises:
        ValueError: If an entry has another form; the message names it.
    """
    entries = read_json(path)
    if not isinstance(entries, list):
        raise ValueError(f'"{path}" should hold a list of [video_id, duration, [start, end], sentence], not a '
                         f'{type(entries).__name__}. Is it the file of another dataset class?')
    pairs = []
    for number, entry in enumerate(entries):
        if not (isinstance(entry, list) and len(entry) == 4):
            raise ValueError(f'"{path}", entry {number}: expected [video_id, duration, [start, end], sentence], got '
                             f'{str(entry)[:100]}.')
        video_id, duration, span, query = entry
        pairs.append(dict(video_id=video_id, duration=duration, spans=[] if span is None else [span], query=query))
    return pairs


def read_json_videos(path: Union[str, Path], *fields: str) -> Iterator[Tuple]:
    """Read ``{video_id: {timestamps, sentences, ...}}``, moment by moment.

    Args:
        fields: Positive numbers that each video must have, such as its duration.

    Yields:
        (video_id, timestamp, sentence, *fields) of each moment.

    Raises:
        ValueError: If a video has another form; the message names it.
    """
    videos = read_json(path)
    if not isinstance(videos, dict):
        raise ValueError(f'"{path}" should hold a dict of videos, not a {type(videos).__name__}. A list of [video_id, '
                         'duration, [start, end], sentence] is for type="MomentDataset".')
    for video_id, video in videos.items():
        try:
            numbers = [float(video[field]) for field in fields]
            timestamps = [(float(start), float(end)) for start, end in video['timestamps']]
            if min(numbers) <= 0 or len(timestamps) != len(video['sentences']):
                raise ValueError(f'got {numbers}, {len(timestamps)} timestamps, {len(video["sentences"])} sentences')
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f'"{path}", video "{video_id}": expected positive {", ".join(fields)}, timestamps and as '
                             f'many sentences ({type(error).__name__}: {error}).') from error
        yield from ((video_id, *moment, *numbers) for moment in zip(timestamps, video['sentences']))


def check_pairs(pairs: Sequence[Dict], source: str) -> List[Dict]:
    """Return the pairs with their times as floats.

    Args:
        pairs: Dicts of ``video_id``, ``duration`` (seconds), ``query``, ``spans`` (list of [start, end] in seconds)
            and, where it has one, ``query_id``.
        source: The annotation file, for messages.

    Raises:
        ValueError: If some pairs cannot be right; the message names the first of them.
    """
    checked, errors = [], []
    for number, pair in enumerate(pairs):
        try:
            checked.append(_check_pair(pair, f'"{source}", entry {number}'))
        except ValueError as error:
            errors.append(str(error))
    if errors:
        more = [f'... and {len(errors) - 5} more'] if len(errors) > 5 else []
        raise ValueError('\n'.join(errors[:5] + more))
    return checked


def _check_pair(pair: Dict, where: str) -> Dict:
    video_id, query = pair['video_id'], pair['query']
    where = f'{where} (video {video_id!r})'
    if not is_video_id(video_id):
        raise ValueError(f'{where}: a video id must be text without a path.')
    if not isinstance(query, str) or not query.strip():
        raise ValueError(f'{where}: the sentence is empty. Write one, or take the entry out.')
    try:
        duration = float(pair['duration'])
        spans = [[float(start), float(end)] for start, end in pair['spans']]
    except (TypeError, ValueError):
        raise ValueError(f'{where}: duration and span must be numbers of seconds, got {pair["duration"]!r} and '
                         f'{pair["spans"]!r}.') from None
    if not 0 < duration < float('inf'):
        raise ValueError(f'{where}: the duration must be positive, got {duration}.')
    for start, end in spans:
        if not (0 <= start <= end < float('inf') and start <= duration):
            raise ValueError(f'{where}: the span [{start}, {end}] does not lie in a video of {duration} s. Correct it, '
                             'or use null where the moment is not known (for training only).')
    return dict(video_id=video_id, duration=duration, query=query.strip(), spans=spans,
                **{key: pair[key] for key in ('query_id',) if key in pair})


def is_video_id(value: Any) -> bool:
    """Whether a value can name a video: text that, as part of a file name, stays in the folder it is put into.

    Example:
        >>> is_video_id('3MSZA.mp4'), is_video_id('../3MSZA'), is_video_id('..'), is_video_id(3)
        (True, False, False, False)
    """
    return isinstance(value, str) and value not in ('', '..') and Path(value).name == value and '\0' not in value


def clamp_span(span: Sequence[float], duration: float) -> List[float]:
    """Put swapped ends right and cut what reaches beyond the video, as 2D-TAN does.

    Example:
        >>> clamp_span([30.0, 12.0], 20.0)
        [12.0, 20.0]
    """
    return sorted(min(max(time, 0.0), duration) for time in span)


def in_holdout(video_id: str, fraction: float) -> bool:
    """Whether a training video belongs to the held-out part: by a hash of its id, so it never changes sides."""
    return int(hashlib.md5(video_id.encode()).hexdigest()[:8], 16) < fraction * 2**32
