"""Config, weights and input recipe of a trained model."""
from pathlib import Path
from typing import NamedTuple, Optional, Union

from mmengine.config import Config

from mmvmr.engine.checkpoint import find_weights
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.input_recipe import RECIPE, InputRecipe
from mmvmr.engine.run.places import find_model
from mmvmr.engine.run.sizes import check_untrained, fill_sizes, input_sizes
from mmvmr.registry import DATASETS


class RunFiles(NamedTuple):
    """All that using a model takes."""
    config: Config
    weights: Optional[str]  # path of the checkpoint; None of a model that has nothing to learn
    recipe: InputRecipe


def find_run_files(model: Union[str, Path, Config], weights: Union[str, Path, None] = None) -> RunFiles:
    """Find what belongs to a model; sizes that the config leaves out are filled in.

    Args:
        model: Folder of a run, a checkpoint in it, or a config.
        weights: A checkpoint, or a folder with some; by default the folder of the run. A model that has nothing to
            learn needs none: its recipe is that of its test set.

    Raises:
        FileNotFoundError, ValueError: If something is absent, damaged, or cannot be told.
    """
    if not isinstance(model, Config):
        path, weights = find_model(model, weights)
        model = read_config(path)
    if not isinstance(model.get('model'), dict):
        raise ValueError(f'The config "{model.filename}" describes no model: expected `model = dict(type=...)`, got '
                         f'{model.get("model")!r}.')
    if weights is None:
        check_untrained(model, 'With what weights?')
        return RunFiles(model, None, InputRecipe.from_dataset(DATASETS.build(model.test_dataloader.dataset)))
    weights = find_weights(weights)
    recipe = _recipe(model, Path(weights).parent)
    fill_sizes(model, input_sizes(recipe.features['dim'], recipe.text_encoder))
    return RunFiles(model, weights, recipe)


def _recipe(config: Config, folder: Path) -> InputRecipe:
    """What training left beside the checkpoint; without it, what the files say that training has read."""
    if (folder / RECIPE).exists():
        return InputRecipe.load(folder)
    if 'train_dataloader' not in config:
        raise FileNotFoundError(f'"{folder}" has no {RECIPE}, which a training leaves there, and the config names no '
                                'training set to take its place.')
    try:
        return InputRecipe.from_dataset(DATASETS.build(config.train_dataloader.dataset))
    except FileNotFoundError as error:
        raise FileNotFoundError(f'"{folder}" has no {RECIPE}, which a training leaves there, and without it the '
                                f'files of the training set are needed. {error}') from error
