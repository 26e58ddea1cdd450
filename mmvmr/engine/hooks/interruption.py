"""Runs that are told to stop: what they keep, and how they go on in the middle of an epoch."""
import os
import re
import signal
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Callable, Dict, Iterator, Optional

import torch
from mmengine.dist import get_world_size, master_only
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop
from torch import nn

from mmvmr.registry import HOOKS, LOOPS


class Stopped(SystemExit):
    """The run was told to stop, and has kept what it needs to go on. The exit code is that of a process ended so.

    Args:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


@contextmanager
def handlers_put_back() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP do as before when this is over, unless one has ended a training: more may come."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    stopped = False
    try:
        yield
    except Stopped:
        stopped = True
        raise
    finally:
        for number, handler in before.items():
            if not stopped and handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """MMEngine's loop over epochs, which can begin in the middle of one.

    Attributes:
        batches_done: Of the epoch that is run, the current one included; when it begins, so many are passed over.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.batches_done = 0

    def run(self) -> nn.Module:
        """All epochs that are left. Those before may have had other batches, so iterations are counted from here."""
        left = (self._max_epochs - self._epoch) * len(self.dataloader) - self.batches_done
        self._max_iters = self._iter + left
        return super().run()

    def run_epoch(self) -> None:
        """One epoch, or the rest of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        begin = self.batches_done
        for index, batch in enumerate(self.dataloader):
            if index >= begin:
                self.batches_done = index + 1  # also for checkpoints that other hooks save in this iteration
                self.run_iter(index, batch)
        self.batches_done = 0
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@HOOKS.register_module()
class SaveOnSigtermHook(Hook):
    """On Ctrl-C, and on SIGTERM, which SLURM and torchrun send before they kill, saves ``epoch_E_iter_I.pth`` and ends.

    All processes end after the same iteration: they agree on it by gloo, which does not wait for a GPU. A validation
    is finished first. The signal often comes several times, as SLURM sends it to all processes and torchrun hands it
    on to those that it has started; so every further one is ignored, also by the workers that load data. A second
    Ctrl-C ends a training of one process at once.
    """
    priority = 'LOWEST'  # the checkpoint holds what all other hooks have done in this iteration

    def __init__(self) -> None:
        self._told = 0  # number of the signal
        self._group = None
        self._validating = False

    def before_train(self, runner) -> None:
        if get_world_size() > 1:
            self._group = torch.distributed.new_group(backend='gloo')
        for loader in [runner.train_dataloader, *([runner.val_dataloader] if runner.val_loop else [])]:
            loader.worker_init_fn = partial(_begin_worker, loader.worker_init_fn)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def before_train_epoch(self, runner) -> None:
        _delete_middles(Path(runner.work_dir), runner.epoch)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        told = self._all_told()
        if told:
            name = f'epoch_{runner.epoch}_iter_{runner.iter + 1}.pth'
            runner.call_hook('before_save_in_all')
            runner.save_checkpoint(runner.work_dir, name, by_epoch=False)
            if self._group is not None:
                torch.distributed.barrier(self._group)  # no process ends before the checkpoint is whole
            by = 'Ctrl-C' if told == signal.SIGINT else 'SIGTERM'
            runner.logger.warning(f'Stopped by {by}. "{name}" was saved; --resume goes on from there.')
            raise Stopped(told)

    def before_val(self, runner) -> None:
        self._validating = True

    def after_val(self, runner) -> None:
        self._validating = False

    def after_train(self, runner) -> None:
        _delete_middles(Path(runner.work_dir), runner.epoch)

    def before_save_checkpoint(self, runner, checkpoint: Dict) -> None:
        done = getattr(runner.train_loop, 'batches_done', 0)
        if done:
            checkpoint['middle_of_epoch'] = dict(batches_done=done, num_batches=len(runner.train_dataloader))

    def after_load_checkpoint(self, runner, checkpoint: Dict) -> None:
        middle = checkpoint.get('middle_of_epoch')
        if not (runner._resume and middle):
            return
        if not isinstance(runner.train_loop, ResumableTrainLoop) or (
                middle['num_batches'] != len(runner.train_dataloader)):
            raise ValueError(
                f'"{runner._load_from}" was saved in the middle of an epoch of {middle["num_batches"]} batches, but '
                f'now an epoch has {len(runner.train_dataloader)}. Resume with the same data, batch size, number of '
                'processes and train_cfg, or from an epoch_N.pth.')
        runner.train_loop.batches_done = middle['batches_done']

    def _remember(self, number: int, frame) -> None:
        if number == signal.SIGINT and self._group is None:
            if self._told == signal.SIGINT:
                raise KeyboardInterrupt('Stopped at once. --resume goes on from the last checkpoint.')
            when = 'once this validation is done' if self._validating else 'after this iteration'
            print(f'\nCtrl-C: the training is saved {when}, and ends. Again: it ends at once, unsaved.', flush=True)
        self._told = self._told or number

    def _all_told(self) -> int:
        """The signal by which any process has been told to stop, or 0; the same answer in all."""
        if self._group is None:
            return self._told
        told = torch.tensor(self._told)
        torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MAX, group=self._group)
        return int(told)


def _begin_worker(init: Optional[Callable], worker: int) -> None:
    """A signal to all processes shall not end a worker before the process that it loads for has saved."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, 'sigwaitinfo'):  # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        threading.Thread(target=_end_with_parent, daemon=True).start()
    if init is not None:
        init(worker)


def _end_with_parent() -> None:
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != os.getppid():  # as sent by PyTorch and multiprocessing
        pass
    os._exit(0)


@master_only
def _delete_middles(work_dir: Path, epochs: int) -> None:
    """Delete checkpoints of the middle of epochs of which this run has saved the whole; ``epochs`` are complete."""
    names = [path.name for path in work_dir.glob('epoch_*.pth')]
    whole = [int(match[1]) for match in (re.fullmatch(r'epoch_(\d+)\.pth', name) for name in names) if match]
    saved = max((number for number in whole if number <= epochs), default=0)
    for name in names:
        match = re.fullmatch(r'epoch_(\d+)_iter_\d+\.pth', name)
        if match and int(match[1]) < saved:
            (work_dir / name).unlink()
