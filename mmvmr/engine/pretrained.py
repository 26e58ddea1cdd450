"""Weights that a part begins with: ``init_cfg=dict(type='Pretrained', checkpoint=...)``."""
from mmengine.model import PretrainedInit as _PretrainedInit
from mmengine.runner.checkpoint import load_state_dict
from torch import nn

from mmvmr.engine.checkpoint import load_checkpoint
from mmvmr.registry import WEIGHT_INITIALIZERS


@WEIGHT_INITIALIZERS.register_module(name='Pretrained')
class PretrainedInit(_PretrainedInit):
    """MMEngine's, with the same arguments; a local file is read without running anything that is in it.

    Addresses such as ``torchvision://resnet50`` are left to MMEngine: who writes one into a config trusts its source.
    """

    def __call__(self, module: nn.Module) -> None:
        if '://' in self.checkpoint:
            super().__call__(module)
            return
        checkpoint = load_checkpoint(self.checkpoint, self.map_location)
        state, prefix = checkpoint.get('state_dict', checkpoint), f'{self.prefix}.' if self.prefix else ''
        own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        if not own:
            raise ValueError(f'"{self.checkpoint}" has no weights that begin with "{prefix}", but '
                             f'{", ".join(map(str, list(state)[:5]))}.')
        load_state_dict(module, own, strict=False, logger='current')
