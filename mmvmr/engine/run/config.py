"""Reading configs: what is typed on the command line reaches all that it should, or is refused."""
import ast
import difflib
import inspect
import re
from pathlib import Path
from pprint import pformat
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Union

from mmengine.config import Config, DictAction

from mmvmr.engine.run.config_file import ConfigVariables, change, run_config_file
from mmvmr.engine.run.kinds import check_kind, kind_of
from mmvmr.engine.run.places import find_config, is_run
from mmvmr.utils.imports import import_modules

_NOT_IN_SIGNATURE = ('model_wrapper_cfg', 'custom_imports', 'compile', 'sync_bn', 'activation_checkpointing',
                     'efficient_conv_bn_eval')  # what MMEngine's runner reads beside its arguments


class Typed(str):
    """A value as it stands on a command line; what it means depends on what it takes the place of."""


class MomentConfig(Config):
    """MMEngine's config, whose text keeps the order of its entries, is formatted only when it has changed.

    The order is that in which the parts of a model are built, and so decides about their weights.
    """

    @property
    def pretty_text(self) -> str:
        """The config as Python."""
        content = repr(self._cfg_dict)  # MMEngine asks for the text at every checkpoint
        if self.__dict__.get('_formatted', ('',))[0] != content:
            text = ''.join(f'{key} = {pformat(value, width=110, sort_dicts=False)}\n'
                           for key, value in self.to_dict().items())
            object.__setattr__(self, '_formatted', (content, text))
        return self.__dict__['_formatted'][1]

    def entries_of_run(self) -> Dict[str, Any]:
        """The entries without those that say where the run lies, and who has started its processes."""
        return {key: value for key, value in self.to_dict().items() if key not in ('work_dir', 'launcher')}


def differences(before: Any, now: Any, key: str = '') -> List[str]:
    """In what a config differs from another one, as far as that has the same entries.

    Example:
        >>> differences(dict(model=dict(dim=4, type='A'), old=1), dict(model=dict(dim=8, type='A', new=2)))
        ['model.dim: 4 -> 8', 'model.new: not given -> 2']
    """
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return [] if before == now else [f'{key}: {before} -> {now}']
    names = [*now, *(name for name in before if name not in now and key)]  # old configs hold variables at their top
    found = []
    for name in names:
        place = f'{key}.{name}' if key else name
        if name in before and name in now:
            found += differences(before[name], now[name], place)
        else:
            found.append(f'{place}: {before.get(name, "not given")} -> {now.get(name, "not given")}')
    return found


def runner_entries() -> List[str]:
    """Names of the entries of a config that are read: those of MMEngine's runner. All others are helpers."""
    from mmengine.runner import Runner  # slow to import
    arguments = [name for name in inspect.signature(Runner.__init__).parameters if name not in ('self', 'cfg')]
    return [*arguments, *_NOT_IN_SIGNATURE]


def parse_options(options: Sequence[str]) -> Dict[str, Typed]:
    """``['a.b=1', ...]`` of a command line as changes of a config.

    Raises:
        ValueError: If one is no assignment.
    """
    changes = {}
    for option in options:
        key, equals, value = option.partition('=')
        if not equals or not key.strip():
            raise ValueError(f'"{option}" should be KEY=VALUE, such as train_cfg.max_epochs=2, without blanks around '
                             'the sign.')
        if key.strip() in changes:
            raise ValueError(f'{key.strip()} is given twice, as {changes[key.strip()]} and {value.strip()}. Leave one '
                             'out.')
        changes[key.strip()] = Typed(value.strip())
    return changes


def interpret(text: str, current: Any) -> Any:
    """What a typed value means in the place of another one.

    Example:
        >>> interpret('1e-3', 0.1), interpret('true', False), interpret('1,2', [3]), interpret('[a,b]', None)
        (0.001, True, [1, 2], ['a', 'b'])
        >>> interpret('R@1,IoU=0.5', 'mIoU'), interpret('"None"', 'x'), interpret('2024', 'a name')
        ('R@1,IoU=0.5', 'None', '2024')
    """
    text = str(text)
    if text.lower() in ('true', 'false', 'none'):
        return dict(true=True, false=False, none=None)[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    if isinstance(current, str):
        return value if isinstance(value, (str, list, dict)) else text
    if isinstance(value, tuple) and text[:1] != '(':
        return list(value)
    if value is not text:
        return value
    in_brackets = text[:1] in ('[', '(') and text[-1:] in (']', ')')
    return DictAction._parse_iterable(text) if in_brackets or (',' in text and '=' not in text) else text


def read_config(path: Union[str, Path], options: Optional[Mapping[str, Any]] = None,
                work_dir: Optional[str] = None) -> MomentConfig:
    """Read a config file, make the changes of ``--cfg-options``, leave what a runner reads, and import its plugins.

    ``dataset.KEY`` changes all data sets, whether the file has a variable of that name or, as in the folder of a run,
    has not. Variables that nothing reads are refused; in the folder of a run, where earlier versions left some, they
    are not.

    Args:
        path: A file, the name of a config that comes with mmvmr, or the folder of a run.
        options: Changes, see :func:`~mmvmr.engine.run.config_file.run_config_file`.
        work_dir: By default that of the config, the folder of a run that holds it, or ``work_dirs/<its name>``.

    Raises:
        FileNotFoundError: If there is no such config.
        ValueError: If it cannot be read, or something in it or in ``options`` is read by nothing.
    """
    path = find_config(path)
    original = run_config_file(path)
    options = _interpreted(_for_data_sets(options or {}, original.values), original)
    entries = runner_entries()
    _check_names(original, options, entries, path)
    values = _with_changes(original, path, options, entries)
    for key in options:
        if key.split('.')[0] not in entries and options[key] != _find(original.values, key):
            others = {name: value for name, value in options.items() if name != key}
            if _with_changes(original, path, others, entries) == values:
                raise ValueError(f'{key}={options[key]} changes nothing: "{path}" and those that it inherits from make '
                                 f'nothing of it that is used. {_all_names(original.values, entries)}')
    config = MomentConfig(values, filename=path)
    batch_size = _find(original.values, 'train_dataloader.batch_size')
    if batch_size is not None:  # the learning rate in a file belongs to its batch size
        config.auto_scale_lr = {'base_batch_size': batch_size, 'enable': False, **(config.get('auto_scale_lr') or {})}
    folder = Path(path).parent if is_run(Path(path).parent) else Path('work_dirs', Path(path).stem)
    config.work_dir = str(work_dir or config.get('work_dir') or folder)
    if config.get('custom_imports'):
        imports = config.custom_imports
        if not isinstance(imports, dict) or not imports.keys() <= {'imports', 'allow_failed_imports'}:
            raise ValueError(f'custom_imports should be dict(imports=[...]), of names of modules, got {imports!r}.')
        import_modules(**imports)
    if is_run(Path(path).parent) and isinstance(config.get('model'), dict):
        from mmvmr.engine.run.old_runs import translate  # brings torch
        translate(config.model)
    return config


def read_helpers(path: Union[str, Path], options: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
    """The variables of a config that others are made of, and that no runner reads, with changes made."""
    path, entries = find_config(path), runner_entries()
    values = run_config_file(path, _interpreted(options or {}, run_config_file(path))).values
    return {name: value for name, value in values.items() if name not in entries}


def _for_data_sets(options: Mapping[str, Any], values: Dict[str, Any]) -> Dict[str, Any]:
    """Changes of ``dataset``, where no variable has that name, as changes of each data set of the config."""
    found: Dict[str, Any] = {}
    for key, value in options.items():
        name, _, entry = key.partition('.')
        places = list(_data_sets(values, '')) if name == 'dataset' and entry and name not in values else []
        found.update({f'{place}.{entry}': value for place in places} or {key: value})
    return found


def _data_sets(value: Any, key: str) -> Iterator[str]:
    """Dotted keys of the data sets in a config; of those that wrap others, of the others."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    named = key.rstrip('.0123456789').rpartition('.')[2] in ('dataset', 'datasets', 'train_set')
    if named and isinstance(value, dict) and not {'dataset', 'datasets'} & set(value):
        yield key
        return
    for name, item in items:
        if key or str(name).endswith(('_dataloader', '_evaluator')):
            yield from _data_sets(item, f'{key}.{name}' if key else str(name))


def _interpreted(options: Mapping[str, Any], config: ConfigVariables) -> Dict[str, Any]:
    """Options with the meaning of what was typed, which must be of the kind of what it replaces."""
    found = {}
    for key, value in options.items():
        current = _find(config.values, key)
        found[key] = interpret(value, current) if isinstance(value, Typed) else value
        if isinstance(value, Typed) and not isinstance(found[key], (dict, type(None))):  # a dict fits what is declared
            check_kind(key, found[key], kind_of(current), current)
    return found


def _with_changes(original: ConfigVariables, path: str, options: Dict[str, Any],
                  entries: Iterable[str]) -> Dict[str, Any]:
    """The entries of a config, with changes."""
    values = run_config_file(path, options).values if options else original.values
    for key in options:
        name = key.split('.')[0]
        if name not in values:  # an entry that the files leave to its default
            values[name] = change(name, {}, options)
    return {name: value for name, value in values.items() if name in entries}


def _find(values: Any, key: str) -> Any:
    """The value that a dotted key leads to; None if there is none."""
    for part in key.split('.'):
        if isinstance(values, (list, tuple)) and part.isdigit() and int(part) < len(values):
            values = values[int(part)]
        elif isinstance(values, dict) and part in values:
            values = values[part]
        else:
            return None
    return values


def _check_names(config: ConfigVariables, options: Dict[str, Any], entries: List[str], path: str) -> None:
    """Refuse variables and options that nothing reads."""
    of_run = Path(path).with_name('inputs.json').is_file()
    unread = [name for name in config.values if name not in entries and name not in config.read and not of_run]
    unread += [name for name in dict.fromkeys(key.split('.')[0] for key in options)
               if name not in config.values and name not in entries]
    if unread:
        close = keys_that_end(unread[0], {name: config.values[name] for name in entries if name in config.values})
        close = close or difflib.get_close_matches(
            unread[0], {*entries, *config.values}.difference(unread), n=3, cutoff=0.5)
        raise ValueError(f'"{unread[0]}" is read by nothing in "{path}". ' + (
            f'Did you mean {" or ".join(close[:4])}? ' if close else '') + _all_names(config.values, entries))


def keys_that_end(name: str, values: Any) -> List[str]:
    """Dotted keys that end with a name, however its words are joined; the shortest first.

    Example:
        >>> keys_that_end('batchsize', dict(test=dict(batch_size=1), hooks=[dict(BatchSize=2)]))
        ['test.batch_size', 'hooks.0.BatchSize']
    """
    pairs = list(values.items() if isinstance(values, dict) else enumerate(values) if isinstance(
        values, (list, tuple)) else ())
    found = [key for key, _ in pairs if isinstance(key, str) and _letters(key) == _letters(name)]
    found += [f'{key}.{below}' for key, value in pairs for below in keys_that_end(name, value)]
    return sorted(found, key=lambda key: key.count('.'))


def _letters(name: str) -> str:
    return re.sub('[^a-z0-9]', '', name.lower())


def _all_names(values: Dict[str, Any], entries: List[str]) -> str:
    helpers = [name for name in values if name not in entries]
    return f'Its names are {", ".join(name for name in values if name in entries)}' + (
        f', and {", ".join(helpers)}, of which others are made.' if helpers else '.')
