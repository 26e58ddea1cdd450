"""Show a config as it runs: with what it inherits and all changes.

    mmvmr print-config cpl_charades
    mmvmr print-config cpl_charades --cfg-options dim=128 > my_config.py

Before it stand, as comments, the variables that the files compute with; they can be changed as everything else.
"""
import argparse

from mmvmr.cli.main import Parser, add_config_options
from mmvmr.engine.run.places import find_config


def add_arguments(parser: Parser) -> None:
    parser.add_argument('config', help='config file or name; or the folder of a run')
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    path = find_config(args.config)
    from mmvmr.engine.run.check_config import check_config
    from mmvmr.engine.run.config import MomentConfig, parse_options, read_config, read_helpers
    options = parse_options(args.cfg_options)
    config = read_config(path, options)
    check_config(config)
    for name, value in read_helpers(path, options).items():
        print(f'# {name} = {value!r}')
    print(MomentConfig(config.entries_of_run()).pretty_text, end='')
