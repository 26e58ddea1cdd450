"""Natural-language queries of Ego4D (Grauman et al., CVPR 2022)."""
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS


@DATASETS.register_module()
class Ego4DNLQ(MomentDataset):
    """Ego4D-NLQ from ``nlq_*.json``: a clip is a video, and times count from its start."""
    METAINFO = dict(dataset='Ego4D-NLQ')
    HINT = (
        'Annotations: nlq_{train,val}.json of Ego4D (ego4d-data.org).\n'
        'Features: of the clips, by clip_uid, then  mmvmr pack SOURCE data/ego4d_nlq/features --num-clips 256')
