"""Captions of clips as features: what a language model has said of each clip, embedded as sentences are."""
import gzip
import json
from pathlib import Path
from typing import Dict, Iterator, List, Tuple, Union

import numpy as np

from mmvmr.features.stores.packed_store import PackedStore, check_replaceable, write_packed_store
from mmvmr.text.encoders.transformers_text import TransformersText
from mmvmr.utils.progress import progress
from mmvmr.utils.text_files import split_lines

_EXPECTED = ('a folder with VIDEO.txt per video, a line per clip; or a file .jsonl or .jsonl.gz with an object per '
             'video, "vid" and "captions", a list with a sentence per clip')


def read_captions(source: Union[str, Path]) -> Dict[str, List[str]]:
    """Captions of the clips of each video, in their order; a clip without one has an empty text.

    Args:
        source: A folder with ``VIDEO.txt`` per video, a line per clip; or a ``.jsonl`` or ``.jsonl.gz`` file with an
            object per video, ``vid`` and ``captions``.

    Raises:
        FileNotFoundError: If there are none.
        ValueError: If they are damaged, or of another form.
    """
    source = Path(source)
    if not source.exists():
        raise FileNotFoundError(f'There are no captions "{source}". Expected {_EXPECTED}.')
    found: Dict[str, List[str]] = {}
    for where, video_id, captions in _from_folder(source) if source.is_dir() else _from_file(source):
        if video_id in found or not any(text.strip() for text in captions):
            what = 'has captions twice' if video_id in found else 'has no captions'
            raise ValueError(f'{where}: video {video_id!r} {what}. Expected {_EXPECTED}.')
        found[video_id] = captions
    if not found:
        raise FileNotFoundError(f'"{source}" holds no captions. Expected {_EXPECTED}.')
    return found


def _from_folder(folder: Path) -> Iterator[Tuple[str, str, List[str]]]:
    for path in sorted(folder.glob('*.txt')):
        try:
            yield f'"{path}"', path.stem, split_lines(path.read_text(encoding='utf-8-sig'))
        except UnicodeDecodeError as error:
            raise ValueError(f'"{path}" is not a text in UTF-8 ({error.reason}). Save it as UTF-8.') from error


def _from_file(path: Path) -> Iterator[Tuple[str, str, List[str]]]:
    try:
        with (gzip.open if path.suffix == '.gz' else open)(path, 'rt', encoding='utf-8') as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                entry = json.loads(line)
                captions = entry['captions']
                if not isinstance(captions, list) or not all(isinstance(text, str) for text in captions):
                    raise TypeError('captions are no list of texts')
                yield f'"{path}", line {number}', str(entry['vid']), captions
    except (OSError, EOFError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f'"{path}" cannot be read ({type(error).__name__}: {error}). Expected {_EXPECTED}.') from error


def embed_captions(source: Union[str, Path], target: Path, encoder: Dict, clip_seconds: float,
                   overwrite: bool = False) -> PackedStore:
    """Write the sentence vectors of captions as the features of their clips; a clip without a caption is all zero.

    The manifest names the encoder as the text side of the features, so queries are embedded by it.

    Args:
        source: See :func:`read_captions`.
        target: Folder of the store.
        encoder: Arguments of :class:`~mmvmr.text.encoders.transformers_text.TransformersText`.
        clip_seconds: Length of a clip.
        overwrite: Replace a store that is there.

    Raises:
        FileNotFoundError, FileExistsError, ValueError: If something is absent, in the way, or not what it should be.
    """
    if not 0 < clip_seconds < float('inf'):
        raise ValueError(f'clip_seconds must be a positive number, got {clip_seconds}.')
    if target.exists():
        check_replaceable(target, overwrite)
    captions, text = read_captions(source), TransformersText(**encoder, gives='sentence')

    def rows(texts: List[str]) -> np.ndarray:
        known = list(dict.fromkeys(text for text in texts if text.strip()))  # neighbours often have the same
        vectors = dict(zip(known, text.embed(known)), **{'': np.zeros(text.sentence_dim, np.float32)})
        return np.stack([vectors[one if one.strip() else ''] for one in texts])

    manifest = dict(text=dict(text.config), clip_seconds=clip_seconds)
    return write_packed_store(target, ((video_id, rows(texts)) for video_id, texts in progress(
        captions.items(), 'Embedding captions', unit='video')), manifest=manifest, overwrite=overwrite)
