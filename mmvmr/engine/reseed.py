"""Random numbers that depend on the seed, the iteration and the process alone."""
import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook

from mmvmr.registry import HOOKS


@HOOKS.register_module()
class ReseedHook(Hook):
    """Seeds PyTorch anew before each training iteration, so that a resumed run draws what an uninterrupted one draws.

    Nothing has to be stored for it, and what a validation or a restarted worker has drawn in between does not matter.
    """
    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner) -> None:
        self._seed(runner)  # for samplers that shuffle by PyTorch's own generator

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        self._seed(runner)

    @staticmethod
    def _seed(runner) -> None:
        sequence = np.random.SeedSequence([runner.seed or 0, runner.iter, get_rank()])
        torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))
