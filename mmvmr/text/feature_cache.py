"""Features of queries that are computed once and kept, under a hash of what they depend on."""
import hashlib
import json
import logging
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

import numpy as np
from mmengine.logging import print_log

from mmvmr.text.query_store import QueryFeatures
from mmvmr.utils.files import written_aside


def remembered(folder: Optional[Path], settings: Dict[str, Any], texts: Sequence[str],
               compute: Callable[[], List[QueryFeatures]]) -> List[QueryFeatures]:
    """The features of texts: those that were kept, or else those that are computed, and kept then.

    The name of the file is the hash of texts and settings. A damaged file counts as none, and is written again.

    Args:
        folder: Where they are kept; None keeps nothing.
        settings: What else the features depend on, plain data.
    """
    if folder is None:
        return compute()
    digest = hashlib.sha256(json.dumps([settings, list(texts)], sort_keys=True).encode())
    path = folder / f'{digest.hexdigest()}.npz'
    if path.is_file():
        try:
            return _read(path, len(texts))
        except Exception as error:  # a damaged file can fail anywhere inside numpy
            print_log(f'"{path}" is damaged ({type(error).__name__}: {error}), and made anew.', 'current',
                      logging.WARNING)
    found = compute()
    try:
        with written_aside(path) as partial, open(partial, 'wb') as file:
            np.savez(file, **_arrays(found))
    except OSError as error:
        print_log(f'Features of sentences cannot be kept in "{folder}" ({error.strerror}), and are computed anew each '
                  'time.', 'current', logging.WARNING)
    return found


def _arrays(found: Sequence[QueryFeatures]) -> Dict[str, np.ndarray]:
    arrays = {}
    if found[0].sentence is not None:
        arrays['sentence'] = np.stack([one.sentence for one in found])
    if found[0].tokens is not None:
        arrays['ends'] = np.cumsum([len(one.tokens) for one in found])
        arrays['tokens'], arrays['words'] = (np.concatenate(part) for part in zip(
            *((one.tokens, one.words) for one in found)))
    return arrays


def _read(path: Path, count: int) -> List[QueryFeatures]:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    nothing = [None] * count
    sentences = list(arrays['sentence']) if 'sentence' in arrays else nothing
    tokens, words = (np.split(arrays[name], arrays['ends'][:-1]) if name in arrays else nothing
                     for name in ('tokens', 'words'))
    if not len(sentences) == len(tokens) == len(words) == count:
        raise ValueError(f'it holds {len(sentences)} queries, not {count}')
    return [QueryFeatures(*one) for one in zip(sentences, tokens, words)]
