"""The folder of one run, a config with its seed: the steps it consists of, what they cost, how far it has come."""
import difflib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional

from mmvmr.engine.run.config import MomentConfig
from mmvmr.reproduction import measure
from mmvmr.utils.files import open_locked, write_text

_PROGRESS = re.compile(r'(?:Epoch|Iter)\(\w+\) +((?:\[[^]]*\])+)(?:.*? eta: (.+?)  )?')  # as MMEngine logs it


class RunFolder(NamedTuple):
    """Where a config is run. Of a step NAME it holds the output, ``NAME.log``, and what each attempt cost,
    ``NAME.costs`` (lines of JSON, see :mod:`mmvmr.reproduction.measure`); ``result.json`` comes last.
    """
    path: Path
    config: MomentConfig

    @property
    def method(self) -> str:
        """Name of the config."""
        return self.path.parent.name

    @property
    def name(self) -> str:
        return f'{self.method}/{self.path.name}'

    @property
    def config_file(self) -> Path:
        """The config that the run was begun with."""
        return self.path / f'{self.method}.py'

    @property
    def result_file(self) -> Path:
        """What came out; there is one when the run is finished."""
        return self.path / 'result.json'

    @property
    def text(self) -> str:
        """The config as Python, in its own order."""
        return MomentConfig(self.config.entries_of_run()).pretty_text

    def changes(self) -> List[str]:
        """The lines of the config that are not those that the run was begun with, marked by + and -."""
        old = self.config_file.read_text() if self.config_file.exists() else self.text
        return [line for line in difflib.ndiff(old.splitlines(), self.text.splitlines()) if line[0] in '+-']

    def clear(self) -> None:
        """Delete the folder, if a run was begun in it.

        Raises:
            FileExistsError: If another process is at work in the folder.
        """
        if self.config_file.exists():
            with self._locked():
                shutil.rmtree(self.path)

    def run(self, steps: Dict[str, List], files: Optional[Mapping[str, Path]] = None,
            **environment: str) -> Iterator[str]:
        """Run the steps that have not succeeded yet, or whose file is gone, one after the other.

        Args:
            steps: Arguments of Python, by name.
            files: What steps write, by their names.
            environment: Variables that they get.

        Yields:
            Where the run is, e.g. ``train [3][40/68], 0:02:10 left``; again and again without waiting, until it ends. A
            caller that closes the iterator ends the step.

        Raises:
            RuntimeError: If a step fails; the message has its last lines.
            FileExistsError: If another process is at work in the folder.
        """
        if not self.config_file.exists():
            write_text(self.config_file, self.text)
        with self._locked() as lock:
            for step, command in steps.items():
                file = (files or {}).get(step)
                if self.cost(step) is not None and (file is None or file.is_file()):
                    continue
                process = self._start(step, command, lock, environment)
                try:
                    while process.poll() is None:
                        yield self._progress(step)
                finally:
                    _end(process)
                if process.returncode:
                    raise RuntimeError('\n    '.join([f'The step "{step}" failed; {self.path / step}.log ends with',
                                                      *self._tail(step)]))

    def finish(self, result: Dict) -> None:
        """Write down what came out, with a fingerprint of the config."""
        result = dict(result, config_sha256=hashlib.sha256(self.text.encode()).hexdigest())
        write_text(self.result_file, json.dumps(result, indent=2) + '\n')

    def cost(self, step: str) -> Optional[Dict[str, float]]:
        """What a step cost, with all its attempts; None as long as none has succeeded. Lines that are cut off, as by
        a full disk, do not count.
        """
        file = self.path / f'{step}.costs'
        attempts = list(_readable(file.read_text(encoding='utf-8', errors='replace'))) if file.exists() else []
        if all(attempt['exit_code'] for attempt in attempts):
            return None
        return dict(seconds=round(sum(attempt['seconds'] for attempt in attempts), 2),
                    cpu_seconds=round(sum(attempt['cpu_seconds'] for attempt in attempts), 2),
                    peak_mb=max(attempt['peak_mb'] for attempt in attempts))

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """A file that one process at a time can have, and its children as long as they live."""
        file = open_locked(self.path / '.lock', shared_with_children=True)
        try:
            yield file
        finally:
            os.close(file)

    def _start(self, step: str, command: List, lock: int, environment: Dict[str, str]) -> subprocess.Popen:
        files = [self.path / f'{step}.{kind}' for kind in ('log', 'costs')]
        return subprocess.Popen(
            [sys.executable, '-S', measure.__file__, *map(str, [*files, sys.executable, *command])],
            env={**os.environ, **environment}, pass_fds=[lock], start_new_session=True)

    def _tail(self, step: str, lines: int = 15) -> List[str]:
        file = self.path / f'{step}.log'
        if not file.exists():
            return []
        with open(file, 'rb') as log:
            log.seek(max(file.stat().st_size - 200 * lines, 0))
            return log.read().decode(errors='replace').replace('\r', '\n').splitlines()[-lines:]

    def _progress(self, step: str) -> str:
        found = [match for line in self._tail(step) for match in _PROGRESS.finditer(line)]
        places = [match[1] + (f', {match[2]} left' if match[2] else '') for match in found]
        return ' '.join([step, *places[-1:]])


def _readable(lines: str) -> Iterator[Dict]:
    for line in lines.splitlines():
        try:
            attempt = json.loads(line)
            if {'exit_code', 'seconds', 'cpu_seconds', 'peak_mb'} <= {*attempt}:
                yield attempt
        except (ValueError, TypeError):
            continue


def _end(process: subprocess.Popen) -> None:
    """End a process with its group; again and again, as it may just be starting others."""
    while process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        time.sleep(0.1)
