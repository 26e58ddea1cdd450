"""DiDeMo (Hendricks et al., ICCV 2017)."""
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS


@DATASETS.register_module()
class DiDeMo(MomentDataset):
    """DiDeMo from its JSON lists: moments in segments of 5 s, by several annotators, each of which is a moment here.

    A video lasts 5 s per segment. A prediction is compared with the annotator whom it fits best; DiDeMo's own rank and
    mIoU, which choose three annotators, are not measured.
    """
    METAINFO = dict(dataset='DiDeMo')
    PROTOCOLS = dict(released=dict(val=4180))
    HINT = (
        'Annotations: {train,val,test}_data.json of DiDeMo (github.com/LisaAnne/LocalizingMoments).\n'
        'Features: any, then  mmvmr pack SOURCE data/didemo/features --num-clips 64')
