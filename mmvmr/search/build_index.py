"""Making an index of many videos, once, or adding videos to it."""
import json
import os
from pathlib import Path
from typing import Dict, List, Optional, Tuple, Union

import numpy as np
from mmengine.config import Config

from mmvmr.apis.inferencer import MomentRetrievalInferencer
from mmvmr.apis.windows import cut_windows
from mmvmr.engine.checkpoint import find_weights
from mmvmr.engine.run.places import find_run
from mmvmr.features.extract import make_manifest
from mmvmr.features.folder import extract_videos, find_videos, remove_unfinished
from mmvmr.features.stores.feature_store import open_feature_store
from mmvmr.features.stores.packed_store import PackedStore
from mmvmr.features.stores.shards import MANIFEST, STORE_FILES
from mmvmr.features.video import probe_video
from mmvmr.features.video_features import VideoFeatures
from mmvmr.registry import DATASETS
from mmvmr.search.coarse import make_coarse, sha256_of_inputs
from mmvmr.search.index_files import GONE, HEAD, IndexFiles, file_facts, is_unchanged, read_index, write_index
from mmvmr.utils.files import remove_own_files, sha256_of_files
from mmvmr.utils.progress import progress

Videos = Dict[str, VideoFeatures]


def build_index(run: Union[str, Path], source: Union[str, Path], folder: Union[str, Path],
                annotations: Optional[str] = None, workers: Optional[int] = None, device: Optional[str] = None,
                prune: bool = False, zero_shot: bool = False) -> Dict[Path, str]:
    """Write the index of videos, or bring one up to date; the same bits as if it was made at once.

    Videos that it does not have are added, those whose files have changed are read again, those that have moved are
    found by their names, size and time. Those that are gone stay in the index, and are answered by no search.

    A run that was stopped goes on where it was: the features of every finished video are kept beside the index.

    Args:
        run: Folder of a run, or a checkpoint in it; with ``zero_shot`` a model of pictures and text, see
            :func:`~mmvmr.engine.run.zero_shot.open_zero_shot`.
        source: Folder of video files, or one; with ``annotations``, a feature store.
        folder: Of the index.
        annotations: File in the format of the training annotations, which says what videos of the store are taken, and
            how long they are. No span and no sentence in it is used.
        workers: Processes that extract features; by default one per GPU that the extractor may use, else one per core.
        device: Of the model.
        prune: Take the videos that are gone out of the index.

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
        run, checkpoint = find_run(run)
        checkpoint = find_weights(checkpoint or run)
        head = dict(run=str(run.absolute()), checkpoint=Path(checkpoint).name,
                    weights_sha256=sha256_of_files(checkpoint))
        old = _open_old(folder, head['weights_sha256'])
        inferencer = MomentRetrievalInferencer(run, checkpoint, device)
    extracted = extracted_beside(folder)
    kept = {video_id: dict(entry) for video_id, entry in (old.videos if old else {}).items()
            if not (prune and old.find(video_id)[1] == GONE)}
    if annotations is None:
        paths, failures = _choose(source, folder, old, kept, prune)
        files = {video_id: file_facts(path, folder) for video_id, path in paths.items()}
        videos, broken = _from_files(paths, inferencer, extracted, workers)
        failures.update(broken)
    else:
        videos, files, failures = _from_store(source, annotations, old, kept, inferencer), {}, {}
    if old and not (kept or videos):
        raise ValueError(f'No video of the index "{folder}" would be left. Remove the index, or give a folder of '
                         'videos.')
    if videos or (old and kept != old.videos):
        coarse = _coarse_vectors(videos, inferencer) if videos else {}
        everything = sorted({**_with_coarse(old, kept, inferencer), **coarse}.items())
        files.update((video_id, entry['file']) for video_id, entry in kept.items() if 'file' in entry)
        write_index(folder, head, ((video_id, video) for video_id, (video, _) in everything),
                    np.concatenate([part for _, (_, part) in everything], axis=1), files)
    if annotations is None:
        remove_own_files(extracted, STORE_FILES)
        remove_unfinished(extracted)  # also where a video cannot be read: the index has the others
    return failures


def extracted_beside(folder: Path) -> Path:
    """The store in which the features of an index lie until it is written: hidden, so that nobody's own is taken."""
    return folder.with_name(f'.{folder.name}.extracted')


def _choose(source: Union[str, Path], folder: Path, old: Optional[IndexFiles], kept: Dict[str, Dict],
            prune: bool) -> Tuple[Dict[str, Path], Dict[Path, str]]:
    """The video files that are to be read; what is known of others that have moved is brought up to date in ``kept``.

    Those that are to be read again are taken out of it. Second, what is wrong with files that cannot be taken.
    """
    try:
        found = find_videos(Path(source))
    except FileNotFoundError:
        if not (old and prune):
            raise
        found = {}
    paths, failures = {}, {}
    for video_id, path in found.items():
        facts = kept.get(video_id, {}).get('file')
        if video_id not in kept:
            paths[video_id] = path
        elif facts is None:
            failures[path] = f'The index has features of another video {video_id!r}, from a store. Rename the file.'
        elif is_unchanged(path, facts):
            if old.find(video_id)[1] is not None or os.path.samefile(old.find(video_id)[0], path):
                kept[video_id].update(name=str(path.absolute()), file=file_facts(path, folder))
        elif os.path.isfile(old.find(video_id)[0]) and not os.path.samefile(old.find(video_id)[0], path):
            failures[path] = (f'The index has another video {video_id!r}, "{old.find(video_id)[0]}": videos are told '
                              'apart by their file names without the suffix. Rename one of them.')
        else:
            paths[video_id] = path
            del kept[video_id]
    return paths, failures


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


def _from_files(paths: Dict[str, Path], inferencer: MomentRetrievalInferencer, target: Path,
                workers: Optional[int]) -> Tuple[Videos, Dict[Path, str]]:
    """Features of video files, and what was wrong with those that have none."""
    extractor, config, failures = inferencer.read.extractor, inferencer.recipe.features['extractor'], {}
    if paths and not _is_extracted(target, paths, make_manifest(config, extractor)):
        imports = (inferencer.cfg.get('custom_imports') or {}).get('imports', ())
        failures = extract_videos(paths, target, config, workers, imports)
    store = PackedStore(target) if paths and target.exists() else None
    return {video_id: VideoFeatures(str(paths[video_id].absolute()), store.read(video_id), extractor.clip_seconds,
                                    probe_video(paths[video_id]).duration)
            for video_id in (store.video_ids if store else [])}, failures


def _is_extracted(target: Path, paths: Dict[str, Path], manifest: Dict) -> bool:
    """Whether a run that was stopped has left the features of just these files, as they are now, by this extractor."""
    if not (target / MANIFEST).exists():
        return False
    store, wanted = PackedStore(target), json.loads(json.dumps(manifest))
    return (store.video_ids == list(paths) and {name: store.manifest.get(name) for name in wanted} == wanted
            and all(path.stat().st_mtime <= (target / MANIFEST).stat().st_mtime for path in paths.values()))


def _from_store(source: Union[str, Path], annotations: str, old: Optional[IndexFiles], kept: Dict[str, Dict],
                inferencer: MomentRetrievalInferencer) -> Videos:
    """Features of the annotated videos that the old index does not have as they are now, which are taken out of
    ``kept``."""
    store = open_feature_store(source)
    seconds = inferencer.recipe.features.get('clip_seconds')
    durations = {pair['video_id']: pair['duration'] for pair in read_pairs(inferencer.cfg, annotations)
                 if 'file' not in kept.get(pair['video_id'], {})}
    missing = [video_id for video_id in durations if video_id not in store and video_id not in kept]
    if missing:
        raise ValueError(f'"{source}" has no features of {len(missing)} of {len(durations)} videos in "{annotations}", '
                         f'e.g. {missing[0]!r}. Choose the store that belongs to the annotations.')
    found = {}
    for video_id, duration in durations.items():
        if video_id in store:
            video = inferencer.read(VideoFeatures.from_store(store, video_id, duration, seconds))
            if video_id not in kept or not old.holds(video_id, video):
                kept.pop(video_id, None)
                found[video_id] = video
    return found


def read_pairs(config: Config, annotations: str) -> List[Dict]:
    """The pairs of an annotation file in the format of the data set that a model is tested on, or else trained on."""
    known = (config.get('test_dataloader') or config.train_dataloader).dataset
    durations = dict(durations=str(Path(known.get('data_root', ''), known.durations))) if 'durations' in known else {}
    dataset = DATASETS.build(dict(durations, type=known.type, ann_file=annotations, split='test', test_mode=True))
    dataset.full_init()
    return dataset.data_list


def _coarse_vectors(videos: Videos, inferencer: MomentRetrievalInferencer) -> Dict[str, Tuple]:
    """Each video and the coarse vectors (V, W, S) of its windows; one by one, so that they depend on nothing else."""
    coarse = make_coarse(inferencer)
    return {video_id: (video, np.stack([coarse(inferencer.clips(window.rows)).numpy().T
                                        for window in cut_windows(video, inferencer.recipe)], axis=1).astype('float16'))
            for video_id, video in progress(videos.items(), 'Coarse vectors', unit='video')}


def _with_coarse(old: Optional[IndexFiles], kept: Dict[str, Dict],
                 inferencer: MomentRetrievalInferencer) -> Dict[str, Tuple]:
    """The same of the videos of the index that are kept."""
    found, first = {}, 0
    for video_id in old.videos if old else ():
        video = old.video(video_id)
        last = first + sum(1 for _ in cut_windows(video, inferencer.recipe))
        if video_id in kept:
            found[video_id] = video._replace(name=kept[video_id]['name']), old.coarse[:, first:last]
        first = last
    return found
