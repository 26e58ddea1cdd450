"""Several optimizers that take turns within an iteration (CNM section "Training": alternating optimisation)."""
import difflib
from typing import Dict, List, Optional, Sequence

from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import OPTIMIZERS
from torch import nn

from mmvmr.engine.distributed import unwrap
from mmvmr.engine.optim.groups import DefaultOptimWrapperConstructor
from mmvmr.engine.optim.guards import fuse
from mmvmr.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS


class AlternatingOptimWrapper(OptimWrapperDict):
    """Optimizers by name, and the losses that each of them minimises.

    Args:
        losses: Names of losses by name of optimizer.
        **optim_wrappers: The optimizers by name, in the order in which they take turns.
    """

    def __init__(self, losses: Dict[str, Sequence[str]], **optim_wrappers: OptimWrapper) -> None:
        super().__init__(**optim_wrappers)
        self.losses = losses

    def initialize_count_status(self, model: nn.Module, cur_iter: int, max_iters: int) -> None:
        """Every optimizer counts every iteration; MMEngine leaves that to them, which loses the count on resuming."""
        for wrapper in self.optim_wrappers.values():
            wrapper.initialize_count_status(model, cur_iter, max_iters)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class AlternatingConstructor:
    """Builds an :class:`AlternatingOptimWrapper` from a config such as CNM's::

        optim_wrapper = dict(
            constructor='AlternatingConstructor',
            reconstruction=dict(optimizer=dict(type='Adam', lr=4e-4)),
            ranking=dict(optimizer=dict(type='Adam', lr=4e-4), modules=['proposal_generator.head']))

    Each entry is the config of an optim wrapper, named like the loss that it minimises unless ``losses`` names others.
    ``modules`` lists the modules that it trains; the one entry without ``modules`` trains all the rest, and has the
    first turn in any order of the entries (a config that MMEngine has written is sorted by name).

    Args:
        optim_wrapper_cfg: The entries by name.
        paramwise_cfg: As for MMEngine's ``DefaultOptimWrapperConstructor``, e.g. ``dict(custom_keys=dict(encoder=dict(
            lr_mult=0.1)))``; for all entries that have no ``paramwise_cfg`` of their own.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: Optional[dict] = None) -> None:
        entries = [(name, dict(config)) for name, config in optim_wrapper_cfg.items() if name != 'type']
        self.configs = dict(sorted(entries, key=lambda entry: 'modules' in entry[1]))
        self.paramwise_cfg = paramwise_cfg

    def __call__(self, model: nn.Module) -> AlternatingOptimWrapper:
        model = unwrap(model)
        losses = {name: tuple(config.pop('losses', (name,))) for name, config in self.configs.items()}
        modules = {name: config.pop('modules', None) for name, config in self.configs.items()}
        self._check(model, losses, modules)
        owned = {name: [parameter for module in names for parameter in model.get_submodule(module).parameters()]
                 for name, names in modules.items() if names is not None}
        taken = {id(parameter) for parameters in owned.values() for parameter in parameters}
        rest = [parameter for parameter in model.parameters() if id(parameter) not in taken]
        wrappers = {}
        for name, config in self.configs.items():
            paramwise, optimizer = config.pop('paramwise_cfg', self.paramwise_cfg), config.pop('optimizer')
            groups = _groups(model, owned.get(name, rest), optimizer, paramwise)
            optimizer = OPTIMIZERS.build(dict(fuse(optimizer), params=groups))
            wrappers[name] = OPTIM_WRAPPERS.build(dict(dict(type='OptimWrapper', optimizer=optimizer), **config))
        return AlternatingOptimWrapper(losses, **wrappers)

    @staticmethod
    def _check(model: nn.Module, losses: Dict[str, Sequence[str]], modules: Dict[str, List[str]]) -> None:
        advisers = list(getattr(model, 'advisers', ()))
        if advisers:
            raise ValueError(f'Optimizers that take turns name losses of the model, and none of its advisers '
                             f'{advisers}. Train them with one optimizer for all: '
                             "optim_wrapper=dict(type='OptimWrapper', optimizer=...).")
        unknown = [name for names in losses.values() for name in names if name not in model.losses]
        if unknown:
            raise ValueError(f'The optimizers minimise the losses {unknown}, which the model does not have; it has '
                             f'{list(model.losses)}. Name an optimizer like its loss, or list `losses` in it.')
        open_ended = [name for name, names in modules.items() if names is None]
        if len(open_ended) != 1:
            raise ValueError(f'Exactly one optimizer may leave out `modules` and train all the rest; here {open_ended} '
                             'do.')
        known = dict(model.named_modules())
        for name, names in modules.items():
            for absent in set(names or ()).difference(known):
                close = difflib.get_close_matches(absent, known, n=3) or list(dict(model.named_children()))
                raise ValueError(f'optim_wrapper.{name}.modules names "{absent}", which the model does not have. Did '
                                 f'you mean {" or ".join(close)}?')


def _groups(model: nn.Module, parameters: List[nn.Parameter], optimizer: dict, paramwise: Optional[dict]) -> List:
    """The parameters, or groups of them with settings of their own."""
    if not paramwise:
        return parameters
    constructor = DefaultOptimWrapperConstructor(dict(type='OptimWrapper', optimizer=optimizer), paramwise)
    groups: List[dict] = []
    constructor.add_params(groups, model)
    own = {id(parameter) for parameter in parameters}
    return [group for group in groups if id(group['params'][0]) in own]
