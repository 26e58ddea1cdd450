"""Train a model. The test split is not opened.

    mmvmr train mcmt_moving_shapes
    mmvmr train configs/cpl_charades.py --amp --cfg-options train_dataloader.batch_size=64 dim=128
    mmvmr train configs/cnm_charades.py --resume

CONFIG is a file, or the name of a config that comes with mmvmr. A config is Python and is run: read one from a stranger
before you use it. On several GPUs or machines: mmvmr dist-train, tools/slurm_train.sh. Ctrl-C and SIGTERM save before
they end the training.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser, add_config_options, add_launcher, at_least, set_local_rank
from mmvmr.engine.run.places import find_config, no_run
from mmvmr.utils.files import check_writable

_OPTION = 'It is a value of the config: --cfg-options {}'
HINTS = {
    '--device': 'Training takes a GPU if there is one. CUDA_VISIBLE_DEVICES=1 chooses another, CUDA_VISIBLE_DEVICES= '
                'the CPU.',
    '--gpus': 'Several GPUs: mmvmr dist-train CONFIG GPUS.',
    '--epochs': _OPTION.format('train_cfg.max_epochs=N'),
    '--max-epochs': _OPTION.format('train_cfg.max_epochs=N'),
    '--batch-size': _OPTION.format('train_dataloader.batch_size=N'),
    '--lr': _OPTION.format('optim_wrapper.optimizer.lr=X, or optim_wrapper.NAME.optimizer.lr=X if there are several '
                           'optimizers. `mmvmr print-config CONFIG` shows them.'),
    '--load-from': _OPTION.format('load_from=CHECKPOINT'),
    '--data-root': _OPTION.format('dataset.data_root=FOLDER'),
    '--config': 'The config comes first, without a flag: mmvmr train CONFIG.',
}
HINTS['--gpu-ids'] = HINTS['--gpu-id'] = HINTS['--cuda'] = HINTS['--device']


def add_arguments(parser: Parser) -> None:
    parser.hints = HINTS
    parser.add_argument('config', help='config file, or the name of one that comes with mmvmr')
    parser.add_argument('--work-dir', help='where logs and checkpoints go (work_dirs/<config name>)')
    parser.add_argument('--resume', nargs='?', const=True, default=False, metavar='CHECKPOINT',
                        help='go on from a checkpoint, by default the newest in the work dir')
    parser.add_argument('--seed', type=at_least(0), help='seed of all random numbers (0)')
    parser.add_argument('--deterministic', action='store_true',
                        help='let GPUs repeat results bit for bit, at some cost; CPUs do')
    parser.add_argument('--amp', action='store_true', help='mixed precision: bfloat16, float16 on GPUs without it')
    parser.add_argument('--auto-scale-lr', action='store_true',
                        help='scale the learning rate by the total batch size over that of the config file')
    parser.add_argument('--no-validate', action='store_true', help='do not validate during training')
    add_config_options(parser)
    add_launcher(parser)


def check_resumed(path: Path) -> None:
    """Refuse what is no checkpoint to go on from."""
    if path.is_dir():
        there = sorted([*path.glob('epoch_*.pth'), *path.glob('iter_*.pth')], key=lambda file: file.stat().st_mtime)
        raise IsADirectoryError(
            f'--resume takes a checkpoint, and "{path}" is a folder. '
            + (f'Its newest is "{there[-1]}". ' if there else 'It holds none. ')
            + f'To go on in that folder from its newest one: --work-dir {path} --resume.')
    if not path.is_file():
        raise no_run(path, 'checkpoint')


def run(args: argparse.Namespace) -> int:
    path = find_config(args.config)
    if isinstance(args.resume, str):
        check_resumed(Path(args.resume))
    if args.work_dir:
        check_writable(args.work_dir)
    from mmvmr.engine.distributed import end_processes
    from mmvmr.engine.hooks.interruption import Stopped
    from mmvmr.engine.optim.mixed_precision import use_mixed_precision
    from mmvmr.engine.run.config import parse_options, read_config
    from mmvmr.engine.run.training import train, use_seed
    set_local_rank(args)
    options = parse_options(args.cfg_options)
    if args.seed is not None and 'randomness.seed' in options:
        raise ValueError('--seed and randomness.seed both say which seed. Give one of them.')
    config = read_config(path, options, args.work_dir)
    use_seed(config, args.seed, args.deterministic)
    if args.amp and isinstance(config.get('optim_wrapper'), dict):
        use_mixed_precision(config.optim_wrapper)
    if args.auto_scale_lr:
        config.auto_scale_lr.enable = True
    code = 0
    try:
        train(config, args.resume, not args.no_validate, args.launcher)
    except Stopped as stop:
        code = stop.code
    end_processes(code)
    return code
