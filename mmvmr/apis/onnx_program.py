"""An exported program as ONNX, for runtimes without PyTorch."""
import logging
from pathlib import Path
from typing import Callable, Dict, Optional, Tuple

import torch
from torch import Tensor

aten = torch.ops.aten


def write_onnx(program: torch.export.ExportedProgram, file: Path, outputs: Tuple[str, ...]) -> None:
    """Write a program, all of it in one file.

    Raises:
        ImportError: If ``onnx`` or ``onnxscript`` is not installed.
    """
    from onnxscript.optimizer import fold_constants, remove_unused_nodes
    for name in ('onnxscript', 'torch.onnx'):  # they warn of constants that stay, and that torchvision is absent
        logging.getLogger(name).setLevel(logging.ERROR)
    written = torch.onnx.export(program.run_decompositions({**torch.export.default_decompositions(), **_ABSENT}), (),
                                dynamo=True, verbose=False, output_names=list(outputs), optimize=False)
    # of PyTorch's own optimization, what the programs of all methods survive: its rewriting breaks PPS, and without
    # constants folded ONNX Runtime 1.32 reads wrong indices in CPL
    fold_constants(written.model)
    remove_unused_nodes(written.model)
    written.save(str(file), external_data=False)


def read_onnx(file: Path) -> Callable[..., Tuple[Tensor, ...]]:
    """A program in the hands of ONNX Runtime: tensors in, tensors out.

    Raises:
        ImportError: If ``onnxruntime`` is not installed.
    """
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(file), options, providers=['CPUExecutionProvider'])
    names = [one.name for one in session.get_inputs()]

    def answer(*inputs: Tensor) -> Tuple[Tensor, ...]:
        return tuple(map(torch.from_numpy, session.run(None, {name: x.numpy() for name, x in zip(names, inputs)})))

    return answer


def _sort(x: Tensor, stable: Optional[bool] = None, dim: int = -1, descending: bool = False) -> Tuple[Tensor, Tensor]:
    """Of equal values, ONNX takes the first first, so it is stable."""
    return torch.topk(x, x.shape[dim], dim, descending)


def _median(x: Tensor, dim: int, keepdim: bool = False) -> Tuple[Tensor, ...]:
    lower = (one.narrow(dim, -1, 1) for one in torch.topk(x, (x.shape[dim] + 1) // 2, dim, largest=False))
    return tuple(one if keepdim else one.squeeze(dim) for one in lower)


def _cummax(x: Tensor, dim: int) -> Tuple[Tensor, Tensor]:
    """The values, by maxima over 2, 4, 8, ... positions; nothing reads the indices."""
    step, size = 1, x.shape[dim]
    while step < size:
        later = torch.maximum(x.narrow(dim, step, size - step), x.narrow(dim, 0, size - step))
        x, step = torch.cat([x.narrow(dim, 0, step), later], dim), 2 * step
    return x, torch.zeros_like(x, dtype=torch.int64)


def _cummin(x: Tensor, dim: int) -> Tuple[Tensor, Tensor]:
    values, index = _cummax(-x, dim)
    return -values, index


# what ONNX, or PyTorch's way to it, does not know, by what it knows
_ABSENT: Dict[torch._ops.OpOverload, Callable] = {
    aten.sort.stable: _sort, aten.median.dim: _median, aten.cummax.default: _cummax, aten.cummin.default: _cummin}
