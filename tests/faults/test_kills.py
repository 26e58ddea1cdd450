"""Trainings that are killed at random moments, again and again, and end in the weights of one that was not.

MMVMR_KILLS=20 python -m pytest tests/faults/test_kills.py    # more kills than by default
"""
import os
import random
import signal
import time

import pytest
from runs import make_runner, run_tool, same, start_tool, write_config

from mmvmr.engine.checkpoint import find_latest, load_checkpoint

KILLS = int(os.environ.get('MMVMR_KILLS', 2))
EPOCHS = 20 + 20 * KILLS
EARLY = dict(type='EarlyStoppingHook', monitor='reconstruction_margin', rule='greater', patience=1000)


def _names(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


def _kill_after_progress(command, folder, number):
    """Start a training, let it get further than before, and end it at a random moment, mildly and hard in turn."""
    before, process = find_latest(folder), start_tool(command)
    while find_latest(folder) == before and process.poll() is None:
        time.sleep(0.01)
    time.sleep(random.uniform(0, 1))
    process.send_signal(signal.SIGTERM if number % 2 else signal.SIGKILL)
    output = process.communicate(timeout=100)[0]
    assert process.returncode in (-signal.SIGKILL, 143, -signal.SIGTERM), output


def test_killed_run_continues_as_if_nothing_had_happened(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=EPOCHS),
                        default_hooks=dict(early_stopping=EARLY))
    command = ['tools/train.py', file, '--work-dir', tmp_path / 'killed', '--resume']
    (tmp_path / 'killed').mkdir()
    for number in range(KILLS):
        _kill_after_progress(command, tmp_path / 'killed', number)
    assert 'resumed epoch: ' in run_tool(command)
    make_runner(file, tmp_path / 'straight').train()
    killed, straight = (load_checkpoint(tmp_path / name / f'epoch_{EPOCHS}.pth') for name in ('killed', 'straight'))
    assert same(killed['state_dict'], straight['state_dict'])
    for key in ('best_score', 'early_stopping'):
        assert killed['message_hub']['runtime_info'][key] == straight['message_hub']['runtime_info'][key]
    assert _names(tmp_path / 'killed') == _names(tmp_path / 'straight')


def test_full_disk_ends_a_run_with_a_message_and_loses_nothing(tmp_path, tiny_dataset):
    """No file may grow beyond a limit, as on a full disk: the first checkpoint fits, what comes later does not."""
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm')
    make_runner(file, tmp_path / 'straight').train()
    run = tmp_path / 'run'
    run_tool(['tools/train.py', file, '--work-dir', run, '--cfg-options', 'train_cfg.max_epochs=1'])
    kept = {path.name: path.read_bytes() for path in run.glob('*.pth')}
    blocks = (run / 'epoch_1.pth').stat().st_size // 1024 // 2
    limited = ['bash', '-c', f'ulimit -f {blocks}; exec "$0" "$@"', 'python']
    output = run_tool([*limited, 'tools/train.py', file, '--work-dir', run, '--resume'], 1)
    assert 'File too large' in output and 'Traceback' not in output
    assert {path.name: path.read_bytes() for path in run.glob('*.pth')} == kept
    assert not list(run.glob('.*partial'))
    run_tool(['tools/train.py', file, '--work-dir', run, '--resume'])
    one, other = (load_checkpoint(folder / 'epoch_2.pth')['state_dict'] for folder in (run, tmp_path / 'straight'))
    assert same(one, other)


@pytest.mark.parametrize('workers', [0, 1])
def test_features_that_become_unreadable_are_named(tmp_path, tiny_dataset, workers):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm')
    content = tiny_dataset.features.read_bytes()
    try:
        tiny_dataset.features.write_bytes(content[:len(content) // 2])
        output = run_tool(['tools/train.py', file, '--work-dir', tmp_path / 'run', '--cfg-options',
                           f'train_dataloader.num_workers={workers}'], 1)
    finally:
        tiny_dataset.features.write_bytes(content)
    assert 'features.h5' in output and 'Traceback' not in output
