"""QVHighlights (Lei et al., NeurIPS 2021) with captions of its clips as features, in the space of its queries."""
from typing import Dict, List, Optional

from mmvmr.datasets.annotations import in_holdout
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS
from mmvmr.utils.text_files import read_json_lines


@DATASETS.register_module()
class QVHighlightsCaptions(MomentDataset):
    """QVHighlights from JSON lines with ``qid``, ``query``, ``vid``, ``duration`` and, if known, ``relevant_windows``.

    A query may have several windows, which all count. Protocol 'val': trains on the 1,542 pairs of the published test
    split, whose windows are not known, and tests on the 1,550 of val. Protocol 'rewrites' trains on their 7,710
    rewritten queries as well, each a pair of its own with the qid of its query. A text encoder finds a query by its
    qid.

    Args:
        half: Keep one half of the file, 'choosing' or 'reporting'. A hash of the source of a video decides, so that the
            pieces of one source stay together, on every machine.
        kwargs: As of :class:`~mmvmr.datasets.moment_dataset.MomentDataset`.
    """
    METAINFO = dict(dataset='QVHighlights Captions')
    PROTOCOLS = dict(val=dict(train=1542, test=1550), rewrites=dict(train=9252, test=1550))
    HINT = (
        'Annotations: pairs_{val,test}.jsonl, made of highlight_{val,test}_release.jsonl of\n'
        '  github.com/jayleicn/moment_detr and the rewritten queries of github.com/YoucanBaby/VTG-GPT.\n'
        'Features: video_{val,test}.npz, the captions of VTG-GPT embedded by all-MiniLM-L6-v2.\n'
        'Queries: queries_{val,test}.npz, embedded by the same. See docs/data.md.')

    def __init__(self, *args, half: Optional[str] = None, **kwargs) -> None:
        if half not in (None, 'choosing', 'reporting'):
            raise ValueError(f"half must be 'choosing', 'reporting' or None for all pairs, got {half!r}.")
        self.half = half
        super().__init__(*args, **kwargs)

    def parse_annotations(self) -> List[Dict]:
        pairs = [pair for pair in super().parse_annotations() if self.half in (None, _half(str(pair['video_id'])))]
        if self.protocol != 'rewrites' or self.split == 'test':
            return pairs
        rewritten = {line['qid']: line.get('rephrased_query', []) for line in read_json_lines(self.ann_file)}
        return [dict(pair, query=query) for pair in pairs for query in (pair['query'], *rewritten[pair['qid']])]


def _half(video_id: str) -> str:
    """The half of a video SOURCE_START_END: that of its source.

    Example:
        >>> _half('NUsG9BgSes0_210.0_360.0') == _half('NUsG9BgSes0_60.0_210.0')
        True
    """
    return 'choosing' if in_holdout(video_id.rsplit('_', 2)[0], 0.5) else 'reporting'
