"""Where configs, runs and their checkpoints lie, found by what is typed. Nothing that takes long is imported."""
import difflib
from pathlib import Path
from typing import List, Optional, Tuple, Union

import mmvmr

_NAMED = 8  # runs, at most, in a message
_LEVELS = 3  # of folders that are looked through for runs
WORK_DIRS = 'work_dirs'


def shipped_configs() -> Path:
    """The folder of the configs that come with mmvmr."""
    package = Path(mmvmr.__file__).parent
    return package / 'configs' if (package / 'configs').is_dir() else package.parent / 'configs'


def is_run(folder: Union[str, Path]) -> bool:
    """Whether a folder is that of a training."""
    return any(Path(folder).glob('*.pth')) or Path(folder, 'inputs.json').is_file()


def names_file(name: Union[str, Path]) -> bool:
    """Whether what is typed is a file of data, and no config, run or name of one."""
    path = Path(name)
    return path.suffix != '.py' and (path.is_file() or bool(path.suffix) and not path.is_dir())


def find_config(name: Union[str, Path]) -> str:
    """The path of a config: a file, the name of one that comes with mmvmr, such as 'mcmt_charades', or that of a run.

    Raises:
        FileNotFoundError: If there is none; the message names the closest ones.
        ValueError: If it is a checkpoint, or the folder of a run has several.
    """
    path = Path(name)
    if path.is_dir():
        return find_run_config(path)
    if path.suffix == '.pth':
        run = find_run(path)[0]
        raise ValueError(f'"{name}" is a checkpoint, and a config is wanted here. That of its run is taken with '
                         f'"{run}".')
    if path.is_file():
        return str(name)
    files = [file for folder in (shipped_configs(), path.parent) for file in sorted(folder.glob('*.py'))]
    known = {file.stem: str(file) for file in files}
    if str(name) in known:
        return known[str(name)]
    if (shipped_configs() / f'{name}.py').is_file():  # such as _base_/datasets/tacos
        return str(shipped_configs() / f'{name}.py')
    of_run = path.suffix != '.py' and path.parent != Path('.')
    close = [] if of_run and _runs_around(path)[1] else difflib.get_close_matches(path.stem, known, n=3)
    raise FileNotFoundError(f'There is no config "{name}". ' + (
        f'Did you mean {" or ".join(close)}?' if close else '`mmvmr configs` lists those that come with mmvmr.')
        + ('' if close or path.suffix == '.py' else runs_near(path, otherwise='')))


def split_change(name: str) -> Tuple[str, str]:
    """A config and the name of changes behind it, '' without.

    Example:
        >>> split_change('cpl_charades@planted'), split_change('me@here/cpl.py')
        (('cpl_charades', 'planted'), ('me@here/cpl.py', ''))
    """
    config, _, change = name.rpartition('@')
    return (config, change) if config and '/' not in change else (name, '')


def find_run_config(folder: Union[str, Path]) -> str:
    """The config in the folder of a run.

    Raises:
        FileNotFoundError, ValueError: If there is none, or more than one.
    """
    folder = Path(folder)
    configs = sorted(folder.glob('*.py'))
    if not configs:
        hint = (' It holds tests: if those are of a model that has nothing to learn, its config stands for it.'
                if (folder / 'test').is_dir() else runs_near(folder / 'x'))
        raise FileNotFoundError(f'"{folder}" is no folder of a run: it holds no config.{hint}')
    if len(configs) > 1:
        raise ValueError(f'"{folder}" holds {len(configs)} configs ({", ".join(path.name for path in configs)}), '
                         'expected the one that a training leaves in the folder of its run. Give config and '
                         'checkpoint instead of the folder.')
    return str(configs[0])


def find_run(name: Union[str, Path], untrained: str = '') -> Tuple[Path, Optional[Path]]:
    """The folder of a run, and the checkpoint in it if that was given; else None: that of ``find_weights`` is meant.

    Args:
        untrained: A sentence on what to do with a model that has nothing to learn, where a config was given.

    Raises:
        FileNotFoundError, ValueError: If it is neither; the message names the runs that are near.
    """
    path = Path(name)
    if path.is_dir():
        find_run_config(path)
        return path, None
    if path.is_file() and path.suffix == '.pth':
        return path.parent, path
    if path.is_file() or (shipped_configs() / f'{name}.py').is_file():
        raise ValueError(f'"{name}" is no folder of a run. A config needs a checkpoint beside it, which `mmvmr test` '
                         f'takes as its second argument and `mmvmr infer` with --checkpoint.{untrained}'
                         f'{runs_near(path)}')
    raise no_run(path)


def find_model(name: Union[str, Path], weights: Union[str, Path, None] = None
               ) -> Tuple[str, Union[str, Path, None]]:
    """Config, and checkpoint or folder with some, of a model: of a run, of a checkpoint in it, or as they are given.

    A config may come without, as a model may have nothing to learn.

    Raises:
        FileNotFoundError, ValueError: As :func:`find_config` and :func:`find_run`.
    """
    if weights is not None or str(name).endswith('.py') or (shipped_configs() / f'{name}.py').is_file():
        return find_config(name), weights
    folder, checkpoint = find_run(name)
    return find_run_config(folder), checkpoint or folder


def find_predictions_of(name: Union[str, Path]) -> Path:
    """A file of predictions, or the folder of a run or test that should have some.

    Raises:
        FileNotFoundError, ValueError: If it is neither; the message names the runs that are near.
    """
    path = Path(name)
    if path.suffix == '.pth' and path.is_file():
        raise ValueError(f'"{path}" is a checkpoint, and predictions are wanted here. Those of its run are taken '
                         f'with "{path.parent}".')
    if path.is_dir() and not (is_run(path) or any(path.glob('predictions*.jsonl')) or (path / 'test').is_dir()):
        raise FileNotFoundError(f'"{path}" is no folder of a run.{runs_near(path / "x")}')
    if not path.exists():
        raise no_run(path, 'file of predictions, and no run,')
    return path


def no_run(path: Path, what: str = 'run') -> FileNotFoundError:
    """The error for something that is not there, with what is there instead."""
    there = sorted(file.name for file in path.parent.glob('*.pth'))
    if path.suffix == '.pth' and there:
        return FileNotFoundError(f'There is no checkpoint "{path}". "{path.parent}" has {", ".join(there)}.')
    return FileNotFoundError(f'There is no {what} "{path}".{runs_near(path)}')


def runs_near(path: Path, otherwise: str = ' Train one: mmvmr train CONFIG.') -> str:
    """The runs that lie where one was looked for, those with the most similar names first, as a sentence."""
    place, runs = _runs_around(path)
    if not runs:
        return otherwise
    runs.sort(key=lambda run: -difflib.SequenceMatcher(None, str(run), str(path)).ratio())
    more = f' and {len(runs) - _NAMED} more' if len(runs) > _NAMED else ''
    return f' In "{place}" there are: {", ".join(map(str, runs[:_NAMED]))}{more}.'


def _runs_around(path: Path) -> Tuple[Path, List[Path]]:
    """A place, and the runs in it: the folder of the path, as far as it is there, or else ``work_dirs``."""
    there = next((folder for folder in path.parents if folder.is_dir()), Path('.'))
    levels = _LEVELS if WORK_DIRS in there.parts else 1  # others may be large
    places = [(there, levels), (Path(WORK_DIRS), _LEVELS)]
    for place, levels in places:
        for level in range(1, levels + 1):
            runs = sorted(folder for folder in place.glob('*/' * level) if folder.is_dir() and is_run(folder))
            if runs:
                return place, runs
    return there, []
