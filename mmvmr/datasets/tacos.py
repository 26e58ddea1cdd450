"""TACoS (Regneri et al., TACL 2013)."""
from typing import List

from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS


@DATASETS.register_module()
class TACoS(MomentDataset):
    """TACoS from ``{id: {timestamps, sentences, fps, num_frames}}``, timestamps in frames (2D-TAN)."""
    METAINFO = dict(dataset='TACoS')
    PROTOCOLS = {'2d_tan': dict(train=9790, val=4436, test=4001)}
    HINT = ('Annotations: {train,val,test}.json of TACoS in the repository of 2D-TAN. Features: C3D, packed with '
            'tools/misc/pack_features.py. Vocabulary: tools/dataset_converters/build_vocabulary.py. docs/data.md has the '
            'commands.')

    def parse_annotations(self) -> List[dict]:
        pairs = []
        for video_id, video in self.read_json(self.ann_file).items():
            try:
                fps, duration = float(video['fps']), video['num_frames'] / float(video['fps'])
                for (start, end), query in zip(video['timestamps'], video['sentences']):
                    pairs.append(dict(video_id=video_id, duration=duration, query=query,
                                      spans=[[start / fps, min(end / fps, duration)]]))
            except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
                raise ValueError(f'"{self.ann_file}", video "{video_id}": expected timestamps, sentences, fps and num_frames '
                                 f'({type(error).__name__}: {error}).') from error
        return pairs
