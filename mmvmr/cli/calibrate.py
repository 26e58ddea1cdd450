"""Let a run say how sure it is that a video holds what a sentence describes.

    mmvmr calibrate work_dirs/mmvmr_best_moving_shapes

looks for sentences of the validation pairs in their own videos and in those of others; no timestamp is used. It prints
how often the confidence is wrong on videos that it was not fitted on, and writes `confidence.npz` into the folder of
the run. From then on `mmvmr infer` shows the confidence and takes --min-confidence.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser, add_config_options, at_least
from mmvmr.engine.run.places import find_run, find_run_config


def add_arguments(parser: Parser) -> None:
    parser.add_argument('run', type=Path, help='folder of a run')
    parser.add_argument('--queries', type=at_least(2), default=200, metavar='N', help='sentences, at most (200)')
    parser.add_argument('--references', type=at_least(2), default=16, metavar='N', help='videos in which each sentence '
                        'is looked for to compare with, in `mmvmr infer`, too: each costs a pass of the model (16)')
    parser.add_argument('--device', help='e.g. cpu or cuda:0; by default a GPU if there is one')
    parser.add_argument('--force', action='store_true', help='replace the confidence that is there')
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    from terminaltables import AsciiTable

    from mmvmr.apis import MomentRetrievalInferencer
    from mmvmr.apis.calibration import calibrate
    from mmvmr.apis.confidence import FILE
    from mmvmr.engine.checkpoint import find_weights
    from mmvmr.engine.run.config import parse_options, read_config
    from mmvmr.registry import DATASETS
    from mmvmr.utils.files import sha256_of_files
    run, checkpoint = find_run(
        args.run, ' Without training there are no validation pairs to compare with, and so no confidence.')
    if checkpoint is not None:
        raise ValueError(f'"{checkpoint}" is a checkpoint. A run has one confidence, of the weights that are tested '
                         f'by default: mmvmr calibrate {run}')
    if (args.run / FILE).exists() and not args.force:
        raise FileExistsError(f'"{args.run / FILE}" exists. Replace it with --force.')
    weights = find_weights(args.run)
    config = read_config(find_run_config(args.run), parse_options(args.cfg_options))
    if config.get('val_dataloader') is None:
        raise ValueError(f'"{config.filename}" has no val_dataloader, whose pairs are needed.')
    inferencer = MomentRetrievalInferencer(args.run, weights, args.device)
    found = calibrate(inferencer, DATASETS.build(config.val_dataloader.dataset), args.queries, args.references,
                      sha256_of_files(weights))
    found.confidence.save(args.run)
    rows = [[f'{level:g}', f'{100 * lost:.1f}', f'{100 * false:.1f}'] for level, (lost, false) in found.errors.items()]
    print(f'\n{found.pairs} sentences, each in its own video and in one of others; fitted on other videos\n')
    print(AsciiTable([['min confidence', 'own video refused, %', 'video of others accepted, %'], *rows]).table)
    print(f'Written: {args.run / FILE}')
