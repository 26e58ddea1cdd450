"""Distributed training and mixed precision, on CPUs as well."""
from contextlib import contextmanager
from typing import Dict

import torch
from mmengine.dist import all_reduce
from mmengine.model import MMDistributedDataParallel
from torch import Tensor

from mmvmr.engine.alternating import train_step
from mmvmr.engine.guards import OptimWrapper
from mmvmr.registry import MODEL_WRAPPERS, OPTIM_WRAPPERS


@MODEL_WRAPPERS.register_module()
class MomentDistributedDataParallel(MMDistributedDataParallel):
    """Data-parallel training on GPUs or, without one, on CPUs (gloo), for optimizers in turn as well."""

    def __init__(self, module, device_ids=None, find_unused_parameters: bool = True, **kwargs) -> None:
        super().__init__(module, device_ids=device_ids if torch.cuda.is_available() else None,
                         find_unused_parameters=find_unused_parameters, broadcast_buffers=False, **kwargs)

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> Dict[str, Tensor]:
        """One training iteration; gives the losses of the whole batch, the means over the processes."""
        losses = train_step(self.module, self, data, optim_wrapper)
        means = torch.stack([value.detach().float() for value in losses.values()])
        all_reduce(means, op='mean')
        return dict(zip(losses, means))


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Runs the forward pass in bfloat16 where PyTorch considers it safe; weights stay float32, nothing is scaled."""

    @contextmanager
    def optim_context(self, model):
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield
