"""Weights with settings of their own, in models whose parts share some."""
from typing import List, Set

from mmengine.optim import DefaultOptimWrapperConstructor as _DefaultOptimWrapperConstructor
from torch import nn

from mmvmr.engine.optim.guards import fuse
from mmvmr.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class DefaultOptimWrapperConstructor(_DefaultOptimWrapperConstructor):
    """MMEngine's, which takes a module that several parts share, such as a tied transformer, once: where it is first.

    MMEngine's would hand its weights to the optimizer once for each part, or warn of each of them. Optimizers that
    PyTorch has in a fused form are fused, unless their config says something else.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.optimizer_cfg = fuse(self.optimizer_cfg)

    def add_params(self, params: List[dict], module: nn.Module, prefix: str = '', **kwargs) -> None:
        """Add the parameters of a module that has not been there, and of all below it."""
        if not prefix:
            self._taken: Set[nn.Module] = set()
        if module not in self._taken:
            self._taken.add(module)
            super().add_params(params, module, prefix, **kwargs)
