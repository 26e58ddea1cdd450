"""Parameters and operations of a config, for one pair of a video and a sentence.

    mmvmr flops cpl_charades
    mmvmr flops cpl_charades --words 10 --cfg-options dim=128

"answer" ranks the moments, "loss" is a training step without its backward pass. A multiplication and an addition are
two operations. Sizes that the config leaves to the data are those of Charades-STA.
"""
import argparse

from mmvmr.cli.main import Parser, add_config_options, at_least
from mmvmr.engine.run.places import find_config


def add_arguments(parser: Parser) -> None:
    parser.add_argument('config', help='config file or name; or the folder of a run')
    parser.add_argument('--words', type=at_least(1), default=8, help='words of the sentence (8)')
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    path = find_config(args.config)
    from pathlib import Path

    from terminaltables import AsciiTable

    from mmvmr.engine.run.check_config import check_config
    from mmvmr.engine.run.config import parse_options, read_config
    from mmvmr.reproduction.complexity import complexity
    config = read_config(path, parse_options(args.cfg_options))
    check_config(config)
    rows = [[part, *(f'{value:,.3f}' for value in row)] for part, row in complexity(config, args.words).iterrows()]
    print(AsciiTable([['part', 'parameters (M)', 'answer (MFLOP)', 'loss (MFLOP)'], *rows],
                     f' {Path(config.filename).stem}, one pair, {args.words} words ').table)
