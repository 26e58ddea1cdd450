"""Which features belong to a video: ids that differ by a suffix or a prefix name the same video."""
import hashlib
import unicodedata
from collections import Counter
from functools import cached_property
from typing import Any, Dict, Iterable, List, Optional, Sequence

import numpy as np

VIDEO_SUFFIXES = ('.3gp', '.avi', '.flv', '.gif', '.m2ts', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg',
                  '.mts', '.ogv', '.ts', '.vob', '.webm', '.wmv')
RULE = 'without the suffix of a video file and without "v_" in front'


def without_suffix(name: str) -> str:
    """A name without the suffix of a video file; another suffix is part of the name.

    Example:
        >>> without_suffix('kitchen.MP4'), without_suffix('film.part1')
        ('kitchen', 'film.part1')
    """
    stem, dot, suffix = name.rpartition('.')
    return stem if stem and dot + suffix.lower() in VIDEO_SUFFIXES else name


def short_name(video_id: str) -> str:
    """What two ids of one video have in common; a letter with its accent may be one character or two.

    Example:
        >>> short_name('s13-d21.avi'), short_name('v_uqiMw7tQ1Cc'), short_name('NUsG9BgSes0_210.0_360.0')
        ('s13-d21', 'uqiMw7tQ1Cc', 'NUsG9BgSes0_210.0_360.0')
    """
    name = unicodedata.normalize('NFC', without_suffix(video_id))
    return name.removeprefix('v_') or name


def _hash(video_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(video_id.encode('utf-8', 'surrogatepass'), digest_size=8).digest(), 'little',
                          signed=True)


class VideoNames:
    """The ids of a store, found by themselves or else by :func:`short_name`, never by chance.

    Of a large store these are arrays, not Python objects, so that processes can share them.

    Args:
        video_ids: In the order of their rows.
        columns: What :meth:`columns_of` gives for these ids, where it is known already.

    Attributes:
        twice: An id that comes twice, or None.
    """

    def __init__(self, video_ids: Sequence[str], columns: Optional[Dict[str, np.ndarray]] = None) -> None:
        self._ids = video_ids
        columns = columns or self.columns_of(video_ids)
        self._hashes, self._order = columns['hashes'], columns['order']
        same = (self._hashes[1:] == self._hashes[:-1]).nonzero()[0]  # with the place after them
        alike = [video_ids[self._order[place]] for place in np.union1d(same, same + 1)]
        counts = Counter(alike)
        self.twice: Optional[str] = next((name for name in alike if counts[name] > 1), None)

    @staticmethod
    def columns_of(video_ids: Iterable[str]) -> Dict[str, np.ndarray]:
        """The hashes of ids in their order, and the rows that they belong to."""
        hashes = np.fromiter(map(_hash, video_ids), np.int64)
        order = hashes.argsort(kind='stable')
        return dict(hashes=hashes[order], order=order.astype(np.int32))

    def __contains__(self, video_id: str) -> bool:
        return self._row(video_id) is not None or bool(self._candidates(video_id))

    def find(self, video_id: str) -> str:
        """The id that the store has for a video.

        Raises:
            KeyError: If there is none.
            ValueError: If there are several.
        """
        if self._row(video_id) is not None:
            return video_id
        candidates = self._candidates(video_id)
        if not candidates:
            raise KeyError(video_id)
        return candidates[0]

    def row(self, video_id: str) -> int:
        """The same as a number."""
        row = self._row(video_id)
        return self._row(self.find(video_id)) if row is None else row

    def _row(self, video_id: str) -> Optional[int]:
        """The row of an id as it is."""
        wanted = _hash(video_id)
        place = int(self._hashes.searchsorted(wanted))
        while place < len(self._hashes) and self._hashes[place] == wanted:
            row = int(self._order[place])
            if self._ids[row] == video_id:
                return row
            place += 1
        return None

    @cached_property
    def _by_short_name(self) -> Dict[str, List[str]]:
        names: Dict[str, List[str]] = {}
        for video_id in self._ids:
            names.setdefault(short_name(video_id), []).append(video_id)
        return names

    def _candidates(self, video_id: str) -> List[str]:
        found = self._by_short_name.get(short_name(video_id), [])
        if len(found) > 1:
            raise ValueError(f'Video {video_id!r} may be {" or ".join(map(repr, found))}: all are the same {RULE}. '
                             'Write its id as the features do, or remove those which are not meant.')
        return found


def describe_names(store: Any, video_ids: Iterable[str], source: str) -> str:
    """Which videos have features under another id, as a sentence; nothing where there are none.

    Args:
        store: A feature store.
        video_ids: Of the annotations; those without features are passed over.
        source: The annotations, for messages.

    Raises:
        ValueError: If two videos would share features.
    """
    found: Dict[str, str] = {}
    for video_id in sorted(set(video_ids)):
        if video_id in store:
            name = store.names.find(video_id)
            if name in found:
                raise ValueError(f'{source} has videos {found[name]!r} and {video_id!r}, which would both get the '
                                 f'features {name!r} of "{store.path}", as they are the same {RULE}. Give them ids '
                                 'that differ.')
            found[name] = video_id
    others = [f'{video_id} -> {name}' for name, video_id in found.items() if name != video_id]
    if not others:
        return ''
    return (f'{len(others)} of {len(found)} videos of {source} are found in "{store.path}" under ids that are the same '
            f'{RULE}: {", ".join(others[:3])}{", ..." if len(others) > 3 else ""}.')
