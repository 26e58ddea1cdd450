"""Checking annotations."""
import hashlib
import os
from typing import Any, Dict, List, Sequence


def check_pairs(pairs: Sequence[Dict], source: str) -> List[Dict]:
    """Return the pairs with their times as floats.

    Args:
        pairs: Dicts of ``video_id``, ``duration`` (seconds), ``query``, ``spans`` (list of [start, end] in seconds).
            What else they hold stays.
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
    if type(video_id) is int:
        video_id = str(video_id)
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
    return dict(pair, video_id=video_id, duration=duration, query=query.strip(), spans=spans)


def is_video_id(value: Any) -> bool:
    """Whether a value can name a video: text that, as part of a file name, stays in the folder it is put into.

    Example:
        >>> is_video_id('3MSZA.mp4'), is_video_id('../3MSZA'), is_video_id('..'), is_video_id(3)
        (True, False, False, False)
    """
    return (isinstance(value, str) and value not in ('', '.', '..') and os.path.split(value)[1] == value
            and '\0' not in value)


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
