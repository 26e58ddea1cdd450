"""Updates that are left out, since their loss or gradient is not finite."""
from typing import Union

import torch
from mmengine.optim import OptimWrapper as _OptimWrapper
from torch import Tensor

from mmvmr.registry import OPTIM_WRAPPERS

FUSED = ('Adam', 'AdamW', 'SGD')  # of PyTorch: they can leave out a step on the device


def fuse(optimizer: dict) -> dict:
    """The config of an optimizer in PyTorch's fused form, where there is one and it says nothing else."""
    return dict(dict(fused=True), **optimizer) if optimizer.get('type') in FUSED else optimizer


@OPTIM_WRAPPERS.register_module()
class OptimWrapper(_OptimWrapper):
    """MMEngine's, which leaves out a step whose loss or gradient is infinite or not a number.

    With a fused optimizer the device decides, and the host does not wait for it.

    Attributes:
        skipped: Steps left out in a row.
        grad_norm: That of the last step, before it was clipped.
        loss_scale: What the loss is multiplied by before its gradient is computed.
    """
    loss_scale = 1.0

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.skipped: Union[int, Tensor] = 0
        self.grad_norm: Union[float, Tensor] = 0.0

    def backward(self, loss: Tensor, **kwargs) -> None:
        """Gradients of a loss; NaN if it is not finite itself, so that the processes that share them all know."""
        super().backward(loss * torch.where(loss.detach().isfinite(), 1.0, torch.nan), **kwargs)

    def step(self, **kwargs) -> None:
        """One update, or none. Processes that train together have the same gradients, and so decide alike."""
        parameters = [parameter for group in self.param_groups for parameter in group['params']]
        clip = self.clip_grad_kwargs or dict(max_norm=float('inf'))
        if 'max_norm' in clip and all(group.get('fused') for group in self.param_groups):
            self.grad_norm = torch.nn.utils.clip_grad_norm_(parameters, **clip)
            left_out = ~self.grad_norm.isfinite()
            self.optimizer.found_inf = left_out.float()
            self.optimizer.step(**kwargs)
            self.skipped = (self.skipped + 1) * left_out
            return
        self.grad_norm = torch.nn.utils.clip_grad_norm_(parameters, float('inf'))  # clips nothing, only measures
        if self.grad_norm.isfinite():
            self.skipped = 0
            super().step(**kwargs)
        else:
            self.skipped += 1
