"""One training at a time in a work dir, which cleans up after those that were killed."""
import signal

from runs import write_config
from warm import WarmProcess


def test_what_killed_trainings_left_half_written_is_deleted(tmp_path, tiny_dataset):
    run = tmp_path / 'run'
    run.mkdir()
    for name in ('.epoch_7.pth.123.partial', '.best_mIoU_epoch_7.pth.123.partial', '.vocabulary.npz.123.partial',
                 '.inputs.json.123.partial', '.predictions.jsonl.123.partial'):
        (run / name).touch()
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=1))
    WarmProcess('tools/train.py', [file, '--work-dir', run], tmp_path / 'log').wait()
    assert [path.name for path in run.glob('.*partial')] == ['.predictions.jsonl.123.partial'], 'not of a training'


def test_second_training_is_refused_until_the_first_has_ended(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=10**6))
    arguments = [file, '--work-dir', tmp_path / 'run', '--resume', '--cfg-options', 'train_dataloader.num_workers=1']
    first = WarmProcess('tools/train.py', arguments, tmp_path / 'first')
    while not (tmp_path / 'run' / 'epoch_1.pth').exists() and first.is_running():
        pass
    (tmp_path / 'run' / 'config.py').write_text('as it was')
    refused = WarmProcess('tools/train.py', arguments, tmp_path / 'second').wait(1)
    assert f'"{tmp_path}/run" is in use by process {first.pid} on ' in refused
    assert (tmp_path / 'run' / 'config.py').read_text() == 'as it was'
    first.send(signal.SIGKILL)
    first.wait(-signal.SIGKILL)
    WarmProcess('tools/train.py', [*arguments, 'train_cfg.max_epochs=1'], tmp_path / 'third').wait()


def test_training_that_is_to_go_on_but_has_saved_nothing_begins_with_the_given_weights(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=1))
    WarmProcess('tools/train.py', [file, '--work-dir', tmp_path / 'given'], tmp_path / 'log').wait()
    given = tmp_path / 'given' / 'epoch_1.pth'
    options = ['--resume', '--cfg-options', f'load_from={given}']
    log = WarmProcess('tools/train.py', [file, '--work-dir', tmp_path / 'run', *options], tmp_path / 'log').wait()
    assert f'training starts from {given}' in log and f'Weights: {given}' in log
