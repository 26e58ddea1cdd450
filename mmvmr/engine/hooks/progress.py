"""Tell the parts that have a curriculum how far training has come."""
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop

from mmvmr.registry import HOOKS


@HOOKS.register_module()
class ProgressHook(Hook):
    """Calls ``set_progress(p)`` on every module that has it, with 0 < p <= 1; p is 1 at the end of training.

    In a loop over epochs p = epoch / epochs, counted from 1, as in CPL; in any other, p = iteration / iterations.
    """

    def before_train_epoch(self, runner) -> None:
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            self._tell(runner, (runner.epoch + 1) / runner.max_epochs)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            self._tell(runner, (runner.iter + 1) / runner.max_iters)

    @staticmethod
    def _tell(runner, progress: float) -> None:
        for module in runner.model.modules():
            if hasattr(module, 'set_progress'):
                module.set_progress(progress)
