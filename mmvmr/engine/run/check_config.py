"""Is every entry of a config an argument of the part that it is meant for? Asked before anything is built."""
import difflib
import inspect
import warnings
from functools import cache, reduce
from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Sequence

from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn, zeros
from torch.utils.data import DataLoader

from mmvmr import registry
from mmvmr.engine.run.config import keys_that_end
from mmvmr.engine.run.kinds import check_kind, kind_of, kinds_of_arguments
from mmvmr.registry import Registry

SIZES = ('video_dim', 'word_dim', 'vocab_size')  # which follow from the data, see `fill_sizes`
_PARTS = (registry.MODELS, registry.PROPOSAL_GENERATORS, registry.RECONSTRUCTORS, registry.LOSSES)
_RANGES: Dict[str, Callable[[float], bool]] = {  # by the words for them
    'at least 1': lambda value: value >= 1, 'at least 0': lambda value: value >= 0, 'above 0': lambda value: value > 0,
    'from 0 to 4294967295': lambda value: 0 <= value < 2 ** 32,
    'in [0, 1]': lambda value: 0 <= value <= 1, 'in (0, 1]': lambda value: 0 < value <= 1}
_RANGE_OF = {name: words for words, names in {
    'at least 1': 'batch_size max_epochs max_iters val_interval interval accumulative_counts dim hidden_dim '
                  'feature_dim video_dim word_dim vocab_size num_heads num_layers num_clips num_proposals '
                  'num_gaussians num_groups num_bins num_steps kernel_size max_words',
    'at least 0': 'num_workers num_mismatched lr weight_decay max_norm clip_value',
    'above 0': 'sigma max_width min_mask_width temperature clip_seconds fps feedback',
    'from 0 to 4294967295': 'seed',
    'in [0, 1]': 'dropout nms shrink', 'in (0, 1]': 'span_level share'}.items() for name in names.split()}
_CHOICES = dict(log_level=('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'), rule=('greater', 'less'),
                mp_start_method=('fork', 'spawn', 'forkserver'))
_SETTINGS: Dict[str, Dict[str, Any]] = {  # kinds of entries that are no parts
    'randomness': dict(seed=Optional[int], diff_rank_seed=bool, deterministic=bool),
    'auto_scale_lr': dict(base_batch_size=int, enable=bool),
    'env_cfg': dict(cudnn_benchmark=bool, mp_cfg=Optional[dict], dist_cfg=Optional[dict], resource_limit=Optional[int]),
    'env_cfg.mp_cfg': dict(mp_start_method=str, opencv_num_threads=int)}
_CONSTRUCTORS = ('DefaultOptimWrapperConstructor', 'AlternatingConstructor')
_PARAMWISE = {**dict.fromkeys(('bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult', 'dwconv_decay_mult',
                               'flat_decay_mult', 'dcn_offset_lr_mult'), float),
              'custom_keys': Dict[str, Dict[str, float]], 'bypass_duplicate': bool}
_TOGETHER = (('train_dataloader', 'train_cfg', 'optim_wrapper'), ('val_dataloader', 'val_cfg', 'val_evaluator'))


def check_config(config: Config) -> None:
    """Refuse arguments that no part takes, and numbers that make no sense.

    Raises:
        KeyError: If a part is not registered; the message names the closest.
        TypeError: If a hook or an evaluator is none of MMEngine.
        ValueError: If an argument is unknown, missing, or of another type than the part takes; the message has its key.
    """
    values = config.to_dict()
    if not isinstance(values.get('model'), dict):
        raise ValueError(f'The config "{config.filename}" describes no model: expected `model = dict(type=...)`, got '
                         f'{values.get("model")!r}.')
    arguments, kinds = arguments_of(Runner), {
        **kinds_of_arguments(Runner), 'default_hooks': Dict[str, Any]}  # of which None leaves one out
    for name in arguments.keys() & values.keys():
        _check_value(name, values[name], kinds.get(name), arguments[name].default)
    _check_parts(values['model'], 'model')
    for name in ('train', 'val', 'test'):
        _check_loader(values.get(f'{name}_dataloader'), f'{name}_dataloader')
        _check_each(values.get(f'{name}_evaluator'), registry.EVALUATORS, f'{name}_evaluator', base=BaseMetric)
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
        check_part(hook, registry.HOOKS, f'default_hooks.{name}', base=Hook, more=('priority',))
    _check_each(values.get('custom_hooks'), registry.HOOKS, 'custom_hooks', base=Hook, more=('priority',))
    check_part(values.get('visualizer'), registry.VISUALIZERS, 'visualizer')
    if isinstance(values.get('visualizer'), dict):
        _check_each(values['visualizer'].get('vis_backends'), registry.VISBACKENDS, 'visualizer.vis_backends',
                    given=('save_dir',))
    check_part(values.get('log_processor'), registry.LOG_PROCESSORS, 'log_processor', 'LogProcessor')
    check_part(values.get('model_wrapper_cfg'), registry.MODEL_WRAPPERS, 'model_wrapper_cfg',
                'MomentDistributedDataParallel', given=('module',))
    for key, kinds in _SETTINGS.items():
        entry = reduce(lambda found, name: (found or {}).get(name), key.split('.'), values)
        _check_names(entry, kinds, key)
        for name, value in (entry or {}).items():
            _check_value(f'{key}.{name}', value, kinds[name])
    _check_together(values)


def check_trains(config: Config) -> None:
    """Refuse a config of which nothing can be trained.

    Raises:
        ValueError: If it has no training set.
    """
    if config.get('train_dataloader') is None:
        raise ValueError(f'"{config.filename}" describes no training: it has no train_dataloader. If its model has '
                         'nothing to learn, it is tested as it is: `mmvmr test`.')


def _check_together(values: Dict[str, Any]) -> None:
    """Refuse a training or a validation of which something is left out."""
    for keys in _TOGETHER:
        absent = [key for key in keys if values.get(key) is None]
        if absent and len(absent) < len(keys):
            given = [key for key in keys if key not in absent]
            raise ValueError(f'{" and ".join(absent)} should be given, since the config has {" and ".join(given)}; or '
                             f'set {"that" if len(given) == 1 else "these"} to None, too.'
                             + (' To train without validation: --no-validate.' if keys[0] == 'val_dataloader' else ''))
    checkpoint, loop = (values.get('default_hooks') or {}).get('checkpoint') or {}, values.get('train_cfg') or {}
    for name in ('out_dir', 'filename_tmpl'):
        if checkpoint.get(name) is not None:
            raise ValueError(f'default_hooks.checkpoint.{name} cannot be set: checkpoints lie in the work dir, by '
                             'names that --resume, `mmvmr test` and the guard against overwriting know. To write '
                             'elsewhere: --work-dir.')
    in_iterations = loop.get('type') == 'IterBasedTrainLoop' or not loop.get('by_epoch', True)
    if in_iterations and checkpoint and checkpoint.get('by_epoch', True):
        raise ValueError('train_cfg counts iterations, and default_hooks.checkpoint epochs, so nothing would be saved. '
                         'Set default_hooks.checkpoint.by_epoch=False, and default_hooks.checkpoint.interval to a '
                         'number of iterations; and log_processor.by_epoch=False.')
    takes_losses = 'losses' in arguments_of(find_part(values['model'].get('type'), 'model'))
    if values.get('train_dataloader') and takes_losses and not values['model'].get('losses'):
        raise ValueError(f'model.losses should be a dict of one or more losses to train with, got '
                         f'{values["model"].get("losses")!r}.')


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
    if 'init_cfg' in places:
        return registry.WEIGHT_INITIALIZERS
    expected = (registry.LOSSES if places[-2] == 'losses' else registry.RECONSTRUCTORS if places[-2] == 'reconstructors'
                else registry.PROPOSAL_GENERATORS if places[-1].endswith('generator') else registry.MODELS
                ) if len(places) > 1 else registry.MODELS
    return next((known for known in _PARTS if name in known.module_dict), expected)


def _check_loader(loader: Any, key: str) -> None:
    if not isinstance(loader, dict):
        return
    own = ('dataset', 'sampler', 'batch_sampler', 'collate_fn', 'worker_init_fn', 'num_batch_per_epoch', 'type')
    settings = {name: value for name, value in loader.items() if name not in own}
    if loader.get('sampler') and loader.get('shuffle') is not None:
        raise ValueError(f'{key}.shuffle is {loader["shuffle"]}, but the order is that of the sampler. Set '
                         f'{key}.sampler.shuffle instead.')
    takes = {name for name in arguments_of(DataLoader) if name != 'dataset'}
    _check_names(loader, (*takes, *own), key, 'DataLoader takes ', takes)
    _check_arguments(DataLoader, settings, key, given=('dataset',))
    with warnings.catch_warnings():  # of more workers than this machine has cores
        warnings.simplefilter('ignore')
        _try(key, DataLoader, [0], **settings)
    _check_datasets(loader.get('dataset'), f'{key}.dataset')
    check_part(loader.get('sampler'), registry.DATA_SAMPLERS, f'{key}.sampler', given=('dataset', 'seed'))
    check_part(loader.get('batch_sampler'), registry.DATA_SAMPLERS, f'{key}.batch_sampler',
                given=('sampler', 'batch_size'))
    check_part(loader.get('collate_fn'), registry.FUNCTIONS, f'{key}.collate_fn', given=('batch', 'data_batch'))


def _check_datasets(value: Any, key: str) -> None:
    """A data set, or one that wraps others."""
    check_part(value, registry.DATASETS, key)
    if isinstance(value, dict):
        text = value.get('text')
        check_part(text, registry.TEXT_ENCODERS, f'{key}.text', given=('vocabulary', 'data_root'))
        for name, known in dict(tokenizer=registry.TOKENIZERS, tagger=registry.TAGGERS).items():
            check_part(text.get(name) if isinstance(text, dict) else None, known, f'{key}.text.{name}')
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
        _check_paramwise(value, value, 'optim_wrapper')
    for name, entry in (nested or {'': value}).items():
        key = '.'.join(filter(None, ('optim_wrapper', name)))
        check_part(entry, registry.OPTIM_WRAPPERS, key, 'OptimWrapper',
                    more=('constructor', 'paramwise_cfg', 'modules', 'losses') if nested else
                    ('constructor', 'paramwise_cfg'))
        check_kind(f'{key}.modules', entry.get('modules', []), Sequence[str])
        check_kind(f'{key}.losses', entry.get('losses', []), Sequence[str])
        _check_paramwise(entry, value, key)
        check_part(entry.get('optimizer'), registry.OPTIMIZERS, f'{key}.optimizer', given=('params',))
        if isinstance(entry.get('optimizer'), dict):
            weights = [nn.Parameter(zeros(1))]
            _try(f'{key}.optimizer', registry.OPTIMIZERS.build, dict(entry['optimizer'], params=weights))
        clip = entry.get('clip_grad')
        if isinstance(clip, dict):
            known = nn.utils.clip_grad_value_ if clip.get('type') == 'value' else nn.utils.clip_grad_norm_
            _check_arguments(known, {name: value for name, value in clip.items() if name != 'type'},
                             f'{key}.clip_grad', given=('parameters',), more=('type',))


def _check_paramwise(entry: Dict[str, Any], whole: Dict[str, Any], key: str) -> None:
    """Settings of groups of weights, for a constructor that reads them as MMEngine's does."""
    check_kind(f'{key}.constructor', entry.get('constructor'), Optional[str])
    given = entry.get('paramwise_cfg')
    if given is not None and whole.get('constructor', _CONSTRUCTORS[0]) in _CONSTRUCTORS:
        check_kind(f'{key}.paramwise_cfg', given, dict)
        _check_names(given, _PARAMWISE, f'{key}.paramwise_cfg')
        for name, value in given.items():
            check_kind(f'{key}.paramwise_cfg.{name}', value, _PARAMWISE[name])


def _try(key: str, build: Callable, *args, **kwargs) -> None:
    """Build something that is thrown away, to name the key of what is wrong with it.

    Raises:
        ValueError: If it cannot be built.
    """
    try:
        build(*args, **kwargs)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f'{key}: {error}') from error


def _check_each(values: Any, known: Registry, key: str, **options) -> None:
    if isinstance(values, (list, tuple)):
        for place, value in enumerate(values):
            check_part(value, known, f'{key}.{place}', **options)
    else:
        check_part(values, known, key, **options)


def check_part(value: Any, known: Registry, key: str, default: Optional[str] = None, base: type = object,
               **options) -> None:
    """Check the arguments of a part, a dict with the ``type`` of a registry, or an object that has been built.

    Args:
        base: Of MMEngine, what its class must be derived from.

    Raises:
        KeyError, TypeError, ValueError: As :func:`check_config`.
    """
    if isinstance(value, (str, int, float, list, tuple)):
        raise ValueError(f'{key} should be a dict{"" if default else "(type=...)"}, got {value!r}.')
    if not isinstance(value, dict):
        return
    name = value.get('type', default)
    if name in (None, ''):
        raise ValueError(f'{key} says of no part what it is: expected dict(type=...), got {value}.')
    try:
        part = known.get(name) if isinstance(name, str) else name
    except KeyError as error:
        raise KeyError(f'{key}: {error.args[0]}') from None
    if part is None:
        raise KeyError(f'{key}: "{name}" is not in the {known.name} registry.')
    if isinstance(part, type) and not issubclass(part, base):
        raise TypeError(f'{key}: {part.__name__} is no {base.__name__}. Derive the class from {base.__module__}.'
                        f'{base.__name__}.')
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
    kinds = kinds_of_arguments(part)
    for name, value in values.items():
        if name in arguments:
            _check_value(f'{key}.{name}' if key else name, value, kinds.get(name), arguments[name].default)


@cache
def arguments_of(part: Callable) -> Dict[str, inspect.Parameter]:
    """The arguments of a function or class; what a class may hand on as it comes are those of its parent.

    A class that takes ``**kwargs`` alone may use them in its own way, so it keeps them, and needs nothing that the
    parent needs.
    """
    if not inspect.isclass(part):
        return dict(inspect.signature(part).parameters)
    found: Dict[str, inspect.Parameter] = {}
    for parent in part.__mro__:
        if '__init__' in vars(parent):
            own = dict(inspect.signature(parent.__init__).parameters)
            own.pop('self', None)
            kinds = {argument.kind: name for name, argument in own.items()}
            hands_all_on = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= set(kinds)
            keeps = any(argument.kind is argument.VAR_KEYWORD for argument in found.values())
            found.update((name, argument) for name, argument in own.items() if name not in found and not (
                hands_all_on and argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD)) and not (
                keeps and argument.default is argument.empty))
            if inspect.Parameter.VAR_KEYWORD not in kinds:
                break
    return found


def _check_names(values: Any, known: Iterable[str], key: str, what: str = 'known are ',
                 listed: Optional[Iterable[str]] = None) -> None:
    if not isinstance(values, dict):
        return
    known = list(dict.fromkeys(known))
    for name in values:
        if name not in known:
            close = [f'{key}.{found}' for found in keys_that_end(name, values) if '.' in found]
            close = close or difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            raise ValueError(f'{key}.{name} is read by nothing. ' + (
                f'Did you mean {" or ".join(close)}? ' if close else '')
                + f'For {key}, {what}{", ".join(sorted(listed or known)) or "nothing"}.')


def _check_value(key: str, value: Any, hint: Any, default: Any = inspect.Parameter.empty) -> None:
    """Refuse a value of another kind than is declared, or than the default; one out of its range; an unknown name."""
    if not (isinstance(value, type(default)) and value == default):
        declared = hint if hint is not None else Any if default is inspect.Parameter.empty else kind_of(default)
        check_kind(key, value, declared, None if default is inspect.Parameter.empty else default)
    name = key.split('.')[-1]
    if name in _RANGE_OF and isinstance(value, (int, float)) and not _RANGES[_RANGE_OF[name]](value):
        raise ValueError(f'{key} must be {_RANGE_OF[name]}, got {value!r}.')
    if name in _CHOICES and isinstance(value, str) and value not in _CHOICES[name]:
        close = difflib.get_close_matches(value, _CHOICES[name], n=1, cutoff=0)
        raise ValueError(f'{key} must be one of {", ".join(_CHOICES[name])}, got {value!r}. For example: '
                         f'{key}={close[0]}')
