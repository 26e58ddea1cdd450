"""How far training has come, in any loop, whatever hooks a user adds."""
import pytest
from mmengine.hooks import Hook
from runs import make_runner, write_config

from mmvmr.registry import HOOKS


@HOOKS.register_module()
class NoteProgress(Hook):
    """Writes down the progress of the first part that has a curriculum, at each iteration."""
    seen = []

    def before_train(self, runner):
        self.seen.clear()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        part = next(module for module in runner.model.modules() if hasattr(module, 'set_progress'))
        self.seen.append(round(float(part.progress), 4))


@pytest.mark.parametrize('method', ['cpl', 'mscl', 'ms2d'])
def test_progress_is_told_beside_custom_hooks(tmp_path, tiny_dataset, method):
    changes = dict(val_evaluator=dict(type='MomentRecall'))
    changes['custom_hooks'] = [dict(type='NoteProgress')]
    file = write_config(tmp_path / 'config.py', tiny_dataset, method, **changes)
    make_runner(file, tmp_path / 'run').train()  # two epochs of four iterations
    assert NoteProgress.seen == 4 * [0.5] + 4 * [1.0], 'epochs, counted from 1, as in CPL'


def test_progress_is_counted_by_iteration_where_there_are_no_epochs(tmp_path, tiny_dataset):
    loop = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=8, val_interval=8)
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cpl', custom_hooks=[dict(type='NoteProgress')],
                        train_cfg=loop)
    make_runner(file, tmp_path / 'run', {'default_hooks.checkpoint.by_epoch': False}).train()
    assert NoteProgress.seen == [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0]
