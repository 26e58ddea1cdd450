"""The folder of a search index: features and coarse vectors of all windows, and whose they are."""
import hashlib
import json
import os
from pathlib import Path
from typing import Dict, Iterable, Mapping, NamedTuple, Optional, Tuple, Union

import numpy as np

from mmvmr.features.stores.packed_store import PackedStore, write_packed_store
from mmvmr.features.stores.shards import STORE_FILES
from mmvmr.features.video_features import VideoFeatures
from mmvmr.utils.files import folder_written_aside, write_text

FORMAT = 'mmvmr-index-2'
HEAD, FEATURES, COARSE = 'index.json', 'features', 'coarse.npy'
GONE, CHANGED = 'gone', 'changed'  # what a video file can be


class IndexFiles(NamedTuple):
    """What lies in the folder."""
    folder: Path
    run: str  # folder of the run; without one, the model of pictures and text
    checkpoint: Optional[str]  # name of its checkpoint; None without a run
    weights_sha256: str  # of the checkpoint, or of the model
    videos: Dict[str, Dict]  # ``name``, ``duration``, ``row_seconds``, and ``file`` of :func:`file_facts`, by video id
    store: PackedStore  # rows of the videos
    coarse: np.ndarray  # (V, W, S) float16, memory-mapped; by word, so that a query reads what it needs; without a run
    # (D, W, S), mean features of the pieces

    def video(self, video_id: str) -> VideoFeatures:
        """Features of one video, read when they are used."""
        return VideoFeatures(rows=self.store.read(video_id), **{
            key: self.videos[video_id][key] for key in ('name', 'row_seconds', 'duration')})

    def holds(self, video_id: str, video: VideoFeatures) -> bool:
        """Whether it has a video with just these features."""
        known = self.videos[video_id]
        return (known['duration'], known.get('sha256')) == (video.duration, _sha256(video.rows))

    def find(self, video_id: str) -> Tuple[str, Optional[str]]:
        """Where a video is now, and what is wrong with its file, :data:`GONE` or :data:`CHANGED`; else None.

        It is looked for where it lies as seen from the index, so that both can be moved together, then where it was.
        """
        name, facts = self.videos[video_id]['name'], self.videos[video_id].get('file')
        if facts is None:  # of a feature store
            return name, None
        beside = os.path.normpath(os.path.join(os.path.abspath(self.folder), facts['relative']))
        there = [path for path in (beside, name) if os.path.isfile(path)]
        for path in there:
            if is_unchanged(path, facts):
                return path, None
        return (there[0], CHANGED) if there else (name, GONE)


def file_facts(path: Union[str, Path], folder: Union[str, Path]) -> Dict:
    """By which a video file is found from the folder of an index, and told from another one."""
    status = os.stat(path)
    return dict(relative=os.path.relpath(os.path.abspath(path), os.path.abspath(folder)), size=status.st_size,
                modified=status.st_mtime_ns)


def is_unchanged(path: Union[str, Path], facts: Mapping) -> bool:
    """Whether a file has the size and the time of an indexed one."""
    status = os.stat(path)
    return (status.st_size, status.st_mtime_ns) == (facts['size'], facts['modified'])


def read_index(folder: Union[str, Path]) -> IndexFiles:
    """Open an index.

    Raises:
        FileNotFoundError, ValueError: If there is none, or it is damaged.
    """
    folder = Path(folder)
    if not (folder / HEAD).is_file():
        raise FileNotFoundError(f'There is no index in "{folder}". Make one: mmvmr search index RUN VIDEOS {folder}')
    try:
        head = json.loads((folder / HEAD).read_text(encoding='utf-8'))
        if head.pop('format') != FORMAT:
            raise ValueError(f'its format is not {FORMAT}')
        store, coarse = PackedStore(folder / FEATURES), np.load(folder / COARSE, mmap_mode='r', allow_pickle=False)
        if store.video_ids != list(head['videos']):
            raise ValueError(f'{HEAD} and {FEATURES} name different videos')
        for entry in head['videos'].values():
            if 'file' in entry and not isinstance(entry['file']['relative'], str):
                raise ValueError('the path of a video is no text')
        return IndexFiles(folder=folder, store=store, coarse=coarse, **head)
    except (OSError, EOFError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f'The index "{folder}" cannot be read ({error}). Copy it again, or remove it and make it '
                         'anew.') from error


def write_index(folder: Path, head: Dict, videos: Iterable[Tuple[str, VideoFeatures]], coarse: np.ndarray,
                files: Mapping[str, Dict]) -> None:
    """Write an index as a whole or not at all; one that is there is replaced.

    Args:
        head: ``run``, ``checkpoint`` and ``weights_sha256``.
        videos: Pairs of id and features, which need not fit in memory.
        coarse: (V or D, W, S) of all windows of the videos, in their order.
        files: :func:`file_facts` by video id, of those that are files.
    """
    known: Dict[str, Dict] = {}
    with folder_written_aside(folder, [HEAD, COARSE, *(f'{FEATURES}/{name}' for name in STORE_FILES)]) as partial:
        write_packed_store(partial / FEATURES, _rows(videos, files, known))
        np.save(partial / COARSE, coarse)
        text = json.dumps(dict(format=FORMAT, **head, videos=known), indent=1, ensure_ascii=False)
        write_text(partial / HEAD, text + '\n')


def _sha256(rows: np.ndarray) -> str:
    """By which rows (N, Dv) of a feature store are known again."""
    return hashlib.sha256(np.ascontiguousarray(rows, np.float32)).hexdigest()


def _rows(videos: Iterable[Tuple[str, VideoFeatures]], files: Mapping[str, Dict],
          known: Dict[str, Dict]) -> Iterable[Tuple[str, np.ndarray]]:
    """The rows of the videos; what else is known of them goes to ``known`` on the way."""
    for video_id, video in videos:
        known[video_id] = dict(name=video.name, row_seconds=video.row_seconds, duration=video.duration)
        if video_id in files:
            known[video_id]['file'] = files[video_id]
        else:
            known[video_id]['sha256'] = _sha256(video.rows)
        yield video_id, video.rows
