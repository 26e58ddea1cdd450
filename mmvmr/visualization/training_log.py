"""What MMEngine's logger left in a run folder, as tables."""
import json
from pathlib import Path
from typing import Dict, List, NamedTuple, Union

import pandas as pd

_REMEDY = 'Give the folder of a training, whose visualizer has the LocalVisBackend.'


class TrainingLog(NamedTuple):
    """The scalars of a run, from its beginning to its end, however often it was resumed."""
    train: pd.DataFrame  # index: iteration; e.g. loss, loss_ranking, lr; with two optimizers ranking.lr
    val: pd.DataFrame  # index: epoch (iteration where training is counted by those); e.g. mIoU, reconstruction_margin


def read_training_log(run: Union[str, Path]) -> TrainingLog:
    """Read and join the logs of a run.

    Each start of a training has a folder of its own, named by its time. What it logged takes the place of what earlier
    ones had logged from there on: those were killed later than their last checkpoint, or the training was begun anew.

    Raises:
        FileNotFoundError: If there is no log in the folder.
        ValueError: If a log cannot be read, or nothing was logged yet.
    """
    files = sorted(Path(run).glob('*/vis_data/scalars.json'))
    if not files:
        raise FileNotFoundError(f'There is no training log */vis_data/scalars.json in "{run}". {_REMEDY}')
    train: List[Dict] = []
    val: List[Dict] = []
    for file in files:
        rows = _read_lines(file)
        started = [row for row in rows if 'iter' in row]
        if started:
            train = [row for row in train if row['iter'] < started[0]['iter']]
            val = [row for row in val if row['step'] < started[0].get('epoch', started[0]['iter'])]
        train += started
        val += [row for row in rows if 'iter' not in row]
    if not train:
        raise ValueError(f'The training in "{run}" has logged nothing yet. Wait for its first log entry.')
    return TrainingLog(_to_table(train, 'iteration'), _to_table(val, 'epoch' if 'epoch' in train[0] else 'iteration'))


def _read_lines(file: Path) -> List[Dict]:
    """The lines of a log; the last one may have been cut off when the run was killed."""
    rows, lines = [], file.read_text(encoding='utf-8', errors='replace').splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            rows.append({name: value for name, value in row.items() if not name.endswith('time')})
            row['step']
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            if number == len(lines) > 1:
                break
            raise ValueError(f'"{file}", line {number} is no entry of a training log ({error}). {_REMEDY}') from error
    return rows


def _to_table(rows: List[Dict], index: str) -> pd.DataFrame:
    """One row per step, which has the name ``index``."""
    table = pd.DataFrame(rows, columns=None if rows else ['step']).drop(columns=['iter', 'epoch'], errors='ignore')
    return table.drop_duplicates('step', keep='last').set_index('step').rename_axis(index)
