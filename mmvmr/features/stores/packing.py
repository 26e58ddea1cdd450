"""From features as they come to one packed store."""
from pathlib import Path
from typing import Any, Dict, Optional, Union

import numpy as np

from mmvmr.features.stores.feature_store import Features, FeatureStore, feature_paths, open_feature_store
from mmvmr.features.stores.packed_store import PackedStore, write_packed_store
from mmvmr.features.stores.shards import Shard
from mmvmr.features.stores.streams import Streams
from mmvmr.utils.progress import progress


def pack_features(source: Features, target: Union[str, Path], num_clips: Optional[int] = 200,
                  dtype: str = 'float32', manifest: Optional[Dict[str, Any]] = None, shard: Optional[Shard] = None,
                  overwrite: bool = False) -> PackedStore:
    """Resample the features of all videos and write them as a packed store.

    Args:
        source: What :func:`~mmvmr.features.stores.feature_store.open_feature_store` opens; several streams are put side
            by side.
        target: Folder to write.
        num_clips: T; None keeps all rows.
        dtype: 'float32' or 'float16'.
        manifest: What else is known of the features; what the source knows stays beside it.
        shard: Take this share of the videos only.
        overwrite: Replace a store that is there.

    Raises:
        FileNotFoundError, FileExistsError: If the source is absent, or the target is in the way.
        ValueError: If the source is damaged, resampled already, or the target itself.
    """
    target, paths = Path(target), list(map(Path, feature_paths(source)))
    if target.resolve() in (path.resolve() for path in paths):
        raise ValueError(f'{target} is both source and target: the original features would be lost. Give another '
                         'target.')
    store = open_feature_store(source)
    if getattr(store, 'num_clips', None):
        raise ValueError(f'{store.path} is already resampled to {store.num_clips} clips: pack the original features.')
    known = {key: value for key, value in getattr(store, 'manifest', {}).items()  # the source may be in shards, which
             if key not in Shard(0, 1).entries([])}  # are not those of the target
    names, video_ids = ' + '.join(path.name for path in paths), store.video_ids
    manifest = dict(known, source=names, **(manifest or {}))
    if shard:
        target, video_ids = shard.folder(target), shard.take(video_ids)
        manifest.update(shard.entries(store.video_ids))
    videos = progress(video_ids, desc='Packing videos', unit='video')
    return write_packed_store(target, ((video_id, _rows(store, video_id, num_clips)) for video_id in videos), num_clips,
                              dtype, manifest, overwrite)


def _rows(store: FeatureStore, video_id: str, num_clips: Optional[int]) -> np.ndarray:
    """(N, Dv); of streams, whose rows may differ in number, the T clips."""
    several = isinstance(store, Streams) and num_clips
    return store.read_clips([video_id], num_clips)[0] if several else store.read(video_id)
