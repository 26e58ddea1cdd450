"""From whatever a user has of a video to the features that a model was trained on."""
from functools import cached_property
from pathlib import Path
from typing import Callable, Dict, List, Union

import numpy as np

from mmvmr.engine.run.input_recipe import InputRecipe, check_meaning
from mmvmr.features.extract import extract_video
from mmvmr.features.stores.arrays import SUFFIXES
from mmvmr.features.stores.streams import join_streams
from mmvmr.features.video import probe_video
from mmvmr.features.video_features import VideoFeatures
from mmvmr.registry import EXTRACTORS

Source = Union[str, Path, np.ndarray, VideoFeatures]


class FeatureReader:
    """Reads a video file, an array (N, Dv) or a file with one, or :class:`VideoFeatures`.

    Args:
        recipe: Of the model.
    """

    def __init__(self, recipe: InputRecipe) -> None:
        self.features = recipe.features

    def __call__(self, source: Source) -> VideoFeatures:
        """Features that are extracted as those of the training videos were, or as they are given.

        Raises:
            FileNotFoundError, ValueError: If they cannot be had, or are not those that the model was trained on.
        """
        video = self._read(source)
        if video.rows.shape[1] != self.features['dim']:
            raise ValueError(f'The features of "{video.name}" have {video.rows.shape[1]} dimensions, the model was '
                             f'trained on {self.features["dim"]}. Use the same extractor as for training.')
        check_meaning(self.features, video.manifest, video.name)
        return video

    def _read(self, source: Source) -> VideoFeatures:
        if isinstance(source, VideoFeatures):
            name, rows, seconds, duration, manifest = source
            return VideoFeatures.from_array(rows, name, duration, seconds)._replace(manifest=manifest)
        seconds = self.features.get('clip_seconds')
        if not isinstance(source, (str, Path)):
            return VideoFeatures.from_array(np.asarray(source), row_seconds=seconds)
        if Path(source).suffix.lower() in SUFFIXES:
            return VideoFeatures.from_file(source, row_seconds=seconds)
        duration = probe_video(source).duration
        rows = [extract_video(source, extractor) for extractor in self.extractors]
        return VideoFeatures(str(source), join_streams(rows, self.normalize), self.extractors[0].clip_seconds, duration)

    @property
    def normalize(self) -> List[bool]:
        """Whether the rows of each stream are divided by their norm."""
        return [stream.get('normalize', False) for stream in self.features.get('streams', [{}])]

    @property
    def extractor(self) -> Callable:
        """The only extractor of the training features.

        Raises:
            ValueError: If there are several, or it cannot be had.
        """
        if 'streams' in self.features:
            raise ValueError(f'This model was trained on {len(self.features["streams"])} streams of features, and an '
                             'index of video files is made with one extractor. Index the features instead, with '
                             '--annotations.')
        return self.extractors[0]

    @cached_property
    def extractors(self) -> List[Callable]:
        """The extractors of the training features, one per stream, built when the first video file comes.

        Raises:
            ValueError: If the training features do not say where they come from, or weights have changed since, or the
                rows of streams do not cover the same time.
        """
        extractors = [self._build(stream) for stream in self.features.get('streams', [self.features])]
        seconds = {extractor.clip_seconds for extractor in extractors}
        if len(seconds) > 1:
            raise ValueError(f'The streams that this model was trained on have rows of {sorted(seconds)} seconds, so '
                             'rows of a video cannot be put side by side. Train on streams with the same clip_seconds '
                             'to look at video files.')
        return extractors

    @staticmethod
    def _build(features: Dict) -> Callable:
        known = features.get('extractor')
        if not EXTRACTORS.holds(known):
            raise ValueError('The features that this model was trained on do not say how to make them '
                             f'(extractor: {known!r}), so it cannot look at video files. Give it the features of the '
                             'video instead: a .npy file (N, Dv), or a feature store with --video-id.')
        extractor = EXTRACTORS.build(dict(known))
        trained, found = features.get('weights_sha256'), getattr(extractor, 'weights_sha256', None)
        if trained != found:
            raise ValueError(f'The weights of the extractor {known!r} are not those that made the training features: '
                             f'their sha256 is {found}, it was {trained}. Put the right weights there.')
        return extractor
