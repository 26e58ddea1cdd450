"""Stop when validation no longer improves."""
from mmengine.hooks import EarlyStoppingHook as _EarlyStoppingHook

from mmvmr.evaluation.interface import check_key
from mmvmr.registry import HOOKS


@HOOKS.register_module()
class EarlyStoppingHook(_EarlyStoppingHook):
    """MMEngine's hook with the same arguments; a resumed run goes on counting where it was, or stays stopped."""
    priority = 'LOW'  # before the checkpoint of the epoch is written

    def before_train(self, runner) -> None:
        if runner.val_loop is not None:
            check_key(self.monitor, 'monitor of the EarlyStoppingHook', runner.val_evaluator.metrics)
        state = runner.message_hub.runtime_info.get('early_stopping')
        if state:
            self.best_score, self.wait_count = state['best_score'], state['wait_count']
            waited = self.wait_count >= state.get('patience', self.patience)  # else it stopped for another reason
            runner.train_loop.stop_training = state['stopped'] and not (waited and self.wait_count < self.patience)
        if runner.train_loop.stop_training:
            runner.logger.warning(f'This training has stopped early, after {runner.epoch} epochs. It goes on with a '
                                  f'larger patience of the EarlyStoppingHook than {self.patience}.')

    def after_val_epoch(self, runner, metrics) -> None:
        super().after_val_epoch(runner, metrics)
        runner.message_hub.update_info('early_stopping', dict(
            best_score=float(self.best_score), wait_count=self.wait_count, patience=self.patience,
            stopped=runner.train_loop.stop_training))
