"""ActivityNet Captions (Krishna et al., ICCV 2017)."""
from typing import List

from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS


@DATASETS.register_module()
class ActivityNetCaptions(MomentDataset):
    """ActivityNet Captions from ``{id: {duration, timestamps, sentences}}``, or from a JSON list.

    Protocols: 37,421 training pairs with both; 'val_2' tests on 17,031 pairs (the "test" of most papers) and selects on
    val_1, 'val_1' tests on 17,505. Spans beyond the video are clamped, swapped ends put right.
    """
    METAINFO = dict(dataset='ActivityNet Captions')
    PROTOCOLS = dict(val_1=dict(train=37421, test=17505), val_2=dict(train=37421, val=17505, test=17031))
    HINT = ('Annotations: {train,val_1,val_2}.json of ActivityNet Captions. Features: C3D of the ActivityNet challenge '
            '(one group with c3d_features per video in an HDF5 file), packed with tools/misc/pack_features.py. '
            'Vocabulary: tools/dataset_converters/build_vocabulary.py. docs/data.md has the commands.')

    def parse_annotations(self) -> List[dict]:
        data = self.read_json(self.ann_file)
        if isinstance(data, list):
            return super().parse_annotations()
        pairs = []
        for video_id, video in data.items():
            try:
                moments = list(zip(video['timestamps'], video['sentences']))
                pairs += [dict(video_id=video_id, duration=video['duration'], query=query.strip(),
                               spans=[sorted(min(time, video['duration']) for time in span)]) for span, query in moments]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise ValueError(f'"{self.ann_file}", video "{video_id}": expected duration, timestamps and sentences '
                                 f'({type(error).__name__}: {error}).') from error
        return pairs

