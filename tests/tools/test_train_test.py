"""The command-line tools, run as a user runs them."""
import json
import os
import re
import runpy
import sys
import time
from pathlib import Path

import pytest
from runs import ALTERNATING, REPO, free_port, make_runner, run_tool, start_tool, write_config


@pytest.fixture
def config(tmp_path, tiny_dataset):
    """``config(method, **changes)`` writes a config file."""
    return lambda method='mcmt', **changes: write_config(tmp_path / 'config.py', tiny_dataset, method, **changes)


@pytest.fixture
def trained(tmp_path, config):
    """A config file and the folder of a run of one epoch."""
    file = config('cnm', train_cfg=dict(max_epochs=1))
    make_runner(file, tmp_path / 'run').train()
    return file, tmp_path / 'run'


def _predictions(path):
    return {row['sample_idx']: row for row in map(json.loads, path.read_text().splitlines())}


def test_train_and_test(tmp_path, config):
    file, run = config(), tmp_path / 'run'
    one_epoch = ['--cfg-options', 'train_cfg.max_epochs=1']
    output = run_tool(['tools/train.py', file, '--work-dir', run, '--seed', 3, '--amp', *one_epoch])
    assert f'Training config into {run}' in output and '16 pairs of custom (train)' in output and '1 x CPU' in output
    assert (run / 'epoch_1.pth').exists() and not (run / 'epoch_2.pth').exists()
    output = run_tool(['tools/test.py', file, run])
    assert 'epoch_1.pth' in output and 'R@1' in output
    assert len(_predictions(run / 'test' / 'epoch_1' / 'predictions.jsonl')) == 8
    output = run_tool(['tools/test.py', file, run / 'epoch_1.pth', '--probe', 'shuffle-query', '--out',
                       tmp_path / 'probe.jsonl'])
    assert 'probe     shuffle-query' in output
    assert len(_predictions(tmp_path / 'probe.jsonl')) == 8


def test_training_does_not_need_the_test_split(tmp_path, config):
    absent = dict(type='MomentDataset', ann_file='/absent.json')
    file = config(train_cfg=dict(max_epochs=1), test_dataloader=dict(dataset=absent))
    run_tool(['tools/train.py', file, '--work-dir', tmp_path / 'run', '--no-validate'])
    assert sorted(path.name for path in (tmp_path / 'run').glob('*.pth')) == ['epoch_1.pth']


@pytest.mark.parametrize('options, message', [
    (['model.encoder.type=LinerEncoder'], 'KeyError: model.encoder: "LinerEncoder" .* Did you mean LinearEncoder'),
    (['model.encoder.hiden=3'], 'ValueError: model.encoder.hiden is read by nothing.*LinearEncoder takes'),
    (['model.span_levle=0.3'], 'model.span_levle is read by nothing. Did you mean span_level'),
    (['train_dataloader.dataset.ann_file=/absent.json'], 'FileNotFoundError: .*needs files that are not there'),
    (['train_dataloader.dataset.feature_dim=9'], 'ValueError: The features in .* have 8 dimensions'),
])
def test_mistakes_are_explained_without_a_traceback(tmp_path, config, options, message, monkeypatch, capsys):
    command = ['train.py', config(), '--work-dir', str(tmp_path / 'run'), '--cfg-options', *options]
    monkeypatch.setattr('sys.argv', command)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(REPO / 'tools' / 'train.py'), run_name='__main__')
    assert end.value.code == 1
    assert re.search(message, capsys.readouterr().err, re.DOTALL)


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setattr('sys.argv', ['train.py', 'absent.py'])
    monkeypatch.setenv('MMVMR_DEBUG', '1')
    with pytest.raises(FileNotFoundError, match='There is no config "absent.py"'):
        runpy.run_path(str(REPO / 'tools' / 'train.py'), run_name='__main__')


def test_two_processes_train_and_test(tmp_path, config):
    file, run, port = config('cnm', optim_wrapper=ALTERNATING), tmp_path / 'run', free_port()
    options = ['--work-dir', run, '--cfg-options', 'train_dataloader.batch_size=2', 'train_cfg.max_epochs=1',
               'test_dataloader.dataset.indices=7']
    output = run_tool(['bash', 'tools/dist_train.sh', file, 2, '--auto-scale-lr', *options], PORT=port)
    assert '2 x CPU' in output
    assert 'LR is set based on batch size of 4 and the current batch size is 4' in output
    test = [file, run / 'epoch_1.pth']
    run_tool(['bash', 'tools/dist_test.sh', *test, 2, '--out', tmp_path / 'two.jsonl', *options], PORT=port)
    run_tool(['tools/test.py', *test, '--out', tmp_path / 'one.jsonl', *options])
    two, one = _predictions(tmp_path / 'two.jsonl'), _predictions(tmp_path / 'one.jsonl')
    assert sorted(one) == list(range(7)) and two == one


def test_two_nodes_resume_what_one_process_began(trained):
    file, run = trained
    command = ['bash', 'tools/dist_train.sh', file, 1, '--work-dir', run, '--resume',
               '--cfg-options', 'train_cfg.max_epochs=2']
    places = dict(NNODES='2', MASTER_ADDR='127.0.0.1', PORT=free_port())
    nodes = [start_tool(command, NODE_RANK=rank, **places) for rank in ('0', '1')]
    outputs = [node.communicate(timeout=120)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], outputs
    assert '2 x CPU' in outputs[0] and 'resumed epoch: 1' in outputs[0]
    assert (run / 'epoch_2.pth').exists()


def test_training_that_is_refused_is_refused_again_when_torchrun_restarts_it(trained):
    file, run = trained
    long_ago = time.time() - 60
    os.utime(run / 'epoch_1.pth', (long_ago, long_ago))
    before = sorted(path.name for path in run.iterdir())
    command = ['bash', 'tools/dist_train.sh', file, 1, '--work-dir', run]
    output = run_tool(command, 1, PORT=free_port(), MAX_RESTARTS='1')
    assert output.count('holds the checkpoints of a training. Add --resume') == 2
    assert sorted(path.name for path in run.iterdir()) == before


def test_slurm_starts_the_tool_on_every_task(tmp_path, trained):
    file, run = trained
    srun = tmp_path / 'srun'
    srun.write_text('#!/usr/bin/env bash\necho "srun $*"\nwhile [ "$1" != python ]; do shift; done\n'
                    'SLURM_PROCID=0 SLURM_NTASKS=1 SLURM_LOCALID=0 exec "$@"\n')
    srun.chmod(0o755)
    environment = dict(PATH=f'{tmp_path}:{Path(sys.executable).parent}:{os.environ["PATH"]}', MASTER_ADDR='127.0.0.1',
                       MASTER_PORT=free_port(), GPUS='1', SRUN_ARGS='--qos=debug --exclusive')
    output = run_tool(['bash', 'tools/slurm_train.sh', 'gpu', 'job', file, run, '--resume', '--cfg-options',
                       'train_cfg.max_epochs=2'], **environment)
    assert 'srun -p gpu --job-name=job --gres=gpu:1 --ntasks=1 --ntasks-per-node=1 --cpus-per-task=5' in output
    assert '--qos=debug --exclusive python -u' in output
    assert (run / 'epoch_2.pth').exists()
    before = {path: path.read_bytes() for path in run.glob('*.py')}
    run_tool(['bash', 'tools/slurm_test.sh', 'gpu', 'job', file, run, '--work-dir', run], **environment)
    assert {path: path.read_bytes() for path in run.glob('*.py')} == before, 'a test leaves the config of the run alone'
    assert len(_predictions(run / 'predictions.jsonl')) == 8


@pytest.mark.parametrize('script, code, message', [
    ('dist_train', 2, 'mmvmr dist-train [-h] config processes'), ('dist_test', 2, 'mmvmr dist-test [-h] config'),
    ('slurm_train', 1, 'bash tools/slurm_train.sh '), ('slurm_test', 1, 'bash tools/slurm_test.sh ')])
def test_launchers_say_what_they_need(script, code, message):
    assert message in run_tool(['bash', f'tools/{script}.sh', 'config.py'], code)


def test_a_mistyped_flag_of_several_processes_is_told_once():
    output = run_tool(['python', '-m', 'mmvmr', 'dist-train', 'cpl_charades', 2, '--workdir', 'x'], 2)
    assert output.count('unrecognized arguments: --workdir') == 1 and 'Did you mean --work-dir?' in output
