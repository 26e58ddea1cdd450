"""What is measured on which data set; the pairs that belong to a protocol are the data set's business."""
from typing import NamedTuple, Tuple


class Protocol(NamedTuple):
    """R@n,IoU=m for n in ``tops`` and m in ``ious``; a hit is IoU >= m, or > m where ``strict`` (2D-TAN)."""
    name: str
    tops: Tuple[int, ...] = (1, 5)
    ious: Tuple[float, ...] = (0.3, 0.5, 0.7)
    strict: bool = False

    def keys(self) -> Tuple[str, ...]:
        """Names of the recalls, e.g. ``R@1,IoU=0.5``."""
        return tuple(f'R@{top},IoU={iou:g}' for top in self.tops for iou in self.ious)


_IOUS = {'activitynet_captions': (0.1, 0.3, 0.5, 0.7), 'tacos': (0.1, 0.3, 0.5)}


def find_protocol(name: str) -> Protocol:
    """The metrics that are customary for a protocol such as ``charades_sta/filtered``.

    Example:
        >>> find_protocol('tacos/2d_tan').keys()[:2]
        ('R@1,IoU=0.1', 'R@1,IoU=0.3')
    """
    return Protocol(name, ious=_IOUS.get(name.split('/')[0], (0.3, 0.5, 0.7)))
