"""Probes: take away what a model should need, move what it should find, spoil the video, and see what scores do."""
from typing import Callable, Dict

import numpy as np
import torch

from mmvmr.datasets.annotations import Pairs
from mmvmr.features.stores.resampling import resample_clips

PROBES = {  # name -> what it shows
    'shuffle-query': 'a sound model falls to the level of the blind',
    'shuffle-video': 'a sound model falls to the level of the blind',
    'shift': 'a sound model stays far above the blind; one that knows where moments lie falls to them',
    'missing-clips': 'a robust model loses little',
    'half-rate': 'a robust model loses little',
}
_MISSING = 1 / 4  # of the clips
_NOISE = 1 / 3  # of the video with noise in front


def apply_probe(dataset, probe: str, seed: int = 0) -> None:
    """Give every pair of a test set the query, or the video, of a pair from another video; or change its own video.

    When shuffled, ground truth stays. 'shift' lets every video begin with clips of noise, a third of the whole, with
    mean, spread and norm of the video's own; moments and durations move with it (as Yang et al., SIGIR 2021, do).
    'missing-clips' sets a quarter of the clips of a video, drawn at random, to zero, as those of an absent video are.
    'half-rate' keeps every second clip, as if the video had been sampled at half the rate; a model with a fixed number
    of clips gets each of them twice.

    Args:
        dataset: A loaded :class:`~mmvmr.datasets.moment_dataset.MomentDataset`; changed in place.
        probe: One of ``PROBES``.
    """
    if probe not in PROBES:
        raise ValueError(f'probe must be one of {", ".join(PROBES)}; got {probe!r}.')
    dataset.full_init()
    if probe == 'shift':
        _shift(dataset, seed)
    elif probe == 'missing-clips':
        _change_videos(dataset, _lose_clips, seed)
    elif probe == 'half-rate':
        times = 1 if dataset.num_clips is None else 2
        _change_videos(dataset, lambda clips, rng: clips[::2].repeat(times, axis=0)[:len(clips)], seed)
    else:
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


def _change_videos(dataset, change: Callable[[np.ndarray, np.random.Generator], np.ndarray], seed: int) -> None:
    """Let ``change`` make the clips (T, Dv) of each video others; what it draws depends on video and seed."""
    original, numbers = dataset.videos, _numbers(dataset)

    def videos(indices) -> torch.Tensor:
        return torch.from_numpy(np.stack([
            change(video.float().numpy(), np.random.default_rng([seed, numbers[dataset.data_list.video_id(index)]]))
            for index, video in zip(indices, original(indices))]))

    dataset.videos = videos


def _lose_clips(clips: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kept = rng.permutation(len(clips)) >= round(_MISSING * len(clips))
    return clips * kept[:, None].astype(clips.dtype)


def _numbers(dataset) -> Dict[str, int]:
    """The videos of a data set, in the order in which they come first."""
    return {video_id: number for number, video_id in enumerate(dict.fromkeys(dataset.data_list.video_ids()))}


def _shift(dataset, seed: int) -> None:
    original, noise_of = dataset.videos, {}
    for video_id, number in _numbers(dataset).items():
        if dataset.num_clips is None:
            kept = max(dataset.num_rows(video_id), 1)  # of an absent video one row of zeros
            front = round(_NOISE / (1 - _NOISE) * kept)
        else:
            front = round(_NOISE * dataset.num_clips)
            kept = dataset.num_clips - front
        noise_of[video_id] = number, front, kept

    def videos(indices) -> torch.Tensor:
        moved = []
        for index, video in zip(indices, original(indices)):
            number, front, kept = noise_of[dataset.data_list[index]['video_id']]
            rows = resample_clips(video.float().numpy(), kept)
            moved.append(np.concatenate([_noise(rows, front, np.random.default_rng([seed, number])), rows]))
        return torch.from_numpy(np.stack(moved))

    pairs = []
    for pair in dataset.data_list:
        _, front, kept = noise_of[pair['video_id']]
        duration = pair['duration'] * (front + kept) / kept
        before = duration - pair['duration']
        pairs.append(dict(pair, duration=duration, spans=[[start + before, end + before]
                                                          for start, end in pair['spans']]))
    dataset.data_list, dataset.videos = Pairs.of(pairs), videos


def _noise(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, Dv) rows with mean, spread and norm of those of a video."""
    noise = rng.normal(rows.mean(axis=0), rows.std(axis=0), (count, rows.shape[1]))
    norms = np.linalg.norm(noise, axis=1, keepdims=True)
    return (noise * np.linalg.norm(rows, axis=1).mean() / np.maximum(norms, 1e-12)).astype(np.float32)
