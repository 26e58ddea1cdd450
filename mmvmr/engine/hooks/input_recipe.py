"""Ties a checkpoint to the words and features that give its inputs their meaning."""
from pathlib import Path
from typing import Dict, Optional

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from mmvmr.engine.run.input_recipe import RECIPE, InputRecipe, check_inputs, data_fingerprint, fingerprint
from mmvmr.registry import HOOKS


@HOOKS.register_module()
class InputRecipeHook(Hook):
    """Writes the :class:`~mmvmr.engine.run.input_recipe.InputRecipe` of the training set into the work dir.

    Config, checkpoint and recipe are then all that inference needs: the data set may be elsewhere. Checkpoints hold a
    fingerprint of vocabulary and features, and those with another one are refused, in training and in testing.
    """
    priority = 'LOWEST'  # a training that another hook refuses leaves the recipe as it was

    def before_train(self, runner) -> None:
        dataset = runner.train_dataloader.dataset
        if is_main_process() and data_fingerprint(dataset) is not None:
            InputRecipe.from_dataset(dataset).save(runner.work_dir)

    def before_save_checkpoint(self, runner, checkpoint: Dict) -> None:
        found = data_fingerprint(runner.train_dataloader.dataset)
        if found is not None:
            checkpoint['inputs'] = found

    def after_load_checkpoint(self, runner, checkpoint: Dict) -> None:
        loader = runner.test_dataloader if runner._train_loop is None else runner.train_dataloader
        found, source = data_fingerprint(getattr(loader, 'dataset', None)), runner._load_from
        if found is not None:
            check_inputs(checkpoint.get('inputs') or _beside(Path(source)), found, source, of_config=True)


def _beside(path: Path) -> Optional[Dict]:
    """That of the recipe in the folder of a checkpoint, for those which earlier versions have written."""
    if not (path.parent / RECIPE).is_file():
        return None
    recipe = InputRecipe.load(path.parent)
    return fingerprint(recipe.text_encoder, recipe.features)
