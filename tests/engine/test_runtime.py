"""What docs/train_and_test.md says about configs takes effect.

MMVMR_COMPILE=1 python -m pytest tests/engine/test_runtime.py -k compiled    # all methods, half an hour
"""
import os

import pytest
import torch
from parts import METHODS
from runs import ADAM, make_runner, weights, write_config

from mmvmr.engine.checkpoint import load_checkpoint

COMPILE = bool(os.environ.get('MMVMR_COMPILE'))


@pytest.fixture
def run(tmp_path, tiny_dataset):
    """``run(options, **changes)`` trains one epoch and returns the runner."""
    def train(options=None, method='cnm', **changes):
        changes.setdefault('train_cfg', dict(max_epochs=1))
        file = write_config(tmp_path / 'config.py', tiny_dataset, method, **changes)
        runner = make_runner(file, tmp_path / 'run', options)
        runner.train()
        return runner
    return train


def test_averaged_weights_are_what_is_saved(run, tmp_path):
    runner = run(default_hooks=dict(ema=dict(type='EMAHook', momentum=0.5)))
    average = load_checkpoint(tmp_path / 'run' / 'epoch_1.pth')
    current = runner.model.state_dict()
    name = 'encoder.video_projection.weight'
    assert not torch.equal(average['state_dict'][name], current[name])
    torch.testing.assert_close(average['ema_state_dict'][f'module.{name}'], current[name])


def test_gradients_are_accumulated_over_batches(run):
    runner = run(optim_wrapper=dict(type='OptimWrapper', accumulative_counts=4, **ADAM))
    steps = {int(state['step']) for state in runner.optim_wrapper.optimizer.state.values()}
    assert steps == {1}  # 4 iterations in the epoch


def test_tensorboard_gets_the_losses(run, tmp_path):
    run(visualizer=dict(vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]),
        default_hooks=dict(logger=dict(interval=1)))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    file = next((tmp_path / 'run').rglob('events.out.tfevents.*'))
    events = EventAccumulator(str(file))
    events.Reload()
    assert {'loss', 'loss_ranking', 'lr', 'reconstruction_margin'} <= set(events.Tags()['scalars'])
    assert len(events.Scalars('loss')) == 4


def test_best_checkpoint_by_another_criterion(run, tmp_path):
    run({'default_hooks.checkpoint.save_best': 'mIoU'})
    assert weights(tmp_path / 'run' / 'best_mIoU_epoch_1.pth')


def test_learning_rate_scales_with_the_batch(run):
    runner = run({'train_dataloader.batch_size': 8, 'auto_scale_lr.enable': True}, param_scheduler=[])
    assert runner.optim_wrapper.get_lr()['lr'] == [pytest.approx(2e-3)]  # 1e-3 for 4 in the file


def test_log_tells_the_losses_and_how_long_it_will_take(run, tmp_path):
    run({'default_hooks.logger.interval': 2}, train_cfg=dict(max_epochs=2))
    log = next((tmp_path / 'run').rglob('*.log')).read_text()
    line = next(line for line in log.splitlines() if 'Epoch(train) [1][2/4]' in line)
    assert 'eta: ' in line and 'loss_ranking: ' in line


@pytest.mark.parametrize('method', METHODS if COMPILE else ['cnm'])
def test_compiled_steps_have_the_same_losses(run, method):
    torch.compiler.reset()
    options = {'default_hooks.checkpoint.save_best': None}  # not all methods reconstruct
    changes = dict(method=method, val_evaluator=dict(type='MomentRecall'))
    plain = run(options, **changes)
    with torch._inductor.config.patch(fallback_random=True):  # draw the same numbers
        # by default traced, not translated: the compiler itself takes minutes
        compiled = run(dict(options, compile=dict(backend='inductor' if COMPILE else 'eager')), **changes)
    assert hasattr(compiled.model.train_step, '_torchdynamo_orig_callable')
    losses = [runner.message_hub.get_scalar('train/loss').data[0] for runner in (plain, compiled)]
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
