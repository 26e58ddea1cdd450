"""A tiny data set on disk, for every test that needs one from files to batches."""
import json
from pathlib import Path
from typing import Dict, NamedTuple, Optional

import h5py
import numpy as np

from mmvmr.text.vocabulary import Vocabulary, count_words

COLORS = ('red', 'green', 'blue')
ACTIONS = ('moves', 'spins')
DIM, WORD_DIM, NUM_ROWS, SECONDS_PER_ROW = 8, 300, 40, 0.5


class TinyDataset(NamedTuple):
    """Paths, and ready configs for ``DATASETS.build``."""
    root: Path
    features: Path  # HDF5, (40, 8) per video
    vocabulary: Path
    train: Dict  # 16 pairs of 8 videos, no data samples
    val: Dict  # 8 pairs of 4 videos
    test: Dict  # 8 pairs of 4 videos
    vocab_size: int  # V, with class 0


def make_tiny_dataset(root: Path, num_clips: int = 16, seed: int = 0, **counts: int) -> TinyDataset:
    """Write annotations (JSON list), HDF5 features and a vocabulary below ``root``.

    Each video lasts 20 s and holds two moments, one per half: a ball of a colour moves or spins. Its features are
    noise, plus 3 on the channels of colour and action while the moment lasts, so that a model can learn where it is.

    Args:
        num_clips: T of the configs.
        counts: Number of videos of a split: ``train=8, val=4, test=4``.
    """
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    features, vocabulary, configs = root / 'features.h5', root / 'vocabulary.npz', {}
    sentences = []
    with h5py.File(features, 'w') as file:
        for split, default in dict(train=8, val=4, test=4).items():
            pairs = []
            for number in range(counts.get(split, default)):
                file[f'{split}_{number}'], moments = _video(rng)
                pairs += [[f'{split}_{number}', NUM_ROWS * SECONDS_PER_ROW, span, text] for span, text in moments]
            (root / f'{split}.json').write_text(json.dumps(pairs))
            sentences += [pair[3] for pair in pairs]
            configs[split] = dict(
                type='MomentDataset', ann_file=str(root / f'{split}.json'), features=str(features),
                vocabulary=str(vocabulary), split=split, num_clips=num_clips, test_mode=split != 'train')
    words = count_words([*sentences, *(f'a {color} ball {action}.' for color in COLORS for action in ACTIONS)])
    vectors = {word: rng.normal(0, 0.35, WORD_DIM).astype(np.float32) for word in sorted(words)}
    known = Vocabulary.from_vectors(words, vectors, provenance=dict(source='random vectors of a test'))
    known.save(vocabulary)
    return TinyDataset(root, features, vocabulary, vocab_size=len(known), **configs)


def _video(rng: np.random.Generator):
    rows, moments = rng.normal(0, 0.3, (NUM_ROWS, DIM)).astype(np.float32), []
    colors = rng.permutation(len(COLORS))[:2]
    for half, color in enumerate(colors):
        action = int(rng.integers(len(ACTIONS)))
        start = half * NUM_ROWS // 2 + int(rng.integers(0, 8))
        end = start + int(rng.integers(6, 12))
        rows[start:end, [color, len(COLORS) + action]] += 3
        moments.append(([start * SECONDS_PER_ROW, end * SECONDS_PER_ROW], f'a {COLORS[color]} ball {ACTIONS[action]}.'))
    return rows, moments


def write_annotations(path: Path, pairs: Optional[list] = None) -> str:
    """Write a JSON list of ``[video_id, duration, span, sentence]``; one good pair by default."""
    path.write_text(json.dumps([['train_0', 20.0, [1.0, 4.0], 'a red ball moves.']] if pairs is None else pairs))
    return str(path)
