"""The authors' optimizer: Adam whose epsilon is added to the uncorrected second moment, clipping, and schedule."""
from typing import Dict

import torch
from torch import Tensor


def clip_gradients(gradients: Dict[str, Tensor], max_norm: float) -> Dict[str, Tensor]:
    """Scale all gradients so that their common norm is at most ``max_norm``."""
    norm = torch.sqrt(sum(gradient.square().sum() for gradient in gradients.values()))
    scale = min(1.0, max_norm / (norm.item() + 1e-6))
    return {name: gradient * scale for name, gradient in gradients.items()}


class Adam:
    """Adam with betas 0.9 and 0.999 over a dict of weights."""

    def __init__(self, lr: float, eps: float = 1e-8) -> None:
        self.lr, self.eps, self.updates, self.first, self.second = lr, eps, 0, {}, {}

    def step(self, weights: Dict[str, Tensor], gradients: Dict[str, Tensor]) -> Dict[str, Tensor]:
        """The updated weights; nothing is changed in place."""
        self.updates += 1
        size = self.lr * (1 - 0.999**self.updates)**0.5 / (1 - 0.9**self.updates)
        updated = {}
        for name, gradient in gradients.items():
            self.first[name] = 0.9 * self.first.get(name, 0) + 0.1 * gradient
            self.second[name] = 0.999 * self.second.get(name, 0) + 0.001 * gradient**2
            updated[name] = weights[name].detach() - size * self.first[name] / (self.second[name].sqrt() + self.eps)
        return updated


def learning_rate(update: int, lr: float = 4e-4, warmup: int = 400, start: float = 1e-7) -> float:
    """Learning rate of update 1, 2, ...: linear to ``lr`` over ``warmup`` updates, then falling with 1 / sqrt."""
    done = update - 1
    return start + done * (lr - start) / warmup if done < warmup else lr * (warmup / done)**0.5
