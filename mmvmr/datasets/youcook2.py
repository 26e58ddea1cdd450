"""YouCook2 (Zhou et al., AAAI 2018)."""
from typing import Dict, List

from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS

_SUBSETS = dict(train='training', val='validation', test='validation')  # sentences of the test split are not public


@DATASETS.register_module()
class YouCook2(MomentDataset):
    """YouCook2 from its one file: the split 'train' is the subset training, 'val' and 'test' are validation."""
    METAINFO = dict(dataset='YouCook2')
    PROTOCOLS = dict(validation={})
    HINT = (
        'Annotations: youcookii_annotations_trainval.json of youcook2.eecs.umich.edu.\n'
        'Features: any, then  mmvmr pack SOURCE data/youcook2/features --num-clips 200')

    def parse_annotations(self) -> List[Dict]:
        subset = _SUBSETS['train' if self.val_fraction else self.split]
        return [pair for pair in super().parse_annotations() if pair.get('subset', subset) == subset]
