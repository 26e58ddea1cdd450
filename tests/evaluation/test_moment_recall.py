import json

import pytest
import torch
import torch.multiprocessing
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope

from mmvmr.evaluation.moment_recall import MomentRecall, annotated_fractions
from mmvmr.evaluation.predictions import read_predictions
from mmvmr.structures import MomentSample


def _sample(index, truth, predictions, **extra):
    sample = MomentSample(metainfo=dict(
        sample_idx=index, video_id=f'v{index // 2}', query='he sits down', duration=20.0, **extra))
    sample.gt_spans = torch.tensor(truth).reshape(-1, 2)
    sample.pred_spans = torch.tensor(predictions).reshape(-1, 2)
    sample.pred_scores = torch.arange(len(predictions), 0, -1).float()
    return sample


def _evaluate(metric, samples, **meta):
    evaluator = Evaluator([metric])
    evaluator.dataset_meta = dict(dict(protocol='charades_sta/filtered', num_pairs=len(samples)), **meta)
    for sample in samples:  # batches of one
        evaluator.process([sample], None)
    return evaluator.evaluate(len(samples))


FOUR = [  # IoU of the first prediction with [0, 10]: 1, 0.5, 0.4, 0
    _sample(index, [[0.0, 10.0]], [[0.0, end], [12.0, 14.0]]) for index, end in enumerate((10.0, 5.0, 4.0, 0.0))]


def test_scores_are_means_over_queries_in_per_cent():
    scores = _evaluate(MomentRecall(tops=[1]), FOUR)
    assert scores == {'R@1,IoU=0.3': 75.0, 'R@1,IoU=0.5': 50.0, 'R@1,IoU=0.7': 25.0, 'mIoU': 47.5}


def test_thresholds_come_from_the_protocol_or_from_the_config():
    # two predictions per query, so R@5 is left out
    assert list(_evaluate(MomentRecall(), FOUR, protocol='activitynet_captions/val_2')) == [
        'R@1,IoU=0.1', 'R@1,IoU=0.3', 'R@1,IoU=0.5', 'R@1,IoU=0.7', 'mIoU']
    assert list(_evaluate(MomentRecall(tops=[2], ious=[0.9]), FOUR)) == ['R@2,IoU=0.9', 'mIoU']


def test_a_mistake_in_the_config_shows_before_the_test():
    with pytest.raises(ValueError, match='such as 0.5'):
        MomentRecall(ious=[50])


def test_the_order_of_the_batches_does_not_matter():
    assert _evaluate(MomentRecall(), FOUR[::-1]) == _evaluate(MomentRecall(), FOUR)


def test_a_pair_that_two_processes_have_seen_counts_once():
    metric = MomentRecall(tops=[1])
    metric.process(None, [sample.to_dict() for sample in [*FOUR, FOUR[0], FOUR[0]]])
    assert metric.compute_metrics(metric.results)['mIoU'] == 47.5


def test_a_pair_without_features_counts_as_wrong(tmp_path):
    absent = _sample(0, [[0.0, 10.0]], [[0.0, 10.0]], absent=True)
    assert _evaluate(MomentRecall(tops=[1], out_file=str(tmp_path / 'p.jsonl')), [absent, FOUR[1]])['mIoU'] == 25
    assert read_predictions(tmp_path / 'p.jsonl')['pred_spans'].str.len().tolist() == [0, 2]


def test_a_pair_without_annotation_is_left_out():
    assert _evaluate(MomentRecall(tops=[1]), [FOUR[0], _sample(1, [], [[0.0, 1.0]])])['mIoU'] == 100
    assert _evaluate(MomentRecall(), [_sample(0, [], [[0.0, 1.0]])]) == {}


def _log(monkeypatch):
    lines = []
    monkeypatch.setattr('mmvmr.evaluation.moment_recall.print_log', lambda text, *_, **__: lines.append(text))
    return lines


def test_a_test_of_some_of_the_pairs_says_so(monkeypatch):
    lines = _log(monkeypatch)
    _evaluate(MomentRecall(), FOUR, num_pairs=3158)
    assert '4 of 3158 pairs of charades_sta/filtered were tested' in lines[0]


def test_the_card_shows_the_protocol_the_blind_panel_and_the_lift(monkeypatch, tiny_dataset):
    lines = _log(monkeypatch)
    with DefaultScope.overwrite_default_scope('mmvmr'):
        _evaluate(MomentRecall(tops=[1], report=True, train_set=tiny_dataset.train), FOUR)
    cells = [[cell.strip() for cell in line.split('|')[1:-1]] for line in lines[-1].splitlines() if '|' in line]
    rows = {row[0]: row[1:] for row in cells}
    assert 'charades_sta/filtered: 4 queries, 2 videos' in lines[-1]
    assert rows['model'] == ['75.00', '50.00', '25.00', '47.50']
    assert rows['blind: whole video'] == ['100.00', '100.00', '0.00', '50.00']  # [0, 20] against [0, 10]
    blind = [[float(cell) for cell in row] for name, row in rows.items() if name.startswith('blind')]
    assert len(blind) == 5  # with two fitted windows
    lift = [float(model) - max(column) for model, column in zip(rows['model'], zip(*blind))]
    assert [float(cell) for cell in rows['lift over the best blind']] == pytest.approx(lift, abs=0.011)
    assert 'a diagnostic, not a weakly-supervised result' in lines[-1]


def test_without_training_annotations_the_card_has_no_fitted_window(monkeypatch, tiny_dataset):
    lines = _log(monkeypatch)
    absent = dict(tiny_dataset.train, ann_file=str(tiny_dataset.root / 'absent.json'))
    with DefaultScope.overwrite_default_scope('mmvmr'):
        assert _evaluate(MomentRecall(tops=[1], report=True, train_set=absent), FOUR)['mIoU'] == 47.5
    assert 'absent.json' in lines[0] and 'mmvmr train' not in lines[0]  # a test needs them not
    assert 'no constant window was fitted' in lines[1]


@pytest.mark.parametrize('entries, warned, sentence', [
    ([['v', 20, None, 'He sits.']], 0, 'The training annotations have no moments, so no constant window was fitted.'),
    ([['v', 20, None, '']], 1, 'No training annotations were given that can be read, so no constant window was')])
def test_training_annotations_without_moments_leave_the_fitted_windows_out(monkeypatch, tmp_path, entries, warned,
                                                                           sentence):
    lines = _log(monkeypatch)
    (tmp_path / 'train.json').write_text(json.dumps(entries))
    with DefaultScope.overwrite_default_scope('mmvmr'):
        metric = MomentRecall(report=True, train_set=dict(type='MomentDataset', ann_file=str(tmp_path / 'train.json')))
        assert _evaluate(metric, FOUR)['mIoU'] == 47.5
    assert len(lines) == warned + 1 and sentence in lines[-1] and 'window [' not in lines[-1]
    assert warned == 0 or 'the sentence is empty' in lines[0]


def test_the_card_says_how_many_queries_have_no_usable_prediction(monkeypatch):
    lines = _log(monkeypatch)
    broken = [_sample(0, [[0.0, 10.0]], [[float('nan'), 3.0]]), _sample(1, [[0.0, 9.0]], [[0.0, 9.0]], absent=True)]
    assert _evaluate(MomentRecall(report=True), broken)['mIoU'] == 0
    assert '1 queries have no prediction, which counts as wrong.' in lines[-1]
    assert '1 queries have predictions that are not numbers, which counts as wrong.' in lines[-1]


def test_times_are_written_without_the_noise_of_float32(tmp_path):
    _evaluate(MomentRecall(out_file=str(tmp_path / 'p.jsonl')), [_sample(0, [[0.1, 24.3]], [[0.7, 19.99]])])
    row = read_predictions(tmp_path / 'p.jsonl').iloc[0]
    assert row['gt_spans'] == [[0.1, 24.3]] and row['pred_spans'] == [[0.7, 19.99]]
    assert row['protocol'] == 'charades_sta/filtered' and row['pred_scores'] == [1.0]


def test_annotated_fractions_of_a_dataset_need_no_features(tiny_dataset):
    tiny_dataset.features.unlink()
    with DefaultScope.overwrite_default_scope('mmvmr'):
        spans = annotated_fractions(tiny_dataset.train)
    assert spans.shape == (16, 2)
    assert (0 <= spans[:, 0]).all() and (spans[:, 0] < spans[:, 1]).all() and (spans[:, 1] <= 1).all()


def _evaluate_in_one_of_two_processes(rank, folder):
    torch.distributed.init_process_group('gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=2)
    metric = MomentRecall(tops=[1], out_file=f'{folder}/predictions.jsonl')
    metric.dataset_meta = dict(protocol='charades_sta/filtered', num_pairs=3)
    # three pairs for two processes: the sampler gives the second process the first pair once more
    metric.process(None, [FOUR[index].to_dict() for index in ((0, 2), (1, 0))[rank]])
    torch.save(metric.evaluate(size=3), f'{folder}/scores_{rank}.pth')
    torch.distributed.destroy_process_group()


def test_two_processes_give_the_scores_of_one(tmp_path):
    torch.multiprocessing.start_processes(_evaluate_in_one_of_two_processes, (str(tmp_path),), nprocs=2,
                                          start_method='fork')
    expected = _evaluate(MomentRecall(tops=[1]), FOUR[:3])
    assert [torch.load(tmp_path / f'scores_{rank}.pth') for rank in (0, 1)] == [expected, expected]
    assert read_predictions(tmp_path / 'predictions.jsonl')['sample_idx'].tolist() == [0, 1, 2]
