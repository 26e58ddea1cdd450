"""The registries of mmvmr: where a name in a config becomes a part.

The five that make up the vocabulary of the project are ``DATASETS``, ``PROPOSAL_GENERATORS``, ``RECONSTRUCTORS``,
``LOSSES`` and ``EVALUATORS``. ``MODELS`` holds the retriever and its smaller parts (encoders, combiners, negatives,
rankers, mergers, decoders), ``EXTRACTORS`` what turns video files into features, ``TEXT_ENCODERS`` what turns
sentences into words and vectors, ``TOKENIZERS`` what cuts them into words, ``TAGGERS`` what weighs these; everything
else hangs off MMEngine's registries. A registry imports the modules at and below its ``locations``, and the packages
that announce the entry point ``mmvmr.plugins``, the first time it is asked for a name; importing a package of mmvmr
imports none of its modules.
"""
import difflib
import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import Any, Optional, Type

from mmengine import registry as mmengine_registry
from torch import nn

PLUGIN_GROUP = 'mmvmr.plugins'
_plugins_loaded = False


def import_all(location: str) -> None:
    """Import a module and all below it, so that their parts are registered without a list kept by hand."""
    module = importlib.import_module(location)
    for below in pkgutil.iter_modules(getattr(module, '__path__', ()), f'{location}.'):
        import_all(below.name)


def load_plugins() -> None:
    """Import the modules that installed packages announce under the entry point ``mmvmr.plugins``, once.

    Raises:
        ImportError: If a plugin cannot be imported; the message names the package that brings it.
    """
    global _plugins_loaded
    if _plugins_loaded:
        return
    _plugins_loaded = True
    try:
        points = entry_points(group=PLUGIN_GROUP)
    except TypeError as error:
        raise ImportError(f'The entry_points.txt of an installed package cannot be read ({error}): a line in it is no '
                          'NAME = MODULE. Repair or uninstall that package.') from error
    for point in points:
        try:
            point.load()
        except (Exception, SystemExit) as error:
            owner = point.dist.name if point.dist else point.name
            raise ImportError(
                f'The plugin "{point.name}" ({point.value}) of the installed package "{owner}" failed to import: '
                f'{type(error).__name__}: {error}. Repair or uninstall that package.') from error


class Registry(mmengine_registry.Registry):
    """MMEngine's registry, with plugins found by entry point and an error that names the closest entries."""

    def import_from_location(self) -> None:
        if not self._imported:
            for location in self._locations:
                import_all(location)
        super().import_from_location()
        load_plugins()

    def build(self, cfg: Any, *args, **kwargs) -> Any:
        """Build a part from its config; a part that is built already is passed on."""
        return cfg if isinstance(cfg, nn.Module) else super().build(cfg, *args, **kwargs)

    def holds(self, config: Any) -> bool:
        """Whether a config from a file of data names a part of this registry.

        MMEngine would import a module of any other name, and of any scope.
        """
        self.import_from_location()
        return isinstance(config, dict) and '_scope_' not in config and str(config.get('type')) in self.module_dict

    def get(self, key: str) -> Optional[Type]:
        found = super().get(key)
        if found is None:
            names, registry = set(), self
            while registry is not None:
                names.update(registry.module_dict)
                registry = registry.parent
            close = difflib.get_close_matches(key.split('.')[-1], names, n=3, cutoff=0.5)
            hint = f'Did you mean {" or ".join(close)}?' if close else f'Registered: {", ".join(sorted(names))}.'
            raise KeyError(
                f'"{key}" is not in the {self.scope}::{self.name} registry. {hint} A part of your own is found when '
                'its module is listed in `custom_imports` of the config, or when its package has the entry point '
                f'"{PLUGIN_GROUP}".')
        return found


def _child(name: str, parent: mmengine_registry.Registry, *locations: str) -> Registry:
    return Registry(name, parent=parent, scope='mmvmr', locations=list(locations))


def _root(name: str, location: str) -> Registry:
    return Registry(name, scope='mmvmr', locations=[location])


DATASETS = _child('dataset', mmengine_registry.DATASETS, 'mmvmr.datasets')
PROPOSAL_GENERATORS = _root('proposal generator', 'mmvmr.models.proposal_generators')
RECONSTRUCTORS = _root('reconstructor', 'mmvmr.models.reconstructors')
LOSSES = _root('loss', 'mmvmr.models.losses')
TEXT_ENCODERS = _root('text encoder', 'mmvmr.text.encoders')
TOKENIZERS = _root('tokenizer', 'mmvmr.text.tokenizer')
TAGGERS = _root('tagger', 'mmvmr.text.tokenizer')
EXTRACTORS = _root('extractor', 'mmvmr.features.extractors')
EVALUATORS = _child('evaluator', mmengine_registry.METRICS, 'mmvmr.evaluation')

MODELS = _child('model', mmengine_registry.MODELS, 'mmvmr.models')
MODEL_WRAPPERS = _child('model_wrapper', mmengine_registry.MODEL_WRAPPERS, 'mmvmr.engine.distributed')
HOOKS = _child('hook', mmengine_registry.HOOKS, 'mmvmr.engine.hooks', 'mmvmr.visualization.moment_visualization_hook')
LOOPS = _child('loop', mmengine_registry.LOOPS, 'mmvmr.engine.hooks.interruption')
OPTIM_WRAPPERS = _child('optim_wrapper', mmengine_registry.OPTIM_WRAPPERS, 'mmvmr.engine.optim')
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    'optimizer wrapper constructor', mmengine_registry.OPTIM_WRAPPER_CONSTRUCTORS, 'mmvmr.engine.optim')
WEIGHT_INITIALIZERS = _child('weight initializer', mmengine_registry.WEIGHT_INITIALIZERS, 'mmvmr.engine.pretrained')
PARAM_SCHEDULERS = _child('parameter scheduler', mmengine_registry.PARAM_SCHEDULERS, 'mmvmr.engine.optim')
OPTIMIZERS = _child('optimizer', mmengine_registry.OPTIMIZERS, 'mmvmr.engine.optim')
DATA_SAMPLERS = _child('data sampler', mmengine_registry.DATA_SAMPLERS, 'mmvmr.datasets.samplers')
FUNCTIONS = _child('function', mmengine_registry.FUNCTIONS, 'mmvmr.datasets.collate')
VISUALIZERS = _child('visualizer', mmengine_registry.VISUALIZERS, 'mmvmr.visualization.moment_visualizer')
# nothing of ours yet, but MMEngine warns about registries without a child in the scope
LOG_PROCESSORS = _child('log_processor', mmengine_registry.LOG_PROCESSORS)
VISBACKENDS = _child('vis_backend', mmengine_registry.VISBACKENDS)
