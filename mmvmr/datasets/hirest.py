"""HiREST (Zala et al., CVPR 2023)."""
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS


@DATASETS.register_module()
class HiREST(MomentDataset):
    """Moment retrieval of HiREST: the part of a video (``bounds``) that answers a prompt, where there is one."""
    METAINFO = dict(dataset='HiREST')
    HINT = (
        'Annotations: all_data_{train,val}.json of github.com/j-min/HiREST.\n'
        'Features: by the names of the videos, with or without .mp4, then\n'
        '  mmvmr pack SOURCE data/hirest/features --num-clips 128')
