"""From what a data set returns to what a step receives."""
from typing import Dict, List, Union

import torch
from torch import Tensor
from torch.nn.functional import pad

from mmvmr.registry import FUNCTIONS
from mmvmr.structures import Batch, Query


@FUNCTIONS.register_module()
def collate_moments(batch: Union[Dict, List[Dict]]) -> Dict:
    """Pass on a batch that a :class:`MomentDataset` made as a whole; join the batches of one of a dataset wrapper."""
    if isinstance(batch, dict):
        return batch
    inputs = [item['inputs'] for item in batch]
    longest = max(item.query.mask.size(1) for item in inputs)

    def join(field: str) -> Tensor:
        words = [getattr(item.query, field) for item in inputs]
        return torch.cat([pad(word, (0, 0) * (word.dim() - 2) + (0, longest - word.size(1))) for word in words])

    query = Query(*map(join, ('features', 'mask', 'word_ids', 'word_weights')))
    sentences = [item.query.sentences for item in inputs if item.query.sentences is not None]
    if len(sentences) not in (0, len(inputs)):
        raise ValueError(f'{len(sentences)} of {len(inputs)} queries of a batch have sentence vectors, expected all or '
                         'none. Give all data sets that are joined the same text encoder.')
    query = query._replace(sentences=torch.cat(sentences) if sentences else None)
    ids = [item.video_ids for item in inputs if item.video_ids is not None]
    joined = dict(inputs=Batch(torch.cat([item.video for item in inputs]), query, torch.cat(ids) if ids else None))
    if 'data_samples' in batch[0]:
        joined['data_samples'] = [sample for item in batch for sample in item['data_samples']]
    return joined
