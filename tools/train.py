"""Train a model.

    python tools/train.py configs/mcmt_moving_shapes.py
    python tools/train.py configs/cpl_charades.py --amp --cfg-options train_dataloader.batch_size=64
    python tools/train.py configs/cnm_charades.py --resume
"""
import argparse
import os

from mmengine.config import DictAction
from mmengine.runner import Runner

from mmvmr.engine.checkpoint import find_latest
from mmvmr.engine.launch import friendly_errors, read_config, start_processes, use_mixed_precision


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='where logs and checkpoints go (work_dirs/<config name>)')
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                        help='go on from a checkpoint, by default the newest in the work dir')
    parser.add_argument('--amp', action='store_true', help='mixed precision: bfloat16, float16 on GPUs without it')
    parser.add_argument('--auto-scale-lr', action='store_true', help='scale the learning rate by the total batch size')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='change the config')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


@friendly_errors
def main() -> None:
    args = parse_args()
    config = read_config(args.config, args.cfg_options, args.work_dir)
    config.launcher = args.launcher
    if args.amp:
        use_mixed_precision(config.optim_wrapper)
    if args.auto_scale_lr:
        if 'base_batch_size' not in config.get('auto_scale_lr', {}):
            raise ValueError('--auto-scale-lr needs `auto_scale_lr = dict(base_batch_size=...)` in the config.')
        config.auto_scale_lr.enable = True
    if args.resume == 'auto':
        config.load_from = find_latest(config.work_dir)
        config.resume = config.load_from is not None
        if not config.resume:
            print(f'There is no checkpoint in "{config.work_dir}" yet: training starts from scratch.')
    elif args.resume:
        config.load_from, config.resume = args.resume, True
    config.pop('test_dataloader', None)  # training does not even know where the test split is
    config.pop('test_evaluator', None)
    config.pop('test_cfg', None)
    start_processes(args.launcher)
    Runner.from_cfg(config).train()


if __name__ == '__main__':
    main()
