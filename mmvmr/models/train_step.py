"""One training iteration of one optimizer, or of several that take turns (CNM section "Training")."""
from contextlib import contextmanager
from typing import Callable, Dict

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn


def train_step(model: nn.Module, forward: Callable, data: dict, optim_wrapper: OptimWrapper) -> Dict[str, Tensor]:
    """One training iteration: preprocess, forward, backward and update, once per optimizer.

    Of several optimizers each gets a forward pass of its own, with the weights that the one before it has updated and
    newly hidden words; ``optim_wrapper.losses`` says which losses it minimises.

    Args:
        model: The MomentRetriever.
        forward: The model, or what it is wrapped in for distributed training.
    """
    if not isinstance(optim_wrapper, OptimWrapperDict):
        with optim_wrapper.optim_context(forward):
            losses = forward(**model.data_preprocessor(data, True), mode='loss')
        loss, log = model.parse_losses(losses)
        optim_wrapper.update_params(loss)
        return log
    log, total = {}, 0
    for name, wrapper in optim_wrapper.items():
        with only_trained_by(wrapper, model):
            with wrapper.optim_context(forward):
                losses = forward(**model.data_preprocessor(data, True), mode='loss', losses=optim_wrapper.losses[name])
            loss, step_log = model.parse_losses(losses)
            wrapper.update_params(loss)
        total = total + step_log.pop('loss').detach()
        log.update({key: value.detach() for key, value in step_log.items()})
    return dict(log, loss=total)


@contextmanager
def only_trained_by(optim_wrapper: OptimWrapper, model: nn.Module):
    """Within, only the parameters of this optimizer require gradients, so nothing else is differentiated."""
    own = {id(parameter) for group in optim_wrapper.param_groups for parameter in group['params']}
    frozen = [parameter for parameter in model.parameters() if parameter.requires_grad and id(parameter) not in own]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


@contextmanager
def without_autocast_cache():
    """Within, autocast keeps no weights: those that it casts without a gradient would be taken where one is needed."""
    enabled = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(enabled)
