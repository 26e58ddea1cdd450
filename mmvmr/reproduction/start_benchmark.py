"""What it takes to start on a large data set: seconds and memory of each process, for the first time and later."""
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence

from mmengine.config import Config
from mmengine.registry import init_default_scope
from terminaltables import AsciiTable

from mmvmr.reproduction.benchmark import build_dataset, fill_benchmark_sizes, in_new_processes, prepare_data
from mmvmr.utils.kept_arrays import KEPT
from mmvmr.utils.progress import progress


class Start(NamedTuple):
    """What a process has found."""
    seconds: float  # to open the store, and to read and encode the annotations
    memory: float  # MiB after that
    private: float  # MiB of it that no other process shares
    peak: float  # MiB


def memory() -> Dict[str, float]:
    """MiB of this process by the names of Linux: VmRSS all, RssAnon without files, VmHWM the peak of VmRSS."""
    return _sizes(Path('/proc/self/status').read_text())


def memory_of_pytorch() -> Dict[str, float]:
    """The same of a process that has done nothing but ``import torch``."""
    code = 'import torch; print(open("/proc/self/status").read())'
    return _sizes(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout)


def _sizes(status: str) -> Dict[str, float]:
    return {name: int(kibibytes) / 1024 for name, kibibytes in re.findall(r'^(VmRSS|RssAnon|VmHWM):\s+(\d+)', status,
                                                                          flags=re.MULTILINE)}


def measure(rank: int, folder: Path, text: str, results) -> None:
    """Start once, in a process of its own."""
    init_default_scope('mmvmr')
    config, start = Config.fromstring(text, '.py'), time.perf_counter()
    dataset = build_dataset(folder, config, 'loader')
    seconds, found = time.perf_counter() - start, memory()
    dataset.__getitems__([0, len(dataset) - 1])
    results.put(Start(seconds, found['VmRSS'], found['RssAnon'], found['VmHWM']))


def run(processes: int, folder: Path, config: Config) -> List[Start]:
    """Start so many processes at the same time."""
    return in_new_processes(measure, (folder, config.pretty_text), processes)


def benchmark_start(config: Config, processes: Sequence[int], folder: Path, videos: int, dtype: str = 'float32',
                    shards: int = 1) -> str:
    """A table of first and later starts on generated data; see :func:`~mmvmr.reproduction.benchmark.benchmark`."""
    fill_benchmark_sizes(config)
    prepare_data(folder, config, videos, dtype, shards)
    alone, rows = memory_of_pytorch(), []
    for count in progress(processes, desc='Starting'):
        shutil.rmtree(folder / KEPT, ignore_errors=True)
        for when in ('first', 'later'):
            found = run(count, folder, config)
            rows.append([when, count, *(f'{max(values) - less:.{digits}f}' for values, less, digits in zip(
                zip(*found), (0, alone['VmRSS'], alone['RssAnon'], alone['VmHWM']), (1, 0, 0, 0)))])
    head = ['start', 'processes', 'seconds', 'MiB', 'MiB, not shared', 'peak MiB']
    title = f'{2 * videos:,} queries of {videos:,} videos; memory over that of PyTorch'
    return f'{title}\n{AsciiTable([head, *rows]).table}'
