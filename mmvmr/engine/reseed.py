"""Random numbers that depend on the seed, the epoch and the process alone."""
import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook

from mmvmr.registry import HOOKS


@HOOKS.register_module()
class ReseedHook(Hook):
    """Seeds PyTorch anew before each epoch, so that a resumed run draws the numbers of an uninterrupted one.

    Nothing has to be stored for it, and what a validation in between has drawn does not matter.
    """
    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner) -> None:
        sequence = np.random.SeedSequence([runner.seed or 0, runner.epoch, get_rank()])
        torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))
