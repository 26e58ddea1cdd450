"""Training in half precision."""
from contextlib import contextmanager
from typing import Dict

import torch
from torch import Tensor

from mmvmr.engine.optim.guards import OptimWrapper
from mmvmr.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Runs the forward pass in bfloat16 where PyTorch considers it safe; weights stay float32, nothing is scaled."""

    @contextmanager
    def optim_context(self, model):
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield


@OPTIM_WRAPPERS.register_module()
class Float16OptimWrapper(OptimWrapper):
    """Runs the forward pass in float16 where PyTorch considers it safe, for GPUs that lack bfloat16.

    What is too small for float16 would be lost, so the loss is multiplied by a scale, and the gradient divided by it.
    If that makes it too large, the step is left out and the scale is halved; after 2000 good steps it is doubled.
    Unlike PyTorch's own, the scale never falls below 1: no scale helps a batch that is not finite by itself, and
    gradients would vanish for all others.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.device = self.param_groups[0]['params'][0].device.type
        self.scaler = torch.amp.GradScaler(self.device)

    @contextmanager
    def optim_context(self, model):
        with super().optim_context(model), torch.autocast(self.device, torch.float16):
            yield

    def backward(self, loss: Tensor, **kwargs) -> None:
        super().backward(self.scaler.scale(loss), **kwargs)

    def step(self, **kwargs) -> None:
        self.loss_scale = self.scaler.get_scale()
        self.scaler.unscale_(self.optimizer)
        super().step(**kwargs)
        self.scaler.update()
        if self.scaler.get_scale() < 1:
            self.scaler.update(1.0)

    def state_dict(self) -> Dict:
        return dict(super().state_dict(), scaler=self.scaler.state_dict())

    def load_state_dict(self, state_dict: Dict) -> None:
        if 'scaler' in state_dict:  # not where a run in another precision is resumed
            self.scaler.load_state_dict(state_dict['scaler'])
        super().load_state_dict({key: value for key, value in state_dict.items() if key != 'scaler'})


def use_mixed_precision(optim_wrapper: dict) -> None:
    """Change the config of one or several optimizers to bfloat16, or to scaled float16 on GPUs that lack it."""
    lacks_bfloat16 = torch.cuda.is_available() and torch.cuda.get_device_capability() < (8, 0)
    kind = dict(type='Float16OptimWrapper' if lacks_bfloat16 else 'BFloat16OptimWrapper')
    nested = [value for value in optim_wrapper.values() if isinstance(value, dict) and 'optimizer' in value]
    for config in nested or [optim_wrapper]:
        config.update(kind)
