"""Where a network runs."""
from typing import Optional

import torch
from mmengine.device import get_device


def choose_device(name: Optional[str] = None) -> torch.device:
    """The device of that name, by default a GPU if there is one.

    Raises:
        ValueError: If there is no such device here.
    """
    there = [f'cuda:{number}' for number in range(torch.cuda.device_count())]
    try:
        device = torch.device(name or get_device())
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip('.')
        known = ' and '.join(filter(None, ['cpu', ', '.join(there)]))
        raise ValueError(f'The device {name!r} cannot be used: {reason}. Here are {known}: choose of these, or none, '
                         'to take a GPU if there is one. `mmvmr doctor` says what PyTorch can use.') from error
    return device


def device_of_network(name: Optional[str] = None) -> torch.device:
    """As :func:`choose_device`, but nothing is put on a GPU that nobody has named before the network is."""
    return choose_device(name) if name else torch.device('cuda' if torch.cuda.is_available() else 'cpu')
