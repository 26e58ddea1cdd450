"""Measure the loader, the training step and the evaluation of a config on its real sizes, with generated data.

    mmvmr benchmark cnm_charades
    mmvmr benchmark cpl_charades --amp --steps 10
    mmvmr benchmark cpl_charades --processes 1 2 4 --parts loader training
    mmvmr benchmark cpl_charades --cfg-options compile=True train_dataloader.dataset.resident=True
    mmvmr benchmark cpl_charades --start --videos 500000 --processes 1 2 4
    mmvmr benchmark cpl_charades --against FOLDER_OF_CPL
    mmvmr benchmark cnm_charades cpl_charades mscl_charades --table gpu.md --videos 1000

No data set is needed: features, annotations and words are drawn at random, in the sizes that the config gives. Each
part runs in processes of its own, so that its peak memory is its own. Figures are medians over the steps. Several
processes train as mmvmr dist-train does, each with the batch size of the config, on a GPU or on CPU threads of its own;
"efficiency" is samples/s per process against the first number of processes that is given.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser, add_config_options, at_least
from mmvmr.engine.run.places import find_config
from mmvmr.utils.files import check_writable

_DEFAULTS = dict(steps=5, dtype='float32', shards=1, amp=False, parts=['loader', 'training', 'evaluation'],
                 processes=[1], minutes=9)
_READ = {'parts': ['steps', 'dtype', 'shards', 'amp', 'parts', 'processes'],
         'start': ['dtype', 'shards', 'processes'],
         'against': ['steps', 'dtype', 'shards', 'parts'],
         'table': ['steps', 'minutes']}  # by what is measured


def add_arguments(parser: Parser) -> None:
    parser.add_argument('config', nargs='+', help='config file or name; or the folder of a run. Several with --table')
    parser.add_argument('--videos', type=at_least(1), default=6670,
                        help='videos in the generated store, with two queries each (Charades-STA: 6,670)')
    parser.add_argument('--steps', type=at_least(1),
                        help='steps to time, after 2 to warm up; the loaders make 20 times as many')
    parser.add_argument('--dtype', choices=['float32', 'float16'], help='of the packed store')
    parser.add_argument('--shards', type=at_least(1), help='of the packed store')
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    parser.add_argument('--parts', nargs='+', choices=['loader', 'cold', 'training', 'evaluation'],
                        help='"cold" is the loader with the store taken out of the page cache before each batch')
    parser.add_argument('--processes', nargs='+', type=at_least(1), metavar='N',
                        help='measure each part with so many processes on this machine')
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument('--start', action='store_true',
                       help='measure the first and later starts of so many processes on the data set, nothing else')
    kinds.add_argument('--against', type=Path, metavar='FOLDER',
                       help="run the authors' code of CPL or CNM that lies there as well, in turn with ours, and give "
                            'the ratios; it is run as it is, so get it from its authors')
    kinds.add_argument('--table', type=Path, metavar='FILE',
                       help='measure all configs in float32, TF32, bfloat16, with the features on the device and '
                            'compiled, and a whole training of the first; written to FILE (.md or .csv) row by row')
    parser.add_argument('--minutes', type=at_least(1), help='for --table')
    parser.add_argument('--folder', help='where the generated data go; kept there. A temporary folder by default')
    add_config_options(parser)
    parser.set_defaults(**_DEFAULTS)


def run(args: argparse.Namespace) -> None:
    kind = next((kind for kind in ('start', 'against', 'table') if getattr(args, kind)), 'parts')
    unread = [f'--{name}' for name in _DEFAULTS if name not in _READ[kind] and getattr(args, name) != _DEFAULTS[name]]
    if unread:
        raise ValueError(f"{', '.join(unread)} would change nothing {f'with --{kind}' if kind != 'parts' else 'here'}, "
                         f"which reads {', '.join(f'--{name}' for name in _READ[kind])}: leave it out.")
    paths = [find_config(config) for config in args.config]
    if len(paths) > 1 and not args.table:
        raise ValueError(f'{len(paths)} configs are measured together with --table FILE alone: give one, or add it.')
    if args.folder:
        check_writable(args.folder)
    import os
    import tempfile

    import torch

    from mmvmr.engine.optim.mixed_precision import use_mixed_precision
    from mmvmr.engine.run.check_config import check_config, check_trains
    from mmvmr.engine.run.config import parse_options, read_config
    from mmvmr.reproduction.against import compare, find_method
    from mmvmr.reproduction.benchmark import benchmark, fill_benchmark_sizes
    from mmvmr.reproduction.device_table import device_table
    from mmvmr.reproduction.start_benchmark import benchmark_start
    if args.against:
        find_method(args.against)
        if 'cold' in args.parts:
            raise ValueError('--against measures loader, training and evaluation: leave out "cold".')
    configs = [read_config(path, parse_options(args.cfg_options)) for path in paths]
    for config in configs:
        check_config(config)
        check_trains(config)
    config = configs[0]
    if args.amp:
        use_mixed_precision(config.optim_wrapper)
    if torch.cuda.is_available() and max(args.processes) > torch.cuda.device_count():
        raise ValueError(f'--processes {max(args.processes)} needs as many GPUs, here are {torch.cuda.device_count()}.')
    if max(args.processes) > 1:
        os.environ.setdefault('OMP_NUM_THREADS', '1')  # as torchrun does
    with tempfile.TemporaryDirectory() as temporary:
        folder, data = Path(args.folder or temporary), (args.videos, args.dtype, args.shards)
        if args.table:
            check_writable(args.table.parent)
            for each in configs:
                fill_benchmark_sizes(each)
            device_table(configs, args.table, folder, args.steps, args.videos, args.minutes)
            print(f'Written: {args.table}')
        elif args.against:
            print(f'The code in {args.against} is run on this machine, as it is.', flush=True)
            print(compare(config, args.against, args.parts, args.steps, folder, *data))
        elif args.start:
            print(benchmark_start(config, args.processes, folder, *data))
        else:
            print(benchmark(config, args.parts, args.processes, args.steps, folder, *data))
