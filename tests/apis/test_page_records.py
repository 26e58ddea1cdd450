"""Records of what the inferencer saw, on the clock of the whole video."""
import numpy as np
from tiny import DIM

from mmvmr.apis import VideoFeatures
from mmvmr.apis.page_records import page_records


def _video(seconds):
    rows = np.random.default_rng(0).normal(size=(2 * seconds, DIM)).astype(np.float32)
    return VideoFeatures.from_array(rows, name='video', duration=float(seconds))


def _answer(inferencer, video, queries):
    """The predictions and the records of the page."""
    records = []
    result = inferencer(video, queries, on_video=lambda features, found: records.extend(
        page_records(inferencer, features, found)))
    return result['predictions'], records


def test_record_of_a_whole_video_has_the_moments_that_are_printed(inferencer):
    predictions, records = _answer(inferencer, _video(10), ['a red ball moves.', 'a blue ball spins.'])
    assert [record['query'] for record in records] == ['a red ball moves.', 'a blue ball spins.']
    for record, prediction in zip(records, predictions):
        assert record['spans'] == [[moment['start'], moment['end']] for moment in prediction['moments']]
        assert record['gt_spans'] == [] and record['duration'] == 10
        assert len(record['masks']) == len(record['spans']) and len(set(map(len, record['masks']))) == 1
        assert set(record['reconstruction']['query']) == {'chosen', 'rest', 'whole'}


def test_record_of_a_long_video_shows_the_window_of_the_best_moment_in_its_place(inferencer):
    (prediction,), (record,) = _answer(inferencer, _video(100), ['a red ball moves.'])
    best = prediction['moments'][0]
    assert record['duration'] == 100 and record['spans'][0] == [best['start'], best['end']]
    mask = np.array(record['masks'][0])
    center = (np.arange(len(mask)) + 0.5) @ mask / mask.sum() / len(mask) * 100
    assert best['start'] <= center <= best['end']
    start, end = record['window']
    assert 0 <= start <= best['start'] < best['end'] <= end + 1e-3 and end - start < 30
    whole = np.array(record['negatives']['hard'])  # the whole window
    assert 0 < whole.sum() < 0.3 * len(whole) and record['maps'] == []
    for (start, end), values in zip(record['spans'], record['masks']):
        peak = (np.argmax(values) + 0.5) / len(values) * 100
        assert start - 1 <= peak <= end + 1
