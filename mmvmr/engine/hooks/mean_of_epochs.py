"""The checkpoint that is tested when nothing else was chosen."""
import logging
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop

from mmvmr.engine.checkpoint import mean_checkpoint, write_mean
from mmvmr.registry import HOOKS


@HOOKS.register_module()
class MeanOfEpochsHook(Hook):
    """Writes the mean of the weights of the last epochs beside them, as ``mean_to_epoch_E.pth``, when training is over.

    A run is tested with it unless a criterion has chosen another checkpoint. Training goes on from ``epoch_E.pth``.

    Args:
        last: Epochs whose weights are averaged; shorter trainings have no mean.
    """
    priority = 'LOWEST'  # after the last epoch was saved

    def __init__(self, last: int = 3) -> None:
        if last < 2:
            raise ValueError(f'last should be 2 epochs or more, got {last!r}. To test the last epoch alone, leave the '
                             'hook out: default_hooks.mean=None.')
        self.last = last

    @master_only
    def after_train(self, runner) -> None:
        if not isinstance(runner.train_loop, EpochBasedTrainLoop) or runner.epoch < self.last:
            return
        folder = Path(runner.work_dir)
        paths = [folder / f'epoch_{epoch}.pth' for epoch in range(runner.epoch - self.last + 1, runner.epoch + 1)]
        absent = [path.name for path in paths if not path.is_file()]
        if absent:
            print_log(f'There is no mean of the last {self.last} epochs: {", ".join(absent)} is not in "{folder}". '
                      'Save each epoch, and keep as many: default_hooks.checkpoint.interval=1 '
                      f'default_hooks.checkpoint.max_keep_ckpts={self.last}.', 'current', logging.WARNING)
            return
        target = mean_checkpoint(paths[-1])
        write_mean(paths, target)
        for path in folder.glob('mean_to_epoch_*.pth'):
            if path != target:
                path.unlink()  # of a shorter training
        runner.logger.info(f'The mean of the weights of the last {self.last} epochs is in {target.name}')
