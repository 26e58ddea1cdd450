"""The learning rate schedule of the Gaussian family."""
from typing import Optional

from mmengine.optim import _ParamScheduler

from mmvmr.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class InverseSquareRootLR(_ParamScheduler):
    """Linear warm-up, then lr * sqrt(warmup / u) at update u (CNM, CPL, released configs).

    Args:
        optimizer: The optimizer or optim wrapper.
        warmup: Updates of linear warm-up, 1 or more. An update may take several iterations (``accumulative_counts``).
        warmup_start: Learning rate of the first update.
        end, epoch_length: Not used: the schedule counts updates and has no end, but MMEngine's runner hands both to
            every schedule.
    """

    def __init__(self, optimizer, warmup: int = 400, warmup_start: float = 1e-7, last_step: int = -1,
                 end: Optional[int] = None, epoch_length: Optional[int] = None) -> None:
        if warmup < 1:
            raise ValueError(f'The warm-up takes 1 update or more, got warmup={warmup}.')
        self.warmup = warmup
        self.warmup_start = warmup_start
        self.iterations_per_update = getattr(optimizer, '_accumulative_counts', 1)
        super().__init__(optimizer, 'lr', last_step=last_step, by_epoch=False)

    def _get_value(self):
        """Learning rates for the next iteration; ``last_step`` iterations are done."""
        step = self.last_step // self.iterations_per_update
        if step < self.warmup:
            return [self.warmup_start + step / self.warmup * (base - self.warmup_start) for base in self.base_values]
        return [base * (self.warmup / step)**0.5 for base in self.base_values]

    def fit(self, max_iters: int) -> Optional[str]:
        """Shorten a warm-up that takes more than half of a training to a quarter of it.

        Args:
            max_iters: Iterations of the training.

        Returns:
            A note about it, if so.
        """
        updates = max_iters // self.iterations_per_update
        if 2 * self.warmup <= updates:
            return None
        given, self.warmup = self.warmup, max(updates // 4, 1)
        return (f'The warm-up of {given} updates would take more than half of this training of {updates}, so it is '
                f'shortened to {self.warmup}.')
