"""Annotated pairs: checking them, and keeping them as a few arrays, of which a pair is made when it is asked for."""
import hashlib
import json
import os
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Union

import numpy as np

from mmvmr.utils.text_files import Texts


def check_pairs(pairs: Sequence[Dict], source: str) -> List[Dict]:
    """Return the pairs with their times as floats.

    Args:
        pairs: Dicts of ``video_id``, ``duration`` (seconds), ``query``, ``spans`` (list of [start, end] in seconds).
            What else they hold stays.
        source: The annotation file, for messages.

    Raises:
        ValueError: If some pairs cannot be right; the message names the first of them.
    """
    checked, errors, videos = [], [], {}
    for number, pair in enumerate(pairs):
        where = f'"{source}", entry {number}'
        try:
            checked.append(check_pair(pair, where))
            if 'qid' in pair and videos.setdefault(str(pair['qid']), pair['video_id']) != pair['video_id']:
                raise ValueError(f'{where} (video {pair["video_id"]!r}): its qid {pair["qid"]!r} is that of a query of '
                                 f'video {videos[str(pair["qid"])]!r}, and queries are found by their qid. Number them '
                                 'anew, or take the qid out.')
        except ValueError as error:
            errors.append(str(error))
    if errors:
        more = [f'... and {len(errors) - 5} more'] if len(errors) > 5 else []
        raise ValueError('\n'.join(errors[:5] + more))
    return checked


def check_pair(pair: Dict, where: str) -> Dict:
    """One pair of :func:`check_pairs`.

    Args:
        where: Its file and its place there, for messages.

    Raises:
        ValueError: If it cannot be right.
    """
    if not isinstance(pair, dict) or not pair.keys() >= {'video_id', 'duration', 'query', 'spans'}:
        raise ValueError(f'{where}: expected a dict of video_id, duration, query and spans, got {pair!r:.200}.')
    video_id, query = pair['video_id'], pair['query']
    if type(video_id) is int:
        video_id = str(video_id)
    where = f'{where} (video {video_id!r})'
    if not is_video_id(video_id):
        raise ValueError(f'{where}: a video id must be text without a path.')
    if not isinstance(query, str) or not query.strip():
        what = 'is empty' if query is None or isinstance(query, str) else f'should be text, got {query!r:.100}'
        raise ValueError(f'{where}: the sentence {what}. Write one, or take the entry out.')
    check_letters(query, where)
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
                             'or leave it out where the moment is not known: null in a list (for training only).')
    return dict(pair, video_id=video_id, duration=duration, query=query.strip(), spans=spans)


def check_letters(sentence: str, where: str) -> None:
    """Refuse halves of letters, which JSON can hold and no file of text.

    Raises:
        ValueError: If there is one.
    """
    try:
        sentence.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f'{where}: {sentence!r} holds {error.object[error.start]!r}, half a letter, which cannot be '
                         'written to a file. Correct it.') from None


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


class Pairs(Sequence):
    """Pairs as dicts of ``video_id``, ``duration``, ``query``, ``spans`` and what else is known of each.

    Args:
        columns: Arrays that :meth:`columns_of` has made.
        rows: Which of them are meant, and in which order; all by default.
    """

    def __init__(self, columns: Dict[str, np.ndarray], rows: Optional[np.ndarray] = None) -> None:
        self._columns, self._rows = columns, rows
        self._videos, self._queries, self._others = (
            Texts(columns[f'{name}_letters'], columns[f'{name}_ends']) for name in ('video', 'query', 'other'))

    @staticmethod
    def columns_of(pairs: Sequence[Dict]) -> Dict[str, np.ndarray]:
        """Checked pairs as arrays, which share no memory with them.

        Raises:
            TypeError: If what else is known of a pair is not plain data.
        """
        numbers: Dict[str, int] = {}
        columns = dict(
            videos=np.array([numbers.setdefault(pair['video_id'], len(numbers)) for pair in pairs], np.int32),
            durations=np.array([pair['duration'] for pair in pairs], np.float64),
            spans=np.array([span for pair in pairs for span in pair['spans']], np.float64).reshape(-1, 2),
            span_ends=np.cumsum([len(pair['spans']) for pair in pairs], dtype=np.int64))
        for name, texts in (('video', numbers), ('query', (pair['query'] for pair in pairs)),
                            ('other', map(_other, pairs))):
            found = Texts.of(texts)
            columns[f'{name}_letters'], columns[f'{name}_ends'] = found.letters, found.ends
        return columns

    @classmethod
    def of(cls, pairs: Sequence[Dict]) -> 'Pairs':
        """The same pairs."""
        return pairs if isinstance(pairs, cls) else cls(cls.columns_of(pairs))

    def __len__(self) -> int:
        return len(self._columns['videos'] if self._rows is None else self._rows)

    def __getitem__(self, index: Union[int, slice]) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        row = self._row(range(len(self))[index])
        start = self._columns['span_ends'][row - 1] if row else 0
        other = self._others.text(row)
        return dict(video_id=self._videos.text(self._columns['videos'][row]),
                    duration=float(self._columns['durations'][row]), query=self._queries.text(row),
                    spans=self._columns['spans'][start:self._columns['span_ends'][row]].tolist(),
                    **(json.loads(other) if other else {}))

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def _row(self, index: int) -> int:
        return int(index if self._rows is None else self._rows[index])

    def video_id(self, index: int) -> str:
        """The video of a pair."""
        return self._videos.text(self._columns['videos'][self._row(index)])

    def queries(self) -> Iterator[str]:
        """The sentences of all pairs."""
        return (self._queries.text(self._row(index)) for index in range(len(self)))

    def keys(self) -> List:
        """By what a text encoder may look each query up: its ``qid``, or else the sentence."""
        if not self._others.letters.size:
            return list(self.queries())
        return [pair.get('qid', pair['query']) for pair in self]

    @property
    def rows(self) -> Optional[np.ndarray]:
        """Which of the pairs of the columns these are; None for all."""
        return self._rows

    @property
    def durations(self) -> np.ndarray:
        """(N,) seconds."""
        durations = self._columns['durations']
        return durations if self._rows is None else durations[self._rows]

    @property
    def videos(self) -> np.ndarray:
        """(N,) a number for the video of each pair."""
        numbers = self._columns['videos']
        return numbers if self._rows is None else numbers[self._rows]

    def video_ids(self) -> List[str]:
        """Each video once."""
        return [self._videos.text(number) for number in np.unique(self.videos)]

    def of_videos(self, wanted: Callable[[str], bool]) -> 'Pairs':
        """The pairs of videos that are wanted, each of which is asked for once."""
        return self.where(self.mask_of_videos(wanted))

    def mask_of_videos(self, wanted: Callable[[str], bool]) -> np.ndarray:
        """(N,) bool, which pairs are of videos that are wanted."""
        numbers, places = np.unique(self.videos, return_inverse=True)
        return np.array([wanted(self._videos.text(number)) for number in numbers], bool)[places]

    def where(self, mask: np.ndarray) -> 'Pairs':
        """The pairs where a mask (N,) is True."""
        return self if mask.all() else self.take(mask.nonzero()[0])

    def take(self, rows: Sequence[int]) -> 'Pairs':
        """Another choice or order of the pairs."""
        rows = np.asarray(rows, np.int64)
        return Pairs(self._columns, rows if self._rows is None else self._rows[rows])

    def fractions(self) -> np.ndarray:
        """(M, 2) all spans of all pairs as fractions of their videos."""
        ends = self._columns['span_ends']
        fractions = self._columns['spans'] / np.repeat(self._columns['durations'], np.diff(ends, prepend=0))[:, None]
        if self._rows is None:
            return fractions
        parts = [fractions[ends[row - 1] if row else 0:ends[row]] for row in self._rows]
        return np.concatenate(parts) if parts else fractions[:0]

    def cut(self) -> tuple:
        """The pairs with spans that end with their videos, and how many did not."""
        ends = self._columns['span_ends']
        durations = np.repeat(self._columns['durations'], np.diff(ends, prepend=0))[:, None]
        outside = int((self._columns['spans'][:, 1:] > durations).sum())
        if not outside:
            return self, 0
        return Pairs(dict(self._columns, spans=np.minimum(self._columns['spans'], durations)), self._rows), outside


def _other(pair: Dict) -> str:
    other = {key: value for key, value in pair.items() if key not in ('video_id', 'duration', 'query', 'spans')}
    return json.dumps(other, default=_plain) if other else ''


def _plain(value: Any) -> Any:
    if hasattr(value, 'tolist'):  # of numpy or PyTorch
        return value.tolist()
    raise TypeError(f'{value!r} of an annotated pair is no plain data: give text, numbers, lists and dicts.')
