"""TACoS (Regneri et al., TACL 2013)."""
from typing import Dict, List

from mmvmr.datasets.annotations import clamp_span, read_json_videos
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

    def parse_annotations(self) -> List[Dict]:
        return [dict(video_id=video_id, duration=num_frames / fps, query=query,
                     spans=[clamp_span([frame / fps for frame in span], num_frames / fps)])
                for video_id, span, query, fps, num_frames in read_json_videos(self.ann_file, 'fps', 'num_frames')]
