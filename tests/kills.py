"""Processes that get a signal at a chosen moment, and trainings that are stopped and go on."""
import fnmatch
import multiprocessing
import os
import resource
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from typing import List

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from runs import make_runner

from mmvmr.engine.checkpoint import find_latest, find_latest_together
from mmvmr.engine.distributed import end_processes
from mmvmr.engine.hooks.interruption import Stopped
from mmvmr.registry import HOOKS


@HOOKS.register_module(force=True)  # pytest imports this file once more, to look for examples
class SignalAt(Hook):
    """Sends a signal at one call of a point at which hooks are called.

    Args:
        point: E.g. ``before_train_iter``.
        count: At which call in this process; the first is 1.
        to: Whom, one after the other: ``self``, ``workers`` (the processes that load data), ``launcher``.
        name: Of the signal.
        rank: The process that does it.
        attempt: How often torchrun has restarted it before.
    """

    def __init__(self, point, count=1, to=('self',), name='SIGTERM', rank=0, attempt=0):
        self.left, self.to, self.signal = count, to, name[3:]
        self.mine = (rank, attempt) == (get_rank(), int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)))
        setattr(self, point, self._count)

    def _count(self, runner, **_):
        self.left -= 1
        if self.mine and self.left == 0:
            workers = [process.pid for process in multiprocessing.active_children()]
            pids = dict(self=[os.getpid()], launcher=[os.getppid()], workers=workers)
            for pid in sum((pids[receiver] for receiver in self.to), []):
                subprocess.run(['kill', f'-{self.signal}', str(pid)], check=True)  # workers obey the own process


def die_in_save(arguments: List, name: str, moment: str) -> None:
    """Run tools/train.py, and be killed while the first file with such a name is written.

    Args:
        moment: ``half`` of the bytes are on disk, they are all ``written``, or the file is ``renamed``.
    """
    fsync, replace = os.fsync, os.replace

    def kill():
        os.kill(os.getpid(), signal.SIGKILL)

    def at_fsync(file):
        if moment == 'half' and fnmatch.fnmatch(os.readlink(f'/proc/self/fd/{file}'), f'*/.{name}.*'):
            os.ftruncate(file, os.fstat(file).st_size // 2)
            kill()
        fsync(file)

    def at_replace(source, target):
        found = fnmatch.fnmatch(Path(target).name, name)
        if found and moment == 'written':
            kill()
        replace(source, target)
        if found and moment == 'renamed':
            kill()

    os.fsync, os.replace = at_fsync, at_replace
    _train(arguments)


def run_with_full_disk(arguments: List, limit: int) -> None:
    """Run tools/train.py while no file may grow beyond so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    _train(arguments)


def _train(arguments: List) -> None:
    sys.argv = ['tools/train.py', *map(str, arguments)]
    runpy.run_path(sys.argv[0], run_name='__main__')


def train_thrice(file: str, folder: Path, options: dict) -> None:
    """Train two epochs of four iterations into ``straight``, their second once more from the checkpoint of the first
    into ``resumed``, and both into ``stopped``, with a stop in the third iteration of the second.
    """
    make_runner(file, folder / 'straight', options).train()
    make_runner(file, folder / 'resumed', options, str(folder / 'straight' / 'epoch_1.pth')).train()
    stop = {'default_hooks.stop': dict(type='SignalAt', point='before_train_iter', count=7)}
    try:
        make_runner(file, folder / 'stopped', {**options, **stop}).train()
    except Stopped:
        assert find_latest(folder / 'stopped').endswith('epoch_1_iter_7.pth')
        make_runner(file, folder / 'stopped', options, find_latest(folder / 'stopped')).train()


def train_thrice_in_two(rank: int, port: str, cases: List) -> None:
    """:func:`train_thrice` for each ``(file, folder)``, together with another process."""
    os.environ['LOCAL_RANK'] = str(rank)
    torch.distributed.init_process_group('gloo', f'tcp://127.0.0.1:{port}', rank=rank, world_size=2)
    for file, folder in cases:
        train_thrice(file, folder, {'launcher': 'pytorch', 'train_dataloader.batch_size': 2})
    end_processes()


def choose_together(rank: int, port: str, folder: Path) -> None:
    """Print what two processes resume from when each of them has folders of its own."""
    torch.distributed.init_process_group('gloo', f'tcp://127.0.0.1:{port}', rank=rank, world_size=2)
    seen = dict(common=([2, 3], [2, 3, 4]), absent=([3], [2]), lonely=([], [2]))
    for name, epochs in seen.items():
        (folder / f'{name}_{rank}').mkdir()
        for epoch in epochs[rank]:
            torch.save(dict(epoch=epoch), folder / f'{name}_{rank}' / f'epoch_{epoch}.pth')
        try:
            print(f'{name}: {find_latest_together(folder / f"{name}_{rank}")}')
        except FileNotFoundError as error:
            print(error)
    end_processes()
