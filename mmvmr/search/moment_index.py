"""Search for sentences in many videos: coarse vectors first, the model for the best windows."""
import logging
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Union

import numpy as np
from mmengine.logging import print_log

from mmvmr.apis.inferencer import MomentRetrievalInferencer, batches_of_pairs
from mmvmr.apis.windows import cut_windows, rank_moments
from mmvmr.datasets.collate import collate_moments
from mmvmr.engine.run.places import find_run
from mmvmr.search.coarse import coarse_query, coarse_size, sha256_of_inputs
from mmvmr.search.index_files import read_index
from mmvmr.structures import MomentSample
from mmvmr.text.sentences import Sentences, read_sentences
from mmvmr.utils.files import sha256_of_files
from mmvmr.utils.progress import progress

_LOOKS = 20  # windows that the model looks at; docs/search_videos.md says what is lost
_LOOKS_OF_CURVES = 500  # the same where nothing is trained, and a look costs about a millisecond


class MomentIndex:
    """Many videos, in which moments are searched by sentences.

    Args:
        folder: Of an index that ``mmvmr search index`` has made.
        run: Folder of the run, if it is no longer where it was.
        device: E.g. 'cpu' or 'cuda:0'; by default a GPU if there is one.
        show_progress: Show a bar over the windows that the model looks at.

    Raises:
        FileNotFoundError: If there is no index, or no run.
        ValueError: If the index is damaged, the run has other weights than it was made with, or no video is there.

    Attributes:
        windows: Pairs of video id and :class:`~mmvmr.apis.windows.Window`, of the videos that are searched.
        names: What a video is called in answers, for files their path, by video id.
        left_out: What is wrong with each file that is not searched.
        num_windows: How many of them the model looks at for a sentence, if nothing else is said.
    """

    def __init__(self, folder: Union[str, Path], run: Optional[Union[str, Path]] = None, device: Optional[str] = None,
                 show_progress: bool = True) -> None:
        self.files = read_index(folder)
        self.show_progress = show_progress
        self.num_windows = _LOOKS if self.files.checkpoint else _LOOKS_OF_CURVES
        self.inferencer = self._open_model(folder, run, device)
        recipe = self.inferencer.recipe
        self.windows, self.names, self.left_out, count = [], {}, {}, 0
        columns: List[int] = []  # of the coarse vectors, of these windows
        for video_id in self.files.videos:
            windows = list(cut_windows(self.files.video(video_id), recipe))
            self.names[video_id], problem = self.files.find(video_id)
            if problem:
                self.left_out[self.names[video_id]] = problem
            else:
                self.windows += [(video_id, window) for window in windows]
                columns += range(count, count + len(windows))
            count += len(windows)
        self.columns = np.array(columns, dtype=int)
        expected = coarse_size(self.inferencer), count
        if self.files.coarse.shape[:2] != expected:
            raise ValueError(f'The index "{folder}" has coarse vectors of {self.files.coarse.shape[:2]} words and '
                             f'windows, expected {expected}. Remove it and make it anew.')
        self._tell_left_out()

    def _tell_left_out(self) -> None:
        """Say which videos are not searched."""
        if not self.left_out:
            return
        counts = ' and '.join(f'{count} {problem}' for problem, count in Counter(self.left_out.values()).items())
        text = (f'{len(self.left_out)} of {len(self.names)} videos are left out: {counts}, such as '
                f'"{next(iter(self.left_out))}". To bring the index up to date: mmvmr search index {self.files.run} '
                f'VIDEOS {self.files.folder}, with --prune to drop those that are gone.')
        if not self.windows:
            raise ValueError(text)
        print_log(text, 'current', logging.WARNING)

    def _open_model(self, folder: Union[str, Path], run: Union[str, Path, None],
                    device: Optional[str]) -> MomentRetrievalInferencer:
        """The model that the index was made with."""
        if run is None or self.files.checkpoint is None:
            run = Path(run or self.files.run)
        else:
            run = find_run(run)[0]
        source = run if self.files.checkpoint is None else run / self.files.checkpoint
        if not source.exists():
            raise FileNotFoundError(f'The index "{folder}" was made with "{source}", which is not there. If its folder '
                                    'has moved, say where it is now with --run.')
        if self.files.checkpoint is None:
            inferencer = MomentRetrievalInferencer.zero_shot(run, device, show_progress=False)
            found = sha256_of_inputs(inferencer)
        else:
            inferencer, found = None, sha256_of_files(source)
        if found != self.files.weights_sha256:
            raise ValueError(f'"{source}" has changed since the index "{folder}" was made: its vectors no longer '
                             'fit. Remove the index and make it anew, or give the old one with --run.')
        return inferencer or MomentRetrievalInferencer(run, source, device, show_progress=False)

    def search(self, query: str, top_k: int = 10, num_windows: Optional[int] = None) -> List[Dict]:
        """The best moments over all videos, best first.

        Args:
            query: A sentence.
            top_k: Moments, at most.
            num_windows: How many windows the model looks at, those with the best coarse scores; by default
                :attr:`num_windows`. ``len(index.windows)`` is the exhaustive search.

        Returns:
            Dicts with ``video``, ``start`` and ``end`` (seconds) and ``match``, as of
            :class:`~mmvmr.apis.MomentRetrievalInferencer`.

        Raises:
            ValueError: If the model knows no word of the sentence, or a number is below 1.
        """
        count = self.num_windows if num_windows is None else num_windows
        if top_k < 1 or count < 1:
            raise ValueError(f'top_k and num_windows must be at least 1, got {top_k} and {count}.')
        sentence = self.read(query)
        self.inferencer.warn(sentence)
        return self.best_moments(self.look(sentence, self.shortlist(sentence, count)), top_k)

    def read(self, query: str) -> Sentences:
        """A sentence as an input of the model."""
        return read_sentences([query], self.inferencer.text, self.inferencer.recipe.max_words)

    def shortlist(self, sentence: Sentences, count: Optional[int] = None) -> np.ndarray:
        """Numbers of the windows with the best coarse scores, best first; of all by default."""
        rows, counts = coarse_query(self.inferencer, sentence.encoded)
        coarse = self.files.coarse[rows][:, self.columns]
        pieces = np.tensordot(counts, coarse.astype(np.float32), axes=1)  # (W, S)
        return np.argsort(-pieces.max(axis=1), kind='stable')[:count]

    def look(self, sentence: Sentences, windows: Sequence[int], batch_size: int = 8) -> List[MomentSample]:
        """What the model finds in these windows, in the order of their numbers."""
        pairs = (self.inferencer.pair(video_id, self.inferencer.clips(window.rows), window, 0, sentence)
                 for video_id, window in (self.windows[number] for number in sorted(windows)))
        samples = []
        with progress(total=len(windows), desc='Windows', leave=False, hidden=not self.show_progress) as bar:
            for batch in batches_of_pairs(pairs, batch_size):
                samples += self.inferencer.forward(collate_moments(batch))
                bar.update(len(batch))
        return samples

    def best_moments(self, samples: Sequence[MomentSample], top_k: int) -> List[Dict]:
        """The moments of all windows in one ranking, by their matches."""
        moments = [dict(video=self.names[video_id], **moment)
                   for video_id, windows in groupby(samples, key=lambda sample: sample.video_id)
                   for moment in rank_moments(list(windows), top_k)]
        return sorted(moments, key=lambda moment: -moment['match'])[:top_k]
