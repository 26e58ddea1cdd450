"""Making an index of many videos, once, or adding videos to it."""
from pathlib import Path
from typing import Dict, List, Optional, Tuple, Union

import numpy as np
from mmengine.config import Config

from mmvmr.apis.inferencer import MomentRetrievalInferencer
from mmvmr.apis.windows import cut_windows
from mmvmr.engine.checkpoint import find_weights
from mmvmr.features.folder import extract_videos, find_videos
from mmvmr.features.stores.feature_store import open_feature_store
from mmvmr.features.stores.packed_store import PackedStore
from mmvmr.features.stores.shards import STORE_FILES
from mmvmr.features.video import probe_video
from mmvmr.features.video_features import VideoFeatures
from mmvmr.registry import DATASETS
from mmvmr.search.coarse import make_coarse, sha256_of_inputs
from mmvmr.search.index_files import HEAD, IndexFiles, read_index, write_index
from mmvmr.utils.files import remove_own_files, sha256_of_files
from mmvmr.utils.progress import progress

Videos = Dict[str, VideoFeatures]


def build_index(run: Union[str, Path], source: Union[str, Path], folder: Union[str, Path],
                annotations: Optional[str] = None, workers: int = 1, device: Optional[str] = None,
                zero_shot: bool = False) -> Dict[Path, str]:
    """Write the index of videos, or add to an index those that it does not have; the same bits either way.

    A run that was stopped goes on where it was: the features of every finished video are kept beside the index.

    Args:
        run: Folder of a run; with ``zero_shot`` a model of pictures and text, see
            :func:`~mmvmr.engine.run.zero_shot.open_zero_shot`.
        source: Folder of video files; with ``annotations``, a feature store.
        folder: Of the index.
        annotations: File in the format of the training annotations, which says what videos of the store are taken, and
            how long they are. No span and no sentence in it is used.
        workers: Processes that extract features.
        device: Of the model.

    Returns:
        What was wrong with each video file that is left out.

    Raises:
        FileNotFoundError, FileExistsError, ValueError: If something is absent, in the way, or does not fit.
    """
    folder = Path(folder)
    if zero_shot:
        inferencer = MomentRetrievalInferencer.zero_shot(run, device)
        head = dict(run=str(Path(run).absolute()), checkpoint=None, weights_sha256=sha256_of_inputs(inferencer))
        old = _open_old(folder, head['weights_sha256'])
    else:
        checkpoint = find_weights(run)
        head = dict(run=str(Path(run).absolute()), checkpoint=Path(checkpoint).name,
                    weights_sha256=sha256_of_files(checkpoint))
        old = _open_old(folder, head['weights_sha256'])
        inferencer = MomentRetrievalInferencer(run, checkpoint, device)
    extracted = folder.with_name(f'{folder.name}.new')
    if annotations is None:
        videos, failures = _from_files(source, old, inferencer, extracted, workers)
    else:
        videos, failures = _from_store(source, annotations, old, inferencer), {}
    if videos:
        coarse = _coarse_vectors(videos, inferencer)
        everything = sorted({**_with_coarse(old, inferencer), **coarse}.items())
        write_index(folder, head, ((video_id, video) for video_id, (video, _) in everything),
                    np.concatenate([part for _, (_, part) in everything], axis=1))
    remove_own_files(extracted, STORE_FILES)
    return failures


def _open_old(folder: Path, weights_sha256: str) -> Optional[IndexFiles]:
    """The index that is to grow, if there is one."""
    if not (folder / HEAD).exists():
        if folder.exists():
            raise FileExistsError(f'"{folder}" exists and is no index. Choose another name, or remove it.')
        return None
    old = read_index(folder)
    if old.weights_sha256 != weights_sha256:
        raise ValueError(f'The index "{folder}" was made with other weights ({old.checkpoint or "those"} of '
                         f'"{old.run}"). Choose another name for the new one, or remove the old one.')
    return old


def _from_files(source: Union[str, Path], old: Optional[IndexFiles], inferencer: MomentRetrievalInferencer,
                target: Path, workers: int) -> Tuple[Videos, Dict[Path, str]]:
    """Features of the video files that are not in the old index, and what was wrong with the others."""
    extractor, failures = inferencer.read.extractor, {}
    paths = {video_id: path for video_id, path in find_videos(Path(source)).items()
             if old is None or video_id not in old.videos}
    if paths and not (target.exists() and PackedStore(target).video_ids == list(paths)):  # else all is done
        imports = (inferencer.cfg.get('custom_imports') or {}).get('imports', ())
        failures = extract_videos(paths, target, inferencer.recipe.features['extractor'], workers, imports)
    store = PackedStore(target) if target.exists() else None
    return {video_id: VideoFeatures(str(paths[video_id].absolute()), store.read(video_id), extractor.clip_seconds,
                                    probe_video(paths[video_id]).duration)
            for video_id in (store.video_ids if store else [])}, failures


def _from_store(source: Union[str, Path], annotations: str, old: Optional[IndexFiles],
                inferencer: MomentRetrievalInferencer) -> Videos:
    """Features of the annotated videos that are not in the old index."""
    store = open_feature_store(source)
    seconds = None if getattr(store, 'num_clips', None) else inferencer.recipe.features.get('clip_seconds')
    durations = {pair['video_id']: pair['duration'] for pair in read_pairs(inferencer.cfg, annotations)
                 if old is None or pair['video_id'] not in old.videos}
    missing = [video_id for video_id in durations if video_id not in store]
    if missing:
        raise ValueError(f'"{source}" has no features of {len(missing)} of {len(durations)} videos in "{annotations}", '
                         f'e.g. {missing[0]!r}. Choose the store that belongs to the annotations.')
    return {video_id: inferencer.read(VideoFeatures.from_array(store.read(video_id), video_id, duration, seconds))
            for video_id, duration in durations.items()}


def read_pairs(config: Config, annotations: str) -> List[Dict]:
    """The pairs of an annotation file in the format of the data set that a model was trained on."""
    loader = config.get('train_dataloader') or config.test_dataloader
    dataset = DATASETS.build(dict(type=loader.dataset.type, ann_file=annotations, split='test', test_mode=True))
    dataset.full_init()
    return dataset.data_list


def _coarse_vectors(videos: Videos, inferencer: MomentRetrievalInferencer) -> Dict[str, Tuple]:
    """Each video and the coarse vectors (V, W, S) of its windows; one by one, so that they depend on nothing else."""
    coarse = make_coarse(inferencer)
    return {video_id: (video, np.stack([coarse(inferencer.clips(window.rows)).numpy().T
                                        for window in cut_windows(video, inferencer.recipe)], axis=1).astype('float16'))
            for video_id, video in progress(videos.items(), 'Coarse vectors', unit='video')}


def _with_coarse(old: Optional[IndexFiles], inferencer: MomentRetrievalInferencer) -> Dict[str, Tuple]:
    """The same of the videos that are in the index."""
    found, first = {}, 0
    for video_id in old.videos if old else ():
        video = old.video(video_id)
        last = first + sum(1 for _ in cut_windows(video, inferencer.recipe))
        found[video_id] = video, old.coarse[:, first:last]
        first = last
    return found
