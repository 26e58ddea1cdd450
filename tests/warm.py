"""Training in processes that need no time to start: they are forked from one that has imported everything."""
import multiprocessing
import os
import runpy
import sys
from multiprocessing import forkserver
from pathlib import Path
from typing import Callable, List

_context = multiprocessing.get_context('forkserver')
_context.set_forkserver_preload(['preload', 'runs'])


class WarmProcess:
    """A process that runs a function or a tool, on the CPU; what it prints goes to the end of a file.

    Args:
        task: A function of a module that can be imported, or the path of a tool in the repository.
        arguments: Of the function, or of the command line.
        log: The file.
        environment: Variables.
    """

    def __init__(self, task, arguments: List, log: Path, **environment: str) -> None:
        self.log = log
        _start_server()
        self._process = _context.Process(target=_run, args=(task, arguments, str(log), environment))
        self._process.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def is_running(self) -> bool:
        return self._process.is_alive()

    def wait(self, *expected_codes: int) -> str:
        """Wait for the end, check the exit code (minus the signal, if one ended it), and give what was printed."""
        self._process.join(timeout=200)
        output = self.log.read_text()[-20000:] if self.log.exists() else ''
        assert self._process.exitcode in (expected_codes or (0,)), output
        return output


def _start_server() -> None:
    """Python 3.11 does not tell the server where to import from; variables do."""
    before = {name: os.environ.get(name) for name in ('PYTHONPATH', 'CUDA_VISIBLE_DEVICES')}
    os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, sys.path)), CUDA_VISIBLE_DEVICES='')
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _run(task, arguments: List, log: str, environment: dict) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout = sys.stderr = open(1, 'w', buffering=1, closefd=False)
    os.environ.update(environment)
    os.chdir(Path(__file__).parents[1])
    if isinstance(task, Callable):
        task(*arguments)
    else:
        sys.argv = [str(part) for part in (task, *arguments)]
        runpy.run_path(task, run_name='__main__')
