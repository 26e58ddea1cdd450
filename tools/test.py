"""Test a model on the test split; the only tool that opens it.

    python tools/test.py configs/mcmt_moving_shapes.py work_dirs/mcmt_moving_shapes
    python tools/test.py configs/cpl_charades.py work_dirs/cpl_charades/epoch_30.pth --probe shuffle-query

Prints the score card with the blind panel and writes per-query predictions into the work dir.
A config is Python and is run: read one from a stranger before you use it.
"""
import argparse
import os
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from mmvmr.cli.launch import check_model, end_processes, friendly_errors, read_config, start_processes
from mmvmr.engine.checkpoint import find_weights, load_weights
from mmvmr.evaluation.probes import PROBES, apply_probe


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint, or the folder of a run: its best checkpoint, else its newest')
    parser.add_argument('--work-dir', help='where the log and the predictions go (work_dirs/<config name>)')
    parser.add_argument('--out', help='file of the per-query predictions (predictions.jsonl in the work dir)')
    parser.add_argument('--probe', choices=PROBES, help='take away what the model should need; it must fall to blind')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='change the config')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def keep_test_parts(config: Config, out_file: str) -> None:
    """Take out of a config what belongs to training, and tell the metric where to write the predictions."""
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'auto_scale_lr', 'custom_hooks',
                'val_dataloader', 'val_cfg', 'val_evaluator', 'load_from', 'resume'):
        config.pop(key, None)
    hooks = config.get('default_hooks', {})
    config.default_hooks = dict({name: hooks[name] for name in ('timer', 'logger', 'visualization')
                                 if name in hooks},
                                checkpoint=None, param_scheduler=None)
    evaluators = config.test_evaluator if isinstance(config.test_evaluator, list) else [config.test_evaluator]
    for evaluator in evaluators:
        if evaluator.type == 'MomentRecall':
            evaluator.setdefault('out_file', out_file)


@friendly_errors
def main() -> None:
    args = parse_args()
    config = read_config(args.config, args.cfg_options, args.work_dir)
    check_model(config)
    config.launcher = args.launcher
    name = 'predictions.jsonl' if args.probe is None else f'predictions_{args.probe}.jsonl'
    keep_test_parts(config, args.out or str(Path(config.work_dir, name)))
    weights = find_weights(args.checkpoint)
    start_processes(args.launcher)
    runner = Runner.from_cfg(config)
    load_weights(runner.model, weights)
    runner.logger.info(f'Weights: {weights}' + (f'; probe: {args.probe}' if args.probe else ''))
    if args.probe:
        dataset = runner.test_dataloader.dataset
        apply_probe(dataset, args.probe)
        runner.test_evaluator.dataset_meta = dataset.metainfo
    runner.test()
    end_processes()


if __name__ == '__main__':
    main()
