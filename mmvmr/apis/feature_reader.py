"""From whatever a user has of a video to the features that a model was trained on."""
from functools import cached_property
from pathlib import Path
from typing import Callable, Union

import numpy as np

from mmvmr.engine.run.input_recipe import InputRecipe
from mmvmr.features.extract import extract_video
from mmvmr.features.video import probe_video
from mmvmr.features.video_features import VideoFeatures
from mmvmr.registry import EXTRACTORS

Source = Union[str, Path, np.ndarray, VideoFeatures]


class FeatureReader:
    """Reads a video file, a ``.npy`` file or an array with features (N, Dv), or :class:`VideoFeatures`.

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
        return video

    def _read(self, source: Source) -> VideoFeatures:
        if isinstance(source, VideoFeatures):
            return source
        seconds = self.features.get('clip_seconds')
        if not isinstance(source, (str, Path)):
            return VideoFeatures.from_array(np.asarray(source), row_seconds=seconds)
        if Path(source).suffix == '.npy':
            return VideoFeatures.from_file(source, row_seconds=seconds)
        duration = probe_video(source).duration
        rows = extract_video(source, self.extractor)
        return VideoFeatures(str(source), rows, self.extractor.clip_seconds, duration)

    @cached_property
    def extractor(self) -> Callable:
        """The extractor of the training features, built when the first video file comes.

        Raises:
            ValueError: If the training features do not say where they come from, or its weights have changed since.
        """
        known = self.features.get('extractor')
        if not EXTRACTORS.holds(known):
            raise ValueError('The features that this model was trained on do not say how to make them '
                             f'(extractor: {known!r}), so it cannot look at video files. Give it the features of the '
                             'video instead: a .npy file (N, Dv), or a feature store with --video-id.')
        extractor = EXTRACTORS.build(dict(known))
        trained, found = self.features.get('weights_sha256'), getattr(extractor, 'weights_sha256', None)
        if trained != found:
            raise ValueError(f'The weights of the extractor {known!r} are not those that made the training features: '
                             f'their sha256 is {found}, it was {trained}. Put the right weights there.')
        return extractor
