"""Do model, data and hooks fit each other? Asked once, before anything is trained or tested."""
from typing import Set

from mmengine.hooks import Hook
from torch.utils.data import DataLoader

from mmvmr.datasets.annotations import Pairs
from mmvmr.engine.distributed import unwrap
from mmvmr.engine.hooks.progress import ProgressHook
from mmvmr.engine.run.sizes import check_sizes, data_sizes
from mmvmr.evaluation.interface import known_keys
from mmvmr.registry import HOOKS


@HOOKS.register_module()
class CheckFitHook(Hook):
    """Refuses epochs without a batch, sizes that differ, curricula that nobody would drive, values that are measured
    twice, and validation on videos that are trained on.

    Validation chooses the checkpoint; on videos of the training it would say little. Where both come from one file of
    annotations, this is an error; where they come from two, a warning.
    """

    def before_train(self, runner) -> None:
        model, loader = unwrap(runner.model), runner.cfg.train_dataloader
        if not len(runner.train_dataloader):
            raise ValueError(f'An epoch has no batch: {len(runner.train_dataloader.dataset)} pairs, '
                             f'train_dataloader.batch_size={loader.get("batch_size", 1)} in each of '
                             f'{runner.world_size} process(es), and train_dataloader.drop_last='
                             f'{loader.get("drop_last", False)}. Make the first smaller, or the second False.')
        check_sizes(model, data_sizes(runner.train_dataloader.dataset), trained=runner._has_loaded)
        driven = [type(module).__name__ for module in model.modules() if hasattr(module, 'set_progress')]
        if driven and not any(isinstance(hook, ProgressHook) for hook in runner.hooks):
            raise ValueError(f'{", ".join(dict.fromkeys(driven))} change with the progress of training, but no '
                             "ProgressHook tells it. Add default_hooks = dict(progress=dict(type='ProgressHook')).")
        if runner.val_loop is not None:
            names = known_keys(runner.val_evaluator.metrics) or []
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f'Several evaluators of the validation measure {", ".join(twice)}. Give all but one a '
                                 'prefix, such as val_evaluator.1.prefix=second, or leave them out.')
            self._check_held_out(runner)

    def before_test(self, runner) -> None:
        check_sizes(unwrap(runner.model), data_sizes(runner.test_dataloader.dataset), trained=True)

    @staticmethod
    def _check_held_out(runner) -> None:
        trained, validated = _videos(runner.train_dataloader), _videos(runner.val_dataloader)
        shared = trained & validated
        if not shared:
            return
        loaders = (runner.train_dataloader, runner.val_dataloader)
        files = {getattr(loader.dataset, 'ann_file', None) for loader in loaders}
        text = (f'{len(shared)} of the {len(validated)} videos of the validation are trained on as well, so it says '
                'little, and should choose no checkpoint.')
        if len(files) == 1:
            raise ValueError(f'{text} Give the training and the validation set the same val_fraction, above 0; or, to '
                             'train on all videos, do not validate: --no-validate.')
        runner.logger.warning(text)


def _videos(loader: DataLoader) -> Set[str]:
    """Ids of the videos of a data set; of one that does not tell, none."""
    pairs = getattr(loader.dataset, 'data_list', ())
    return set(pairs.video_ids()) if isinstance(pairs, Pairs) else {pair['video_id'] for pair in pairs}
