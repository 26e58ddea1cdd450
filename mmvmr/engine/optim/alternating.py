"""Several optimizers that take turns within an iteration (CNM section "Training": alternating optimisation)."""
from contextlib import contextmanager
from typing import Callable, Dict, List, Sequence

from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import OPTIMIZERS
from torch import Tensor, nn

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
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg=None) -> None:
        entries = [(name, dict(config)) for name, config in optim_wrapper_cfg.items() if name != 'type']
        self.configs = dict(sorted(entries, key=lambda entry: 'modules' in entry[1]))

    def __call__(self, model: nn.Module) -> AlternatingOptimWrapper:
        model = getattr(model, 'module', model)
        losses = {name: tuple(config.pop('losses', (name,))) for name, config in self.configs.items()}
        modules = {name: config.pop('modules', None) for name, config in self.configs.items()}
        self._check(model, losses, modules)
        owned = {name: [parameter for module in names for parameter in model.get_submodule(module).parameters()]
                 for name, names in modules.items() if names is not None}
        taken = {id(parameter) for parameters in owned.values() for parameter in parameters}
        rest = [parameter for parameter in model.parameters() if id(parameter) not in taken]
        wrappers = {}
        for name, config in self.configs.items():
            optimizer = OPTIMIZERS.build(dict(config.pop('optimizer'), params=owned.get(name, rest)))
            wrappers[name] = OPTIM_WRAPPERS.build(dict(dict(type='OptimWrapper', optimizer=optimizer), **config))
        return AlternatingOptimWrapper(losses, **wrappers)

    @staticmethod
    def _check(model: nn.Module, losses: Dict[str, Sequence[str]], modules: Dict[str, List[str]]) -> None:
        unknown = [name for names in losses.values() for name in names if name not in model.losses]
        if unknown:
            raise ValueError(f'The optimizers minimise the losses {unknown}, which the model does not have; it has '
                             f'{list(model.losses)}. Name an optimizer like its loss, or list `losses` in it.')
        open_ended = [name for name, names in modules.items() if names is None]
        if len(open_ended) != 1:
            raise ValueError(f'Exactly one optimizer may leave out `modules` and train all the rest; here {open_ended} '
                             'do.')


@contextmanager
def only_trained_by(optim_wrapper: OptimWrapper, model: nn.Module):
    """Within, only the parameters of this optimizer require gradients, so nothing else is differentiated."""
    own = {id(parameter) for group in optim_wrapper.param_groups for parameter in group['params']}
    frozen = [parameter for parameter in model.parameters() if parameter.requires_grad and id(parameter) not in own]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


def train_step(model: nn.Module, forward: Callable, data: dict, optim_wrapper: OptimWrapper) -> Dict[str, Tensor]:
    """One training iteration: preprocess, forward, backward and update, once per optimizer.

    With an :class:`AlternatingOptimWrapper` every optimizer gets a forward pass of its own, with the weights that the
    one before it has updated and newly hidden words.

    Args:
        model: The MomentRetriever.
        forward: The model, or what it is wrapped in for distributed training.
    """
    if not isinstance(optim_wrapper, AlternatingOptimWrapper):
        with optim_wrapper.optim_context(forward):
            losses = forward(**model.data_preprocessor(data, True), mode='loss')
        loss, log = model.parse_losses(losses)
        optim_wrapper.update_params(loss)
        return log
    log, total = {}, 0
    for name, wrapper in optim_wrapper.items():
        with only_trained_by(wrapper, model):
            with wrapper.optim_context(forward):
                losses = forward(**model.data_preprocessor(data, True), mode='loss', losses=optim_wrapper.losses[name])
            loss, step_log = model.parse_losses(losses)
            wrapper.update_params(loss)
        total = total + step_log.pop('loss').detach()
        log.update({key: value.detach() for key, value in step_log.items()})
    return dict(log, loss=total)
