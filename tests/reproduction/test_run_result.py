import pandas as pd
import pytest
from mmengine.config import Config

from mmvmr.evaluation.predictions import write_predictions
from mmvmr.reproduction.run_result import find_evaluator, score_predictions


@pytest.fixture
def predictions(tmp_path):
    """One query with a second answer that overlaps the first and a third that is right, and one without annotation."""
    row = dict(sample_idx=0, video_id='v', query='he sits', duration=20.0, gt_spans=[[10.0, 20.0]], protocol='custom',
               pred_spans=[[0.0, 10.0], [0.0, 9.0], [10.0, 20.0]], pred_scores=[0.9, 0.8, 0.7])
    write_predictions(pd.DataFrame([row, dict(row, sample_idx=1, gt_spans=[])]), tmp_path / 'predictions.jsonl')
    return tmp_path / 'predictions.jsonl'


def test_predictions_are_scored_as_the_metric_of_the_config_does(predictions):
    scored = score_predictions(predictions, dict(type='MomentRecall', tops=[2], ious=[0.5], report=True))
    assert scored.scores.to_dict('list') == {'R@2,IoU=0.5': [0], 'mIoU': [0]}
    suppressed = score_predictions(predictions, dict(type='MomentRecall', tops=[2], ious=[0.5], nms=0.5))
    assert suppressed.scores.to_dict('list') == {'R@2,IoU=0.5': [1], 'mIoU': [0]}
    assert suppressed.protocol.nms == 0.5 and len(suppressed.table) == 1


def test_recall_of_more_answers_than_there_are_is_left_out(predictions):
    assert list(score_predictions(predictions, {}).scores) == ['R@1,IoU=0.3', 'R@1,IoU=0.5', 'R@1,IoU=0.7', 'mIoU']


def test_predictions_without_annotation_are_refused(predictions):
    predictions.write_text(predictions.read_text().splitlines()[1] + '\n')
    with pytest.raises(ValueError, match='no query with an annotated moment'):
        score_predictions(predictions, {})


def test_metric_is_found_among_several():
    several = [dict(type='ReconstructionMargin'), dict(type='MomentRecall', nms=0.5)]
    assert find_evaluator(Config(dict(test_evaluator=several)))['nms'] == 0.5
    with pytest.raises(ValueError, match='no `test_evaluator` of type MomentRecall'):
        find_evaluator(Config(dict(test_evaluator=several[:1])))
