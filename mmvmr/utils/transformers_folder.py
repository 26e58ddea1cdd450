"""Networks, tokenizers and image processors from a local folder in the format of transformers; no code of it is run.

All that is read is JSON, text and ``.safetensors``, and nothing is downloaded.
"""
import json
import os
import textwrap
from pathlib import Path
from typing import Any, Dict, Union

import torch
from torch import nn

from mmvmr.utils.files import refuse_lfs_pointers, sha256_of_files

_TOKENIZERS = ('tokenizer.json', 'vocab.txt', 'vocab.json', 'tokenizer.model', 'spiece.model',
               'sentencepiece.bpe.model')
_BELOW = ('*', 'snapshots/*', 'models--*/snapshots/*')  # where weights lie in folders of folders, and in a cache
_TEXT_FILES = ('*.json', '*.txt', '*.model')


def read_folder_config(folder: Union[str, Path]) -> Dict[str, Any]:
    """``config.json`` of a folder that a network can be loaded from.

    Raises:
        FileNotFoundError: If there are no weights of the right kind, or some of its files are missing.
        ValueError: If the configuration is damaged, or wants code that is not part of transformers; if files are
            pointers of Git LFS.
    """
    folder = Path(folder)
    if not any(folder.glob('*.safetensors')):
        raise FileNotFoundError(f'"{folder}" {_instead_of_weights(folder)}')
    refuse_lfs_pointers(*(path for pattern in ('*.safetensors', *_TEXT_FILES) for path in sorted(folder.glob(pattern))
                          if path.is_file()))
    _check_there(folder, 'config.json')
    try:
        config = json.loads((folder / 'config.json').read_text(encoding='utf-8'))
        model_type = config['model_type']
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f'The model in "{folder}" cannot be loaded: its config.json is not what transformers writes '
                         f'({type(error).__name__}: {error}). Fetch it again.') from error
    from_elsewhere = [f'{key}={value}' for key, value in _entries(config)
                      if key.endswith('_implementation') and '/' in str(value)]
    if from_elsewhere:
        raise ValueError(f'"{folder}" asks for code from elsewhere ({from_elsewhere[0]}), which is not run. Take that '
                         'entry out of its config.json.')
    import_transformers(f'The model in "{folder}"')
    from transformers import CONFIG_MAPPING
    if model_type not in CONFIG_MAPPING:
        own = 'brings code of its own, which is not run, and ' if config.get('auto_map') else ''
        raise ValueError(f'"{folder}" {own}is of the kind {model_type!r}, which this version of transformers does not '
                         'know. Update transformers, or take another model; one of your own fits by an adapter, see '
                         'docs/adapters.md.')
    return config


def load_network(folder: Union[str, Path], dtype: str = 'float32') -> nn.Module:
    """The network of a folder, in eval mode on the CPU.

    Args:
        dtype: Of its weights, a name in torch.

    Raises:
        FileNotFoundError, ImportError, ValueError: If it cannot be loaded; the message says why.
    """
    config = read_folder_config(folder)
    from transformers import AutoModel, AutoModelForTextEncoding
    auto = AutoModelForTextEncoding if config.get('is_encoder_decoder') else AutoModel
    network, report = _load(folder, auto, use_safetensors=True, dtype=getattr(torch, dtype), output_loading_info=True)
    # what BERT saves of a training on texts alone has no pooler, and nobody asks for it
    spare = 'pooler' if not hasattr(network, 'get_text_features') else None
    missing = sorted(name for name in report['missing_keys'] if spare is None or spare not in name)
    if missing or report['mismatched_keys']:
        raise ValueError(f'"{folder}" does not hold the weights of the {type(network).__name__} that its config.json '
                         f'describes: {(missing or sorted(report["mismatched_keys"]))[0]} and others are missing. Give '
                         'a folder that transformers saved as a whole.')
    return network.eval()


def load_tokenizer(folder: Union[str, Path]) -> Any:
    """What cuts sentences into the tokens of the network of a folder.

    Raises:
        ValueError: If there is none, or it is damaged.
    """
    from transformers import AutoTokenizer
    if not any((Path(folder) / name).is_file() for name in _TOKENIZERS):  # transformers would make up an empty one
        raise ValueError(f'"{folder}" has no tokenizer ({", ".join(_TOKENIZERS)}), so it is not known how to cut '
                         'sentences for its network. Copy the tokenizer of the model into it.')
    os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')  # else its threads warn of the processes of data loaders
    return _load(folder, AutoTokenizer)


def load_image_processor(folder: Union[str, Path]) -> Any:
    """What cuts and scales pictures for the network of a folder; without torchvision, whose numbers differ."""
    from transformers import AutoImageProcessor
    if not (Path(folder) / 'processor_config.json').is_file():
        _check_there(Path(folder), 'preprocessor_config.json')
    return _load(folder, AutoImageProcessor, backend='pil')


def sha256_of_weights(folder: Union[str, Path]) -> str:
    """Of the ``*.safetensors``, one after the other."""
    return sha256_of_files(*sorted(Path(folder).glob('*.safetensors')))


def sha256_of_text_side(folder: Union[str, Path]) -> str:
    """Of the weights, and of all that says what becomes of a sentence: tokenizer, configuration, pooling."""
    folder = Path(folder)
    texts = {path for pattern in _TEXT_FILES for path in (*folder.glob(pattern), *folder.glob(f'*/{pattern}'))}
    weights = [*sorted(folder.glob('*.safetensors')), *sorted(folder.glob('*_Dense/*.safetensors'))]
    return sha256_of_files(*weights, *sorted(texts))


def _instead_of_weights(folder: Path) -> str:
    """What is in the place of a folder with weights, and what to do, as the rest of a sentence."""
    if not folder.exists():
        return (f'does not exist, seen from "{os.getcwd()}", and nothing is downloaded. Fetch a model in the format of '
                'transformers, such as openai/clip-vit-base-patch32, and give its folder (docs/features.md).')
    if not folder.is_dir():
        return ('is a file, where the folder of a model is expected. Give the folder with its .safetensors and '
                'config.json.')
    below = sorted({str(path.parent) for pattern in _BELOW for path in folder.glob(f'{pattern}/*.safetensors')})
    if below:
        kind = 'is a folder of a cache' if 'snapshots' in Path(below[0]).parts[len(folder.parts):] else 'is no model'
        more = f', or another of its {len(below)} models' if len(below) > 1 else ''
        return f'{kind}, whose weights lie further below. Give "{below[0]}"{more}.'
    pickled = sorted(path.name for pattern in ('*.bin', '*.pt', '*.pth') for path in folder.glob(pattern))
    if pickled:
        return (f'holds pickled weights ({pickled[0]}), which may run code and are not read, and no .safetensors. '
                'AutoModel.from_pretrained(OLD).save_pretrained(NEW) converts those of a model of transformers.')
    return (('holds no .safetensors' if any(folder.iterdir()) else 'is empty') + ': the weights are missing. Fetch all '
            'files of the model (docs/features.md).')


def _check_there(folder: Path, name: str) -> None:
    if not (folder / name).is_file():
        raise FileNotFoundError(f'"{folder}" has no {name}, which belongs to its model. Copy the one of the model into '
                                'it, or fetch the folder again, all of it.')


def _load(folder: Union[str, Path], auto: Any, **arguments: Any) -> Any:
    try:
        return auto.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **arguments)
    except Exception as error:  # of many kinds, by what is damaged
        reason = textwrap.shorten(str(error), 300, placeholder=' ...')
        raise ValueError(f'The model in "{folder}" cannot be loaded by {auto.__name__}: fetch it again, all of its '
                         f'files. {type(error).__name__}: {reason}') from error


def import_transformers(what: str) -> None:
    """Import transformers, and keep it silent: it would tell of weights that are not needed.

    Args:
        what: Needs it.

    Raises:
        ImportError: If it is not installed; the message says how to install it.
    """
    try:
        from transformers import logging
    except ImportError as error:
        raise ImportError(f'{what} needs the package transformers ({error}): pip install '
                          '-c requirements/constraints.txt -e ".[clip]", in the checkout of mmvmr.') from error
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _entries(value: Any):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _entries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _entries(inner)
