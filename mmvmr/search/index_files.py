"""The folder of a search index: features and coarse vectors of all windows, and whose they are."""
import json
from pathlib import Path
from typing import Dict, Iterable, NamedTuple, Optional, Tuple, Union

import numpy as np

from mmvmr.features.stores.packed_store import PackedStore, write_packed_store
from mmvmr.features.stores.shards import STORE_FILES
from mmvmr.features.video_features import VideoFeatures
from mmvmr.utils.files import folder_written_aside

FORMAT = 'mmvmr-index-1'
HEAD, FEATURES, COARSE = 'index.json', 'features', 'coarse.npy'


class IndexFiles(NamedTuple):
    """What lies in the folder."""
    run: str  # folder of the run; without one, the model of pictures and text
    checkpoint: Optional[str]  # name of its checkpoint; None without a run
    weights_sha256: str  # of the checkpoint, or of the model
    videos: Dict[str, Dict]  # ``name``, ``duration`` and ``row_seconds`` by video id
    store: PackedStore  # rows of the videos
    coarse: np.ndarray  # (V, W, S) float16, memory-mapped; by word, so that a query reads what it needs; without a run
    # (D, W, S), mean features of the pieces

    def video(self, video_id: str) -> VideoFeatures:
        """Features of one video, read when they are used."""
        return VideoFeatures(rows=self.store.read(video_id), **self.videos[video_id])


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
        return IndexFiles(store=store, coarse=coarse, **head)
    except (OSError, EOFError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f'The index "{folder}" cannot be read ({error}). Copy it again, or remove it and make it '
                         'anew.') from error


def write_index(folder: Path, head: Dict, videos: Iterable[Tuple[str, VideoFeatures]], coarse: np.ndarray) -> None:
    """Write an index as a whole or not at all; one that is there is replaced.

    Args:
        head: ``run``, ``checkpoint`` and ``weights_sha256``.
        videos: Pairs of id and features, which need not fit in memory.
        coarse: (V or D, W, S) of all windows of the videos, in their order.
    """
    known: Dict[str, Dict] = {}
    with folder_written_aside(folder, [HEAD, COARSE, *(f'{FEATURES}/{name}' for name in STORE_FILES)]) as partial:
        write_packed_store(partial / FEATURES, _rows(videos, known))
        np.save(partial / COARSE, coarse)
        text = json.dumps(dict(format=FORMAT, **head, videos=known), indent=1, ensure_ascii=False)
        (partial / HEAD).write_text(text + '\n', encoding='utf-8')


def _rows(videos: Iterable[Tuple[str, VideoFeatures]], known: Dict[str, Dict]) -> Iterable[Tuple[str, np.ndarray]]:
    """The rows of the videos; what else is known of them goes to ``known`` on the way."""
    for video_id, video in videos:
        known[video_id] = dict(name=video.name, row_seconds=video.row_seconds, duration=video.duration)
        yield video_id, video.rows


