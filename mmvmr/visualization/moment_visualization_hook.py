"""Timelines of some queries, drawn while a model is validated or tested."""
from pathlib import Path
from typing import Dict, Optional, Sequence

import numpy as np
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook

from mmvmr.registry import HOOKS
from mmvmr.structures import MomentSample
from mmvmr.visualization.moment_visualizer import MomentVisualizer
from mmvmr.visualization.timeline import find_video, sample_frames


@HOOKS.register_module()
class MomentVisualizationHook(Hook):
    """Sends the timelines of some queries, spread evenly over the set, to the backends of a ``MomentVisualizer``.

    The same queries are drawn each time, by the first process, to which the others hand what they have predicted.

    Args:
        num: Queries to draw.
        interval: Draw in every ``interval``-th epoch, if it has a validation.
        videos: Folder of the files ``<video id>.*``, to show frames.

    Raises:
        FileNotFoundError: If there is no such folder.
    """

    def __init__(self, num: int = 8, interval: int = 1, videos: Optional[str] = None) -> None:
        if num < 1 or interval < 1:
            raise ValueError(f'num and interval must be 1 or more, got num={num} and interval={interval}.')
        if videos and not Path(videos).is_dir():
            raise FileNotFoundError(f'There is no folder "{videos}" of videos. Leave `videos` out to draw no frames.')
        self.num, self.interval, self.videos = num, interval, videos
        self._kept: Dict[int, MomentSample] = {}  # of this process, by number of the pair

    def before_run(self, runner) -> None:
        if not isinstance(runner.visualizer, MomentVisualizer):
            raise ValueError('MomentVisualizationHook needs visualizer.type="MomentVisualizer", the config has '
                             f'"{type(runner.visualizer).__name__}".')

    def after_val_iter(self, runner, batch_idx: int, data_batch=None,
                       outputs: Optional[Sequence[MomentSample]] = None) -> None:
        if self._epoch(runner) % self.interval == 0:
            self._keep(runner.val_dataloader.dataset, outputs)

    def after_val_epoch(self, runner, metrics=None) -> None:
        if self._epoch(runner) % self.interval == 0:
            self._draw(runner, 'val', self._epoch(runner))

    def after_test_iter(self, runner, batch_idx: int, data_batch=None,
                        outputs: Optional[Sequence[MomentSample]] = None) -> None:
        self._keep(runner.test_dataloader.dataset, outputs)

    def after_test_epoch(self, runner, metrics=None) -> None:
        self._draw(runner, 'test', 0)

    @staticmethod
    def _epoch(runner) -> int:
        return getattr(runner._train_loop, 'epoch', 0)  # a validation alone has no training

    def _keep(self, dataset, outputs: Sequence[MomentSample]) -> None:
        chosen = np.linspace(0, len(dataset) - 1, self.num).astype(int)
        self._kept.update({sample.sample_idx: sample.cpu() for sample in outputs if sample.sample_idx in chosen})

    def _draw(self, runner, split: str, step: int) -> None:
        kept = {index: sample for part in all_gather_object(self._kept) for index, sample in part.items()}
        self._kept = {}
        if not is_main_process():
            return
        for index, sample in sorted(kept.items()):
            name = f'{split}_{index:05d}_{sample.video_id}'.replace('/', '_')  # becomes a file name
            runner.visualizer.add_datasample(name, self._frames(runner, sample), sample, step=step)

    def _frames(self, runner, sample: MomentSample) -> Optional[np.ndarray]:
        """Frames of a video; none if it has no file or a broken one, which must not stop a training."""
        path = find_video(self.videos, sample.video_id) if self.videos else None
        moments = [*sample.pred_spans[:1].tolist(), *(sample.gt_spans.tolist() if 'gt_spans' in sample else [])]
        try:
            return sample_frames(path, moments) if path else None
        except ValueError as error:
            runner.logger.warning(f'A timeline has no frames: {error}')
            return None
