"""A model of pictures and text in the place of a trained run: nothing is trained, nothing annotated."""
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from mmvmr.engine.run.check_config import arguments_of, check_part
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.config_file import run_config_file
from mmvmr.engine.run.input_recipe import InputRecipe, recipe_features
from mmvmr.engine.run.run_files import RunFiles
from mmvmr.features.extract import make_manifest
from mmvmr.features.stores.feature_store import open_feature_store
from mmvmr.features.stores.shards import MANIFEST, is_head
from mmvmr.registry import EXTRACTORS
from mmvmr.utils.imports import import_modules

_CONFIG = 'zero_shot_otsu_custom'
_WINDOW = 150.0  # seconds: longer videos are looked at through windows as long as those that the rule was measured on
_MAX_WORDS = 20


class ZeroShot(NamedTuple):
    """All that using a model of pictures and text takes."""
    files: RunFiles  # without weights
    extractor: Optional[Callable]  # None: to be built, for a video file, as the recipe says


def open_zero_shot(model: Union[str, Path], device: Optional[str] = None) -> ZeroShot:
    """The config of retrieval without training, with the extractor and the text encoder of one model.

    Args:
        model: Folder in the format of transformers, see
            :class:`~mmvmr.features.extractors.clip.ClipExtractor`; or a config file with ``extractor``, which is run;
            or a packed feature store, which says whose text side belongs to it.
        device: Of the extractor.

    Raises:
        FileNotFoundError, ImportError, ValueError: If there is no such model, or it has no text side.
    """
    if is_head(Path(model, MANIFEST)):
        return ZeroShot(_of_store(open_feature_store(model)), None)
    config, imports = _extractor_config(Path(model))
    import_modules(imports)
    check_part(config, EXTRACTORS, 'extractor')
    chosen = device is not None and 'device' in arguments_of(EXTRACTORS.get(config['type']))
    extractor = EXTRACTORS.build(dict(config, device=device) if chosen else dict(config))
    manifest = make_manifest(config, extractor)
    if 'text' not in manifest:
        raise ValueError(f'"{model}": {type(extractor).__name__} has no text side, so sentences cannot be compared '
                         'with what it sees. Take a model of pictures and text, or add embed_text (docs/adapters.md).')
    return ZeroShot(_files(extractor.dim, manifest, imports), extractor)


def _of_store(store: Any) -> RunFiles:
    if not store.manifest.get('text') or store.num_clips is not None or 'clip_seconds' not in store.manifest:
        raise ValueError(f'"{store.path}" cannot answer by itself: its manifest should tell of a text encoder and of '
                         'clip_seconds, with as many clips as a video has; it has text: '
                         f'{store.manifest.get("text")!r}, clip_seconds: {store.manifest.get("clip_seconds")!r}, '
                         f'num_clips: {store.num_clips!r}. `mmvmr extract` with a model of pictures and text, and '
                         '`mmvmr captions`, make such a store.')
    return _files(store.dim, store.manifest)


def _files(dim: int, manifest: Dict[str, Any], imports: Sequence[str] = ()) -> RunFiles:
    run = read_config(_CONFIG)
    run.custom_imports = dict(imports=list(imports))
    run.model.proposal_generator.decoder.smoothing /= manifest['clip_seconds']  # in the config, of clips of 1 s
    return RunFiles(run, None, InputRecipe(None, recipe_features(dim, manifest), run.test_dataloader.dataset.num_clips,
                                           _MAX_WORDS, _WINDOW, _WINDOW, manifest['text']))


def _extractor_config(model: Path) -> Tuple[Dict[str, Any], List[str]]:
    """The config of the extractor, and the modules that bring it."""
    if model.suffix != '.py':
        return dict(type='ClipExtractor', weights=str(model.absolute())), []
    file = run_config_file(model).values
    if not isinstance(file.get('extractor'), dict):
        raise ValueError(f'"{model}" describes no extractor: expected `extractor = dict(type=...)`, got '
                         f'{file.get("extractor")!r}.')
    return dict(file['extractor']), list(file.get('custom_imports', {}).get('imports', ()))
