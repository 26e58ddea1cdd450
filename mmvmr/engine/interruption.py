"""Runs that are told to stop: what they keep, and how they go on in the middle of an epoch."""
import re
import signal
from pathlib import Path
from typing import Dict

import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop

from mmvmr.registry import HOOKS, LOOPS


class Terminated(SystemExit):
    """The run was told to stop, and has kept what it needs to go on. The exit code is that of a process ended so."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """MMEngine's loop over epochs, which can begin in the middle of one.

    Attributes:
        batches_done: Of the epoch that is run next; these batches are loaded and passed over.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.batches_done = 0

    def run_epoch(self) -> None:
        """One epoch, or the rest of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        for index, batch in enumerate(self.dataloader):
            if index >= self.batches_done:
                self.run_iter(index, batch)
        self.batches_done = 0
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@HOOKS.register_module()
class SaveOnSigtermHook(Hook):
    """On SIGTERM, which SLURM and torchrun send before they kill, saves ``epoch_E_iter_I.pth`` and ends the run.

    All processes end after the same iteration: they agree on it by gloo, which does not wait for a GPU. A validation
    is finished first. A second SIGTERM ends the process at once.
    """
    priority = 'LOWEST'  # the checkpoint holds what all other hooks have done in this iteration

    def __init__(self) -> None:
        self._told = False
        self._group = None

    def before_train(self, runner) -> None:
        if get_world_size() > 1:
            self._group = torch.distributed.new_group(backend='gloo')
        signal.signal(signal.SIGTERM, self._remember)

    def before_train_epoch(self, runner) -> None:
        """Delete checkpoints of the middle of epochs that are complete and saved."""
        if is_main_process():
            names = [path.name for path in Path(runner.work_dir).glob('epoch_*.pth')]
            newest = max((int(match[1]) for match in (re.fullmatch(r'epoch_(\d+)\.pth', name) for name in names)
                          if match), default=0)
            for name in names:
                match = re.fullmatch(r'epoch_(\d+)_iter_\d+\.pth', name)
                if match and int(match[1]) < newest:
                    (Path(runner.work_dir) / name).unlink()

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        last_of_epoch = batch_idx + 1 == len(runner.train_dataloader)  # then saved as a whole epoch, after validation
        if self._all_told() and not last_of_epoch:
            runner.train_loop.batches_done = batch_idx + 1
            name = f'epoch_{runner.epoch}_iter_{runner.iter + 1}.pth'
            runner.save_checkpoint(runner.work_dir, name, by_epoch=False)
            if self._group is not None:
                torch.distributed.barrier(self._group)  # no process ends before the checkpoint is whole
            runner.logger.warning(f'Stopped by SIGTERM. "{name}" was saved; --resume goes on from there.')
            raise Terminated

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

    def _remember(self, number, frame) -> None:
        self._told = True
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _all_told(self) -> bool:
        """Whether any process has been told to stop; the same answer in all."""
        if self._group is None:
            return self._told
        told = torch.tensor(int(self._told))
        torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MAX, group=self._group)
        return bool(told)
