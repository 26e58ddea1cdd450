"""Do the numbers in `model` fit the data? Asked once, before anything is trained or tested."""
from typing import Dict, Tuple

from mmengine.hooks import Hook

from mmvmr.engine.optim.wrappers import unwrap
from mmvmr.registry import HOOKS


def check_fit(model, dataset) -> None:
    """Compare the sizes that a config repeats: ``video_dim`` and ``word_dim`` of the encoder, ``vocab_size`` of a task.

    A part that does not have such an attribute is not asked.

    Raises:
        ValueError: If one differs; the message gives the ``--cfg-options`` that repair it.
    """
    store, vocabulary = getattr(dataset, 'store', None), getattr(dataset, 'vocabulary', None)
    if store is None or vocabulary is None:
        return
    sizes = dict(video_dim=store.dim, word_dim=vocabulary.vectors.shape[1], vocab_size=len(vocabulary))
    parts = {'encoder': model.encoder}
    parts.update((f'reconstructors.{name}', part) for name, part in model.reconstructors.items())
    wrong: Dict[str, Tuple[int, int]] = {
        f'model.{place}.{size}': (getattr(part, size), found) for place, part in parts.items()
        for size, found in sizes.items() if getattr(part, size, found) != found}
    if wrong:
        listed = '; '.join(f'{key} is {given}, the data have {found}' for key, (given, found) in wrong.items())
        options = ' '.join(f'{key}={found}' for key, (_, found) in wrong.items())
        raise ValueError(f'The model does not fit the data: {listed}. If the data are right, change the config '
                         f'or add --cfg-options {options}')


@HOOKS.register_module()
class CheckFitHook(Hook):
    """Runs :func:`check_fit` before training and before testing."""

    def before_train(self, runner) -> None:
        self._check(runner, runner.train_dataloader)

    def before_test(self, runner) -> None:
        self._check(runner, runner.test_dataloader)

    @staticmethod
    def _check(runner, loader) -> None:
        check_fit(unwrap(runner.model), loader.dataset)
