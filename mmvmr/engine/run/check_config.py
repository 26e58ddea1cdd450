"""Is every entry of a config an argument of the part that it is meant for? Asked before anything is built."""
import difflib
import inspect
import typing
from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Sequence

from mmengine.config import Config
from torch.utils.data import DataLoader

from mmvmr import registry
from mmvmr.registry import Registry

SIZES = ('video_dim', 'word_dim', 'vocab_size')  # which follow from the data, see `fill_sizes`
_PARTS = (registry.MODELS, registry.PROPOSAL_GENERATORS, registry.RECONSTRUCTORS, registry.LOSSES)
_LEAST = dict(batch_size=1, max_epochs=1, max_iters=1, num_workers=0, val_interval=1, interval=1, accumulative_counts=1)
_ENVIRONMENT = dict(cudnn_benchmark=None, mp_cfg=('mp_start_method', 'opencv_num_threads'), dist_cfg=None,
                    resource_limit=None)


def check_config(config: Config) -> None:
    """Refuse arguments that no part takes, and numbers that make no sense.

    Raises:
        KeyError: If a part is not registered; the message names the closest.
        ValueError: If an argument is unknown, missing, or of another type than the part takes; the message has its key.
    """
    values = config.to_dict()
    if not isinstance(values.get('model'), dict):
        raise ValueError(f'The config "{config.filename}" describes no model: expected `model = dict(type=...)`, got '
                         f'{values.get("model")!r}.')
    _check_parts(values['model'], 'model')
    for name in ('train', 'val', 'test'):
        _check_loader(values.get(f'{name}_dataloader'), f'{name}_dataloader')
        _check_each(values.get(f'{name}_evaluator'), registry.EVALUATORS, f'{name}_evaluator')
        loop = dict(train='EpochBasedTrainLoop', val='ValLoop', test='TestLoop')[name]
        check_part(values.get(f'{name}_cfg'), registry.LOOPS, f'{name}_cfg', loop, more=('by_epoch',),
                    given=('runner', 'dataloader', 'evaluator'))
    _check_optimizers(values.get('optim_wrapper'))
    schedulers = values.get('param_scheduler')
    groups = schedulers.items() if isinstance(schedulers, dict) and 'type' not in schedulers else [('', schedulers)]
    for name, group in groups:
        _check_each(group, registry.PARAM_SCHEDULERS, '.'.join(filter(None, ('param_scheduler', name))),
                    more=('convert_to_iter_based', 'by_epoch', 'end'), given=('optimizer',))
    for name, hook in (values.get('default_hooks') or {}).items():
        check_part(hook, registry.HOOKS, f'default_hooks.{name}', more=('priority',))
    _check_each(values.get('custom_hooks'), registry.HOOKS, 'custom_hooks', more=('priority',))
    check_part(values.get('visualizer'), registry.VISUALIZERS, 'visualizer')
    if isinstance(values.get('visualizer'), dict):
        _check_each(values['visualizer'].get('vis_backends'), registry.VISBACKENDS, 'visualizer.vis_backends',
                    given=('save_dir',))
    check_part(values.get('log_processor'), registry.LOG_PROCESSORS, 'log_processor', 'LogProcessor')
    check_part(values.get('model_wrapper_cfg'), registry.MODEL_WRAPPERS, 'model_wrapper_cfg',
                'MomentDistributedDataParallel', given=('module',))
    _check_names(values.get('randomness'), ('seed', 'diff_rank_seed', 'deterministic'), 'randomness')
    _check_names(values.get('auto_scale_lr'), ('base_batch_size', 'enable'), 'auto_scale_lr')
    _check_names(values.get('env_cfg'), _ENVIRONMENT, 'env_cfg')
    for name, known in _ENVIRONMENT.items():
        if known:
            _check_names((values.get('env_cfg') or {}).get(name), known, f'env_cfg.{name}')


def _check_parts(value: Any, key: str) -> None:
    """A config of the model, and those of all parts in it."""
    if isinstance(value, dict):
        if 'type' in value:
            check_part(value, _registry_of(value['type'], key), key, given=SIZES)
        for name, part in value.items():
            _check_parts(part, f'{key}.{name}')
    elif isinstance(value, (list, tuple)):
        for place, part in enumerate(value):
            _check_parts(part, f'{key}.{place}')


def find_part(name: Any, key: str) -> Callable:
    """The class of a part of the model.

    Raises:
        KeyError: If there is none of that name; the message names the closest.
    """
    try:
        return _registry_of(name, key).get(name) if isinstance(name, str) else name
    except KeyError as error:
        raise KeyError(f'{key}: {error.args[0]}') from None


def _registry_of(name: Any, key: str) -> Registry:
    """Where a part of the model is registered; if nowhere, where a part of this place should be."""
    for known in _PARTS:
        known.import_from_location()
    places = key.split('.')
    expected = (registry.LOSSES if places[-2] == 'losses' else registry.RECONSTRUCTORS if places[-2] == 'reconstructors'
                else registry.PROPOSAL_GENERATORS if places[-1].endswith('generator') else registry.MODELS
                ) if len(places) > 1 else registry.MODELS
    return next((known for known in _PARTS if name in known.module_dict), expected)


def _check_loader(loader: Any, key: str) -> None:
    if not isinstance(loader, dict):
        return
    own = ('dataset', 'sampler', 'batch_sampler', 'collate_fn', 'worker_init_fn', 'num_batch_per_epoch', 'type')
    _check_arguments(DataLoader, {name: value for name, value in loader.items() if name not in own}, key,
                     given=('dataset',), more=own)
    _check_datasets(loader.get('dataset'), f'{key}.dataset')
    check_part(loader.get('sampler'), registry.DATA_SAMPLERS, f'{key}.sampler', given=('dataset', 'seed'))
    check_part(loader.get('batch_sampler'), registry.DATA_SAMPLERS, f'{key}.batch_sampler',
                given=('sampler', 'batch_size'))
    check_part(loader.get('collate_fn'), registry.FUNCTIONS, f'{key}.collate_fn', given=('batch', 'data_batch'))


def _check_datasets(value: Any, key: str) -> None:
    """A data set, or one that wraps others."""
    check_part(value, registry.DATASETS, key)
    if isinstance(value, dict):
        check_part(value.get('text'), registry.TEXT_ENCODERS, f'{key}.text', given=('vocabulary', 'data_root'))
    inner = value.get('dataset', value.get('datasets')) if isinstance(value, dict) else None
    for place, dataset in enumerate(inner if isinstance(inner, (list, tuple)) else [inner]):
        check_part(dataset, registry.DATASETS, f'{key}.{place}')


def _check_optimizers(value: Any) -> None:
    """One optimizer, or several by name with a constructor that tells them apart."""
    if not isinstance(value, dict):
        return
    nested = {name: entry for name, entry in value.items() if isinstance(entry, dict) and 'optimizer' in entry}
    if nested:
        _check_names(value, (*nested, 'type', 'constructor', 'paramwise_cfg'), 'optim_wrapper')
    for name, entry in (nested or {'': value}).items():
        key = '.'.join(filter(None, ('optim_wrapper', name)))
        check_part(entry, registry.OPTIM_WRAPPERS, key, 'OptimWrapper',
                    more=('constructor', 'paramwise_cfg', 'modules', 'losses') if nested else
                    ('constructor', 'paramwise_cfg'))
        check_part(entry.get('optimizer'), registry.OPTIMIZERS, f'{key}.optimizer', given=('params',))


def _check_each(values: Any, known: Registry, key: str, **options) -> None:
    if isinstance(values, (list, tuple)):
        for place, value in enumerate(values):
            check_part(value, known, f'{key}.{place}', **options)
    else:
        check_part(values, known, key, **options)


def check_part(value: Any, known: Registry, key: str, default: Optional[str] = None, **options) -> None:
    """Check the arguments of a part, a dict with the ``type`` of a registry; anything else is left to those who use it.

    Raises:
        KeyError, ValueError: As :func:`check_config`.
    """
    if not isinstance(value, dict):
        return
    name = value.get('type', default)
    if name is None:
        raise ValueError(f'{key} says of no part what it is: expected dict(type=...), got {value}.')
    try:
        part = known.get(name) if isinstance(name, str) else name
    except KeyError as error:
        raise KeyError(f'{key}: {error.args[0]}') from None
    if part is None:
        raise KeyError(f'{key}: "{name}" is not in the {known.name} registry.')
    _check_arguments(part, {argument: given for argument, given in value.items() if argument not in (
        'type', '_scope_')}, key, **options)


def _check_arguments(part: Callable, values: Mapping[str, Any], key: str, given: Sequence[str] = (),
                     more: Sequence[str] = ()) -> None:
    """Compare the arguments of a config with those of a class or function.

    Args:
        given: Arguments that come from elsewhere.
        more: Entries that somebody else reads.
    """
    arguments = arguments_of(part)
    swallows = any(argument.kind is argument.VAR_KEYWORD for argument in arguments.values())
    known = [*arguments, *more]
    taken = [name for name in values if swallows and not difflib.get_close_matches(name, known, cutoff=0.85)]
    _check_names(values, [*known, *taken], key, f'{part.__name__} takes ', set(arguments).difference(given))
    missing = [name for name, argument in arguments.items() if argument.default is argument.empty and name not in (
        *values, *given) and argument.kind in (argument.POSITIONAL_OR_KEYWORD, argument.KEYWORD_ONLY)]
    if missing:
        raise ValueError(f'{key}: {part.__name__} needs {", ".join(missing)}. Add it there.')
    hints = _hints(part)
    for name, value in values.items():
        _check_value(f'{key}.{name}', value, hints.get(name), arguments.get(name))


def arguments_of(part: Callable) -> Dict[str, inspect.Parameter]:
    """The arguments of a function or class; what a class hands on as it comes are those of its parent."""
    if not inspect.isclass(part):
        return dict(inspect.signature(part).parameters)
    found: Dict[str, inspect.Parameter] = {}
    for parent in part.__mro__:
        if '__init__' in vars(parent):
            own = dict(inspect.signature(parent.__init__).parameters)
            own.pop('self', None)
            kinds = {argument.kind: name for name, argument in own.items()}
            hands_on = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= set(kinds)
            found.update((name, argument) for name, argument in own.items() if name not in found and not (
                hands_on and argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD)))
            if not hands_on:
                break
    return found


def _check_names(values: Any, known: Iterable[str], key: str, what: str = 'known are ',
                 listed: Optional[Iterable[str]] = None) -> None:
    if not isinstance(values, dict):
        return
    known = list(dict.fromkeys(known))
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            raise ValueError(f'{key}.{name} is read by nothing. ' + (
                f'Did you mean {" or ".join(close)}? ' if close else '')
                + f'For {key}, {what}{", ".join(sorted(listed or known)) or "nothing"}.')


def _hints(part: Callable) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for function in ([vars(parent).get('__init__') for parent in part.__mro__] if inspect.isclass(part) else [part]):
        try:
            found = {**typing.get_type_hints(function), **found} if inspect.isfunction(function) else found
        except Exception:  # names that only a type checker knows
            pass
    return found


def _check_value(key: str, value: Any, hint: Any, argument: Optional[inspect.Parameter]) -> None:
    """Refuse a value of another kind than a number, a text or a switch that is declared, and one that is too small."""
    if typing.get_origin(hint) is typing.Union:
        kinds = set(typing.get_args(hint))
    else:
        kinds = {hint}
    allowed = dict([(int, (int,)), (float, (int, float)), (bool, (bool,)), (str, (str,)), (type(None), (type(None),))])
    if kinds <= set(allowed) and not (argument is not None and value is argument.default):
        types = tuple(one for kind in kinds for one in allowed[kind])
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in kinds):
            names = ' or '.join(sorted('None' if kind is type(None) else kind.__name__ for kind in kinds))
            raise ValueError(f'{key} should be {names}, got {value!r}.')
    least = _LEAST.get(key.split('.')[-1])
    if least is not None and isinstance(value, (int, float)) and value < least:
        raise ValueError(f'{key} must be at least {least}, got {value!r}.')
