"""Train a model.

    python tools/train.py configs/mcmt_moving_shapes.py
    python tools/train.py configs/cpl_charades.py --amp --cfg-options train_dataloader.batch_size=64
    python tools/train.py configs/cnm_charades.py --resume

On several GPUs or machines: tools/dist_train.sh, tools/slurm_train.sh. Training never opens the test split.
A config is Python and is run: read one from a stranger before you use it.
"""
import argparse
import os
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from mmvmr.cli.launch import (
    check_model,
    end_processes,
    friendly_errors,
    read_config,
    start_processes,
    use_mixed_precision,
)
from mmvmr.engine.checkpoint import find_latest_together
from mmvmr.engine.hooks.interruption import Terminated
from mmvmr.engine.run.work_dir import claim_work_dir


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='where logs and checkpoints go (work_dirs/<config name>)')
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                        help='go on from a checkpoint, by default the newest in the work dir')
    parser.add_argument('--seed', type=int, help='seed of all random numbers (0)')
    parser.add_argument('--amp', action='store_true', help='mixed precision: bfloat16, float16 on GPUs without it')
    parser.add_argument('--auto-scale-lr', action='store_true',
                        help='scale the learning rate by the total batch size over that of the config file')
    parser.add_argument('--no-validate', action='store_true', help='do not validate during training')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='change the config')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def apply_flags(config: Config, args: argparse.Namespace) -> None:
    """Write what the command line asks for into the config."""
    config.launcher = args.launcher
    if args.seed is not None:
        config.randomness = dict(config.get('randomness', {}), seed=args.seed)
    if args.amp:
        use_mixed_precision(config.optim_wrapper)
    if args.auto_scale_lr:
        config.auto_scale_lr.enable = True
    if args.resume not in (None, 'auto'):
        config.load_from, config.resume = args.resume, True
    restarted = int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)) > 0  # torchrun has started anew what had failed
    begin = float(os.environ.get('LAUNCH_TIME', 0)) if restarted else float('inf')
    if not args.resume and any(path.stat().st_mtime < begin for path in Path(config.work_dir).glob('epoch_*.pth')):
        raise FileExistsError(f'"{config.work_dir}" holds the checkpoints of a training. Add --resume to go on with '
                              'it, give another --work-dir, or delete that folder.')
    if restarted:
        args.resume = args.resume or 'auto'
    dropped = ('test', 'val') if args.no_validate else ('test',)  # training does not even know where the test split is
    for name in dropped:
        for part in ('dataloader', 'evaluator', 'cfg'):
            config.pop(f'{name}_{part}', None)


def resume_from_newest(runner: Runner) -> None:
    """Go on from the newest checkpoint in the work dir; without any, begin as the config says."""
    found = find_latest_together(runner.work_dir)
    if found:
        runner._load_from, runner._resume = found, True
    else:
        runner.logger.info(f'There is no checkpoint in "{runner.work_dir}" yet: training starts from '
                           f'{runner._load_from or "scratch"}.')


@friendly_errors
def main() -> None:
    args = parse_args()
    config = read_config(args.config, args.cfg_options, args.work_dir)
    check_model(config)
    apply_flags(config, args)
    start_processes(args.launcher)
    claim_work_dir(config.work_dir)
    runner = Runner.from_cfg(config)
    data = runner.train_dataloader.dataset.metainfo
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU'
    runner.logger.info(f'Training {Path(args.config).stem} on {data.get("num_pairs")} pairs of {data.get("protocol")} '
                       f'with {runner.world_size} x {device}, into {runner.work_dir}')
    if args.resume == 'auto':
        resume_from_newest(runner)
    try:
        runner.train()
    except Terminated as stop:
        end_processes(stop.code)
        raise
    end_processes()


if __name__ == '__main__':
    main()
