"""Test a model on the test split; the only tool that opens it.

    python tools/test.py configs/mcmt_moving_shapes.py work_dirs/mcmt_moving_shapes
    python tools/test.py configs/cpl_charades.py work_dirs/cpl_charades/epoch_30.pth --probe shuffle-query

Prints the score card with the blind panel and writes per-query predictions into the work dir.
"""
import argparse
import os
from pathlib import Path

from mmengine.config import DictAction
from mmengine.runner import Runner

from mmvmr.engine.checkpoint import find_weights, load_weights
from mmvmr.engine.launch import friendly_errors, read_config, start_processes
from mmvmr.evaluation.probes import PROBES, apply_probe


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint, or the folder of a run: its best checkpoint, else its newest')
    parser.add_argument('--work-dir', help='where the log and predictions.jsonl go (work_dirs/<config name>)')
    parser.add_argument('--probe', choices=PROBES, help='take away what the model should need; it must fall to blind')
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
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'val_dataloader', 'val_cfg',
                'val_evaluator', 'custom_hooks'):
        config.pop(key, None)
    weights = find_weights(args.checkpoint)
    name = 'predictions.jsonl' if args.probe is None else f'predictions_{args.probe}.jsonl'
    evaluators = config.test_evaluator if isinstance(config.test_evaluator, list) else [config.test_evaluator]
    for evaluator in evaluators:
        if evaluator.type == 'MomentRecall':
            evaluator.setdefault('out_file', str(Path(config.work_dir) / name))
    start_processes(args.launcher)
    runner = Runner.from_cfg(config)
    load_weights(runner.model, weights)
    runner.logger.info(f'Weights: {weights}' + (f'; probe: {args.probe}' if args.probe else ''))
    if args.probe:
        apply_probe(runner.test_dataloader.dataset, args.probe)
    runner.test()


if __name__ == '__main__':
    main()
