"""TVR (Lei et al., ECCV 2020)."""
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS


@DATASETS.register_module()
class TVR(MomentDataset):
    """TVR from its JSON lines, one moment per query, in single videos; subtitles are not read.

    Protocol 'val': 87,175 training pairs, tests on the 10,895 of val, as the moments of the test split are not public.
    """
    METAINFO = dict(dataset='TVR')
    PROTOCOLS = dict(val=dict(train=87175, test=10895))
    HINT = (
        'Annotations: tvr_{train,val}_release.jsonl of github.com/jayleicn/TVRetrieval.\n'
        'Features: as published there (HDF5), then  mmvmr pack SOURCE data/tvr/features --num-clips 128')
