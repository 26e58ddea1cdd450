"""TACoS (Regneri et al., TACL 2013)."""
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS


@DATASETS.register_module()
class TACoS(MomentDataset):
    """TACoS from ``{id: {timestamps, sentences, fps, num_frames}}``, timestamps in frames (2D-TAN)."""
    METAINFO = dict(dataset='TACoS')
    PROTOCOLS = {'2d_tan': dict(train=9790, val=4436, test=4001)}
    HINT = (
        'Annotations: {train,val,test}.json of TACoS in github.com/microsoft/2D-TAN.\n'
        'Features: C3D of 4096 dimensions, as published there, then\n'
        '  mmvmr pack tall_c3d_features.hdf5 data/tacos/features\n'
        'Words: GloVe text, then\n'
        '  mmvmr vocabulary data/tacos/vocabulary.npz \\\n'
        '    --vectors glove.840B.300d.txt --sentences _base_/datasets/tacos')
