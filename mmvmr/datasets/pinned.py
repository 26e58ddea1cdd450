"""Protocols are pinned by hashes of their pairs, so that another file of the same size does not pass for one.

``pinned.json`` holds, for each split of a protocol, the number of pairs, a hash of their videos and sentences, one of
these with the moments, and short hashes of 256 groups of pairs. Which group a pair is in depends on its video and its
sentence: few groups differ if few pairs do.
"""
import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence

from mmvmr.features.stores.names import short_name

_GROUPS, _DIGITS = 256, 4  # hexadecimal digits of a group
_FEW = 16  # groups that may differ in what still counts as the same file, with corrections


class Pin(NamedTuple):
    """What is known of the pairs of a split."""
    pairs: int
    texts: str  # sha256
    moments: str  # sha256
    groups: str  # of all groups, one after the other

    @classmethod
    def of(cls, pairs: Sequence[Dict]) -> 'Pin':
        """The pin of pairs in any order, whatever the case and the punctuation of their sentences.

        Moments count by hundredths of a second, video ids without the suffix of a file.
        """
        groups: List[List[str]] = [[] for _ in range(_GROUPS)]
        texts = []
        for pair in pairs:
            text = '\t'.join([short_name(pair['video_id']), *re.findall(r'\w+', pair['query'].lower())])
            moments = ' '.join(f'{round(100 * time)}' for span in sorted(pair['spans']) for time in span)
            texts.append(text)
            groups[int(_sha256([text])[:2], 16)].append(f'{text}\t{moments}')
        return cls(len(pairs), _sha256(texts), _sha256(line for group in groups for line in group),
                   ''.join(_sha256(group)[:_DIGITS] for group in groups))

    def groups_unlike(self, other: 'Pin') -> int:
        """In how many groups two pins differ: about the number of pairs that differ, if these are few."""
        return sum(self.groups[at:at + _DIGITS] != other.groups[at:at + _DIGITS]
                   for at in range(0, len(self.groups), _DIGITS))


def find_pin(protocol: str, split: str) -> Optional[Pin]:
    """The pin of a split, e.g. of ``charades_sta/filtered`` and ``train``; None where there is none."""
    pin = _pins().get(protocol, {}).get(split)
    return None if pin is None else Pin(**pin)


def pinned_as(pairs: Sequence[Dict], data_set: str) -> Optional[str]:
    """The split of a data set, by its slug, that has exactly these pairs: ``PROTOCOL SPLIT``; None if none has."""
    alike = {f'{protocol} {split}': pin['moments'] for protocol, splits in _pins().items() for split, pin
             in splits.items() if protocol.startswith(f'{data_set}/') and pin['pairs'] == len(pairs)}
    found = Pin.of(pairs).moments if alike else None
    return next((name for name, moments in alike.items() if moments == found), None)


def compare_with_pin(pairs: Sequence[Dict], pin: Pin, source: str) -> str:
    """How pairs differ from those of a protocol: nothing where they do not, a remark for its name where few do.

    Args:
        source: The annotation file, for messages.

    Raises:
        ValueError: If they are other pairs.
    """
    found = Pin.of(pairs)
    if found.moments == pin.moments:
        return ''
    unlike = pin.groups_unlike(found)
    if unlike > _FEW:
        what = 'with other moments' if found.texts == pin.texts else 'with other sentences or videos'
        raise ValueError(f'"{source}" has {found.pairs} pairs, but they are not the {pin.pairs} of the protocol: there '
                         f'are many {what}. Use the published file, or protocol=None, whose numbers may not stand '
                         'beside published ones.')
    return f'({unlike} {"moments differ" if found.texts == pin.texts else "pairs differ"})'


@lru_cache(None)
def _pins() -> Dict[str, Dict[str, Dict]]:
    return json.loads(Path(__file__).with_name('pinned.json').read_text(encoding='utf-8'))


def _sha256(lines: Iterable[str]) -> str:
    return hashlib.sha256('\n'.join(sorted(lines)).encode()).hexdigest()
