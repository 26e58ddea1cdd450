"""Which features belong to a video: ids that differ by a suffix or a prefix name the same video."""
from functools import cached_property
from typing import Any, Dict, Iterable, List, Optional, Sequence

VIDEO_SUFFIXES = ('.3gp', '.avi', '.flv', '.gif', '.m2ts', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg',
                  '.mts', '.ogv', '.ts', '.vob', '.webm', '.wmv')
RULE = 'without the suffix of a video file and without "v_" in front'


def short_name(video_id: str) -> str:
    """What two ids of one video have in common.

    Example:
        >>> short_name('s13-d21.avi'), short_name('v_uqiMw7tQ1Cc'), short_name('NUsG9BgSes0_210.0_360.0')
        ('s13-d21', 'uqiMw7tQ1Cc', 'NUsG9BgSes0_210.0_360.0')
    """
    stem, dot, suffix = video_id.rpartition('.')
    name = stem if stem and dot + suffix.lower() in VIDEO_SUFFIXES else video_id
    return name.removeprefix('v_') or name


class VideoNames:
    """The ids of a store, found by themselves or else by :func:`short_name`, never by chance.

    Args:
        video_ids: In the order of their rows.

    Attributes:
        twice: An id that comes twice, or None.
    """

    def __init__(self, video_ids: Sequence[str]) -> None:
        self._rows: Dict[str, int] = dict(zip(video_ids, range(len(video_ids))))
        self.twice: Optional[str] = None
        if len(self._rows) < len(video_ids):
            self.twice = next(video_id for row, video_id in enumerate(video_ids) if self._rows[video_id] != row)

    def __contains__(self, video_id: str) -> bool:
        return video_id in self._rows or bool(self._candidates(video_id))

    def find(self, video_id: str) -> str:
        """The id that the store has for a video.

        Raises:
            KeyError: If there is none.
            ValueError: If there are several.
        """
        if video_id in self._rows:
            return video_id
        candidates = self._candidates(video_id)
        if not candidates:
            raise KeyError(video_id)
        return candidates[0]

    def row(self, video_id: str) -> int:
        """The same as a number."""
        return self._rows[self.find(video_id)]

    @cached_property
    def _by_short_name(self) -> Dict[str, List[str]]:
        names: Dict[str, List[str]] = {}
        for video_id in self._rows:
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
