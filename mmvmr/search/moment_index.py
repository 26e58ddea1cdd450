"""Search for sentences in many videos: coarse vectors first, the model for the best windows."""
from itertools import groupby, islice
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Union

import numpy as np

from mmvmr.apis.inferencer import MomentRetrievalInferencer
from mmvmr.apis.windows import cut_windows, rank_moments
from mmvmr.datasets.collate import collate_moments
from mmvmr.search.index_files import read_index
from mmvmr.structures import MomentSample
from mmvmr.text.sentences import Sentences, read_sentences
from mmvmr.utils.files import sha256_of_files
from mmvmr.utils.progress import progress

CANDIDATES = 20  # windows; docs/search_videos.md says what is lost


class MomentIndex:
    """Many videos, in which moments are searched by sentences.

    Args:
        folder: Of an index that ``mmvmr search index`` has made.
        run: Folder of the run, if it is no longer where it was.
        device: E.g. 'cpu' or 'cuda:0'; by default a GPU if there is one.
        show_progress: Show a bar over the windows that the model looks at.

    Raises:
        FileNotFoundError: If there is no index, or no run.
        ValueError: If the index is damaged, or the weights of the run are not those that it was made with.

    Attributes:
        windows: Pairs of video id and :class:`~mmvmr.apis.windows.Window`, W in all.
    """

    def __init__(self, folder: Union[str, Path], run: Optional[Union[str, Path]] = None, device: Optional[str] = None,
                 show_progress: bool = True) -> None:
        self.files = read_index(folder)
        self.show_progress = show_progress
        checkpoint = Path(run or self.files.run, self.files.checkpoint)
        if not checkpoint.is_file():
            raise FileNotFoundError(f'The index "{folder}" was made with "{checkpoint}", which is not there. If the '
                                    'folder of the run has moved, say where it is now with --run.')
        if sha256_of_files(checkpoint) != self.files.weights_sha256:
            raise ValueError(f'"{checkpoint}" has changed since the index "{folder}" was made: its vectors no longer '
                             'fit. Remove the index and make it anew, or give the old run with --run.')
        self.inferencer = MomentRetrievalInferencer(checkpoint.parent, checkpoint, device, show_progress=False)
        recipe = self.inferencer.recipe
        self.windows = [(video_id, window) for video_id in self.files.videos
                        for window in cut_windows(self.files.video(video_id), recipe)]
        expected = len(recipe.vocabulary), len(self.windows)
        if self.files.coarse.shape[:2] != expected:
            raise ValueError(f'The index "{folder}" has coarse vectors of {self.files.coarse.shape[:2]} words and '
                             f'windows, expected {expected}. Remove it and make it anew.')

    def search(self, query: str, top_k: int = 10, candidates: Optional[int] = CANDIDATES) -> List[Dict]:
        """The best moments over all videos, best first.

        Args:
            query: A sentence.
            top_k: Moments, at most.
            candidates: Windows that the model looks at; all with None, which is the exhaustive search.

        Returns:
            Dicts with ``video``, ``start`` and ``end`` (seconds) and ``match``, as of
            :class:`~mmvmr.apis.MomentRetrievalInferencer`.

        Raises:
            ValueError: If the model knows no word of the sentence.
        """
        sentence = self.read(query)
        self.inferencer.warn(sentence)
        return self.best_moments(self.look(sentence, self.shortlist(sentence, candidates)), top_k)

    def read(self, query: str) -> Sentences:
        """A sentence as an input of the model."""
        return read_sentences([query], self.inferencer.text, self.inferencer.recipe.max_words)

    def shortlist(self, sentence: Sentences, count: Optional[int] = None) -> np.ndarray:
        """Numbers of the windows with the best coarse scores, best first; of all by default."""
        words = sentence.encoded.word_ids[0]
        pieces = self.files.coarse[words[words > 0]].astype(np.float32).sum(axis=0)  # (W, S)
        return np.argsort(-pieces.max(axis=1), kind='stable')[:count]

    def look(self, sentence: Sentences, windows: Sequence[int], batch_size: int = 8) -> List[MomentSample]:
        """What the model finds in these windows, in the order of their numbers."""
        pairs = (self.inferencer.pair(video_id, self.inferencer.clips(window.rows), window, 0, sentence)
                 for video_id, window in (self.windows[number] for number in sorted(windows)))
        samples = []
        with progress(total=len(windows), desc='Windows', leave=False, hidden=not self.show_progress) as bar:
            for batch in iter(lambda: list(islice(pairs, batch_size)), []):
                samples += self.inferencer.forward(collate_moments(batch))
                bar.update(len(batch))
        return samples

    def best_moments(self, samples: Sequence[MomentSample], top_k: int) -> List[Dict]:
        """The moments of all windows in one ranking, by their scores."""
        moments = [dict(video=self.files.videos[video_id]['name'], **moment)
                   for video_id, windows in groupby(samples, key=lambda sample: sample.video_id)
                   for moment in rank_moments(list(windows), top_k)]
        return sorted(moments, key=lambda moment: -moment['match'])[:top_k]
