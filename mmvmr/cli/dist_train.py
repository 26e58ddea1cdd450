"""Train with several processes: one per GPU, or on CPUs where there is none.

    mmvmr dist-train cpl_charades 8
    mmvmr dist-train configs/cpl_charades.py 8 --amp --resume

What follows CONFIG and PROCESSES goes to `mmvmr train`. On several machines, run it on each, with NNODES, NODE_RANK (0,
1, ...), MASTER_ADDR (of the first) and PORT (29500) in the environment. With MAX_RESTARTS=3, a training that has lost
a process goes on from its last checkpoint, so many times.
"""
import argparse

from mmvmr.cli.main import Parser, at_least, build_parser
from mmvmr.engine.run.places import find_config


def add_arguments(parser: Parser) -> None:
    parser.add_argument('config', help='config file or name')
    parser.add_argument('processes', type=at_least(1), help='processes on this machine')
    parser.add_argument('arguments', nargs=argparse.REMAINDER, metavar='...', help='of `mmvmr train`')


def run(args: argparse.Namespace) -> None:
    find_config(args.config)
    launch('train', args.processes, [args.config, *args.arguments])


def launch(command: str, processes: int, arguments: list) -> None:
    """Let torchrun start processes that run a command together, and exit as they do.

    Raises:
        ValueError: If there can be no such processes, or the first machine cannot be reached.
    """
    import os
    import socket
    import sys
    import time
    if processes < 1:
        raise ValueError(f'There must be at least one process, got {processes}.')
    build_parser(command).parse_args(arguments)  # a mistyped flag is told once, not by every process
    settings = os.environ
    first = settings.get('MASTER_ADDR', '127.0.0.1')
    try:  # by which the first machine sees this one: names of machines often lead nowhere, or to another network
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # sends nothing
            probe.connect((first, 9))
            address = probe.getsockname()[0]
    except OSError as error:
        raise ValueError(f'MASTER_ADDR={first} cannot be reached from here ({error.strerror}).') from error
    # Processes that are restarted must not find the addresses of those before them: a new store for each attempt.
    settings['TORCH_DISABLE_SHARE_RDZV_TCP_STORE'] = '1'
    settings['LAUNCH_TIME'] = str(int(time.time()))  # a restart goes on from checkpoints that were written since
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    try:
        torchrun.main([
            f'--nnodes={settings.get("NNODES", 1)}', f'--nproc_per_node={processes}',
            f'--max_restarts={settings.get("MAX_RESTARTS", 0)}', '--rdzv_backend=c10d',
            f'--rdzv_endpoint={first}:{settings.get("PORT", 29500)}', f'--rdzv_id={settings.get("RUN_ID", "mmvmr")}',
            f'--local_addr={address}', f'--rdzv_conf=is_host={int(settings.get("NODE_RANK", "0") == "0")}',
            '--module', 'mmvmr', command, *arguments, '--launcher', 'pytorch'])
    except SignalException as stop:  # the processes have said what they have saved
        sys.exit(128 + stop.sigval)
    except ChildFailedError as error:  # and what has gone wrong
        rank, failure = error.get_first_failure()
        print(f'Process {rank} of {processes} ended with exit code {failure.exitcode}; the others were ended.',
              file=sys.stderr)
        sys.exit(1)
