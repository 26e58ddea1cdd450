"""The learning rate schedule of the Gaussian family."""
from typing import Optional

from mmengine.optim import _ParamScheduler

from mmvmr.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class InverseSquareRootLR(_ParamScheduler):
    """Linear warm-up, then lr * sqrt(warmup / u) at update u (CNM, CPL, released configs).

    Args:
        optimizer: The optimizer or optim wrapper.
        warmup: Updates of linear warm-up.
        warmup_start: Learning rate of the first update.
        end, epoch_length: Not used: the schedule counts updates and has no end, but MMEngine's runner hands both to
            every schedule.
    """

    def __init__(self, optimizer, warmup: int = 400, warmup_start: float = 1e-7, last_step: int = -1,
                 end: Optional[int] = None, epoch_length: Optional[int] = None) -> None:
        self.warmup = warmup
        self.warmup_start = warmup_start
        super().__init__(optimizer, 'lr', last_step=last_step, by_epoch=False)

    def _get_value(self):
        """Learning rates for the next update; ``last_step`` updates are done."""
        step = self.last_step
        if step < self.warmup:
            return [self.warmup_start + step / self.warmup * (base - self.warmup_start) for base in self.base_values]
        return [base * (self.warmup / step)**0.5 for base in self.base_values]
