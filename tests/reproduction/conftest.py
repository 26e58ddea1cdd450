"""Finished runs that nobody has trained."""
import json

import pandas as pd
import pytest

from mmvmr.evaluation.predictions import write_predictions
from mmvmr.evaluation.scored import score_predictions
from mmvmr.evaluation.scoring import summarize
from mmvmr.reproduction.comparison import predictions_file, read_method

TRUTH = [[0.0, 10.0]]  # of each query, in a video of 20 s


def _write(folder, seed, ends, candidates=1, protocol='custom', query='he sits', probes=('shuffle-query',),
           parameters=1234567):
    """A run whose answers are [0, end], so that their IoU is end / 10; the other candidates miss.

    Under 'shift' the moments are half of the videos.
    """
    folder.mkdir(parents=True)
    table = pd.DataFrame([dict(
        sample_idx=index, video_id=f'v{index // 2}', query=query, duration=20.0, gt_spans=TRUTH,
        pred_spans=[[0.0, end]] + [[15.0, 20.0]] * (candidates - 1), pred_scores=[1.0] * candidates, protocol=protocol)
        for index, end in enumerate(ends)])
    write_predictions(table, folder / 'predictions.jsonl')
    metrics = summarize(score_predictions(folder / 'predictions.jsonl', {}).scores)
    for probe in probes:
        changed = table.assign(duration=40.0) if probe == 'shift' else table
        write_predictions(changed.assign(protocol=f'{protocol} ({probe})'), folder / predictions_file(probe))
    (folder / 'result.json').write_text(json.dumps(dict(
        seed=seed, metrics=metrics, probes={probe: {key: 10.0 * seed for key in metrics} for probe in probes},
        cost=dict(seconds=100.0 + 20 * seed, cpu_seconds=90.0, peak_mb=500.0, parameters=parameters),
        made_with=dict(mmvmr='0.1', device='abacus'))))
    return folder


@pytest.fixture
def method(tmp_path):
    """``method(name, ends of seed 0, ends of seed 1, ...)`` reads runs that it has written."""
    def make(name, *ends, **changes):
        folders = [_write(tmp_path / name / str(seed), seed, of_seed, **changes) for seed, of_seed in enumerate(ends)]
        return read_method(name, folders, {}, changes.get('probes', ('shuffle-query',)))
    return make
