"""Features made up for real annotations: each sentence is planted in its moments, among distractors and noise."""
import zlib
from itertools import chain
from typing import Dict, Iterable, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np

from mmvmr.text.tokenizer import WordReader
from mmvmr.text.word_vectors import random_vectors


class Planting(NamedTuple):
    """How hard it is to find what was planted.

    Attributes:
        dim: Dv, dimensions of a row.
        seconds: From one row to the next.
        strength: Length of the vector of a sentence inside its moment.
        background: Length of the vector of the scene, which stays about the same all through a video.
        noise: Expected length of the noise of a row.
        distractors: How many sentences are planted in a video, at places drawn at random, unless they say what one of
            its own says.
        blur: Seconds in which an edge rises from a quarter to three quarters.
        seed: Of all that is drawn.
    """
    dim: int = 128
    seconds: float = 1.0
    strength: float = 1.0
    background: float = 1.0
    noise: float = 1.0
    distractors: int = 2
    blur: float = 1.0
    seed: int = 0


def planted_features(pairs: Sequence[Dict], planting: Planting) -> Iterator[Tuple[str, np.ndarray]]:
    """Ids and rows (N, Dv) of all videos of the pairs, one row per ``planting.seconds``.

    The vector of a sentence is the sum of those of its content words, brought to unit length; that of a word is a fixed
    random projection of its random vector (:func:`~mmvmr.text.word_vectors.random_vectors`), which is what a vocabulary
    made with ``--vectors random`` holds. So a model has to learn one linear map, and can read words it has not seen.

    What is drawn for a video depends on its id, the seed, and for distractors on the sentences of all pairs.

    Args:
        pairs: ``video_id``, ``duration``, ``query`` and ``spans`` in seconds; a pair without spans is planted nowhere.

    Example:
        >>> pairs = [dict(video_id='a', duration=20, query='a dog runs', spans=[[5, 10]])]
        >>> (name, rows), = planted_features(pairs, Planting(dim=4, distractors=0, noise=0, background=0, blur=0))
        >>> name, rows.shape, np.linalg.norm(rows, axis=1).nonzero()[0].tolist()
        ('a', (20, 4), [5, 6, 7, 8, 9])
    """
    videos: Dict[str, List[Dict]] = {}
    for pair in pairs:
        videos.setdefault(str(pair['video_id']), []).append(pair)
    known = _sentence_vectors((pair['query'] for pair in pairs), planting)
    shares = [(end - start) / pair['duration'] for pair in pairs for start, end in pair['spans']] or [0.25]
    for name, own in videos.items():
        duration = max(pair['duration'] for pair in own)
        rng = np.random.default_rng([planting.seed, zlib.crc32(name.encode())])
        events = [(known[pair['query']], span) for pair in own for span in pair['spans']]
        for _ in range(planting.distractors):
            other = pairs[rng.integers(len(pairs))]
            length = shares[rng.integers(len(shares))] * duration
            start = rng.uniform(0, max(duration - length, 0))
            if all(known[other['query']] @ known[pair['query']] < 0.999 for pair in own):  # says something else
                events.append((known[other['query']], (start, start + length)))
        yield name, _rows(events, duration, rng, planting)


def _rows(events: Iterable[Tuple[np.ndarray, Sequence[float]]], duration: float, rng: np.random.Generator,
          planting: Planting) -> np.ndarray:
    """(N, Dv) float32."""
    count = max(int(np.ceil(duration / planting.seconds)), 1)
    middles = (np.arange(count) + 0.5) * planting.seconds
    scene = rng.normal(size=planting.dim)
    rows = np.tile(planting.background * scene / np.linalg.norm(scene), (count, 1))
    rows += planting.noise * rng.normal(size=rows.shape) / planting.dim**0.5
    for vector, (start, end) in events:
        inside = _rise(middles - start, planting.blur) * _rise(end - middles, planting.blur)
        rows += planting.strength * inside[:, None] * vector
    return rows.astype(np.float32)


def _rise(seconds: np.ndarray, blur: float) -> np.ndarray:
    """From 0 to 1 around 0."""
    if blur == 0:
        return (seconds >= 0).astype(np.float64)
    return 1 / (1 + np.exp(-np.clip(seconds * 2 * np.log(3) / blur, -50, 50)))


def _sentence_vectors(sentences: Iterable[str], planting: Planting) -> Dict[str, np.ndarray]:
    reader = WordReader()
    seen = {sentence: reader.content(sentence) or reader.words(sentence) for sentence in sentences}
    words = random_vectors(sorted(set(chain.from_iterable(seen.values()))))
    size = len(next(iter(words.values())))
    project = np.random.default_rng(planting.seed).normal(size=(size, planting.dim))
    found = {}
    for sentence, spoken in seen.items():
        vector = sum(words[word] for word in dict.fromkeys(spoken)) @ project
        found[sentence] = vector / np.linalg.norm(vector)
    return found
