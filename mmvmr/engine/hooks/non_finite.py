"""What happens when losses or gradients are not finite."""
from pathlib import Path
from typing import Iterator

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook

from mmvmr.registry import HOOKS


@HOOKS.register_module()
class NonFiniteHook(Hook):
    """Reports steps that were left out because of their gradients, and ends the run when it does not recover.

    It also logs the norm of gradients that are clipped.

    Args:
        patience: The run ends after so many such steps in a row, not counting those that only show that the loss was
            scaled too much for float16. The last batch of each process is kept in
            ``non_finite_batch_<process>.pt`` of the work dir.
    """

    def __init__(self, patience: int = 5) -> None:
        self.patience = patience

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        for wrapper in _each(runner.optim_wrapper):
            skipped = int(getattr(wrapper, 'skipped', 0))
            if getattr(wrapper, 'clip_grad_kwargs', None) and wrapper.should_update():
                runner.message_hub.update_scalar('train/grad_norm', float(getattr(wrapper, 'grad_norm', 0.0)))
            if not skipped or not wrapper.should_update():  # there is no update while gradients are accumulated
                continue
            losses = {name: float(value.detach()) for name, value in outputs.items() if 'loss' in name}
            scale = f' at a loss scale of {wrapper.loss_scale:g}' if wrapper.loss_scale != 1 else ''
            runner.logger.warning(f'The update of iteration {runner.iter + 1} was left out: its loss or gradient is '
                                  f'not finite{scale} ({skipped} in a row). Losses: {losses}')
            if skipped >= self.patience and wrapper.loss_scale <= 1:
                self._end(runner, data_batch, skipped)

    @staticmethod
    def _end(runner, data_batch, skipped: int) -> None:
        path = Path(runner.work_dir, f'non_finite_batch_{get_rank()}.pt')
        batch = data_batch['inputs']
        torch.save(dict(video=batch.video, **batch.query._asdict(), iter=runner.iter + 1), path)
        raise FloatingPointError(
            f'{skipped} losses or gradients in a row were not finite, so training was ended. The last batch is in '
            f'"{path}". Look for extreme features (`mmvmr verify`) and at parts of your own, lower the learning rate, '
            'set clip_grad in optim_wrapper, or train without --amp; --resume goes on from the last checkpoint.')


def _each(wrapper) -> Iterator:
    return wrapper.values() if hasattr(wrapper, 'optim_wrappers') else iter([wrapper])
