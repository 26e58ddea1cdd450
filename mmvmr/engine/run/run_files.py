"""Config, weights and input recipe of a trained model."""
from pathlib import Path
from typing import NamedTuple, Union

from mmengine.config import Config

from mmvmr.cli.launch import check_model, read_config
from mmvmr.engine.checkpoint import find_weights
from mmvmr.engine.run.input_recipe import RECIPE, InputRecipe
from mmvmr.registry import DATASETS


class RunFiles(NamedTuple):
    """All that using a model takes."""
    config: Config
    weights: str  # path of the checkpoint
    recipe: InputRecipe


def find_run_files(model: Union[str, Path, Config], weights: Union[str, Path, None] = None) -> RunFiles:
    """Find what belongs to a model.

    Args:
        model: Folder of a run, or a config.
        weights: A checkpoint, or a folder with some; by default the folder of the run.

    Raises:
        FileNotFoundError, ValueError: If something is absent, damaged, or cannot be told.
    """
    if not isinstance(model, Config):
        weights = weights or (model if Path(model).is_dir() else None)
        model = read_config(_config_of(Path(model)) if Path(model).is_dir() else str(model))
    check_model(model)
    if weights is None:
        raise ValueError('A config needs a checkpoint beside it: give one, or the folder of a run instead of the '
                         'config.')
    weights = find_weights(weights)
    return RunFiles(model, weights, _recipe(model, Path(weights).parent))


def _config_of(folder: Path) -> str:
    configs = sorted(folder.glob('*.py'))
    if len(configs) != 1:
        raise ValueError(f'"{folder}" holds {len(configs)} configs ({", ".join(path.name for path in configs)}), '
                         'expected the one that tools/train.py leaves in the folder of a run. Give config and '
                         'checkpoint instead of the folder.')
    return str(configs[0])


def _recipe(config: Config, folder: Path) -> InputRecipe:
    """What training left beside the checkpoint; without it, what the files say that training has read."""
    if (folder / RECIPE).exists():
        return InputRecipe.load(folder)
    try:
        return InputRecipe.from_dataset(DATASETS.build(config.train_dataloader.dataset))
    except FileNotFoundError as error:
        raise FileNotFoundError(f'"{folder}" has no {RECIPE}, which tools/train.py leaves there, and without it the '
                                f'files of the training set are needed. {error}') from error
