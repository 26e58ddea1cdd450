"""Several processes that train or test together: how they find each other, and how they end."""
import atexit
import os
import socket
import subprocess
import sys
from types import MappingProxyType
from typing import Any, Dict, Mapping

import torch
from mmengine.dist import all_reduce, init_dist
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.utils.dl_utils import set_multi_processing
from torch import Tensor, nn

from mmvmr.models.train_step import train_step
from mmvmr.registry import MODEL_WRAPPERS


def unwrap(model: nn.Module) -> nn.Module:
    """The model itself, without what it is wrapped in for distributed training."""
    return model.module if is_model_wrapper(model) else model


@MODEL_WRAPPERS.register_module()
class MomentDistributedDataParallel(MMDistributedDataParallel):
    """Data-parallel training on GPUs or, without one, on CPUs (gloo), for optimizers in turn as well."""

    def __init__(self, module, device_ids=None, find_unused_parameters: bool = True, **kwargs) -> None:
        super().__init__(module, device_ids=device_ids if torch.cuda.is_available() else None,
                         find_unused_parameters=find_unused_parameters, broadcast_buffers=False, **kwargs)

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> Dict[str, Tensor]:
        """One training iteration; gives the losses of the whole batch, the means over the processes."""
        losses = train_step(self.module, self, data, optim_wrapper)
        means = torch.stack([value.detach().float() for value in losses.values()])
        all_reduce(means, op='mean')
        return dict(zip(losses, means))


def start_processes(launcher: str, environment: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Join the processes that a launcher has started. Without a GPU they talk by gloo.

    Args:
        launcher: 'none', 'pytorch', 'slurm' or 'mpi'.
        environment: ``env_cfg`` of the config.

    Raises:
        ValueError: If this process was not started by that launcher.
    """
    marks = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')
    if launcher in marks and marks[launcher] not in os.environ:
        raise ValueError(f'--launcher {launcher} is for processes that {launcher} starts, but {marks[launcher]} is not '
                         'in the environment. Use tools/dist_train.sh, tools/slurm_train.sh or mpirun.')
    if launcher == 'none' or torch.distributed.is_initialized():
        return
    if torch.cuda.is_available():  # as MMEngine's runner would later
        set_multi_processing(distributed=True, **environment.get('mp_cfg', {}))
        init_dist(launcher, **environment.get('dist_cfg', {}))
        return
    if launcher != 'pytorch':
        _set_rank(*(dict(slurm=('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
                         mpi=tuple(f'OMPI_COMM_WORLD_{name}' for name in ('RANK', 'SIZE', 'LOCAL_RANK')))[launcher]))
    _choose_interface()
    torch.distributed.init_process_group('gloo')


def end_processes(code: int = 0) -> None:
    """End this process with an exit code if it is one of several; the last call of a program.

    The threads of gloo may still hold Python objects, and then hang or abort a process that takes Python apart
    (https://github.com/pytorch/pytorch/issues/190489). So it ends at once, as the children of multiprocessing do.
    """
    if torch.distributed.is_initialized():
        if not code:  # else the others may not come along
            torch.distributed.destroy_process_group()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _set_rank(rank: str, size: str, local_rank: str) -> None:
    """Translate the variables of SLURM or Open MPI into those that PyTorch reads."""
    os.environ.update(RANK=os.environ[rank], WORLD_SIZE=os.environ[size], LOCAL_RANK=os.environ[local_rank])
    os.environ.setdefault('MASTER_PORT', '29500')
    if 'MASTER_ADDR' not in os.environ:
        nodes = os.environ.get('SLURM_JOB_NODELIST')
        names = subprocess.run(['scontrol', 'show', 'hostnames', nodes], capture_output=True, text=True,
                               check=True).stdout.split() if nodes else ['127.0.0.1']
        os.environ['MASTER_ADDR'] = names[0]


def _choose_interface() -> None:
    """Let gloo listen where the first process is reached from; by itself it goes by the name of the machine, which on
    machines with several networks, or without an entry for their name, leads elsewhere.
    """
    if 'GLOO_SOCKET_IFNAME' in os.environ or not sys.platform.startswith('linux'):
        return
    import fcntl
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # sends nothing
        probe.connect((os.environ['MASTER_ADDR'], 9))
        address = probe.getsockname()[0]
        for _, name in socket.if_nameindex():
            try:  # SIOCGIFADDR: the address of an interface
                found = fcntl.ioctl(probe.fileno(), 0x8915, name.encode().ljust(256, b'\0'))[20:24]
            except OSError:  # it has none
                continue
            if socket.inet_ntoa(found) == address:
                os.environ['GLOO_SOCKET_IFNAME'] = name
