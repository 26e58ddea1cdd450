"""QVHighlights (Lei et al., NeurIPS 2021)."""
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS


@DATASETS.register_module()
class QVHighlights(MomentDataset):
    """QVHighlights from its JSON lines: several moments per query, in videos of up to 150 s, and saliency.

    Protocol 'val': tests on the 1,550 pairs of val; the moments of the test split are not public.
    """
    METAINFO = dict(dataset='QVHighlights')
    PROTOCOLS = dict(val=dict(test=1550))
    HINT = (
        'Annotations: highlight_{train,val}_release.jsonl of github.com/jayleicn/moment_detr.\n'
        'Features: moment_detr_features.tar.gz of the same place, unpacked there: features/slowfast_features,\n'
        '  features/clip_features and features/clip_text_features, one .npz per video or query.\n'
        'Words, for methods that reconstruct them: GloVe text, then\n'
        '  mmvmr vocabulary data/qvhighlights/vocabulary.npz --vectors glove.840B.300d.txt \\\n'
        '    --sentences data/qvhighlights/highlight_train_release.jsonl')
