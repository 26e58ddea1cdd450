"""Processes beside this one."""
import multiprocessing
import os
import signal
import threading


def count_cores() -> int:
    """Cores that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1  # not on macOS


def end_like_ctrl_c() -> None:
    """Let SIGTERM and SIGHUP end what is done as Ctrl-C does: it ends its processes, and removes what is half made.

    Not where they are ignored, as SIGHUP is behind nohup, and not in another thread than the first.
    """
    for number in (signal.SIGTERM, signal.SIGHUP) if threading.current_thread() is threading.main_thread() else ():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def end_with_parent() -> None:
    """Let this process, one of a pool, end when the one that made it does; else it works on, or waits for ever."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
