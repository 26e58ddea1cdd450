"""Finding out what a match is worth: sentences in their own videos and in those of others, without any timestamp."""
from typing import Any, Dict, List, NamedTuple, Tuple

import numpy as np

from mmvmr.apis.confidence import Confidence, distance, fit_odds
from mmvmr.apis.inferencer import MomentRetrievalInferencer
from mmvmr.text.sentences import read_sentences

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
_LEAST = 8  # videos beside the references: below, errors on one half of them say nothing


class Calibration(NamedTuple):
    """A confidence, and what it was found to be worth on videos that had no part in it."""
    confidence: Confidence
    pairs: int  # sentences, each in its own video and in one of others
    errors: Dict[float, Tuple[float, float]]  # by confidence: shares of own pairs below, and of others not below


def calibrate(inferencer: MomentRetrievalInferencer, dataset: Any, queries: int, references: int,
              weights_sha256: str) -> Calibration:
    """Compare matches of sentences in their own videos with those in videos of others.

    Some videos become references. The others are parted in two halves; errors are those of either half under the fit to
    the other one. The fit that is kept is to both.

    Args:
        dataset: Pairs of videos and sentences with features; no spans are read.
        queries: Sentences, at most.
        references: N, reference videos.

    Raises:
        ValueError: If there are too few videos.
    """
    dataset.full_init()
    generator = np.random.default_rng(0)
    videos = list(dict.fromkeys(pair['video_id'] for pair in dataset.data_list if pair['video_id'] in dataset.store))
    if len(videos) < references + _LEAST:
        fewer = len(videos) - _LEAST
        raise ValueError(f'There are {len(videos)} videos with features, too few for {references} references '
                         f'and at least {_LEAST} more. '
                         + (f'Take {fewer} with --references.' if fewer >= 2 else
                            f'At least {_LEAST + 2} are needed: hold out more, with training_files.val_fraction.'))
    videos = generator.permutation(videos).tolist()
    halves = {video: number % 2 for number, video in enumerate(videos[references:])}
    pairs = [pair for pair in dataset.data_list if pair['video_id'] in halves]
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(queries, len(pairs))).astype(int))
    pairs = [pairs[number] for number in chosen]
    sentences = read_sentences([pair['query'] for pair in pairs], inferencer.text, inferencer.recipe.max_words)
    sides = np.array([halves[pairs[number]['video_id']] for number in sentences.answerable])
    if len({*sides.tolist()}) < 2:
        raise ValueError(f'The {len(sides)} sentences that were taken are all of videos of one half, so none are left '
                         'to fit by. Take more with --queries.')
    clips = {video: inferencer.clips(dataset.store.read(video)) for video in videos}
    wanted = {number: [*videos[:references], pairs[number]['video_id'], _other(pairs[number], pairs, halves, generator)]
              for number in sentences.answerable}
    matches = inferencer.best_matches(
        sentences, {number: [(video, clips[video]) for video in of_sentence] for number, of_sentence in wanted.items()},
        'Sentences in videos').values()
    own, other = (np.array([distance(found[place], found[:references]) for found in matches]) for place in (-2, -1))
    own_odds, other_odds = np.empty_like(own), np.empty_like(other)
    for side in (0, 1):
        slope, intercept = fit_odds(own[sides != side], other[sides != side])
        for odds, values in ((own_odds, own), (other_odds, other)):
            odds[sides == side] = slope * values[sides == side] + intercept
    bounds = {level: np.log(level / (1 - level)) for level in LEVELS}
    errors = {level: (float((own_odds < bound).mean()), float((other_odds >= bound).mean()))
              for level, bound in bounds.items()}
    kept = np.concatenate([clips[video].numpy() for video in videos[:references]]).astype(np.float16)
    return Calibration(Confidence(kept, *fit_odds(own, other), weights_sha256), len(own), errors)


def _other(pair: Dict, pairs: List[Dict], halves: Dict[str, int], generator: np.random.Generator) -> str:
    """A video of the same half that no pair says to hold what this one describes."""
    same = {one['video_id'] for one in pairs if one['query'] == pair['query']}
    others = [video for video, side in halves.items() if side == halves[pair['video_id']] and video not in same]
    if not others:
        raise ValueError(f'{pair["query"]!r} is said of all videos, so there is none that it does not describe. Choose '
                         'pairs with more kinds of sentences.')
    return generator.choice(others)
