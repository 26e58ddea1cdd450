"""List the configs that come with mmvmr. Each is a name for `mmvmr train`, and a file to inherit from.

    mmvmr configs
    mmvmr configs charades
    mmvmr configs --path mcmt_charades
"""
import argparse
import ast

from mmvmr.cli.main import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument('words', nargs='*', metavar='word', help='show those alone whose names have these words')
    parser.add_argument('--path', action='store_true', help='print the paths of the files alone')


def run(args: argparse.Namespace) -> None:
    from mmvmr.engine.run.config_file import SHIPPED
    from mmvmr.engine.run.places import shipped_configs
    paths = [path for path in sorted(shipped_configs().glob('*.py')) if all(word in path.stem for word in args.words)]
    if not paths:
        raise ValueError(f'No config has {" and ".join(args.words)} in its name. `mmvmr configs` lists all.')
    for path in paths:
        about = (ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or '').split('\n')[0]
        print(path if args.path else f'{path.stem:<26} {about}')
    if not args.path:
        print(f"\nChange values with --cfg-options KEY=VALUE, or in a file that begins with _base_ = '{SHIPPED}"
              f"{paths[0].stem}'.")
