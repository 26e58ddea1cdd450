"""From a batch on the CPU to what the model sees."""
from typing import Dict, Optional

from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from mmvmr.functional.words import hide_words
from mmvmr.registry import MODELS


@MODELS.register_module()
class MomentDataPreprocessor(BaseDataPreprocessor):
    """Moves a :class:`~mmvmr.structures.Batch` to the device and hides words of the queries.

    In training the hidden words are drawn anew at every call; otherwise the choice depends on the query alone, so that
    scores can be repeated. In training it also finds out which pairs of the batch are of one video. Data samples, which
    hold the ground truth, stay where they are.

    Args:
        hide_one_in: Of n words, max(n // hide_one_in, 1) are hidden.
    """

    def __init__(self, hide_one_in: int = 3, non_blocking: Optional[bool] = False) -> None:
        super().__init__(non_blocking)
        self.hide_one_in = hide_one_in
        self.resident: Optional[Tensor] = None  # (V, T, Dv) features of all videos, see ResidentFeaturesHook

    def forward(self, data: Dict, training: bool = False) -> Dict:
        batch = self.cast_data(data['inputs'])
        query = batch.query
        hidden = hide_words(query.word_weights, query.mask, self.hide_one_in, random=training)
        video = self.resident[batch.video] if batch.video.dim() == 1 else batch.video  # rows of the store, or features
        middle = video[:, video.size(1) // 2]  # (B, Dv): equal in pairs of one video
        same_video = (middle[:, None] == middle).all(dim=-1) if training else None
        return dict(data, inputs=batch._replace(
            video=video.float(), query=query._replace(hidden=hidden), same_video=same_video))
