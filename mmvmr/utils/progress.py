"""Bars that show how far something is."""
import sys
from typing import Iterable, Optional

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 30


def progress(iterable: Optional[Iterable] = None, desc: str = '', total: Optional[int] = None, unit: str = 'it',
             initial: int = 0, hidden: bool = False, **options) -> tqdm:
    """A bar on a terminal; in a file a line now and then.

    Args:
        iterable: What is gone through; without it, ``update(n)`` moves the bar.
        desc: What is being done.
        total: How many there are.
        unit: What they are.
        initial: How many were done before.
        hidden: Show nothing.
        options: Others of tqdm.
    """
    if not sys.stderr.isatty():
        options = dict(options, file=_Lines(), ncols=100, ascii=True, mininterval=_SECONDS_BETWEEN_LINES,
                       maxinterval=_SECONDS_BETWEEN_LINES)
    return tqdm(iterable, desc, total, unit=unit, initial=initial, disable=hidden, **options)


class _Lines:
    """Where a bar writes one line below the other."""

    def write(self, text: str) -> None:
        line = text.strip('\r\n')
        if line.strip():
            sys.stderr.write(f'{line.rstrip()}\n')

    def flush(self) -> None:
        sys.stderr.flush()
