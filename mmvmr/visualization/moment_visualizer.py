"""Timelines in MMEngine's way: to the run folder, to TensorBoard, to a window, or to a file."""
from typing import Optional

import numpy as np
from mmengine.dist import master_only
from mmengine.visualization import Visualizer

from mmvmr.registry import VISUALIZERS
from mmvmr.structures import MomentSample
from mmvmr.visualization.style import save_figure, to_array
from mmvmr.visualization.timeline import draw_timeline


@VISUALIZERS.register_module()
class MomentVisualizer(Visualizer):
    """MMEngine's visualizer, whose data sample is a query with its moments."""

    @master_only
    def add_datasample(self, name: str, image: Optional[np.ndarray] = None, data_sample: Optional[MomentSample] = None,
                       draw_gt: bool = True, draw_pred: bool = True, show: bool = False, wait_time: float = 0,
                       out_file: Optional[str] = None, step: int = 0) -> None:
        """Draw the timeline of a query.

        Args:
            name: Of the picture, in the backends.
            image: (F, H, W, 3) uint8, RGB: frames to put above the timeline, as
                :func:`~mmvmr.visualization.timeline.sample_frames` gives them.
            data_sample: The query with ``gt_spans`` and ``pred_spans`` in seconds, as far as there are any.
            draw_gt: Whether to draw the annotated moments.
            draw_pred: Whether to draw the predicted ones.
            show: Whether to open a window.
            wait_time: Seconds that the window stays; until a key is pressed by default.
            out_file: Write the picture here (PNG, SVG or PDF) instead of sending it to the backends.
            step: Number of the picture among those of its name.
        """
        answered = draw_pred and 'pred_spans' in data_sample and not data_sample.get('absent')
        spans = data_sample.pred_spans.tolist() if answered else []
        truth = data_sample.gt_spans.tolist() if draw_gt and 'gt_spans' in data_sample else []
        figure = draw_timeline(data_sample.query, data_sample.duration, spans, truth, image, data_sample.video_id)
        if show:
            self.show(to_array(figure), win_name=name, wait_time=wait_time)
        if out_file:
            save_figure(figure, out_file)
        else:
            self.add_image(name, to_array(figure), step)
