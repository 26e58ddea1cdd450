"""Which checkpoints a run writes, and what a resumed run does with them."""
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.logging import MessageHub
from runs import make_runner, same, weights, write_config
from shipped import CONFIGS

from mmvmr.engine.checkpoint import AtomicLocalBackend, find_weights, load_checkpoint
from mmvmr.engine.hooks.checkpoint_hook import _own_gradients
from mmvmr.engine.run.config import read_config
from mmvmr.evaluation.interface import check_key, known_keys
from mmvmr.models.moment_retriever import MomentRetriever
from mmvmr.registry import EVALUATORS, HOOKS

STOP_EARLY = dict(type='EarlyStoppingHook', monitor='score', rule='greater', patience=2)


@EVALUATORS.register_module()
class ScriptedScore(BaseMetric):
    """Measures ``scores[epoch]``."""

    def __init__(self, scores):
        super().__init__()
        self.scores = scores

    def process(self, data_batch, data_samples):
        self.results.append(None)

    def compute_metrics(self, results):
        return dict(score=self.scores[MessageHub.get_current_instance().get_info('epoch')])


@pytest.fixture
def scripted(tmp_path, tiny_dataset):
    """``scripted(scores, folder, options, resume)`` trains while validation measures the given scores."""
    def train(scores, folder, options=None, resume=None):
        file = write_config(
            tmp_path / f'{folder}.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=len(scores)),
            val_evaluator=dict(type='ScriptedScore', scores=scores),
            default_hooks=dict(checkpoint=dict(save_best='score', max_keep_ckpts=10), mean=None))
        make_runner(file, tmp_path / folder, options, resume and str(resume)).train()
        return tmp_path / folder
    return train


def _names(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


def _state(checkpoint):
    return load_checkpoint(checkpoint)['message_hub']['runtime_info']


def test_checkpoint_of_an_epoch_knows_its_validation(scripted):
    run = scripted([1.0, 3.0, 2.0], 'run')
    assert [_state(run / f'epoch_{epoch}.pth')['best_score'] for epoch in (1, 2, 3)] == [1.0, 3.0, 3.0]
    assert _names(run) == ['best_score_epoch_2.pth', 'epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth']
    assert same(weights(run / 'best_score_epoch_2.pth'), weights(run / 'epoch_2.pth'))


def test_epochs_without_validation_are_saved_too(scripted):
    run = scripted([9.0, 1.0, 9.0, 2.0, 3.0], 'run', {'train_cfg.val_interval': 2})
    assert _names(run) == ['best_score_epoch_5.pth', *(f'epoch_{epoch}.pth' for epoch in (1, 2, 3, 4, 5))]
    assert _state(run / 'epoch_3.pth')['best_score'] == 1.0


def test_only_the_asked_epochs_and_the_last_are_kept(scripted):
    options = {'default_hooks.checkpoint.interval': 2, 'default_hooks.checkpoint.max_keep_ckpts': 2}
    assert _names(scripted([1.0, 2.0, 3.0, 4.0, 0.0], 'run', options)) == [
        'best_score_epoch_4.pth', 'epoch_4.pth', 'epoch_5.pth']


def test_checkpoint_is_deleted_when_the_one_in_its_place_is_whole(scripted, tmp_path, monkeypatch):
    """Even if only one is kept. The disk is full when the third epoch is to be saved, as the best or as itself."""
    put, options = AtomicLocalBackend.put, {'default_hooks.checkpoint.max_keep_ckpts': 1}

    def put_until_full(backend, content, path):
        if Path(path).name.endswith('epoch_3.pth'):
            raise OSError('No space left on device')
        put(backend, content, path)

    for scores in ([1.0, 2.0, 3.0], [1.0, 2.0, 0.0]):
        with monkeypatch.context() as patch, pytest.raises(OSError, match='No space left'):
            patch.setattr(AtomicLocalBackend, 'put', put_until_full)
            scripted(scores, 'run', options)
        assert _names(tmp_path / 'run') == ['best_score_epoch_2.pth', 'epoch_2.pth']
        shutil.rmtree(tmp_path / 'run')
    assert _names(scripted([1.0, 2.0, 3.0], 'run', options)) == ['best_score_epoch_3.pth', 'epoch_3.pth']


def test_names_in_a_checkpoint_delete_nothing_but_checkpoints_of_its_run(scripted, tmp_path):
    run = scripted([1.0], 'run')
    content = torch.load(run / 'epoch_1.pth', weights_only=True)
    for path in (run / 'notes.txt', tmp_path / 'other.pth'):
        path.touch()
    torch.save(dict(content, replaced=['notes.txt', '../other.pth', str(tmp_path / 'other.pth')]), run / 'epoch_1.pth')
    scripted([1.0, 2.0], 'run', resume=run / 'epoch_1.pth')
    assert (run / 'notes.txt').exists() and (tmp_path / 'other.pth').exists()


def test_gradients_of_other_processes_are_shared_out_as_their_mean():
    """Two processes had (1, 3) and (5, -); one process that goes on has their mean, 3 and 1.5."""
    waiting = [dict(a=torch.tensor([1.0]), b=torch.tensor([3.0])), dict(a=torch.tensor([5.0]))]
    assert _own_gradients(waiting) == dict(a=torch.tensor([3.0]), b=torch.tensor([1.5]))
    assert _own_gradients(waiting[:1]) == waiting[0]


def test_early_stopping_counts_on_after_resuming(scripted):
    scores, options = [1.0, 3.0, 2.0, 2.0, 2.0, 2.0], {'default_hooks.early_stopping': STOP_EARLY}
    straight = scripted(scores, 'straight', options)
    assert 'epoch_4.pth' in _names(straight) and 'epoch_5.pth' not in _names(straight)
    resumed = scripted(scores, 'resumed', options, straight / 'epoch_3.pth')
    assert _names(resumed) == ['best_score_epoch_2.pth', 'epoch_4.pth']
    assert same(weights(straight / 'epoch_4.pth'), weights(resumed / 'epoch_4.pth'))
    assert _names(scripted(scores, 'stopped', options, straight / 'epoch_4.pth')) == ['best_score_epoch_2.pth']
    more = {'default_hooks.early_stopping': dict(STOP_EARLY, patience=3)}
    assert 'epoch_5.pth' in _names(scripted(scores, 'patient', more, straight / 'epoch_4.pth'))


def test_a_run_that_goes_on_in_another_folder_takes_its_best_checkpoint_along(scripted):
    first = scripted([1.0, 3.0, 2.0], 'first')
    second = scripted([1.0, 3.0, 2.0, 2.5], 'second', resume=first / 'epoch_3.pth')
    assert same(weights(first / 'best_score_epoch_2.pth'), weights(second / 'best_score_epoch_2.pth'))
    assert Path(find_weights(second)).name == 'best_score_epoch_2.pth'
    (first / 'best_score_epoch_2.pth').unlink()
    third = scripted([1.0, 3.0, 2.0, 2.5], 'third', resume=first / 'epoch_3.pth')
    assert Path(find_weights(third)).name == 'best_score_epoch_4.pth', 'of those that are there'


@pytest.mark.parametrize('options, named', [
    ({'optim_wrapper.optimizer.lr': 0.5}, 'optim_wrapper.optimizer.lr: 0.001 -> 0.5'),
    ({'optim_wrapper.optimizer.type': 'AdamW'}, 'optim_wrapper.optimizer.type: Adam -> AdamW'),
    ({'param_scheduler': None}, 'param_scheduler: .* -> None')])
def test_optimizer_and_schedule_of_a_resumed_run_are_those_of_its_checkpoint(tmp_path, tiny_dataset, options, named):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cpl', train_cfg=dict(max_epochs=1))
    make_runner(file, tmp_path / 'run').train()
    resumed = str(tmp_path / 'run' / 'epoch_1.pth')
    with pytest.raises(ValueError, match=f'these cannot change: {named}.*load_from='):
        make_runner(file, tmp_path / 'run', {'train_cfg.max_epochs': 2, **options}, resumed).train()
    make_runner(file, tmp_path / 'run', {'train_cfg.max_epochs': 2, 'optim_wrapper.clip_grad.max_norm': 3.0},
                resumed).train()
    assert _names(tmp_path / 'run') == ['epoch_1.pth', 'epoch_2.pth']


def test_copied_work_dir_leaves_the_original_alone(scripted, tmp_path):
    original = scripted([1.0, 2.0], 'original')
    before = _names(original)
    copy = shutil.copytree(original, tmp_path / 'copy')
    scripted([1.0, 2.0, 3.0], 'copy', resume=copy / 'epoch_2.pth')
    assert _names(original) == before
    assert _names(copy) == ['best_score_epoch_3.pth', 'epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth']


def test_a_run_keeps_its_last_three_checkpoints_and_the_best_by_a_rule_that_is_given(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=4))
    make_runner(file, tmp_path / 'run', {'default_hooks.checkpoint.save_best': 'reconstruction_margin'}).train()
    best, *others = _names(tmp_path / 'run')
    assert others == ['epoch_2.pth', 'epoch_3.pth', 'epoch_4.pth', 'mean_to_epoch_4.pth']
    assert best.startswith('best_reconstruction_margin') and Path(find_weights(tmp_path / 'run')).name == best


def test_argument_that_the_hook_does_not_take_is_refused_before_the_first_checkpoint():
    with pytest.raises(TypeError, match='CheckpointHook has no argument save_everything'):
        HOOKS.build(dict(type='CheckpointHook', save_everything=True))


def test_weights_alone_cannot_be_resumed(scripted):
    run = scripted([1.0], 'run')
    with pytest.raises(ValueError, match='cannot be resumed from ".*best_score_epoch_1.pth", which lacks optimizer'):
        scripted([1.0, 2.0], 'resumed', resume=run / 'best_score_epoch_1.pth')


def test_checkpoint_of_another_model_cannot_be_resumed(scripted):
    run = scripted([1.0], 'run')
    with pytest.raises(ValueError, match='epoch_1.pth" does not fit the model of this config: .* has shape'):
        scripted([1.0, 2.0], 'resumed', {'model.reconstructors.query.vocab_size': 50}, run / 'epoch_1.pth')


def test_name_that_no_evaluator_measures_is_refused_before_training(tmp_path, tiny_dataset, monkeypatch):
    monkeypatch.setattr(MomentRetriever, 'train_step', lambda *args: pytest.fail('it was trained'))
    file = write_config(tmp_path / 'mine.py', tiny_dataset)
    with pytest.raises(ValueError, match="checkpoint.save_best is 'mIuO', .* Did you mean mIoU"):
        make_runner(file, tmp_path / 'run', {'default_hooks.checkpoint.save_best': 'mIuO'}).train()
    stop = dict(STOP_EARLY, monitor='R@1,IoU=0.4')
    with pytest.raises(ValueError, match="EarlyStoppingHook is 'R@1,IoU=0.4', .* Did you mean R@1,IoU=0.[357]"):
        make_runner(file, tmp_path / 'run', dict(custom_hooks=[stop])).train()


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_shipped_config_takes_the_last_epoch_and_knows_what_it_measures(path):
    config = read_config(path)
    evaluators = Evaluator(config.val_evaluator).metrics
    for evaluator in evaluators:
        evaluator.dataset_meta = dict(protocol='charades_sta/filtered')
    assert known_keys(evaluators) and config.default_hooks.checkpoint.save_best is None
    with pytest.raises(ValueError, match='save_best .*Did you mean mIoU'):
        check_key('mIuO', 'save_best', evaluators)


def test_names_of_evaluators_have_their_prefix_and_depend_on_the_protocol():
    recall = EVALUATORS.build(dict(type='MomentRecall', tops=[1]))
    recall.prefix, recall.dataset_meta = 'test', dict(protocol='activitynet_captions/val_2')
    assert known_keys([recall]) == [*(f'test/R@1,IoU={iou}' for iou in (0.1, 0.3, 0.5, 0.7)), 'test/mIoU']
    assert known_keys([recall, ScriptedScore([])]) is None  # it does not say what it measures
    check_key('anything', 'save_best', [recall, ScriptedScore([])])


def test_choosing_by_what_is_not_measured_is_explained(scripted):
    with pytest.raises(ValueError, match=r"chosen by \['recall'\], but validation measures \['score'\].*save_best"):
        scripted([1.0], 'run', {'default_hooks.checkpoint.save_best': 'recall'})
