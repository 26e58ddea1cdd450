"""Run a command with its output in a file, and write down what it costs.

    python mmvmr/reproduction/measure.py LOG COSTS COMMAND ...

A small process of its own: on Linux a new process starts with the peak memory of the one that starts it, so a process
that has PyTorch loaded would find its own memory in what it measures of its children.
"""
import json
import os
import signal
import subprocess
import sys
import time


def measure(log: str, costs: str, *command: str) -> int:
    """Run the command, append its output to ``log`` and a JSON line to ``costs``; returns its exit code.

    The line holds ``exit_code`` (minus the signal, if one ended it), ``seconds`` of the clock, ``cpu_seconds``, and
    ``peak_mb``, the most memory (MiB) that it held at a time, or any one of its own finished children did.
    """
    signal.signal(signal.SIGTERM, lambda *_: None)  # sent to the command too; what it has cost by then is noted
    start = time.monotonic()
    with open(log, 'ab') as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    with open(costs, 'a') as file:
        print(json.dumps(dict(
            exit_code=process.returncode, seconds=round(time.monotonic() - start, 2),
            cpu_seconds=round(usage.ru_utime + usage.ru_stime, 2),
            peak_mb=round(usage.ru_maxrss / (2**20 if sys.platform == 'darwin' else 2**10), 1))), file=file)
    return process.returncode


if __name__ == '__main__':
    sys.exit(1 if measure(*sys.argv[1:]) else 0)
