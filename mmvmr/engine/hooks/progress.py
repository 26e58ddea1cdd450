"""Tell the parts that have a curriculum how far training has come."""
from mmengine.hooks import Hook

from mmvmr.registry import HOOKS


@HOOKS.register_module()
class ProgressHook(Hook):
    """Calls ``set_progress(p)`` before each epoch on every module that has it, p = epoch / epochs, counted from 1."""

    def before_train_epoch(self, runner) -> None:
        progress = (runner.epoch + 1) / runner.max_epochs
        for module in runner.model.modules():
            if hasattr(module, 'set_progress'):
                module.set_progress(progress)
