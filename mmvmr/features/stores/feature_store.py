"""Clip features behind one ``read(video_id)``, whatever the file format."""
from pathlib import Path
from typing import Any, Mapping, Sequence, Union

from mmvmr.features.stores.array_stores import ArrayFile, ArrayFolder
from mmvmr.features.stores.arrays import PICKLES, SUFFIXES, how_to_convert
from mmvmr.features.stores.hdf5_store import Hdf5Store
from mmvmr.features.stores.packed_store import PackedStore, write_packed_store
from mmvmr.features.stores.quantized_store import QuantizedStore, is_quantized
from mmvmr.features.stores.shards import DATA, INDEX, MANIFEST, find_shards
from mmvmr.features.stores.streams import Streams

__all__ = ['ArrayFile', 'ArrayFolder', 'Features', 'FeatureStore', 'Hdf5Store', 'PackedStore', 'QuantizedStore',
           'Streams', 'feature_paths', 'open_feature_store', 'write_packed_store']

Features = Union[str, Path, Mapping[str, Any], Sequence[Any]]  # a path, dict(path=...), or a list of streams
FeatureStore = Union[PackedStore, Hdf5Store, ArrayFolder, ArrayFile, QuantizedStore, Streams]


def open_feature_store(features: Features, root: Union[str, Path] = '') -> FeatureStore:
    """Open features: a packed store or all its shards, an HDF5 file, a folder of arrays, or several of these.

    All kinds have ``read(video_id) -> (N, Dv)``, ``read_clips(video_ids, T) -> (B, T, Dv)``, ``video_ids``, ``names``,
    ``dim`` and ``video_id in store``.

    Args:
        features: A path; or ``dict(path=..., key=..., normalize=...)``, where ``key`` names the array that is meant and
            ``normalize`` divides each row by its L2 norm; or a list of these, streams that are put side by side.
        root: Folder that relative paths start from.

    Raises:
        FileNotFoundError: If there is nothing at a path.
        ValueError: If what is there is damaged, or of no known kind.
    """
    parts = [_part(part) for part in (features if isinstance(features, (list, tuple)) else [features])]
    stores = [_open(Path(root, part['path']), part.get('key')) for part in parts]
    normalize = [bool(part.get('normalize')) for part in parts]
    return stores[0] if len(stores) == 1 and not normalize[0] else Streams(stores, normalize)


def feature_paths(features: Features, root: Union[str, Path] = '') -> Sequence[str]:
    """The paths of all streams."""
    parts = features if isinstance(features, (list, tuple)) else [features]
    return [str(Path(root, _part(part)['path'])) for part in parts]


def _part(part: Any) -> Mapping[str, Any]:
    part = dict(part) if isinstance(part, Mapping) else dict(path=part)
    if not (isinstance(part.get('path'), (str, Path)) and set(part) <= {'path', 'key', 'normalize'}
            and isinstance(part.get('normalize', False), bool)):
        raise ValueError('Features are a path, dict(path=..., key=..., normalize=True), or a list of these, got '
                         f'{part}.')
    return part


def _open(path: Path, key: Any) -> FeatureStore:
    if not path.exists():
        raise FileNotFoundError(f'No features at {path}.')
    if path.is_file() and path.suffix.lower() in PICKLES:
        raise ValueError(f'{path} is a pickle, which may run code. {how_to_convert(path, of_all_videos=True)}')
    if path.is_file() and is_quantized(path):
        return QuantizedStore(path)
    if path.is_file():
        return ArrayFile(path, key) if path.suffix.lower() in SUFFIXES else Hdf5Store(path, key)
    if any((path / name).exists() for name in (MANIFEST, INDEX, DATA)) or find_shards(path):
        if key is not None:
            raise ValueError(f'{path} is a packed store, which has one table per video: leave key={key!r} out.')
        return PackedStore(path)
    return ArrayFolder(path, key)
