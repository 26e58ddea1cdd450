import pytest

from mmvmr.evaluation.reconstruction_margin import ReconstructionMargin


def _evaluate(*samples):
    metric = ReconstructionMargin()
    metric.process(None, list(samples))
    return metric.evaluate(size=len(samples))


def _sample(index, **fields):
    return dict(sample_idx=index, video_id='v', query='he sits', **fields)


def test_margins_are_averaged_over_pairs_each_counted_once():
    assert _evaluate(_sample(0, margin=0.5), _sample(1, margin=-0.1), _sample(0, margin=0.5)) == {
        'reconstruction_margin': pytest.approx(0.2)}


def test_a_video_without_features_is_left_out():
    assert _evaluate(_sample(0, margin=0.5), _sample(1, margin=9.0, absent=True)) == {'reconstruction_margin': 0.5}


def test_a_model_without_reconstructors_is_told_to_choose_another_metric():
    with pytest.raises(ValueError, match='the model has no reconstructors'):
        _evaluate(_sample(0))
