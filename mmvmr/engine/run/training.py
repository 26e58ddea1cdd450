"""A training, from its config to its last checkpoint."""
import os
from pathlib import Path
from typing import Iterator, List, Optional, Union

import torch
from mmengine.dist import is_main_process
from mmengine.runner import EpochBasedTrainLoop

from mmvmr.engine.checkpoint import age, find_latest_together
from mmvmr.engine.distributed import start_processes, unwrap
from mmvmr.engine.hooks.interruption import handlers_put_back
from mmvmr.engine.run.check_config import check_config, check_trains
from mmvmr.engine.run.config import MomentConfig, differences
from mmvmr.engine.run.config_file import read_literals
from mmvmr.engine.run.runner import MomentRunner
from mmvmr.engine.run.sizes import fill_sizes, innermost
from mmvmr.engine.run.work_dir import claim_work_dir
from mmvmr.registry import DATASETS
from mmvmr.utils.processes import end_like_ctrl_c


def train(config: MomentConfig, resume: Union[bool, str] = False, validate: bool = True,
          launcher: str = 'none') -> MomentRunner:
    """Train a model in the work dir of its config. The test split is not opened.

    Args:
        config: Of :func:`~mmvmr.engine.run.config.read_config`.
        resume: Go on from the newest checkpoint in the work dir, or from the one of that path.
        validate: Also validate, as the config says.
        launcher: Who has started this process: 'none', 'pytorch', 'slurm' or 'mpi'.

    Raises:
        FileExistsError: If the work dir has another training, and it is not to be resumed.
        FileNotFoundError, KeyError, ValueError: If the config, the data or a checkpoint are not what they should be.
    """
    check_config(config)
    check_trains(config)
    resume = _refuse_used_work_dir(Path(config.work_dir), resume)
    start_processes(launcher, config.get('env_cfg', {}))
    claim_work_dir(config.work_dir)
    if launcher == 'none':
        with handlers_put_back():
            end_like_ctrl_c()  # a training that is told to end saves first; there is nothing to save yet
            _prepare_data(config)
    fill_sizes(config)
    changes = _changes_of_config(config)
    runner = MomentRunner.from_cfg(config, without=('test',) if validate else ('val', 'test'), launcher=launcher)
    if changes:
        runner.logger.warning('\n  '.join(['The config of this run was another one so far:', *changes]))
    if isinstance(resume, str):
        runner._load_from, runner._resume = resume, True
    elif resume:
        _resume_from_newest(runner)
    for line in describe(runner):
        runner.logger.info(line)
    with handlers_put_back():
        runner.train()
    return runner


def _refuse_used_work_dir(work_dir: Path, resume: Union[bool, str]) -> Union[bool, str]:
    """Whether, and from where, to resume; a training that torchrun has started anew goes on by itself."""
    restarted = int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)) > 0
    begin = float(os.environ.get('LAUNCH_TIME', 0)) if restarted else float('inf')
    found = _checkpoints(work_dir)
    if not resume and any(path.stat().st_mtime < begin for path in found):
        raise FileExistsError(f'"{work_dir}" holds the checkpoints of a training. Add --resume to go on with it, give '
                              'another --work-dir, or delete that folder.')
    if isinstance(resume, str) and not any(path.stat().st_mtime >= begin for path in found):
        _refuse_another_branch(work_dir, Path(resume))
        return resume
    return bool(resume) or restarted


def _refuse_another_branch(work_dir: Path, resumed: Path) -> None:
    """A work dir has one history: later checkpoints would be tested, averaged and resumed with those to come."""
    beside = resumed.resolve().parent == work_dir.resolve()
    others = [path.name for path in work_dir.glob('*.pth') if age(path) and (not beside or age(path) > age(resumed))]
    if others:
        raise FileExistsError(f'"{work_dir}" holds {", ".join(sorted(others))} of a training that '
                              + (f'went on from {resumed.name}' if beside else f'is not that of "{resumed}"')
                              + '. Give another --work-dir, or delete them.')


def _checkpoints(work_dir: Path) -> List[Path]:
    return [*work_dir.glob('epoch_*.pth'), *work_dir.glob('iter_*.pth')]


def _prepare_data(config: MomentConfig) -> None:
    """Let a data set that makes its own files make them."""
    dataset = innermost(config.train_dataloader['dataset'])
    prepare = getattr(DATASETS.get(dataset['type']), 'prepare', None)
    if prepare is not None:
        prepare(**dataset)


def _changes_of_config(config: MomentConfig) -> List[str]:
    """In what the config of a run that is resumed differs from what it was so far.

    Raises:
        FileExistsError: If the folder has another config, or is that of the config itself and none of a run.
    """
    file = Path(config.work_dir, Path(config.filename).name)
    trained = _checkpoints(file.parent) or file.with_name('inputs.json').is_file()
    if file.is_file() and file.samefile(config.filename) and not trained:
        raise FileExistsError(f'A training keeps its config in its work dir, and "{config.work_dir}" is where '
                              f'{file.name} itself lies, which would be written over. Give another --work-dir.')
    others = [path for path in Path(config.work_dir).glob('*.py') if path.name != Path(config.filename).name]
    if others:
        raise FileExistsError(f'"{config.work_dir}" holds {others[0].name}, and a work dir holds the config of its own '
                              'run alone. Give another --work-dir.')
    if not file.is_file() or not is_main_process():
        return []
    try:
        found = differences(read_literals(file), config.entries_of_run())
    except ValueError as error:
        found = [f'it cannot be read. {error}']
    return found[:10] + [f'... and {len(found) - 10} more'] * (len(found) > 10)


def _resume_from_newest(runner: MomentRunner) -> None:
    """Go on from the newest checkpoint in the work dir; without any, begin as the config says.

    Raises:
        ValueError: If there are some, and all are damaged.
    """
    found = find_latest_together(runner.work_dir)
    if found:
        runner._load_from, runner._resume = found, True
    elif damaged := [path.name for path in _checkpoints(Path(runner.work_dir))]:
        raise ValueError(f'None of the checkpoints in "{runner.work_dir}" is whole: {", ".join(sorted(damaged))}. Copy '
                         'them again, or delete them and leave --resume out to train from the beginning.')
    else:
        runner.logger.info(f'There is no checkpoint in "{runner.work_dir}" yet: training starts from '
                           f'{runner._load_from or "scratch"}.')


def describe(runner: MomentRunner) -> Iterator[str]:
    """What is trained, on what, and where to: a few lines before a training."""
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    data, config, model = runner.train_dataloader.dataset.metainfo, runner.cfg, unwrap(runner.model)
    yield f'Training {Path(config.filename).stem} into {_shown(runner.work_dir)}'
    val_set = config.val_dataloader.dataset if runner._val_loop is not None else {}
    yield (f'  data      {data.get("num_pairs", len(runner.train_dataloader.dataset)):,} pairs of '
           f'{data.get("protocol", "data of your own")}; '
           + (f'validation on {val_set.get("ann_file", "another set")}' if val_set else 'no validation'))
    count = sum(parameter.numel() for parameter in model.parameters())
    parts = {name: sum(parameter.numel() for parameter in part.parameters()) for name, part in model.named_children()}
    shared = '; what parts share is in each' if sum(parts.values()) > count else ''
    listed = ', '.join(f'{name} {number:,}' for name, number in parts.items() if number)
    yield f'  model     {count:,} parameters ({listed}{shared})'
    yield f'  schedule  {_schedule(runner)}'
    yield f'  machine   {runner.world_size} x {_device()}, {_memory()}'
    yield f'  log       {_shown(runner.log_dir)}, with the whole config and the environment'


def _shown(path: str) -> str:
    """A path as one would type it here."""
    relative = os.path.relpath(path)
    return path if relative.startswith('..') else relative


def _schedule(runner: MomentRunner) -> str:
    loop, batch = runner.train_loop, runner.cfg.train_dataloader.get('batch_size', 1)
    length = (f'{runner.max_epochs} epochs of {len(runner.train_dataloader)} iterations'
              if isinstance(loop, EpochBasedTrainLoop) else f'{runner.max_iters} iterations')
    hooks = runner.cfg.get('default_hooks') or {}
    checkpoint, last = hooks.get('checkpoint') or {}, (hooks.get('mean') or {}).get('last', 1)
    save_best = runner._val_loop is not None and checkpoint.get('save_best')
    kept = checkpoint.get('interval') == 1 and not 0 < checkpoint.get('max_keep_ckpts', -1) < last
    if save_best:
        chosen = f'the best checkpoint is chosen by {save_best}'
    elif isinstance(loop, EpochBasedTrainLoop) and 1 < last <= runner.max_epochs and kept:
        chosen = f'the mean of the last {last} epochs counts'
    else:
        chosen = 'the last checkpoint counts'
    return f'{length}, {batch * runner.world_size} pairs each; {chosen}'


def _device() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f'CPU ({torch.get_num_threads()} threads)'


def _memory() -> str:
    """What is in use of the memory, and what there is."""
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        return f'{(total - free) / 2**30:.1f} of {total / 2**30:.1f} GiB of its memory in use'
    page = os.sysconf('SC_PAGE_SIZE')
    try:
        used = int(Path('/proc/self/statm').read_text().split()[1]) * page / 2**30
    except OSError:  # not on Linux
        return f'{os.sysconf("SC_PHYS_PAGES") * page / 2**30:.1f} GiB of memory'
    return f'{used:.1f} of {os.sysconf("SC_PHYS_PAGES") * page / 2**30:.1f} GiB of memory in use'


def use_seed(config: MomentConfig, seed: Optional[int] = None, deterministic: bool = False) -> None:
    """Write the seed of all random numbers, and the wish for algorithms that repeat bit for bit, into a config."""
    randomness = {'seed': None, **(config.get('randomness') or {})}
    if seed is not None:
        randomness['seed'] = seed
    if deterministic:
        randomness['deterministic'] = True
    config.randomness = randomness
