"""TVR (Lei et al., ECCV 2020)."""
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS


@DATASETS.register_module()
class TVR(MomentDataset):
    """TVR from its JSON lines, one moment per query, in single videos; subtitles are not read.

    Protocol 'val': tests on val, as the moments of the test split are not public; 'val_corpus' does so on moments that
    were looked for in all videos. The number of pairs is not checked.
    """
    METAINFO = dict(dataset='TVR')
    PROTOCOLS = dict(val={}, val_corpus={})
    HINT = (
        'Annotations: tvr_{train,val}_release.jsonl of github.com/jayleicn/TVRetrieval.\n'
        'Features: as published there (HDF5), then  mmvmr pack SOURCE data/tvr/features --num-clips 128')
