"""QVHighlights (Lei et al., NeurIPS 2021) with captions of its clips as features, in the space of its queries."""
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS


@DATASETS.register_module()
class QVHighlightsCaptions(MomentDataset):
    """QVHighlights from JSON lines with ``qid``, ``query``, ``vid``, ``duration`` and, if known, ``relevant_windows``.

    A query may have several windows, which all count. Protocol 'val': trains on the 1,542 pairs of the published test
    split, whose windows are not known, and tests on the 1,550 of val. A text encoder finds a query by its qid.
    """
    METAINFO = dict(dataset='QVHighlights Captions')
    PROTOCOLS = dict(val=dict(train=1542, test=1550))
    HINT = (
        'Annotations: pairs_{val,test}.jsonl, made of highlight_{val,test}_release.jsonl of\n'
        '  github.com/jayleicn/moment_detr and the rewritten queries of github.com/YoucanBaby/VTG-GPT.\n'
        'Features: video_{val,test}.npz, the captions of VTG-GPT embedded by all-MiniLM-L6-v2.\n'
        'Queries: queries_{val,test}.npz, embedded by the same. See docs/data.md.')
