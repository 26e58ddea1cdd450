"""From a batch on the CPU to what the model sees."""
from typing import Dict, Optional

import torch
from mmengine.dist import get_dist_info
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from mmvmr.functional.noise import split_seeds
from mmvmr.functional.words import hide_words
from mmvmr.registry import MODELS


@MODELS.register_module()
class MomentDataPreprocessor(BaseDataPreprocessor):
    """Moves a :class:`~mmvmr.structures.Batch` to the device and hides words of the queries.

    In training every pair gets a seed for its random choices, a new one at every call, and words are hidden by it;
    otherwise the choice depends on the query alone, so that scores can be repeated. Data samples, which hold the ground
    truth, stay where they are.

    Args:
        non_blocking: Do not wait until the batch has reached the device.
        hide_one_in: Of n words, max(n // hide_one_in, 1) are hidden.

    Attributes:
        seed: What the seeds are made of, the same in all processes; ReseedHook sets it before each iteration.
    """

    def __init__(self, hide_one_in: int = 3, non_blocking: Optional[bool] = True) -> None:
        super().__init__(non_blocking)
        self.hide_one_in = hide_one_in
        self.resident: Optional[Tensor] = None  # (V, T, Dv) features of all videos, see ResidentFeaturesHook
        self.seed = 0

    def forward(self, data: Dict, training: bool = False) -> Dict:
        batch = self.cast_data(data['inputs'])
        query, video = batch.query, batch.video
        if video.dim() == 1:  # rows of the store
            video = self.resident[video]
        seeds = self._draw_seeds(len(video)).to(video.device, non_blocking=True) if training else None
        hidden = hide_words(query.word_weights, query.mask, self.hide_one_in, seeds)
        query = query._replace(hidden=hidden, seeds=seeds)
        return dict(data, inputs=batch._replace(video=video.to(query.features.dtype), query=query))

    @torch.compiler.disable  # it would be compiled anew for each seed
    def _draw_seeds(self, count: int) -> Tensor:
        """Those of our pairs, (B,) int64, among the seeds that are drawn for the batch of all processes."""
        self.seed += 1
        rank, world_size = get_dist_info()
        return split_seeds(self.seed, count * world_size)[rank::world_size]
