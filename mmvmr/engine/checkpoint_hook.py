"""When checkpoints are written and what is in them, so that a resumed run is the run that was interrupted."""
from pathlib import Path
from typing import Dict

from mmengine.hooks import CheckpointHook as _CheckpointHook
from mmengine.model import is_model_wrapper
from torch import nn

from mmvmr.engine.checkpoint import check_weights, to_plain
from mmvmr.registry import HOOKS


@HOOKS.register_module()
class CheckpointHook(_CheckpointHook):
    """MMEngine's hook with the same arguments, for runs that can be killed at any time and resumed exactly.

    - An epoch that is validated is saved after its validation, together with what was found to be best so far; so no
      validation is left out when a run is resumed.
    - Everything beside weights is stored as plain data, see :func:`~mmvmr.engine.checkpoint.load_checkpoint`.
    - Gradients that wait for more to be accumulated are saved (in a run of one process).
    - A run that is resumed from a copied work dir deletes no file of the original.

    Keep at least two checkpoints (``max_keep_ckpts``): the oldest is deleted before the newest is written.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._due = False

    def after_train_epoch(self, runner) -> None:
        self._due = False
        if self.by_epoch and _validation_follows(runner):
            self._due = self.every_n_epochs(runner, self.interval, self.save_begin) or (
                self.save_last and self.is_last_train_epoch(runner))
        else:
            super().after_train_epoch(runner)

    def after_val_epoch(self, runner, metrics: Dict[str, float]) -> None:
        if self.out_dir is None:  # validation without training
            return
        self._check_metrics(metrics)
        if not self.by_epoch:
            super().after_val_epoch(runner, metrics)
            return
        last, self.last_ckpt = self.last_ckpt, None  # else the parent saves this epoch whenever it is the best
        super().after_val_epoch(runner, metrics)
        self.last_ckpt = last
        if self._due or (self.save_last and runner.train_loop.stop_training):
            runner.logger.info(f'Saving checkpoint at {runner.epoch} epochs')
            self._save_checkpoint_with_step(runner, runner.epoch, dict(epoch=runner.epoch, iter=runner.iter))
            self._due = False

    def before_save_checkpoint(self, runner, checkpoint: Dict) -> None:
        for key in ('meta', 'message_hub'):
            checkpoint[key] = to_plain(checkpoint[key])
        waiting = {name: parameter.grad.cpu() for name, parameter in _bare(runner.model).named_parameters()
                   if parameter.grad is not None}
        if waiting and 'optimizer' in checkpoint and runner.world_size == 1:
            checkpoint['gradients'] = waiting

    def after_load_checkpoint(self, runner, checkpoint: Dict) -> None:
        if not runner._resume:
            return
        absent = [key for key in ('meta', 'state_dict', 'message_hub', 'optimizer') if key not in checkpoint]
        if absent:
            raise ValueError(f'Training cannot be resumed from "{runner._load_from}", which lacks {", ".join(absent)}. '
                             'Resume from an epoch_*.pth; to start anew from its weights, set `load_from` instead.')
        model = _bare(runner.model)
        check_weights(model, checkpoint['state_dict'], runner._load_from)
        waiting = checkpoint.get('gradients', {})
        for name, parameter in model.named_parameters():
            if name in waiting:
                parameter.grad = waiting[name].to(parameter.device)
        info = checkpoint['message_hub']['runtime_info']
        for key, path in info.items():
            if key.startswith(('best_ckpt', 'last_ckpt')) and path:
                info[key] = str(Path(self.out_dir or runner.work_dir, Path(path).name))

    def _check_metrics(self, metrics: Dict[str, float]) -> None:
        absent = [key for key in self.save_best or () if key != 'auto' and key not in metrics]
        if absent and metrics:
            raise ValueError(f'The best checkpoint is to be chosen by {absent}, but validation measures '
                             f'{sorted(metrics)}. Set default_hooks.checkpoint.save_best to one of them, or to None.')


def _bare(model: nn.Module) -> nn.Module:
    return model.module if is_model_wrapper(model) else model


def _validation_follows(runner) -> bool:
    """Whether the train loop validates after the epoch that has just been trained; the rule of MMEngine's loop."""
    done, loop = runner.epoch + 1, runner.train_loop
    return runner.val_loop is not None and done >= loop.val_begin and (
        done % loop.val_interval == 0 or done == loop.max_epochs)
