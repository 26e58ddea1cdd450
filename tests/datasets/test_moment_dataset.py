"""From files to a batch, and what happens to bad files."""
from mmvmr.registry import DATASETS


def test_a_batch_holds_video_and_query_but_no_span_in_training(tiny_dataset):
    dataset = DATASETS.build(tiny_dataset.train)
    batch = dataset.__getitems__([0, 3])
    assert set(batch) == {'inputs'}
    assert batch['inputs'].video.shape == (2, 16, 8)
    assert batch['inputs'].query.features.shape == (2, 5, 300)
