"""Updates that are left out, since their loss or gradient is not finite."""
import torch
from mmengine.optim import OptimWrapper as _OptimWrapper
from torch import Tensor

from mmvmr.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class OptimWrapper(_OptimWrapper):
    """MMEngine's, which leaves out a step whose loss or gradient is infinite or not a number.

    Attributes:
        skipped: Steps left out in a row.
        loss_scale: What the loss is multiplied by before its gradient is computed.
    """
    loss_scale = 1.0

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.skipped = 0

    def backward(self, loss: Tensor, **kwargs) -> None:
        """Gradients of a loss; NaN if it is not finite itself, so that the processes that share them all know."""
        super().backward(loss * torch.where(loss.detach().isfinite(), 1.0, torch.nan), **kwargs)

    def step(self, **kwargs) -> None:
        """One update, or none. Processes that train together have the same gradients, and so decide alike."""
        parameters = [parameter for group in self.param_groups for parameter in group['params']]
        norm = torch.nn.utils.clip_grad_norm_(parameters, float('inf'))  # clips nothing, only measures
        if norm.isfinite():
            self.skipped = 0
            super().step(**kwargs)
        else:
            self.skipped += 1
