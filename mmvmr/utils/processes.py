"""Processes beside this one."""
import multiprocessing
import os
import signal
import threading
from contextlib import contextmanager
from typing import Iterator


def count_cores() -> int:
    """Cores that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1  # not on macOS


@contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """SIGTERM and SIGHUP end what is done here as Ctrl-C does: it removes what is half made.

    Not where they are ignored, as SIGHUP is behind nohup, and not in another thread than the first.
    """
    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP) if threading.current_thread() is threading.main_thread() else ():
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # else it was set outside of Python, and cannot be put back
                signal.signal(number, handler)


def end_with_parent() -> None:
    """Let this process, one of a pool, end when the one that made it does; else it works on, or waits for ever."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
