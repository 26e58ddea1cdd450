"""The folder of a run: testing and using it changes nothing, and its config trains, resumes and tests."""
import hashlib
import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from runs import make_runner, run_command, same, weights, write_config
from tiny import make_tiny_dataset

from mmvmr.apis import MomentRetrievalInferencer, VideoFeatures
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.engine.checkpoint import find_weights
from mmvmr.engine.run.config import differences, read_config
from mmvmr.engine.run.config_file import run_config_file
from mmvmr.engine.run.places import find_run_config
from mmvmr.engine.run.run_files import find_run_files
from mmvmr.engine.run.runner import MomentRunner
from mmvmr.engine.run.sizes import check_sizes
from mmvmr.engine.run.testing import find_predictions, run_test
from mmvmr.engine.run.training import _refuse_used_work_dir, describe, train, use_seed
from mmvmr.registry import DATASETS, HOOKS
from mmvmr.text.vocabulary import Vocabulary

QUERY = 'a red ball moves.'


@HOOKS.register_module()
class Refuses(Hook):
    """Refuses to train, last of all hooks."""
    priority = 'LOWEST'

    def before_train(self, runner) -> None:
        raise ValueError('refused by a hook')


@pytest.fixture(scope='module')
def original(tmp_path_factory):
    """Data, config file and the folder of a run of two epochs."""
    root = tmp_path_factory.mktemp('original')
    data = make_tiny_dataset(root / 'tiny')
    file = write_config(root / 'mine.py', data, 'cpl', custom_hooks=[dict(type='EmptyCacheHook')])
    make_runner(file, root / 'run').train()
    return data, file, root / 'run'


@pytest.fixture
def trained(original, tmp_path):
    """The same in a folder of its own."""
    data, file, run = original
    return data, file, shutil.copytree(run, tmp_path / 'run')


def _answer(data, run):
    features = VideoFeatures.from_file(data.features, 'test_0', duration=20.0)
    return MomentRetrievalInferencer(run, device='cpu', show_progress=False)(features, QUERY)['predictions']


def _hashes(run):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in run.iterdir() if path.is_file() and path.name != '.lock'}


def test_test_with_a_change_leaves_the_run_as_it_was(trained):
    data, file, run = trained
    before, answer = _hashes(run), _answer(data, run)
    for options in ({}, {'model.span_level': 0.9}):
        run_test(read_config(file, options), run, options=options)
        run_test(read_config(file, options), run, folder=run, options=options)
    after = _hashes(run)
    assert {name: after[name] for name in before if name != 'predictions.jsonl'} == before
    assert sorted(set(after) - set(before)) == ['predictions.jsonl', 'test.json']
    assert _answer(data, run) == answer


def test_predictions_lie_where_they_are_asked_for(trained, tmp_path):
    _, file, run = trained
    options = {'test_evaluator.out_file': str(tmp_path / 'config.jsonl')}
    assert run_test(read_config(file, options), run, options=options) == tmp_path / 'config.jsonl'
    (tmp_path / 'config.jsonl').unlink()
    asked = tmp_path / 'asked.jsonl'
    assert run_test(read_config(file, options), run, out=asked, options=options) == asked
    assert asked.exists() and not (tmp_path / 'config.jsonl').exists()


def test_config_of_a_run_is_whole_and_trains_resumes_and_tests(trained, tmp_path):
    data, file, run = trained
    own = find_run_config(run)
    written = run_config_file(own).values
    assert differences(written, read_config(file).entries_of_run()) == []
    assert 'work_dir' not in written and 'launcher' not in written
    first = run_test(read_config(own), run)
    assert first == run_test(read_config(file), run), 'the same test has the same folder'
    assert first.parent == run / 'test' / 'epoch_2'
    straight = train(read_config(own, work_dir=tmp_path / 'again'))
    assert same(weights(run / 'epoch_2.pth'), weights(f'{straight.work_dir}/epoch_2.pth'))
    (run / 'epoch_2.pth').unlink()
    train(read_config(own), resume=True)
    assert same(weights(run / 'epoch_2.pth'), weights(tmp_path / 'again' / 'epoch_2.pth'))


def test_each_kind_of_test_stands_beside_the_others(trained, tmp_path):
    _, file, run = trained
    options = {'model.span_level': 0.5}
    scan = write_config(tmp_path / 'scan.py', trained[0], 'cpl')
    first = run_test(read_config(file), run / 'epoch_1.pth')
    found = [run_test(read_config(file), run / 'epoch_2.pth'), first,
             run_test(read_config(file), run / 'epoch_1.pth', probe='shuffle-query'),
             run_test(read_config(file, options), run / 'epoch_1.pth', options=options),
             run_test(read_config(scan), run / 'epoch_1.pth')]
    assert [path.parent.name for path in found] == [
        'epoch_2', 'epoch_1', 'epoch_1,shuffle-query', 'epoch_1,model.span_level=0.5', 'epoch_1,scan']
    facts = json.loads((found[2].parent / 'test.json').read_text())
    assert facts['probe'] == 'shuffle-query' and facts['weights'] == 'epoch_1.pth'
    rows = [[json.loads(line) for line in path.read_text().splitlines()] for path in found[1:3]]
    assert {row['protocol'] for row in rows[1]} == {rows[0][0]['protocol'] + ' (shuffle-query)'}
    assert [row['query'] for row in rows[0]] == [row['query'] for row in rows[1]]
    assert [row['pred_spans'] for row in rows[0]] != [row['pred_spans'] for row in rows[1]]
    assert run_test(read_config(file), run / 'epoch_1.pth') == first


def test_predictions_of_a_run_are_those_of_the_run_as_it_is(trained, tmp_path, capsys):
    _, file, run = trained
    options = {'model.span_level': 0.5}
    changed = run_test(read_config(file, options), run, options=options)
    assert find_predictions(run) == changed, 'there is no other'
    own = run_test(read_config(file), run)
    run_test(read_config(file), run / 'epoch_1.pth')
    run_test(read_config(file, options), run, options=options)
    probed = run_test(read_config(file), run, probe='shuffle-query')
    capsys.readouterr()
    assert find_predictions(run) == own
    assert capsys.readouterr() == ('', f'Predictions: {own}\n'), 'it is said which ones they are'
    assert find_predictions(probed.parent) == find_predictions(probed) == probed
    with pytest.raises(FileNotFoundError, match=f'mmvmr test {tmp_path}'):
        find_predictions(tmp_path)


def test_other_weights_of_the_same_name_do_not_replace_what_was_tested(trained):
    _, file, run = trained
    first = run_test(read_config(file), run / 'epoch_1.pth')
    content = first.read_bytes()
    shutil.copy(run / 'epoch_2.pth', run / 'epoch_1.pth')
    assert run_test(read_config(file), run / 'epoch_1.pth').parent.name == 'epoch_1,2'
    assert first.read_bytes() == content


def _everywhere(key, path):
    return {f'{part}_dataloader.dataset.{key}': str(path) for part in ('train', 'val', 'test')}


def _with_words(data, order, path):
    known = Vocabulary.load(data.vocabulary)
    words = [known.words[place] for place in order]
    Vocabulary(words, known.vectors[[0, *(place + 1 for place in order)]], known.provenance).save(path)


@pytest.mark.parametrize('kind', ['order', 'number'])
def test_words_that_are_numbered_in_another_way_are_refused(trained, tmp_path, kind):
    data, file, run = trained
    count = len(Vocabulary.load(data.vocabulary).words)
    order = [*range(count)][::-1] if kind == 'order' else range(count - 1)
    _with_words(data, order, tmp_path / 'other.npz')
    options = _everywhere('vocabulary', tmp_path / 'other.npz')
    before = _hashes(run)
    message = 'was trained with another vocabulary: the data have ' + (
        'as many words, but in another order' if kind == 'order' else f'{count - 1} words instead of {count}')
    with pytest.raises(ValueError, match=message):
        run_test(read_config(file, options), run)
    with pytest.raises(ValueError, match=message):
        train(read_config(file, {**options, 'train_cfg.max_epochs': 3}, run), resume=True)
    assert _hashes(run)['vocabulary.npz'] == before['vocabulary.npz']
    with pytest.raises(ValueError, match=message):
        train(read_config(file, {**options, 'load_from': str(run / 'epoch_1.pth')}, tmp_path / 'new'))
    shutil.copy(tmp_path / 'other.npz', run / 'vocabulary.npz')
    with pytest.raises(ValueError, match='was trained with another vocabulary'):
        _answer(data, run)


def test_the_option_that_is_recommended_for_another_vocabulary_works_as_pasted(trained, tmp_path):
    data, _, run = trained
    _with_words(data, [*range(len(Vocabulary.load(data.vocabulary).words))][::-1], tmp_path / 'other.npz')
    wrong = [f'test_dataloader.dataset.vocabulary={tmp_path / "other.npz"}']
    with pytest.raises(ValueError) as error:
        run_command('test', run, '--cfg-options', *wrong)
    assert not (run / 'test').exists()  # a test that is refused leaves nothing
    recommended = re.search(r'--cfg-options (\S+)', str(error.value))[1]
    assert run_command('test', run, '--cfg-options', *wrong, recommended) == 0


def test_a_test_of_other_weights_leaves_nothing(trained, tmp_path):
    data, _, run = trained
    other, before = write_config(tmp_path / 'other.py', data, 'mcmt'), sorted(run.rglob('*'))
    with pytest.raises(ValueError, match='does not fit the model of this config'):
        run_test(read_config(other), run)
    absent = read_config(find_run_config(run), {'test_dataloader.dataset.ann_file': '/absent.json'})
    with pytest.raises(FileNotFoundError, match='/absent.json'):
        run_test(absent, run)
    assert sorted(run.rglob('*')) == before


def test_sizes_of_other_data_are_no_reason_to_change_trained_weights():
    model = torch.nn.ModuleDict(dict(encoder=torch.nn.Linear(2, 2)))
    model['encoder'].vocab_size, model['encoder'].video_dim = 9, 8
    with pytest.raises(ValueError, match='add --cfg-options model.encoder.vocab_size=7'):
        check_sizes(model, dict(vocab_size=7))
    with pytest.raises(ValueError, match='trained on: .*--cfg-options dataset.features=PATH dataset.vocabulary=PATH'):
        check_sizes(model, dict(vocab_size=7, video_dim=4), trained=True)


@pytest.mark.parametrize('tied', [True, False])
def test_parts_that_share_weights_are_said_to(tmp_path, tiny_dataset, tied):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cpl')
    said = '\n'.join(describe(make_runner(file, tmp_path / 'run', {'model.tie_transformers': tied})))
    assert ('; what parts share is in each)' in said) is tied


@pytest.mark.parametrize('option, said', [
    ({'default_hooks.checkpoint': None}, 'the last checkpoint counts'),
    ({'default_hooks.checkpoint.interval': 2}, 'the last checkpoint counts'),
    ({'default_hooks.checkpoint.max_keep_ckpts': 2}, 'the last checkpoint counts'),
    ({}, 'the mean of the last 3 epochs counts')])
def test_a_mean_is_promised_where_its_epochs_are_kept(tmp_path, tiny_dataset, option, said):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cpl')
    assert said in '\n'.join(describe(make_runner(file, tmp_path / 'run', {'train_cfg.max_epochs': 4, **option})))


@pytest.mark.parametrize('option, message', [
    ({'train_dataloader.batch_size': 500, 'train_dataloader.drop_last': True}, 'An epoch has no batch: .* pairs'),
    ({'val_evaluator': [dict(type='MomentRecall'), dict(type='MomentRecall')]},
     'Several evaluators of the validation measure .*mIoU.* prefix')])
def test_what_would_end_without_a_model_is_refused_before_it_is_trained(tmp_path, tiny_dataset, option, message):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cpl')
    with pytest.raises(ValueError, match=message):
        make_runner(file, tmp_path / 'run', option).train()
    assert not list((tmp_path / 'run').glob('*.p*'))


def test_training_starts_from_the_weights_of_a_run_in_its_folder(trained, tmp_path):
    data, file, run = trained
    runner = make_runner(file, tmp_path / 'new', {'load_from': str(run)})
    runner.load_or_resume()
    assert same(runner.model.state_dict(), weights(find_weights(run)))


def test_a_seed_that_was_drawn_is_kept(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cpl', train_cfg=dict(max_epochs=1))
    config = read_config(file, {'randomness': None}, tmp_path / 'run')
    use_seed(config)
    train(config)
    assert isinstance(read_config(tmp_path / 'run').randomness.seed, int)


def test_a_training_without_validation_promises_no_best_checkpoint(trained, tmp_path):
    data, file, _ = trained
    for without, said in (('test', 'the best checkpoint is chosen by'), ('val', 'the last checkpoint counts')):
        config = read_config(file, {'default_hooks.checkpoint.save_best': 'reconstruction_margin'}, tmp_path / without)
        runner = MomentRunner.from_cfg(config, without=('test', without), experiment_name=without)
        assert said in '\n'.join(describe(runner))


def test_checkpoints_of_earlier_versions_are_compared_with_the_recipe_beside_them(trained, tmp_path):
    data, file, run = trained
    for path in run.glob('*.pth'):
        content = torch.load(path, weights_only=True)
        del content['inputs']
        torch.save(content, path)
    run_test(read_config(file), run)
    _with_words(data, [*range(len(Vocabulary.load(data.vocabulary).words))][::-1], tmp_path / 'other.npz')
    with pytest.raises(ValueError, match='in another order'):
        run_test(read_config(file, {'test_dataloader.dataset.vocabulary': str(tmp_path / 'other.npz')}), run)


def test_features_of_another_extractor_are_refused(tmp_path):
    from mmvmr.features.stores.packed_store import write_packed_store
    data = make_tiny_dataset(tmp_path / 'tiny')
    stores = {}
    with h5py.File(data.features) as file:
        rows = {name: np.array(file[name]) for name in file}
    for name, extractor in (('a', dict(type='A', weights='/x', device='cpu')), ('moved', dict(type='A', weights='/y')),
                            ('b', dict(type='B')), ('unknown', None)):
        manifest = dict(extractor=extractor, clip_seconds=0.5) if extractor else {}
        write_packed_store(tmp_path / name, rows, 16, manifest=manifest)
        stores[name] = _everywhere('features', tmp_path / name)
    file = write_config(tmp_path / 'mine.py', data, 'cnm', train_cfg=dict(max_epochs=1))
    run = tmp_path / 'run'
    make_runner(file, run, stores['a']).train()
    for name in ('a', 'moved', 'unknown'):
        run_test(read_config(file, stores[name]), run)
    with pytest.raises(ValueError, match="trained on other features: extractor was .*'A'.*, of the data it is .*'B'"):
        run_test(read_config(file, stores['b']), run)


def test_training_goes_on_in_another_folder_from_a_checkpoint_that_is_named(trained, tmp_path):
    _, file, run = trained
    train(read_config(file, work_dir=tmp_path / 'new'), resume=str(run / 'epoch_1.pth'))
    assert same(weights(run / 'epoch_2.pth'), weights(tmp_path / 'new' / 'epoch_2.pth'))
    assert not (tmp_path / 'new' / 'epoch_1.pth').exists()


@pytest.mark.parametrize('name', ['epoch_1.pth', 'iter_3.pth'])
def test_folder_with_checkpoints_is_trained_into_on_demand_or_after_a_restart(tmp_path, monkeypatch, name):
    monkeypatch.delenv('TORCHELASTIC_RESTART_COUNT', raising=False)
    assert _refuse_used_work_dir(tmp_path, False) is False
    (tmp_path / name).touch()
    assert _refuse_used_work_dir(tmp_path, True) is True
    written = (tmp_path / name).stat().st_mtime
    for count, launched, fits in ((None, 0, False), (0, written - 60, False), (1, written - 60, True),
                                  (1, written + 60, False)):
        if count is not None:
            monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', str(count))
        monkeypatch.setenv('LAUNCH_TIME', str(int(launched)))
        if fits:
            assert _refuse_used_work_dir(tmp_path, False) is True
        else:
            with pytest.raises(FileExistsError, match='holds the checkpoints of a training. Add --resume'):
                _refuse_used_work_dir(tmp_path, False)


@pytest.mark.parametrize('later', ['epoch_3.pth', 'epoch_2_iter_5.pth', 'mean_to_epoch_3.pth', 'best_mIoU_epoch_4.pth'])
def test_a_work_dir_has_one_history(tmp_path, monkeypatch, later):
    monkeypatch.delenv('TORCHELASTIC_RESTART_COUNT', raising=False)
    run = tmp_path / 'run'
    resumed = str(run / 'epoch_2.pth')
    assert _refuse_used_work_dir(tmp_path / 'new', resumed) == resumed
    run.mkdir()
    for name in ('epoch_1.pth', 'epoch_2.pth', 'best_mIoU_epoch_1.pth'):
        (run / name).touch()
    assert _refuse_used_work_dir(run, resumed) == resumed
    with pytest.raises(FileExistsError, match='best_mIoU_epoch_1.pth, epoch_1.pth, epoch_2.pth of a training that is'):
        _refuse_used_work_dir(run, str(tmp_path / 'epoch_2.pth'))
    (run / later).touch()
    with pytest.raises(FileExistsError, match=f'holds {later} of a training that went on from epoch_2.pth'):
        _refuse_used_work_dir(run, resumed)
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', '1')
    monkeypatch.setenv('LAUNCH_TIME', '0')
    assert _refuse_used_work_dir(run, resumed) is True, 'torchrun goes on with what it has resumed itself'


@DATASETS.register_module()
class MakesItsFiles(MomentDataset):
    """Has its annotations when it was told to make them."""

    @classmethod
    def prepare(cls, ann_file, features, **others):
        shutil.copy(Path(features).parent / 'train.json', ann_file)


def test_data_that_can_be_made_are_made_by_a_training_of_one_process(trained, tmp_path, monkeypatch):
    _, file, _ = trained
    options = {'train_dataloader.dataset.type': 'MakesItsFiles', 'train_cfg.max_epochs': 1,
               'train_dataloader.dataset.ann_file': str(tmp_path / 'made.json')}
    with monkeypatch.context() as several:
        several.setattr('mmvmr.engine.run.training.start_processes', lambda *args: None)
        several.setattr('mmvmr.engine.run.training.fill_sizes', lambda config: 1 / 0)  # what comes next
        with pytest.raises(ZeroDivisionError):
            train(read_config(file, options, tmp_path / 'new'), launcher='pytorch')
        assert not (tmp_path / 'made.json').exists(), 'all of the processes would write the same files'
    runner = train(read_config(file, options, tmp_path / 'new'))
    assert (tmp_path / 'made.json').exists() and len(runner.train_dataloader.dataset) == 16


def test_config_that_cannot_be_read_any_more_stops_no_run(trained, capsys):
    _, file, run = trained
    (run / 'mine.py').write_text('model = ')
    train(read_config(file, {'train_cfg.max_epochs': 3, 'experiment_name': 'unreadable'}, run), True)
    assert 'it cannot be read. ' in capsys.readouterr().out and (run / 'epoch_3.pth').exists()


@pytest.mark.parametrize('model, error, message', [
    ('absent/run', FileNotFoundError, 'There is no config ".*absent/run"'),
    ('run', ValueError, 'holds 2 configs .mine.py, other.py., expected the one that a training leaves'),
    ('other.py', ValueError, 'describes no model: expected .* got None')])
def test_what_is_no_run_is_not_used(trained, tmp_path, model, error, message):
    (tmp_path / 'other.py').write_text('train_cfg = dict(max_epochs=1)\n')
    shutil.copy(tmp_path / 'other.py', tmp_path / 'run')
    with pytest.raises(error, match=message):
        find_run_files(tmp_path / model, tmp_path / 'run')


@pytest.mark.parametrize('validate', [True, False])
def test_training_knows_no_test_split(trained, tmp_path, validate):
    data, file, _ = trained
    options = {'test_dataloader.dataset.ann_file': '/absent.json', 'train_cfg.max_epochs': 1,
               'default_hooks.checkpoint.save_best': 'reconstruction_margin'}
    runner = train(read_config(file, options, tmp_path / 'new'), validate=validate)
    assert runner._test_dataloader is None and runner._test_loop is None and runner._test_evaluator is None
    assert (runner.val_loop is not None) is validate is any((tmp_path / 'new').glob('best_*.pth'))


def test_weights_of_another_model_are_no_beginning(trained, tmp_path):
    data, _, run = trained
    other = write_config(tmp_path / 'other.py', data, 'mcmt', load_from=str(run / 'epoch_1.pth'))
    with pytest.raises(ValueError, match='epoch_1.pth" does not fit the model of this config'):
        train(read_config(other, work_dir=tmp_path / 'new'))


def test_folder_of_another_run_is_not_taken(trained, tmp_path):
    data, _, run = trained
    other = write_config(tmp_path / 'other.py', data, 'cpl')
    with pytest.raises(FileExistsError, match='holds mine.py, and a work dir holds the config of its own run alone'):
        train(read_config(other, work_dir=run), resume=True)


def test_a_config_of_ones_own_is_not_written_over(trained, tmp_path):
    data, _, run = trained
    (tmp_path / 'mine').mkdir()
    file = Path(write_config(tmp_path / 'mine' / 'mine.py', data, 'cnm'))
    shutil.copy(run / 'epoch_1.pth', file.parent / 'r3d_18-b3b3357e.pth')  # of an extractor, say
    written = file.read_bytes()
    for work_dir in (None, file.parent):
        with pytest.raises(FileExistsError, match='where mine.py itself lies, which would be written over'):
            train(read_config(file, work_dir=work_dir))
    assert file.read_bytes() == written


def test_training_that_is_refused_leaves_its_folder_as_it_was(trained, tmp_path):
    data, file, run = trained
    before = _hashes(run)
    _with_words(data, [*range(len(Vocabulary.load(data.vocabulary).words))][::-1], tmp_path / 'other.npz')
    words = dict(_everywhere('vocabulary', tmp_path / 'other.npz'), **{'train_cfg.max_epochs': 3})
    refusing = {'custom_hooks': [dict(type='Refuses')], 'model.losses.ranking.loss_weight': 3.0}
    for options, message in (({'model.encoder.dim': 8}, 'does not fit the model'), (words, 'another vocabulary'),
                             (refusing, 'refused by a hook')):
        with pytest.raises(ValueError, match=message):
            train(read_config(file, options, run), resume=True)
        assert _hashes(run) == before, message


def test_config_that_lies_in_a_folder_is_not_run_to_compare_it(trained, capsys):
    _, file, run = trained
    config = run / 'mine.py'
    config.write_text(config.read_text() + f'__import__("pathlib").Path({str(run / "ran")!r}).touch()\n')
    train(read_config(file, {'train_cfg.max_epochs': 3}, run), resume=True)
    assert not (run / 'ran').exists()
    assert 'it cannot be read. Line ' in capsys.readouterr().out


def test_complete_training_says_how_it_goes_on(trained, capsys):
    _, file, run = trained
    train(read_config(file, work_dir=run), resume=True)
    assert 'This training is complete: 8 of 8 iterations are done.' in capsys.readouterr().out


def test_training_whose_checkpoints_are_all_damaged_does_not_begin_anew(trained):
    _, file, run = trained
    for path in run.glob('*.pth'):
        path.write_bytes(path.read_bytes()[:1000])
    before = _hashes(run)
    with pytest.raises(ValueError, match='None of the checkpoints .* is whole: epoch_1.pth, epoch_2.pth'):
        train(read_config(file, work_dir=run), resume=True)
    assert _hashes(run) == before


def test_resuming_with_another_config_says_in_what_it_differs(trained, capsys):
    _, file, run = trained
    options = {'model.losses.ranking.loss_weight': 3.0, 'train_cfg.max_epochs': 3, 'experiment_name': 'differs'}
    train(read_config(file, options, run), True)
    log = capsys.readouterr().out
    assert 'another one so far:' in log and 'model.losses.ranking.loss_weight: not given -> 3.0' in log
    assert 'train_cfg.max_epochs: 2 -> 3' in log
    assert run_config_file(find_run_config(run)).values['train_cfg']['max_epochs'] == 3
