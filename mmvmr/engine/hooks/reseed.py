"""Random numbers that depend on the seed, the iteration and the process alone."""
import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook

from mmvmr.engine.distributed import unwrap
from mmvmr.registry import HOOKS


@HOOKS.register_module()
class ReseedHook(Hook):
    """Seeds all draws anew before each training iteration, so that a resumed run draws what an uninterrupted one draws.

    Nothing has to be stored for it, and what a validation or a restarted worker has drawn in between does not matter.
    PyTorch (dropout) gets another seed in each process, the data preprocessor (hidden words, explored proposals) the
    same in all.
    """
    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner) -> None:
        torch.manual_seed(_seed(runner, get_rank()))  # for samplers that shuffle by PyTorch's own generator

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        torch.manual_seed(_seed(runner, get_rank()))
        unwrap(runner.model).data_preprocessor.seed = _seed(runner)


def _seed(runner, *process: int) -> int:
    sequence = np.random.SeedSequence([runner.seed or 0, runner.iter, *process])
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)
