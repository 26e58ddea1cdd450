"""Annotated pairs as a few arrays; a pair is made when it is asked for."""
import json
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Union

import numpy as np


class Texts(NamedTuple):
    """Texts, one after the other."""
    letters: np.ndarray  # uint8, UTF-8
    ends: np.ndarray  # (N,) int64

    @classmethod
    def of(cls, texts: Iterable[str]) -> 'Texts':
        """The same texts, which are gone through once."""
        letters, ends = bytearray(), []
        for text in texts:
            letters += text.encode('utf-8', 'surrogatepass')
            ends.append(len(letters))
        return cls(np.frombuffer(letters, np.uint8), np.array(ends, np.int64))

    def text(self, row: int) -> str:
        """The text in this place."""
        start = self.ends[row - 1] if row else 0
        return self.letters[start:self.ends[row]].tobytes().decode('utf-8', 'surrogatepass')


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
            columns[f'{name}_letters'], columns[f'{name}_ends'] = Texts.of(texts)
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
        numbers, places = np.unique(self.videos, return_inverse=True)
        kept = np.array([wanted(self._videos.text(number)) for number in numbers], bool)[places]
        return self if kept.all() else self.take(kept.nonzero()[0])

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
