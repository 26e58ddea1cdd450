"""DiDeMo (Hendricks et al., ICCV 2017)."""
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS


@DATASETS.register_module()
class DiDeMo(MomentDataset):
    """DiDeMo from its JSON lists: moments in segments of 5 s, by several annotators, each of which is a moment here.

    A video lasts 5 s per segment. R@n compares a prediction with the annotator whom it fits best; ranks and mIoU
    average the three best, as DiDeMo does.
    """
    METAINFO = dict(dataset='DiDeMo')
    PROTOCOLS = dict(released=dict(val=4180))
    HINT = (
        'Annotations: {train,val,test}_data.json of DiDeMo (github.com/LisaAnne/LocalizingMoments).\n'
        'Features: any, then  mmvmr pack SOURCE data/didemo/features --num-clips 60\n'
        'Words: GloVe text, then\n'
        '  mmvmr vocabulary data/didemo/vocabulary.npz --vectors glove.840B.300d.txt \\\n'
        '    --sentences data/didemo/train_data.json')
