"""Recurrent layers."""
import torch
from torch import Tensor, nn


def run_lstm(layer: nn.LSTM, x: Tensor) -> Tensor:
    """States (B, N, D) of an LSTM that reads (B, N, D'); on CPUs in its own precision, as not every CPU has kernels for
    one in bfloat16."""
    if x.is_cuda or not torch.is_autocast_enabled(x.device.type):
        return layer(x)[0]
    with torch.autocast(x.device.type, enabled=False):
        return layer(x.to(layer.weight_ih_l0.dtype))[0]
