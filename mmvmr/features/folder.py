"""From a folder of video files to a packed store, with every finished video kept."""
import json
import os
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Sequence

import numpy as np

from mmvmr.features.extract import make_manifest
from mmvmr.features.stores.names import VIDEO_SUFFIXES
from mmvmr.features.stores.packed_store import check_replaceable, write_packed_store
from mmvmr.features.stores.shards import Shard
from mmvmr.features.workers import extract_all
from mmvmr.registry import EXTRACTORS
from mmvmr.utils.files import remove_own_files, write_text
from mmvmr.utils.imports import import_modules

PICTURES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
SETTINGS = 'settings.json'


def find_videos(folder: Path) -> Dict[str, Path]:
    """The video files in ``folder`` and below by video id, their name without its suffix; sorted by id.

    Args:
        folder: A single video file stands for a folder with nothing else.

    Raises:
        FileNotFoundError: If there is no such folder, or no video in it.
        ValueError: If two files have the same id.
    """
    if folder.is_file() and folder.suffix.lower() in VIDEO_SUFFIXES:
        return {folder.stem: folder}
    if folder.is_file():
        raise FileNotFoundError(f'"{folder}" is no folder with videos, and no video: files with these suffixes are '
                                f'read: {" ".join(VIDEO_SUFFIXES)}')
    if not folder.is_dir():
        raise FileNotFoundError(f'There is no folder "{folder}" with videos.')
    videos: Dict[str, Path] = {}
    for path in sorted(_files_below(folder)):
        if path.name.startswith('.') or path.suffix.lower() not in VIDEO_SUFFIXES or not path.is_file():
            continue
        if path.stem in videos:
            raise ValueError(f'"{videos[path.stem]}" and "{path}" would both be video {path.stem!r}: annotations name '
                             'a video by its file name without the suffix. Rename or move one of them.')
        videos[path.stem] = path
    if not videos:
        raise FileNotFoundError(f'There is no video in "{folder}". Files with these suffixes are read: '
                                f'{" ".join(VIDEO_SUFFIXES)}{_hint_for_pictures(folder)}')
    return dict(sorted(videos.items()))


def _files_below(folder: Path) -> Iterator[Path]:
    """All files in folders that are not hidden, also behind links; each folder once, by itself before by a link."""
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        if os.path.realpath(place) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(place))
        folders[:] = sorted((name for name in folders if not name.startswith('.')),
                            key=lambda name: (Path(place, name).is_symlink(), name))
        yield from (Path(place, name) for name in files)


def _hint_for_pictures(folder: Path) -> str:
    """What to do with videos that are kept as folders of numbered pictures."""
    found = sorted(path for path in folder.rglob('*') if path.suffix.lower() in PICTURES)
    if not found:
        return ''
    pictures = found[0].parent
    return (f'. It holds pictures, such as "{found[0]}". Pictures have no times: make a video of each of their '
            'folders, at the rate at which they were taken, e.g. 25 per second: ffmpeg -framerate 25 -pattern_type '
            f'glob -i "{pictures}/*{found[0].suffix}" -pix_fmt yuv420p "{pictures.name}.mp4"')


def extract_folder(folder: Path, target: Path, config: Dict[str, Any], workers: Optional[int] = None,
                   overwrite: bool = False, imports: Sequence[str] = (),
                   shard: Optional[Shard] = None) -> Dict[Path, str]:
    """Write the features of all videos in ``folder`` to the packed store ``target``; the same bits on every run.

    The rows of each finished video are kept in ``<target>.unfinished``, so a run that was stopped goes on where it was.
    Videos that cannot be decoded are left out of the store; then that folder stays, and the next run reads only them.

    Args:
        folder: Videos, also in its subfolders.
        target: Folder of the store, or of one shard.
        config: Of the extractor.
        workers: Processes; each works on one video at a time. By default one per GPU that the extractor may use, with
            the network there, else one per core.
        overwrite: Replace a store that is there.
        imports: Modules that register extractors.
        shard: Take only this share of the videos; other machines take the others.

    Returns:
        What was wrong with each video that is left out.

    Raises:
        FileExistsError: If ``target`` is there, and is no store or ``overwrite`` is not given.
        ValueError: If what is unfinished was made by another extractor.
        ChildProcessError: If a process died.
    """
    if target.exists():
        check_replaceable(target, overwrite)
    videos, entries = find_videos(folder), {}
    if shard:
        entries, videos = shard.entries(videos), {video_id: videos[video_id] for video_id in shard.take(videos)}
    return extract_videos(videos, target, config, workers, imports, entries)


def extract_videos(videos: Dict[str, Path], target: Path, config: Dict[str, Any], workers: Optional[int] = None,
                   imports: Sequence[str] = (), entries: Optional[Dict[str, Any]] = None) -> Dict[Path, str]:
    """The same for files that are chosen by their ids; a store that is there is replaced.

    Args:
        entries: What else the manifest shall say.
    """
    import_modules(imports)
    manifest = dict(make_manifest(config, EXTRACTORS.build(dict(config))), **(entries or {}))
    unfinished = _open_unfinished(unfinished_beside(target), manifest)
    done = {video_id: unfinished / f'{video_id}.npy' for video_id in videos}
    left = {videos[video_id]: path for video_id, path in done.items() if not _is_newer(path, videos[video_id])}
    failures = extract_all(left, len(videos), config, workers, imports)
    features = ((video_id, np.load(path, allow_pickle=False)) for video_id, path in done.items()
                if videos[video_id] not in failures)
    if len(failures) < len(videos):
        write_packed_store(target, features, manifest=manifest, overwrite=True)
    if not failures:
        remove_unfinished(target)
    return failures


def unfinished_beside(target: Path) -> Path:
    """The folder for the rows of single videos of a store that is to be written."""
    return target.with_name(f'{target.name}.unfinished')


def remove_unfinished(target: Path) -> None:
    """Remove the rows of single videos of a store, where there are some."""
    remove_own_files(unfinished_beside(target), [SETTINGS, '*.npy'])


def _open_unfinished(folder: Path, manifest: Dict[str, Any]) -> Path:
    """The folder for the rows of single videos: a new one, or that of a run with the same extractor."""
    settings = folder / SETTINGS
    if not settings.exists():
        write_text(settings, json.dumps(manifest))
    elif settings.read_text() != json.dumps(manifest):
        raise ValueError(f'"{folder}" holds what a run with another extractor, or of a share of other videos, left '
                         f'behind:\n  there  {settings.read_text()}\n  asked  {json.dumps(manifest)}\nGo on with that, '
                         'write to another folder, or remove this one.')
    return folder


def _is_newer(rows: Path, video: Path) -> bool:
    """Whether there are rows, of the video as it is now."""
    return rows.exists() and rows.stat().st_mtime >= video.stat().st_mtime
