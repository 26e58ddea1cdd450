"""Scoring predictions again, from a file to the printed tables."""
import shutil
from pathlib import Path

import pandas as pd
import pytest
from runs import run_command

from mmvmr.evaluation.predictions import write_predictions


def _write(path, ends, protocol='charades_sta/official'):
    """Four queries about two videos of 20 s; one candidate [0, end] and one off the mark for [0, 10] or [10, 20]."""
    truths = [[[0.0, 10.0]], [[0.0, 10.0]], [[0.0, 10.0]], [[10.0, 20.0]]]
    write_predictions(pd.DataFrame([
        dict(sample_idx=index, video_id=f'v{index // 2}', query='he sits', duration=20.0, gt_spans=truth,
             pred_spans=[[0.0, end], [0.0, 0.9 * end]], pred_scores=[1.0, 0.5], protocol=protocol)
        for index, (truth, end) in enumerate(zip(truths, ends))]), path)
    return str(path)


def _rows(text, table):
    """The cells of a printed table, by the first cell of each row."""
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in text.splitlines() if line.startswith('|')]
    heads = [number for number, row in enumerate(rows) if row[0] == '' and row[1] and not row[1].startswith('IoU=')]
    starts = [*heads, len(rows)]
    return {row[0]: row[1:] for row in rows[starts[table]:starts[table + 1]]}


@pytest.fixture
def predictions(tmp_path):
    return _write(tmp_path / 'predictions.jsonl', ends=(10.0, 10.0, 6.0, 4.0))  # IoU 1, 1, 0.6, 0


def test_all_pairs_are_scored_under_the_protocol_of_the_file(predictions, capsys):
    run_command('score', predictions)
    text = capsys.readouterr().out
    assert 'charades_sta/official: 4 queries, 2 videos' in text
    assert _rows(text, 0)['model'] == ['75.00', '75.00', '50.00', '65.00']  # two candidates: no R@5


def test_a_smaller_protocol_drops_the_pairs_that_end_with_the_video(predictions, capsys):
    run_command('score', predictions, '--protocol', 'charades_sta/filtered')
    text = capsys.readouterr().out
    assert 'charades_sta/filtered: 3 queries, 2 videos' in text
    assert _rows(text, 0)['model'] == ['100.00', '100.00', '66.67', '86.67']


def test_thresholds_suppression_and_strictness_can_be_chosen(predictions, capsys):
    run_command('score', predictions, '--top', '1', '2', '--iou', '0.6')
    assert _rows(capsys.readouterr().out, 0)['model'] == ['75.00', '75.00', '65.00']
    run_command('score', predictions, '--top', '1', '--iou', '0.6', '--strict', '--nms', '0.5')
    text = capsys.readouterr().out
    assert _rows(text, 0)['model'] == ['50.00', '65.00']
    assert 'IoU > m; non-maximum suppression at IoU 0.5' in text


def test_intervals_are_taken_over_videos(predictions, capsys):
    run_command('score', predictions, '--top', '1', '--iou', '0.5')
    # the videos have 100 % and 50 %: two drawn with replacement reach from one of them twice to the other twice
    assert _rows(capsys.readouterr().out, 2)['R@1,IoU=0.5'] == ['75.00', '50.00 .. 100.00']


def test_two_models_are_compared_query_by_query(predictions, tmp_path, capsys):
    other = _write(tmp_path / 'other.jsonl', ends=(10.0, 4.0, 4.0, 4.0))
    run_command('score', predictions, '--against', other, '--top', '1', '--iou', '0.5')
    # each video has one query more: 2 of 4 choices of signs give a difference as large
    assert _rows(capsys.readouterr().out, 3)['R@1,IoU=0.5'] == ['75.00', '25.00', '+50.00', '0.5000']


def test_constant_windows_are_fitted_on_the_training_set_of_a_config(predictions, tmp_path, tiny_dataset, capsys):
    config = tmp_path / 'config.py'
    config.write_text(f"test_evaluator = dict(type='MomentRecall', train_set={tiny_dataset.train!r})")
    run_command('score', predictions, '--config', str(config))
    assert 'best mIoU window [' in capsys.readouterr().out


def test_constant_windows_of_a_run_are_fitted_on_its_own_training_set(predictions, tmp_path, tiny_dataset, capsys):
    run = tmp_path / 'run'
    run.mkdir()
    shutil.copy(predictions, run)
    config = f'test_evaluator = {dict(type="MomentRecall", train_set=tiny_dataset.train)!r}\n'
    (run / 'config.py').write_text(config)
    run_command('score', run)
    assert 'No training annotations were given' in capsys.readouterr().out, 'it may be any folder'
    (run / 'inputs.json').touch()
    run_command('score', run)
    captured = capsys.readouterr()
    assert 'best mIoU window [' in captured.out and captured.err == f'Predictions: {run / "predictions.jsonl"}\n'
    shutil.copytree(run, run / 'test' / 'epoch_1', ignore=shutil.ignore_patterns('*.py', '*.json'))
    run_command('score', run / 'test' / 'epoch_1')
    assert 'best mIoU window [' in capsys.readouterr().out
    (run / 'config.py').write_text(config + 'raise SystemExit(3)\n')
    run_command('score', run)  # nothing of the config is run
    Path(tiny_dataset.train['ann_file']).unlink()
    (run / 'config.py').write_text(config)
    run_command('score', run)
    captured = capsys.readouterr()
    assert 'No training annotations were given' in captured.out and 'Without the training annotations' in captured.err


@pytest.mark.parametrize('named', [
    dict(type='stranger.build'), dict(type='MomentDataset', _scope_='stranger'), 'MomentDataset'])
def test_a_data_set_that_only_a_run_names_is_not_imported(predictions, tmp_path, monkeypatch, capsys, named):
    (tmp_path / 'parts').mkdir()
    (tmp_path / 'parts' / 'stranger.py').write_text("open('ran', 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path / 'parts')
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'inputs.json').touch()
    (tmp_path / 'config.py').write_text(f'test_evaluator = {dict(type="MomentRecall", train_set=named)!r}\n')
    run_command('score', tmp_path)
    assert 'is no data set of mmvmr or of an installed plugin' in capsys.readouterr().err
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('arguments, message', [
    (['--protocol', 'tacos/2d_tan'], 'Run `mmvmr test` under that protocol'),
    (['--iou', '50'], 'such as 0.5'),
    (['--config', 'empty.py'], 'has no `train_set`'),
    (['--against', 'absent.jsonl'], 'There is no file of predictions, and no run, "absent.jsonl"'),
    (['--against', 'others.jsonl'], 'about different queries')])
def test_mistakes_are_explained(predictions, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty.py').write_text("test_evaluator = dict(type='MomentRecall')")
    _write(tmp_path / 'others.jsonl', ends=(1.0, 2.0))
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        run_command('score', predictions, *arguments)
