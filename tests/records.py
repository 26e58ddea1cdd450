"""Records of explained pairs, as the page takes them."""
from typing import Dict


def make_record(number: int = 0, **changes) -> Dict:
    """The record of one pair: a video of 10 s, annotated from 2 to 4 s, two candidates with IoU 0.5 and 1."""
    record = dict(
        sample_idx=number, video_id=f'v_{number}', query=f'a red ball moves, number {number}.', duration=10.0,
        gt_spans=[[2.0, 4.0]], spans=[[2.0, 6.0], [2.0, 4.0]], scores=[0.9, 0.1], scored_by='score',
        masks=[[0.0, 0.5, 1.0, 0.5], [0.0, 1.0, 0.0, 0.0]], components=None,
        negatives=dict(easy=[1.0, 0.5, 0.0, 0.5]), words=['a', 'red', 'ball'],
        reconstruction=dict(query=dict(chosen=[-1.0, -0.5, -0.1], rest=[-1.0, -2.5, -0.1], whole=[-1.0, -1.5, -0.1])),
        frame_scores=None, maps=[])
    return dict(record, **changes)
