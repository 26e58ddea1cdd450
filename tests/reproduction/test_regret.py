"""Rules that choose an epoch without annotations, and how far they miss the best one."""
import json
import math
import shutil

import pytest
import torch
from runs import REPO, make_runner, run_command, write_config

from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.testing import run_test
from mmvmr.evaluation.scored import score_predictions
from mmvmr.evaluation.scoring import summarize
from mmvmr.registry import DATASETS
from mmvmr.reproduction import regret
from mmvmr.reproduction.regret import Reading, apply_rules, epochs_of, measure_regret, regret_table, regrets
from mmvmr.utils.tables import format_table

FOUND = dict(
    rules={'last epoch': [1, 2, 3], 'margin': [0.3, 0.1, 0.3], 'stability': [None, 0.9, 0.5], 'none': [None] * 3},
    scores={'mIoU': [30.0, 50.0, 40.0], 'R@1,IoU=0.5': [20.0, 25.0, 35.0]},
    averages={2: {'mIoU': 52.0, 'R@1,IoU=0.5': 30.0}})


def test_regret_is_the_distance_to_the_best_epoch_metric_by_metric():
    found = regrets(FOUND)
    assert found.loc['last epoch'].tolist() == [10, 0]
    assert found.loc['margin'].tolist() == [10, 0]  # of equal values that of the last epoch
    assert found.loc['stability'].tolist() == [0, 10]
    assert found.loc['mean of the last 2'].tolist() == [-2, 5]
    assert all(map(math.isnan, found.loc['none']))


def test_rules_are_averaged_over_the_runs_that_have_them():
    other = dict(FOUND, rules={'last epoch': [1, 2, 3], 'margin': [None] * 3}, averages={})
    rows = {row[0]: row[1:] for row in regret_table(dict(a=FOUND, b=dict(other, scores={
        'mIoU': [30.0, 50.0, 46.0], 'R@1,IoU=0.5': [20.0, 25.0, 21.0]}))) }
    assert rows[''] == ['runs', 'mIoU', 'of the last epoch', 'largest', 'R@1,IoU=0.5', 'a', 'b']
    assert rows['last epoch'] == ['2', '7.00', '7.00', '10.00', '2.00', '10.00', '4.00']
    assert rows['margin'] == ['1', '10.00', '10.00', '10.00', '0.00', '10.00', '']
    assert rows['none'] == ['0', '', '', '', '', '', '']


def _reading(first, **changes):
    spans = torch.tensor([first] * 2)
    return Reading(spans, **{**dict(second=torch.tensor([[0.0, 0.2]] * 2), by_match=spans,
                                    match=torch.tensor([0.5, 0.5]), margin=torch.tensor([0.3, 0.1])), **changes})


def test_rules_compare_a_reading_with_other_videos_and_the_epoch_before():
    own = _reading([0.0, 0.4], by_match=torch.tensor([[0.0, 0.4], [0.0, 0.1]]))
    other = _reading([0.0, 0.4], match=torch.tensor([0.4, 0.6]), margin=torch.tensor([0.0, 0.1]))
    values = apply_rules(2, own, other, _reading([0.2, 0.4]))
    assert values == {
        'last epoch': 2, 'margin': pytest.approx(0.2), 'margin minus another video': pytest.approx(0.15),
        'own against another video': 0.5, 'agreement with the match': pytest.approx((1 + 0.25) / 2),
        'agreement of the first two': pytest.approx(0.5), 'stability': pytest.approx(0.5)}


def test_rules_that_a_model_has_no_value_for_are_none():
    values = apply_rules(1, *[_reading([0.0, 0.4], second=None, margin=None)] * 2, None)
    assert {name for name, value in values.items() if value is None} == {
        'margin', 'margin minus another video', 'agreement with the match', 'agreement of the first two', 'stability'}


@pytest.fixture
def trained(tmp_path, tiny_dataset):
    """The folder of a run with the checkpoints of its two epochs."""
    file = write_config(tmp_path / 'cpl.py', tiny_dataset, 'cpl')
    make_runner(file, tmp_path / 'run', {'default_hooks.checkpoint.max_keep_ckpts': -1}).train()
    return tmp_path / 'run'


def test_real_run_is_measured_without_the_moments_of_the_validation(trained, tiny_dataset, tmp_path, capsys):
    first = measure_regret(trained)
    tested = run_test(read_config(trained / 'cpl.py'), trained / 'epoch_1.pth', tmp_path / 'test')
    scores = summarize(score_predictions(tested, {}).scores)
    assert {name: values[0] for name, values in first['scores'].items()} == pytest.approx(
        {name: scores[name] for name in first['scores']}, abs=0.01)
    assert {len(values) for values in first['rules'].values()} == {2}
    val = DATASETS.build(dict(tiny_dataset.val, features=None)).ann_file
    pairs = json.loads(open(val).read())
    with open(val, 'w') as file:
        json.dump([[video, duration, None, query] for video, duration, _, query in pairs], file)
    assert measure_regret(trained) == first
    assert run_command('regret', trained, '--out', tmp_path / 'regret') == 0
    assert 'own against another video' in capsys.readouterr().out
    (trained / 'epoch_2.pth').unlink()
    assert run_command('regret', trained, '--out', tmp_path / 'regret') == 0  # what was measured is not again
    with pytest.raises(ValueError, match='all its epochs.*max_keep_ckpts=-1'):
        epochs_of(trained)


def test_scores_are_those_of_a_test_where_moments_or_videos_are_missing(trained, tiny_dataset, tmp_path):
    test = DATASETS.build(dict(tiny_dataset.test, features=None)).ann_file
    pairs = json.loads(open(test).read())
    pairs = [[video, duration, span if number % 2 else None, query]
             for number, (video, duration, span, query) in enumerate(pairs)]
    pairs.append(['absent', 20.0, [0.0, 9.0], 'a ball spins'])
    (tmp_path / 'half.json').write_text(json.dumps(pairs))
    changes = {'test_dataloader.dataset.ann_file': str(tmp_path / 'half.json'),
               'test_dataloader.dataset.missing': 'score_as_wrong'}
    tested = run_test(read_config(trained / 'cpl.py', changes), trained / 'epoch_1.pth', tmp_path / 'test')
    scores = summarize(score_predictions(tested, {}).scores)
    assert {name: values[0] for name, values in measure_regret(trained, changes)['scores'].items()} == pytest.approx(
        {name: scores[name] for name in ('mIoU', 'R@1,IoU=0.5')}, abs=0.01)


def test_what_was_measured_of_other_weights_or_options_is_measured_again(trained, tmp_path, monkeypatch):
    measured = []
    monkeypatch.setattr(regret, 'measure_regret', lambda folder, options: measured.append((folder, options)) or {})
    other = shutil.copytree(trained, tmp_path / 'moved')
    for folder, options in ((trained, {}), (trained, {'model.span_level': 0.3}), (trained, {}), (other, {})):
        regret.measure_all(dict(run=folder), tmp_path / 'out', options)
    assert measured == [(trained, {}), (trained, {'model.span_level': 0.3})]
    (other / 'epoch_2.pth').write_bytes((other / 'epoch_1.pth').read_bytes())
    regret.measure_all(dict(run=other), tmp_path / 'out', {})
    assert measured[2:] == [(other, {})]


def test_what_was_measured_is_found_whatever_it_is_called_and_never_written_over(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(regret, 'measure_regret', lambda folder, options: dict(protocol=folder.parent.name))
    runs = {name: shutil.copytree(trained, tmp_path / name / 'train') for name in ('one', 'two')}
    (runs['two'] / 'epoch_2.pth').write_bytes((runs['two'] / 'epoch_1.pth').read_bytes())
    for name in (*runs, *runs):
        assert regret.measure_all({'train': runs[name]}, tmp_path / 'out')['train']['protocol'] == name
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['train.json', 'train_2.json']
    for folder in runs.values():
        (folder / 'epoch_1.pth').unlink()
    found = regret.measure_all({f'{name}/train': folder for name, folder in runs.items()}, tmp_path / 'out')
    assert [one['protocol'] for one in found.values()] == ['one', 'two']
    assert len(list((tmp_path / 'out').iterdir())) == 2


def test_an_unfinished_run_and_too_few_validation_videos_are_said(trained, tiny_dataset, capsys):
    val = DATASETS.build(dict(tiny_dataset.val, features=None)).ann_file
    pairs = [pair for pair in json.loads(open(val).read()) if pair[0] == 'val_0']
    with open(val, 'w') as file:
        json.dump(pairs, file)
    found = measure_regret(trained, {'train_cfg.max_epochs': 3})
    said = capsys.readouterr().err
    assert 'has 2 of 3 epochs' in said and 'Rules that need videos of other pairs are left out' in said
    assert found['rules']['own against another video'] == [None, None]
    assert None not in found['rules']['margin']
    with pytest.raises(NotADirectoryError, match='is a file, expected the folder of a training'):
        run_command('regret', trained / 'epoch_1.pth')


def test_table_of_the_docs_is_what_was_measured():
    runs = json.loads((REPO / 'docs' / 'regret.json').read_text())
    rows = [row[:6] for row in regret_table(runs)]
    assert format_table(rows, form='markdown') in (REPO / 'docs' / 'train_and_test.md').read_text()


def test_default_was_measured_within_a_point_of_the_best_epoch():
    runs = json.loads((REPO / 'docs' / 'regret.json').read_text())
    mean = {row[0]: float(row[2]) for row in regret_table(runs)[1:] if row[2]}
    assert mean['mean of the last 3'] <= min(1, mean['last epoch'])
