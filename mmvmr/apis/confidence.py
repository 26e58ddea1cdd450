"""How likely it is that a video holds what a sentence describes, by looking for the sentence in other videos, too."""
from pathlib import Path
from typing import NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from mmvmr.utils.files import written_aside

FILE = 'confidence.npz'


class Confidence(NamedTuple):
    """What ``mmvmr calibrate`` leaves in the folder of a run.

    A match says little by itself, since some sentences are easy to explain with any video. What counts is how far the
    match in a video lies above those of the same sentence in N reference videos, in their standard deviations (z).
    Logistic regression on pairs of sentences and videos, half of which belong together, turns it into odds.
    """
    references: np.ndarray  # (N, T, Dv) float16, clips of the reference videos
    slope: float
    intercept: float
    weights_sha256: str

    def __call__(self, matches: Sequence[float], references: Sequence[float]) -> float:
        """From the best match in each of W windows of a video, and in each reference video, to a number in (0, 1).

        Before anything was looked at, it is as likely that one of the windows holds what is described, whichever it is,
        as that none does: the odds are the mean over the windows.
        """
        odds = self.slope * distance(matches, references) + self.intercept
        return float(1 / (1 + np.exp(np.log(len(odds)) - np.logaddexp.reduce(odds))))

    def save(self, folder: Union[str, Path]) -> None:
        """Write :data:`FILE`; an existing one is replaced as a whole."""
        with written_aside(Path(folder, FILE)) as partial, open(partial, 'wb') as file:
            np.savez_compressed(file, **{name: np.asarray(value) for name, value in self._asdict().items()})

    @classmethod
    def load(cls, folder: Union[str, Path]) -> Optional['Confidence']:
        """Read what :meth:`save` has written, if it is there. Nothing in it is executed.

        Raises:
            ValueError: If it is damaged.
        """
        path = Path(folder, FILE)
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                found = cls(file['references'], float(file['slope']), float(file['intercept']),
                            str(file['weights_sha256']))
        except Exception as error:  # a damaged archive can fail anywhere inside numpy
            raise ValueError(f'"{path}" cannot be read ({type(error).__name__}: {error}). Make it again with '
                             '`mmvmr calibrate`, or remove it to do without a confidence.') from error
        if found.references.ndim != 3 or not np.isfinite([found.slope, found.intercept]).all():
            raise ValueError(f'"{path}" is damaged: expected clips (N, T, Dv) and two numbers. Make it again with '
                             '`mmvmr calibrate`.')
        return found


def distance(matches: Sequence[float], references: Sequence[float]) -> np.ndarray:
    """z: how far matches (...) lie above those of the references (N,), in standard deviations, on a logarithmic scale.

    Example:
        >>> distance([0.8, 0.2], [0.1, 0.2, 0.4]).round(2)
        array([2.45, 0.  ])
    """
    logs = np.log(np.maximum(references, 1e-12))
    return (np.log(np.maximum(matches, 1e-12)) - logs.mean()) / max(logs.std(), 1e-3)


def fit_odds(own: Sequence[float], others: Sequence[float]) -> Tuple[float, float]:
    """Slope (>= 0) and intercept of the log odds that a pair at distance z belongs together, both kinds alike frequent.

    A slight penalty on the slope keeps it finite where the two kinds can be told apart without an error.
    """
    from scipy.optimize import minimize  # half a second that answers need not wait for
    signs = np.concatenate([np.full(len(own), 1 / len(own)), np.full(len(others), -1 / len(others))])
    values = np.concatenate([own, others])

    def loss(line: np.ndarray) -> float:
        odds = line[0] * values + line[1]
        return float(np.abs(signs) @ np.logaddexp(0, -np.sign(signs) * odds) + 1e-3 * line[0]**2)

    return tuple(minimize(loss, [0.0, 0.0], bounds=[(0, None), (None, None)], method='L-BFGS-B').x.tolist())
