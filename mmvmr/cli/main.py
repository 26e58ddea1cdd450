"""From the words of a command line to the command that they mean."""
import argparse
import difflib
import importlib
import io
import logging
import math
import os
import re
import sys
from types import ModuleType
from typing import Callable, Dict, List, NoReturn, Optional, Sequence, Tuple, Union

from mmvmr.cli.errors import friendly_errors
from mmvmr.utils.processes import end_like_ctrl_c
from mmvmr.version import __version__

COMMANDS: Dict[str, Dict[str, str]] = {  # by purpose: name -> what it does
    'models': {
        'demo': 'see an answer at once, without training, data or network',
        'train': 'train a model',
        'test': 'test a model on the test split: score card, predictions',
        'infer': 'find the moments of videos that sentences describe',
        'serve': 'let others use a model: a page in a browser, and HTTP for programs',
        'calibrate': 'let a run say how sure it is that a video holds what is described',
        'search': 'index many videos once, then search them',
        'configs': 'list the configs that come with mmvmr',
        'print-config': 'show a config as it runs, with all changes',
        'doctor': 'what is installed, and what is missing for what',
    },
    'data': {
        'extract': 'extract features of video files',
        'captions': 'make features of captions of clips',
        'pack': 'pack features into one fast store',
        'vocabulary': 'write the words of a data set and their vectors',
        'new': 'start a data set of your own from a folder of videos',
        'convert': 'turn annotations of any known form into JSON lines',
        'verify': 'list what is wrong with annotations and features',
        'browse-dataset': 'draw samples of a data set, as a model sees them',
        'moving-shapes': 'render Moving Shapes, a benchmark without downloads',
        'plant': 'make up features for real annotations, where there are none',
        'toy-clip': 'make a tiny CLIP that knows Moving Shapes',
    },
    'results': {
        'score': 'score predictions again, with intervals and tests',
        'browse': 'make a page that shows what a model did',
        'timelines': 'draw timelines of some queries',
        'plot-results': 'draw figures of results',
        'plot-training': 'draw training curves',
        'reproduce': 'train and test methods with several seeds, and compare them',
        'regret': 'how far the epoch that a rule chooses lies behind the best',
    },
    'more': {
        'dist-train': 'train with several processes, one per GPU',
        'dist-test': 'test with several processes, one per GPU',
        'benchmark': 'measure loading, training and testing of a config',
        'flops': 'parameters and operations of a config',
        'export': 'write a trained model as a program that runs without mmvmr',
        'publish': 'write the weights of a checkpoint alone, with their hash',
        'convert-official': "convert a checkpoint of the authors' code of CNM or CPL",
    },
}


class Parser(argparse.ArgumentParser):
    """Argparse's, which takes options between arguments of any number, and suggests what may have been meant.

    Attributes:
        hints: What to do instead, by flags that other programs have.
    """
    hints: Dict[str, str] = {}
    _mixing = False

    def parse_known_args(self, args: Optional[Sequence[str]] = None, namespace: Optional[argparse.Namespace] = None,
                         ) -> Tuple[argparse.Namespace, List[str]]:
        """As argparse; what is left over is an error of this parser, and so of the subcommand that it stands behind."""
        numbers = {action.nargs for action in self._get_positional_actions()}
        if self._mixing or not numbers & {'?', '*', '+'}:
            found, left = super().parse_known_args(args, namespace)
        else:
            self._mixing = True  # it asks here again, for the options and for the others
            try:
                found, left = super().parse_known_intermixed_args(args, namespace)
            finally:
                self._mixing = False
        if left and not self._mixing:
            self.error(f'unrecognized arguments: {" ".join(left)}')
        return found, left

    def error(self, message: str) -> NoReturn:
        match = re.match(r'unrecognized arguments: (\S+)', message)
        flag = match[1].split('=')[0] if match else ''
        if flag in self.hints:
            message += f'\n{self.hints[flag]}'
        elif flag.startswith('-'):
            close = difflib.get_close_matches(flag, self._option_string_actions, n=2)
            message += f'\nDid you mean {" or ".join(close)}?' if close else ''
        elif match and '=' in match[1]:
            message += '\nChanges of the config follow --cfg-options.'
        super().error(message)


def main(argv: Optional[Sequence[str]] = None, command: Optional[str] = None) -> NoReturn:
    """Run a command and exit.

    Args:
        argv: What is typed behind the name of the program; by default what was.
        command: The command, if its name is that of the program.
    """
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show all letters shows their numbers
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    logging.raiseExceptions = False  # who reads the log of a training may have had enough, and it goes on
    words: List[str] = list(sys.argv[1:] if argv is None else argv)
    program = f'mmvmr {command or ""}' if command is None or argv is not None else sys.argv[0]
    if command is None:
        if not words or words[0] in ('-h', '--help', 'help'):
            print(overview())
            sys.exit(0)
        if words[0] in ('-V', '--version'):
            print(f'mmvmr {__version__}')
            sys.exit(0)
        command, *words = words
        program += command
    known = [name for group in COMMANDS.values() for name in group]
    if command not in known:
        close = difflib.get_close_matches(command, known, n=3)
        print(f'mmvmr: there is no command "{command}". '
              + (f'Did you mean {" or ".join(close)}?' if close else '`mmvmr --help` lists them.'), file=sys.stderr)
        sys.exit(2)
    args = build_parser(command, program).parse_args(words)
    if 'launcher' not in args:  # where processes wait for one another, a training saves first and a test just ends
        end_like_ctrl_c()
    sys.exit(friendly_errors(module_of(command).run)(args) or 0)


def build_parser(command: str, program: Optional[str] = None) -> Parser:
    """The parser of a command."""
    module = module_of(command)
    parser = Parser(prog=program or f'mmvmr {command}', description=module.__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add_arguments(parser)
    return parser


def module_of(command: str) -> ModuleType:
    """What a command consists of: ``add_arguments`` and ``run``."""
    return importlib.import_module(f'mmvmr.cli.{command.replace("-", "_")}')


def overview() -> str:
    """All commands by purpose."""
    lines = ['mmvmr: weakly-supervised video moment retrieval', '', 'Usage: mmvmr COMMAND ...   (mmvmr COMMAND --help '
             'tells more)']
    for purpose, commands in COMMANDS.items():
        lines += ['', f'{purpose}:', *(f'  {name:<17} {what}' for name, what in commands.items())]
    return '\n'.join(lines)


def counted(number: int, what: str) -> str:
    """A number and what there is of it.

    Example:
        >>> counted(1, 'video'), counted(0, 'video'), counted(2, 'query')
        ('1 video', '0 videos', '2 queries')
    """
    return f'{number} {what if number == 1 else f"{what}s" if what[-1] != "y" else f"{what[:-1]}ies"}'


def at_least(least: float, kind: type = int, most: float = math.inf) -> Callable[[str], Union[int, float]]:
    """What argparse turns an argument into that is a number, by default a whole one, with bounds.

    Example:
        >>> at_least(1)('3'), at_least(0, float, most=1)('0.5')
        (3, 0.5)
    """
    def number(text: str) -> Union[int, float]:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not (least <= value <= most and math.isfinite(value)):
            raise argparse.ArgumentTypeError(
                f'must be a {"whole " if kind is int else ""}number '
                + (f'of at least {least}' if most == math.inf else f'from {least} to {most}') + f', got {text!r}')
        return value
    return number


CHOSEN = 'its best checkpoint, else the mean of its last epochs, else its newest'  # of a run, by find_weights


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """``--cfg-options``, for commands that read a config."""
    parser.add_argument('--cfg-options', nargs='+', action='extend', default=[], metavar='KEY=VALUE',
                        help='change the config: any of its values, also its variables')


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """``--launcher``, for commands that several processes can run together."""
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='who has started this process')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def set_local_rank(args: argparse.Namespace) -> None:
    """Tell PyTorch what old launchers hand over as an argument."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
