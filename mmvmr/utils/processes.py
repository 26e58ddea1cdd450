"""Processes beside this one."""
import multiprocessing
import os
import threading


def count_cores() -> int:
    """Cores that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1  # not on macOS


def end_with_parent() -> None:
    """Let this process, one of a pool, end when the one that made it does; else it works on, or waits for ever."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
