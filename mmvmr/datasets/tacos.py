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
    HINT = ('Annotations: {train,val,test}.json of TACoS in the repository of 2D-TAN. Features: C3D, packed with '
            'tools/misc/pack_features.py. Vocabulary: tools/dataset_converters/build_vocabulary.py. docs/data.md has '
            'the commands.')

    def parse_annotations(self) -> List[Dict]:
        return [dict(video_id=video_id, duration=num_frames / fps, query=query,
                     spans=[clamp_span([frame / fps for frame in span], num_frames / fps)])
                for video_id, span, query, fps, num_frames in read_json_videos(self.ann_file, 'fps', 'num_frames')]
