"""What a function of one's own gives for several inputs."""
from typing import Any

import numpy as np


def checked_vectors(vectors: Any, count: int, what: str) -> np.ndarray:
    """Vectors (N, D) as float32.

    Raises:
        ValueError: If they are not ``count`` rows of finite numbers.

    Example:
        >>> checked_vectors([[1, 2]], 1, 'embed_text')
        array([[1., 2.]], dtype=float32)
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != count or not vectors.shape[1] or not np.isfinite(vectors).all():
        raise ValueError(f'{what} should give a row of finite numbers for each of {count} inputs, ({count}, D), got an '
                         f'array of shape {vectors.shape}.')
    return vectors
