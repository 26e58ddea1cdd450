"""Model, data and hooks that do not fit each other are refused before anything is trained."""
import logging

import pytest
from runs import make_runner, write_config


def test_sizes_that_differ_are_refused_in_training_and_in_testing(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm')
    runner = make_runner(file, tmp_path / 'run', {'model.encoder.video_dim': 9})
    with pytest.raises(ValueError, match='model.encoder.video_dim is 9, the data have 8'):
        runner.train()
    runner.call_hook('before_run')
    runner._test_loop = dict(type='TestLoop')
    runner._test_dataloader, runner._test_evaluator = runner.cfg.test_dataloader, runner.cfg.test_evaluator
    with pytest.raises(ValueError, match='model.encoder.video_dim is 9, the data have 8'):
        runner.test()


def test_curriculum_without_a_hook_that_drives_it_is_refused(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cpl')
    with pytest.raises(ValueError, match=r"Side change with .*progress=dict\(type='ProgressHook'\)"):
        make_runner(file, tmp_path / 'run', {'default_hooks.progress': None}).train()


@pytest.mark.parametrize('fractions', [(0.0, 0.0), (0.0, 0.3)])
def test_validation_on_videos_of_the_training_is_refused(tmp_path, tiny_dataset, fractions):
    def loader(split, fraction):
        return {f'{split}_dataloader.dataset.{key}': value for key, value in dict(
            ann_file=tiny_dataset.train['ann_file'], split=split, val_fraction=fraction).items()}

    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm')
    options = {**loader('train', fractions[0]), **loader('val', fractions[1])}
    with pytest.raises(ValueError, match=r'[1-8] of the [1-8] videos of the validation are trained on .*--no-validate'):
        make_runner(file, tmp_path / 'run', options).train()
    make_runner(file, tmp_path / 'held out', {**loader('train', 0.3), **loader('val', 0.3)}).train()


def test_validation_file_with_videos_of_the_training_is_reported(tmp_path, tiny_dataset, caplog):
    other = tmp_path / 'copy.json'
    other.write_bytes((tiny_dataset.root / 'train.json').read_bytes())
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=1))
    runner = make_runner(file, tmp_path / 'run', {'val_dataloader.dataset.ann_file': str(other)})
    with caplog.at_level(logging.WARNING):
        runner.logger.addHandler(caplog.handler)
        runner.train()
    assert '8 of the 8 videos of the validation are trained on as well' in caplog.text
