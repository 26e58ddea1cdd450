"""Whole training runs on the tiny data set, for the tests of training, testing and resuming."""
import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Dict, List, Optional

import torch
from parts import METHODS
from tiny import TinyDataset

from mmvmr.cli.main import build_parser, module_of
from mmvmr.engine.checkpoint import load_checkpoint
from mmvmr.engine.run.check_config import check_config
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.runner import MomentRunner

REPO = Path(__file__).parents[1]
BASES = [str(REPO / 'configs' / '_base_' / name) for name in ('default_runtime.py', 'schedules/inverse_sqrt.py')]
ADAM = dict(optimizer=dict(type='Adam', lr=1e-3))
ALTERNATING = dict(
    constructor='AlternatingConstructor', reconstruction=ADAM,
    ranking=dict(modules=['proposal_generator.head'], **ADAM))


def write_config(path: Path, data: TinyDataset, method: str = 'mcmt', **changes) -> str:
    """Write a config file that trains a small model for two epochs of four iterations, with dropout.

    Args:
        changes: Entries of the config to add or replace.
    """
    model = METHODS[method]
    reconstructors = {task: dict(part, vocab_size=data.vocab_size)
                      for task, part in model.get('reconstructors', {}).items()}
    loader = dict(batch_size=4, num_workers=0)
    in_turn = dict(loader, sampler=dict(type='DefaultSampler', shuffle=False), batch_sampler=dict(type='BatchesInTurn'))
    entries = dict(
        model=dict(model, encoder=dict(model['encoder'], word_dim=300), reconstructors=reconstructors),
        optim_wrapper=dict(type='OptimWrapper', **ADAM),
        param_scheduler=[dict(type='InverseSquareRootLR', warmup=4)],
        train_cfg=dict(max_epochs=2),
        train_dataloader=dict(loader, sampler=dict(type='DefaultSampler', shuffle=True), dataset=data.train),
        val_dataloader=dict(in_turn, dataset=data.val),
        test_dataloader=dict(in_turn, dataset=data.test),
        val_evaluator=[dict(type='ReconstructionMargin'), dict(type='MomentRecall')],
        test_evaluator=dict(type='MomentRecall', report=True))
    entries.update(changes)
    path.write_text('\n'.join([f'_base_ = {BASES!r}', *(f'{name} = {value!r}' for name, value in entries.items())]))
    return str(path)


def make_runner(config_file: str, work_dir: Path, options: Optional[Dict] = None,
                resume: Optional[str] = None) -> MomentRunner:
    """A runner in this process, as ``tools/train.py`` makes it; ``resume`` is a checkpoint."""
    config = read_config(config_file, options, str(work_dir))
    check_config(config)
    resumed = dict(load_from=resume, resume=True) if resume else {}
    # MMEngine shares logs between runs of one name
    return MomentRunner.from_cfg(config, without=('test',), experiment_name=uuid.uuid4().hex, **resumed)


def weights(checkpoint: str) -> Dict[str, torch.Tensor]:
    """The weights in a checkpoint."""
    return load_checkpoint(checkpoint)['state_dict']


def same(one: Dict[str, torch.Tensor], other: Dict[str, torch.Tensor]) -> bool:
    """Whether two sets of weights are equal bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def start_tool(command: List, **environment: str) -> subprocess.Popen:
    """Start a command in the repository; one that ends with ``.py`` is run by this Python. Output is one text."""
    python = [sys.executable] if str(command[0]).endswith('.py') else []
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    return subprocess.Popen(
        [*python, *map(str, command)], cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, 'PATH': path, 'PYTHONPATH': str(REPO), 'OMP_NUM_THREADS': '1', **environment})


def run_tool(command: List, expected_code: int = 0, **environment: str) -> str:
    """Run a command as :func:`start_tool` does, check how it ends, and return what it prints."""
    process = start_tool(command, **environment)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == expected_code, output
    return output


def free_port() -> str:
    """A port on which nobody listens."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return str(free.getsockname()[1])


def run_command(name: str, *arguments) -> int:
    """Run a command in this process, and return its exit code; its errors are raised as they are."""
    return module_of(name).run(build_parser(name).parse_args(list(map(str, arguments)))) or 0
