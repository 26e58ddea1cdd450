"""Config files, run with some of their variables changed.

A config is Python: ``dim = 256`` and, further down, ``dict(type='LinearEncoder', dim=dim)``. To change ``dim`` when the
file has been run would leave the encoder as it is. So a change is made as soon as its variable is assigned, and reaches
all that is made of it: in the file itself, in the files that it inherits from, and in those that inherit from it.
"""
import ast
import copy
import re
import traceback
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Set, Union

from mmengine.config import ConfigDict

from mmvmr.engine.run.places import shipped_configs

BASE, DELETE = '_base_', '_delete_'
SHIPPED = 'mmvmr::'  # before the name of a config that comes with mmvmr, in _base_
_CHANGED = '__changed__'  # the function that a file calls on each value that it assigns


class ChangeError(ValueError):
    """A change does not fit what it is to change."""


class ConfigVariables(NamedTuple):
    """What a config file and those that it inherits from define."""
    values: Dict[str, Any]  # in the order of their first assignment
    read: Set[str]  # names that are read somewhere in the files
    files: List[Path]  # all of them, the file itself last


def run_config_file(path: Union[str, Path], changes: Optional[Mapping[str, Any]] = None) -> ConfigVariables:
    """Run a config file, and before it those that its ``_base_`` names, a path or a list of paths from its own folder.

    Where a file assigns a variable that a base has as well, dicts are merged (``_delete_=True`` replaces them) and all
    that the base makes of the variable is made of the merged value. The base is at hand as ``_base_``, before that.

    Args:
        path: A Python file. In ``_base_``, ``mmvmr::NAME`` is a config that comes with mmvmr.
        changes: New values by name of the variable, followed by keys where a part of it changes, such as
            ``model.encoder.dim``; numbers lead into lists.

    Raises:
        FileNotFoundError: If a file is absent.
        ValueError: If it cannot be run, or a change does not fit.
    """
    _refuse_circle(Path(path), [])
    return _run(Path(path), changes or {})


def _run(path: Path, changes: Mapping[str, Any]) -> ConfigVariables:
    code = _parse(path)
    bases = [_run(base, {}) for base in _bases(code, path)]
    inherited = _changed(bases, path, changes)
    own = _execute(code, path, inherited, changes)
    values = _changed(bases, path, {**{name: value for name, value in own.items() if name in inherited}, **changes})
    for name, value in own.items():
        value = change(name, values[name], {name: value}) if name in values else value
        values[name] = change(name, value, changes)  # also after `train_cfg.max_epochs *= 2`, which assigns nothing
    return ConfigVariables(values, _names_read(code).union(*(base.read for base in bases)),
                           [file for base in bases for file in base.files] + [path])


def read_literals(path: Union[str, Path]) -> Dict[str, Any]:
    """The variables of a config file that holds values alone, as that of a run does. Nothing in it is run.

    Raises:
        ValueError: If it holds anything else.
    """
    return _literals(_parse(Path(path)), path)


def literals_of(text: str) -> Dict[str, Any]:
    """As :func:`read_literals`, of the text of a config."""
    try:
        return _literals(ast.parse(text), 'the config')
    except (SyntaxError, RecursionError) as error:
        raise ValueError(f'The config is no Python ({error}).') from error


def _literals(code: ast.Module, path: Union[str, Path]) -> Dict[str, Any]:
    values = {}
    for line in code.body:
        try:
            values[line.targets[0].id] = ast.literal_eval(line.value)
        except (AttributeError, ValueError) as error:
            raise ValueError(f'Line {line.lineno} of "{path}" is no assignment of a value.') from error
    return values


def change(name: str, value: Any, changes: Mapping[str, Any]) -> Any:
    """The value of a variable with those changes that are about it, each merged into it.

    Example:
        >>> change('adam', dict(lr=0.1, betas=[0.9, 0.99]), {'adam.lr': 0.2, 'adam.betas.0': 0.8, 'dim': 4})
        {'lr': 0.2, 'betas': [0.8, 0.99]}

    Raises:
        ChangeError: If a key leads through something that has no keys, or beyond a list.
    """
    for key, new in changes.items():
        first, *rest = key.split('.')
        if first == name:
            for part in reversed(rest):
                new = {part: new}
            value = _merge(value, new, key)
    return value


def _merge(old: Any, new: Any, key: str) -> Any:
    """A value with a new one merged into it; neither is changed."""
    if not isinstance(new, dict):
        return copy.deepcopy(new)
    items = {name: value for name, value in new.items() if name != DELETE}
    if new.get(DELETE) or old is None:
        old = {}
    if isinstance(old, (list, tuple)) and items and all(name.isdigit() and int(name) < len(old) for name in items):
        return type(old)(_merge(value, items[str(place)], key) if str(place) in items else value
                         for place, value in enumerate(old))
    if not isinstance(old, dict):
        raise ChangeError(f'"{key}" does not fit: {", ".join(items)} is to be set in {str(old)[:200]}. To replace all '
                          f'of that, give a dict with {DELETE}=True.')
    return type(old)({**old, **{name: _merge(old.get(name), value, key) for name, value in items.items()}})


def _among(changes: Mapping[str, Any], names: Mapping) -> Dict[str, Any]:
    return {key: value for key, value in changes.items() if key.split('.')[0] in names}


def _refuse_circle(path: Path, inheriting: List[Path]) -> None:
    inheriting = [*inheriting, path.resolve()]
    for base in _bases(_parse(path), path):
        if base.resolve() in inheriting:
            raise ValueError(f'"{path}" inherits from "{base}", which inherits from it. Take one {BASE} out.')
        _refuse_circle(base, inheriting)


def _changed(bases: List[ConfigVariables], path: Path, changes: Mapping[str, Any]) -> Dict[str, Any]:
    """The variables of the bases of a file, run again where there are changes of them."""
    return _join([_run(base.files[-1], own) if (own := _among(changes, base.values)) else base
                  for base in bases], path)


def _join(bases: List[ConfigVariables], path: Path) -> Dict[str, Any]:
    joined: Dict[str, Any] = {}
    for base in bases:
        twice = sorted(joined.keys() & base.values.keys())
        if twice:
            raise ValueError(f'"{path}" inherits {", ".join(twice)} from several files of {BASE}. Leave it to one.')
        joined.update(base.values)
    return joined


def _parse(path: Path) -> ast.Module:
    try:
        text = path.read_text(encoding='utf-8')
        code = ast.parse(text, str(path))
    except FileNotFoundError:
        raise FileNotFoundError(f'There is no config "{path}".') from None
    except (OSError, SyntaxError, ValueError) as error:  # ValueError: NUL bytes, or another encoding
        raise ValueError(f'The config "{path}" is no Python ({type(error).__name__}: {error}).') from error
    if re.search(r'\{\{\s*(_base_\.|file|\$)|import read_base', text):
        raise ValueError(f'The config "{path}" has a form that is not read here: write {BASE} = [...] instead of '
                         f'`read_base`, and {BASE}.NAME without braces.')
    return code


def _base(name: str, folder: Path) -> Path:
    """The file that a config inherits from."""
    if not name.startswith(SHIPPED):
        return folder / name
    path = shipped_configs() / name[len(SHIPPED):]
    return path if path.suffix == '.py' else path.with_name(f'{path.name}.py')


def _bases(code: ast.Module, path: Path) -> List[Path]:
    for statement in code.body:
        if isinstance(statement, ast.Assign) and BASE in map(ast.unparse, statement.targets):
            try:
                names = ast.literal_eval(statement.value)
                bases = [_base(name, path.parent) for name in ([names] if isinstance(names, str) else names)]
            except (TypeError, ValueError):
                raise ValueError(f'"{path}", line {statement.lineno}: {BASE} should be a path, or a list of paths, of '
                                 'files.') from None
            absent = [base for base in bases if not base.is_file()]
            if absent:
                raise FileNotFoundError(f'"{path}" inherits from "{absent[0]}", which is not there. The paths of '
                                        f"{BASE} count from the folder of the config; '{SHIPPED}NAME' is one that "
                                        'comes with mmvmr.')
            return bases
    return []


def _names_read(code: ast.Module) -> Set[str]:
    """Variables that the code reads, also as ``_base_.NAME``."""
    found = set()
    for node in ast.walk(code):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == BASE:
            found.add(node.attr)
    return found


class _AfterAssignments(ast.NodeTransformer):
    """Adds ``NAME = __changed__('NAME', NAME)`` after each assignment of a variable; takes out that of ``_base_``."""

    def visit_FunctionDef(self, node: ast.AST) -> ast.AST:
        return node  # what is assigned inside is no variable of the file

    visit_ClassDef = visit_Lambda = visit_FunctionDef

    def visit_Assign(self, node: ast.stmt) -> List[ast.stmt]:
        if node.value is None:  # ``NAME: int`` alone
            return [node]
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [name.id for target in targets for name in ast.walk(target)
                 if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)]
        if names == [BASE]:
            return []
        calls = ast.parse('\n'.join(f'{name} = {_CHANGED}({name!r}, {name})' for name in names)).body
        for call in calls:
            for part in ast.walk(call):
                ast.copy_location(part, node)
        return [node, *calls]

    visit_AnnAssign = visit_AugAssign = visit_Assign


def _execute(code: ast.Module, path: Path, inherited: Dict[str, Any], changes: Mapping[str, Any]) -> Dict[str, Any]:
    """The variables that one file assigns, with the changes made as they are assigned."""
    namespace = {BASE: ConfigDict(copy.deepcopy(inherited)), '__file__': str(path),
                 _CHANGED: lambda name, value: change(name, value, changes)}
    try:
        exec(compile(_AfterAssignments().visit(copy.deepcopy(code)), str(path), 'exec'), namespace)
    except ChangeError:
        raise
    except Exception as error:  # a config is Python, which can fail in any way
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        place = f', line {lines[-1]}' if lines else ''
        raise ValueError(f'The config "{path}"{place} cannot be run ({type(error).__name__}: {error}).') from error
    return {name: value for name, value in namespace.items() if name != BASE and not name.startswith('__')
            and not isinstance(value, (FunctionType, ModuleType, type))}
