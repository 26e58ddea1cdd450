"""Test a model on the test split, which no training and no choice of a checkpoint opens.

    mmvmr test work_dirs/mcmt_moving_shapes
    mmvmr test configs/cpl_charades.py work_dirs/cpl_charades/epoch_30.pth --probe shuffle-query
    mmvmr test zero_shot_otsu_qvhighlights  # nothing to train

Prints the score card with the blind panel. Log, config and per-query predictions go into RUN/test, each kind of test
beside the others; the run stays as it was. A config is Python and is run: read one from a stranger before you use it.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import CHOSEN, Parser, add_config_options, add_launcher, set_local_rank
from mmvmr.engine.run.places import find_config, find_model, no_run
from mmvmr.utils.files import check_output, check_writable

PROBES = ('shuffle-query', 'shuffle-video', 'shift', 'missing-clips', 'half-rate')


def add_arguments(parser: Parser) -> None:
    parser.hints = {'--device': 'Testing takes a GPU if there is one. CUDA_VISIBLE_DEVICES= chooses the CPU.'}
    parser.add_argument('config', help='config file or name; or a run, or a checkpoint in it: then its config is taken')
    parser.add_argument('checkpoint', nargs='?', help=f'a file; or a run: {CHOSEN}; a model without weights '
                                                      'needs none')
    parser.add_argument('--work-dir', help='where log, config and predictions go (RUN/test/<what was tested>)')
    parser.add_argument('--out', help='file of the per-query predictions (predictions.jsonl in the work dir)')
    parser.add_argument('--probe', choices=PROBES,
                        help='take away what the model should need, and it must fall to blind; or put noise before the '
                             'video, lose a quarter of its clips, or every second one, and it should not')
    add_config_options(parser)
    add_launcher(parser)


def run(args: argparse.Namespace) -> None:
    config, checkpoint = args.config, args.checkpoint
    if checkpoint is None and (Path(config).is_dir() or Path(config).suffix == '.pth'):
        config, checkpoint = find_model(config)
    config = find_config(config)
    if checkpoint is not None and not Path(checkpoint).exists():
        raise no_run(Path(checkpoint), 'run or checkpoint')
    if args.work_dir:
        check_writable(args.work_dir)
    if args.out:
        check_output(args.out, overwrite=True)
    from mmvmr.engine.distributed import end_processes
    from mmvmr.engine.run.config import parse_options, read_config
    from mmvmr.engine.run.testing import run_test
    set_local_rank(args)
    options = parse_options(args.cfg_options)
    run_test(read_config(config, options), checkpoint, args.work_dir, args.out, args.probe, options, args.launcher)
    end_processes()
