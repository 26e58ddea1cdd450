"""From a video and sentences to the moments that the sentences describe."""
import logging
from itertools import groupby, islice
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log

from mmvmr.apis.confidence import Confidence
from mmvmr.apis.feature_reader import FeatureReader, Source
from mmvmr.apis.windows import Window, cut_windows, rank_moments
from mmvmr.datasets.collate import collate_moments
from mmvmr.engine.checkpoint import load_weights
from mmvmr.engine.run.input_recipe import check_inputs, fingerprint
from mmvmr.engine.run.run_files import RunFiles, find_run_files
from mmvmr.engine.run.zero_shot import open_zero_shot
from mmvmr.features.folder import find_videos
from mmvmr.features.stores.resampling import resample_clips
from mmvmr.features.video_features import VideoFeatures
from mmvmr.registry import MODELS
from mmvmr.structures import Batch, MomentSample
from mmvmr.text.sentences import Sentences, read_sentences
from mmvmr.utils.devices import choose_device
from mmvmr.utils.files import sha256_of_files
from mmvmr.utils.progress import progress


class MomentRetrievalInferencer:
    """Finds the moments of videos that sentences describe, ranked, in seconds.

    Videos and sentences become inputs by the objects that training uses. A video that is much longer than those of the
    training is looked at through overlapping windows.

    Args:
        model: Folder of a run, a checkpoint in it, a config, or the files of a model that were found already.
        weights: A checkpoint, needed with the config of a model that has weights; by default that of
            :func:`~mmvmr.engine.checkpoint.find_weights`.
        device: E.g. 'cpu' or 'cuda:0'; by default a GPU if there is one.
        show_progress: Show bars over videos and over the windows of a long one.

    Raises:
        FileNotFoundError, ValueError: If files are absent, damaged, or do not fit each other.

    Attributes:
        model: The model, in eval mode.
        cfg: The config of the run.
        recipe: The :class:`~mmvmr.engine.run.input_recipe.InputRecipe` of the model.
        read: The :class:`~mmvmr.apis.feature_reader.FeatureReader` that gives the features of a video.
        text: The :class:`~mmvmr.text.interface.TextEncoder` of its training.
        confidence: The :class:`~mmvmr.apis.confidence.Confidence` of the run, if it has one.
    """

    def __init__(self, model: Union[str, Path, Config, RunFiles], weights: Optional[str] = None,
                 device: Optional[str] = None, show_progress: bool = True) -> None:
        files = model if isinstance(model, RunFiles) else find_run_files(model, weights)
        self.cfg, weights, self.recipe = files
        self.read = FeatureReader(self.recipe)
        self.text = self.recipe.text_encoder
        self.show_progress = show_progress
        device = choose_device(device)
        self.model = MODELS.build(self.cfg.model)
        if weights is not None:
            checkpoint = load_weights(self.model, weights)
            check_inputs(checkpoint.get('inputs'), fingerprint(self.text, self.recipe.features), weights)
        self.model.to(device).eval()
        self.confidence = weights and Confidence.load(Path(weights).parent)
        if self.confidence and self.confidence.weights_sha256 != sha256_of_files(weights):
            print_log(f'The confidence in "{Path(weights).parent}" belongs to another checkpoint than "{weights}"; '
                      'it is left out. Make it again with `mmvmr calibrate`.', 'current', logging.WARNING)
            self.confidence = None

    @classmethod
    def zero_shot(cls, model: Union[str, Path], device: Optional[str] = None,
                  show_progress: bool = True) -> 'MomentRetrievalInferencer':
        """Without training: an inferencer by a model of pictures and text alone.

        Args:
            model: Its folder in the format of transformers, a config file with an extractor of your own, or the store
                of features that it has made; see :func:`~mmvmr.engine.run.zero_shot.open_zero_shot`.
        """
        files, extractor = open_zero_shot(model, device)
        inferencer = cls(files, None, device, show_progress)
        if extractor is not None:
            inferencer.read.extractors = [extractor]
        return inferencer

    def __call__(self, inputs: Union[Source, Sequence[Source]], queries: Union[str, Sequence[str]], top_k: int = 5,
                 batch_size: int = 32, min_confidence: float = 0.0,
                 on_video: Optional[Callable[[VideoFeatures, List[Dict]], None]] = None) -> Dict[str, List[Dict]]:
        """Look for every sentence in every video; the features of a video are extracted once.

        Args:
            inputs: A video file, a ``.npy`` file or array with features (N, Dv), :class:`VideoFeatures`, a folder of
                video files, or a list of these.
            queries: Sentences.
            top_k: Moments per sentence and video, at most.
            batch_size: Pairs of window and sentence that the model sees at once.
            min_confidence: Give no moments where the confidence is below.
            on_video: Called with the features and the predictions of each video as soon as it is done.

        Returns:
            ``predictions``, one dict per video and sentence: ``video``, ``query``, ``duration`` (seconds),
            ``unknown_words``, ``confidence``, that the video holds what is described (None without a ``confidence`` of
            the run), and ``moments``, best first, dicts with ``start`` and ``end`` (seconds) and ``match``.
            ``errors``, what could not be answered: dicts with ``video`` or ``query``, and ``error``; that of a sentence
            also has its ``unknown_words``.

        Raises:
            ValueError: If ``top_k`` is below 1.
            FileNotFoundError, ValueError: If the only video, or all sentences, cannot be used. One of several is
                reported in ``errors``, and the others are answered. If there is a ``min_confidence`` and the run has
                none.
        """
        if top_k < 1:
            raise ValueError(f'top_k must be at least 1, got {top_k}.')
        if min_confidence > 0 and self.confidence is None:
            if next(self.model.parameters(), None) is None:
                raise ValueError('Without training there is no confidence to compare with a least one: it takes '
                                 'validation pairs. Leave the least confidence out, and compare the matches of a '
                                 'sentence in several videos (docs/inference.md).')
            raise ValueError('This run has no confidence to compare with a least one. Make it with '
                             '`mmvmr calibrate RUN`, from the validation pairs of its data set.')
        sentences = read_sentences([queries] if isinstance(queries, str) else queries, self.text,
                                   self.recipe.max_words)
        self.warn(sentences)
        sources = _sources(inputs)
        errors = [dict(query=sentences.texts[number], error=error, unknown_words=sentences.unknown_words[number])
                  for number, error in sentences.problems.items()]
        references = self.reference_matches(sentences, batch_size) if self.confidence else {}
        predictions = []
        for source in progress(sources, 'Videos', hidden=len(sources) == 1 or not self.show_progress):
            try:
                video = self.read(source)
                batches = self.preprocess(video, batch_size, sentences)
                samples = [sample for batch in batches for sample in self.forward(batch)]
            except (FileNotFoundError, ValueError) as error:
                if len(sources) == 1:
                    raise
                errors.append(dict(video=_name(source), error=str(error)))
            else:
                found = self.postprocess(samples, video, sentences, top_k, references, min_confidence)
                predictions += found
                if on_video is not None:
                    on_video(video, found)
        return dict(predictions=predictions, errors=errors)

    def read_all(self, inputs: Union[Source, Sequence[Source]]) -> List[VideoFeatures]:
        """The features of all videos, to ask for sentence after sentence; a bad one of several is named and left out.

        Raises:
            FileNotFoundError, ValueError: If none can be read.
        """
        sources, videos = _sources(inputs), []
        for source in progress(sources, 'Videos', hidden=len(sources) == 1 or not self.show_progress):
            try:
                videos.append(self.read(source))
            except (FileNotFoundError, ValueError) as error:
                if len(sources) == 1:
                    raise
                print_log(str(error), 'current', logging.WARNING)
        if not videos:
            raise ValueError(f'None of the {len(sources)} videos can be read.')
        return videos

    def preprocess(self, video: VideoFeatures, batch_size: int, sentences: Sentences) -> Iterator[Dict]:
        """Batches of pairs of a window and a sentence, made as they are needed: memory does not grow with length."""
        windows = list(cut_windows(video, self.recipe))
        pairs = (self.pair(video.name, clips, window, number, sentences) for window in windows
                 for clips in [self.clips(window.rows)] for number in sentences.answerable)
        total = len(windows) * len(sentences.answerable)
        hidden = len(windows) == 1 or not self.show_progress
        with progress(total=total, desc=Path(video.name).name, hidden=hidden) as bar:
            for batch in batches_of_pairs(pairs, batch_size):
                yield collate_moments(batch)
                bar.update(len(batch))

    @staticmethod
    def pair(video: str, clips: torch.Tensor, window: Window, number: int, sentences: Sentences) -> Dict:
        """One window of the video of that name, as clips (1, T, Dv), and one sentence."""
        sample = MomentSample(metainfo=dict(video_id=video, query=sentences.texts[number], sample_idx=number,
                                            start=window.start, duration=window.duration))
        return dict(inputs=Batch(clips, sentences.encoded.batch([number])), data_samples=[sample])

    @torch.no_grad()
    def forward(self, inputs: Dict) -> List[MomentSample]:
        """The moments of each pair, ranked as in testing, with their matches, which can be compared.

        Raises:
            ValueError: If the model gives something else than numbers.
        """
        samples = self.model.predict(**self.model.data_preprocessor(inputs, False), match=True)
        for sample in samples:
            if not all(found.isfinite().all() for found in (sample.pred_scores, sample.pred_matches)):
                raise ValueError(f'The model gives NaN or infinite numbers for {sample.query!r} in '
                                 f'"{sample.video_id}": its weights are damaged. Take another checkpoint.')
        return samples

    def reference_matches(self, sentences: Sentences, batch_size: int) -> Dict[int, List[float]]:
        """The best match of each sentence, by its number, in each reference video of the confidence."""
        videos = [('reference', torch.from_numpy(one.astype(np.float32))[None]) for one in self.confidence.references]
        return self.best_matches(sentences, dict.fromkeys(sentences.answerable, videos), 'Reference videos', batch_size)

    def best_matches(self, sentences: Sentences, videos: Mapping[int, Sequence[Tuple[str, torch.Tensor]]], desc: str,
                     batch_size: int = 32) -> Dict[int, List[float]]:
        """The best match of each sentence in each of its videos, looked at as a whole.

        Args:
            videos: Names and clips (1, T, Dv) of the videos of each sentence, by its number.
            desc: What the bar says.
        """
        pairs = (self.pair(name, clips, Window(clips, 0.0, 1.0), number, sentences)
                 for number, of_sentence in videos.items() for name, clips in of_sentence)
        found: Dict[int, List[float]] = {number: [] for number in videos}
        with progress(total=sum(map(len, videos.values())), desc=desc, hidden=not self.show_progress) as bar:
            for batch in batches_of_pairs(pairs, batch_size):
                for sample in self.forward(collate_moments(batch)):
                    found[sample.sample_idx].append(sample.pred_matches.max().item())
                bar.update(len(batch))
        return found

    def postprocess(self, samples: Sequence[MomentSample], video: VideoFeatures, sentences: Sentences, top_k: int,
                    references: Dict[int, List[float]], min_confidence: float) -> List[Dict]:
        """One prediction per sentence that could be answered, of plain numbers and text."""
        found = {number: [] for number in sentences.answerable}
        for sample in samples:
            found[sample.sample_idx].append(sample)
        predictions = []
        for number, windows in found.items():
            best = [window.pred_matches.max().item() for window in windows]
            confidence = round(self.confidence(best, references[number]), 4) if self.confidence else None
            refused = confidence is not None and confidence < min_confidence
            predictions.append(dict(
                video=video.name, query=sentences.texts[number], duration=video.duration,
                unknown_words=sentences.unknown_words[number], confidence=confidence,
                moments=[] if refused else rank_moments(windows, top_k)))
        return predictions

    def clips(self, rows: np.ndarray) -> torch.Tensor:
        """Rows (N, Dv) of a window -> (1, T, Dv)."""
        return torch.from_numpy(resample_clips(rows, self.recipe.num_clips))[None]

    def warn(self, sentences: Sentences) -> None:
        """Name the words that the model does not know, and those that are too many."""
        for number in sentences.answerable:
            known = [word for word in self.text.reader.words(sentences.texts[number])
                     if word not in sentences.unknown_words[number]]
            if known[self.recipe.max_words:]:
                print_log(f'The model reads {self.recipe.max_words} words of a sentence, and of '
                          f'{sentences.texts[number]!r} nothing from {known[self.recipe.max_words]!r} on. Say it '
                          'shorter.', 'current', logging.WARNING)
            unknown = ', '.join(map(repr, sentences.unknown_words[number]))
            if unknown:
                print_log(f'The model does not know {unknown} in {sentences.texts[number]!r}, and reads the sentence '
                          'without.', 'current', logging.WARNING)


def batches_of_pairs(pairs: Iterable[Dict], size: int) -> Iterator[List[Dict]]:
    """Up to ``size`` pairs at a time that follow each other, with as many clips each."""
    for _, group in groupby(pairs, key=lambda pair: pair['inputs'].video.size(1)):
        while batch := list(islice(group, size)):
            yield batch


def _sources(inputs: Union[Source, Sequence[Source]]) -> List[Source]:
    if isinstance(inputs, (str, Path)) and Path(inputs).is_dir():
        return list(find_videos(Path(inputs)).values())
    if isinstance(inputs, (list, tuple)) and not isinstance(inputs, VideoFeatures):
        return [source for one in inputs for source in _sources(one)]
    return [inputs]


def _name(source: Source) -> str:
    return source.name if isinstance(source, VideoFeatures) else str(source)
