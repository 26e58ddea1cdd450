"""A model of pictures and text in the place of a trained run: nothing is trained, nothing annotated."""
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union

from mmengine.utils import import_modules_from_strings

from mmvmr.engine.run.check_config import arguments_of, check_part
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.config_file import run_config_file
from mmvmr.engine.run.input_recipe import InputRecipe, recipe_features
from mmvmr.engine.run.run_files import RunFiles
from mmvmr.features.extract import make_manifest
from mmvmr.registry import EXTRACTORS

_CONFIG = 'zero_shot_otsu_custom'
_SMOOTHING = 3.0  # seconds, of the rule in that config
_WINDOW = 150.0  # seconds: longer videos are looked at through windows as long as those that the rule was measured on
_MAX_WORDS = 20


class ZeroShot(NamedTuple):
    """All that using a model of pictures and text takes."""
    files: RunFiles  # without weights
    extractor: Callable


def open_zero_shot(model: Union[str, Path], device: Optional[str] = None) -> ZeroShot:
    """The config of retrieval without training, with the extractor and the text encoder of one model.

    Args:
        model: Folder in the format of transformers, see
            :class:`~mmvmr.features.extractors.clip.ClipExtractor`; or a config file with ``extractor``, which is run.
        device: Of the extractor.

    Raises:
        FileNotFoundError, ImportError, ValueError: If there is no such model, or it has no text side.
    """
    config, imports = _extractor_config(Path(model))
    import_modules_from_strings(imports)
    check_part(config, EXTRACTORS, 'extractor')
    chosen = device is not None and 'device' in arguments_of(EXTRACTORS.get(config['type']))
    extractor = EXTRACTORS.build(dict(config, device=device) if chosen else dict(config))
    manifest = make_manifest(config, extractor)
    if 'text' not in manifest:
        raise ValueError(f'"{model}": {type(extractor).__name__} has no text side, so sentences cannot be compared '
                         'with what it sees. Take a model of pictures and text, or add embed_text (docs/adapters.md).')
    run = read_config(_CONFIG)
    run.custom_imports = dict(imports=imports)
    run.model.proposal_generator.decoder.smoothing = _SMOOTHING / extractor.clip_seconds
    recipe = InputRecipe(None, recipe_features(extractor.dim, manifest), run.test_dataloader.dataset.num_clips,
                         _MAX_WORDS, _WINDOW, _WINDOW, manifest['text'])
    return ZeroShot(RunFiles(run, None, recipe), extractor)


def _extractor_config(model: Path) -> Tuple[Dict[str, Any], List[str]]:
    """The config of the extractor, and the modules that bring it."""
    if model.suffix != '.py':
        return dict(type='ClipExtractor', weights=str(model.absolute())), []
    file = run_config_file(model).values
    if not isinstance(file.get('extractor'), dict):
        raise ValueError(f'"{model}" describes no extractor: expected `extractor = dict(type=...)`, got '
                         f'{file.get("extractor")!r}.')
    return dict(file['extractor']), list(file.get('custom_imports', {}).get('imports', ()))
