"""What is measured on which data set; the pairs that belong to a protocol are the data set's business."""
from typing import NamedTuple, Optional, Sequence, Tuple


class Protocol(NamedTuple):
    """R@n,IoU=m for n in ``tops`` and m in ``ious``, and how a hit is counted."""
    name: str
    tops: Tuple[int, ...] = (1, 5)
    ious: Tuple[float, ...] = (0.3, 0.5, 0.7)
    strict: bool = False  # a hit is IoU > m instead of IoU >= m
    nms: Optional[float] = None  # IoU above which a worse prediction is dropped before counting
    clamped: bool = True  # predictions are cut at the ends of the video first
    all_moments: bool = False  # whether all moments of a query are to be found: mAP
    discounted: bool = False  # hits count the less, the farther their borders are from those annotated: dR@n,IoU=m
    segment: Optional[float] = None  # seconds; the rank of a moment among all of whole segments is measured (DiDeMo)
    shift: str = ''  # how the test pairs differ from those of training, by design

    def keys(self) -> Tuple[str, ...]:
        """Names of the recalls, e.g. ``R@1,IoU=0.5`` and ``dR@1,IoU=0.5``."""
        return tuple(f'{kind}@{top},IoU={iou:g}' for kind in (('R', 'dR') if self.discounted else ('R',))
                     for top in self.tops for iou in self.ious)


_SHIFTS = {
    'cd_test_ood': 'the moments lie elsewhere in their videos than those of training',
    'cg_novel_composition': 'the queries combine words as no query of training does',
    'cg_novel_word': 'each query has a word that no query of training has',
}
_CUSTOMS = {  # by data set, or by data set and protocol
    'activitynet_captions': dict(ious=(0.1, 0.3, 0.5, 0.7)),
    'didemo': dict(ious=(0.5, 0.7, 1.0), clamped=False, segment=5.0),
    'qvhighlights': dict(ious=(0.5, 0.7), clamped=False, all_moments=True),
    'qvhighlights_captions': dict(ious=(0.5, 0.7), clamped=False, all_moments=True),
    'tacos': dict(ious=(0.1, 0.3, 0.5, 0.7)),
    'tacos/2d_tan': dict(ious=(0.1, 0.3, 0.5, 0.7), strict=True),
    'tvr': dict(tops=(1, 5, 10, 100), ious=(0.5, 0.7), clamped=False),
}


def find_protocol(name: str, tops: Optional[Sequence[int]] = None, ious: Optional[Sequence[float]] = None,
                  strict: Optional[bool] = None, nms: Optional[float] = None) -> Protocol:
    """What is customary for a protocol such as ``charades_sta/filtered``, with the given parts instead.

    Unknown names, such as those of data of your own, get R@1 and R@5 at IoU 0.3, 0.5 and 0.7.

    Raises:
        ValueError: If a given part makes no sense.

    Example:
        >>> find_protocol('tacos/2d_tan', tops=[1]).keys()
        ('R@1,IoU=0.1', 'R@1,IoU=0.3', 'R@1,IoU=0.5', 'R@1,IoU=0.7')
    """
    if any(top != int(top) or top < 1 for top in tops or ()):
        raise ValueError(f'The n of R@n must be 1 or more, got {list(tops)}.')
    if not all(0 < iou <= 1 for iou in ious or ()):
        raise ValueError(f'The m of IoU=m must be above 0 and at most 1, such as 0.5, got {list(ious)}.')
    if nms is not None and not 0 <= nms <= 1:
        raise ValueError(f'The IoU of non-maximum suppression must lie in [0, 1], got {nms}.')
    given = dict(tops=tuple(sorted(set(tops or ()))) or None, ious=tuple(sorted(set(ious or ()))) or None,
                 strict=strict, nms=nms)
    base = name.split(' (')[0]  # without a remark such as (subset)
    dataset, _, pairs = base.partition('/')
    custom = _CUSTOMS.get(base, _CUSTOMS.get(dataset, {}))
    given = {key: value for key, value in given.items() if value is not None}
    return Protocol(name, shift=_SHIFTS.get(pairs, ''), discounted=pairs.startswith('cd_'), **custom)._replace(**given)
