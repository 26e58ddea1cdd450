"""Probes: take away what a model should need, and see whether it falls to the blind level."""
import numpy as np

PROBES = ('shuffle-query', 'shuffle-video')


def apply_probe(dataset, probe: str, seed: int = 0) -> None:
    """Give every pair of a test set the query, or the video features, of a pair from another video.

    Ground truth stays, so a model that uses what was taken away falls to the level of the blind panel.

    Args:
        dataset: A loaded :class:`~mmvmr.datasets.moment_dataset.MomentDataset`; changed in place.
        probe: 'shuffle-query' or 'shuffle-video'.
    """
    if probe not in PROBES:
        raise ValueError(f'probe must be one of {PROBES}, got {probe!r}.')
    dataset.full_init()
    donors = other_videos([pair['video_id'] for pair in dataset.data_list], seed)
    if probe == 'shuffle-query':
        dataset.encoded = dataset.encoded.take(donors)
    else:
        original = dataset.videos
        dataset.videos = lambda indices: original(donors[np.asarray(indices)])
    dataset._metainfo['protocol'] += f' ({probe})'  # no number of a probe carries the plain name


def other_videos(video_ids, seed: int = 0) -> np.ndarray:
    """For each position one of another video, each used once: (N,).

    Raises:
        ValueError: If one video has more than half of the positions.
    """
    ids = np.asarray(video_ids)
    counts = np.unique(ids, return_counts=True)[1]
    if 2 * counts.max() > len(ids):
        raise ValueError('Shuffling between videos needs pairs of several videos, none with more than half of them.')
    order = np.random.default_rng(seed).permutation(len(ids))
    order = order[np.argsort(ids[order], kind='stable')]  # by video; a shift by the largest video leaves every video
    donors = np.empty(len(ids), np.int64)
    donors[order] = np.roll(order, counts.max())
    return donors
