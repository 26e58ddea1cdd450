"""The command-line tools, run as a user runs them."""
import json
import re
import socket
import sys

import pytest
from runs import ALTERNATING, REPO, make_runner, run_tool, same, start_tool, weights, write_config


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


def _free_port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return str(free.getsockname()[1])


def _predictions(path):
    return {row['sample_idx']: row for row in map(json.loads, path.read_text().splitlines())}


def test_train_and_test(tmp_path, config):
    file, run = config(), tmp_path / 'run'
    output = run_tool(['tools/train.py', file, '--work-dir', run, '--seed', 3, '--cfg-options', 'train_cfg.max_epochs=1'])
    assert 'Training config on 16 pairs of custom (train) with 1 x CPU' in output
    assert (run / 'epoch_1.pth').exists() and not (run / 'epoch_2.pth').exists()
    output = run_tool(['tools/test.py', file, run, '--work-dir', run])
    assert 'best_reconstruction_margin_epoch_1.pth' in output and 'R@1' in output
    assert len(_predictions(run / 'predictions.jsonl')) == 8
    output = run_tool(['tools/test.py', file, run / 'epoch_1.pth', '--work-dir', run, '--probe', 'shuffle-query',
                       '--out', tmp_path / 'probe.jsonl'])
    assert 'probe: shuffle-query' in output
    assert len(_predictions(tmp_path / 'probe.jsonl')) == 8


def test_training_does_not_need_the_test_split(tmp_path, config):
    file = config(train_cfg=dict(max_epochs=1), test_dataloader=dict(dataset=dict(ann_file='/absent.json')))
    run_tool(['tools/train.py', file, '--work-dir', tmp_path / 'run', '--no-validate'])
    assert sorted(path.name for path in (tmp_path / 'run').glob('*.pth')) == ['epoch_1.pth']


@pytest.mark.parametrize('options, message', [
    (['model.encoder.type=LinerEncoder'], 'KeyError: "LinerEncoder" is not in .* Did you mean LinearEncoder'),
    (['model.encoder.hiden=3'], "TypeError: LinearEncoder.*unexpected keyword argument 'hiden'"),
    (['model.span_levle=0.3'], "unexpected keyword argument 'span_levle'. Did you mean span_level"),
    (['train_dataloader.dataset.ann_file=/absent.json'], 'FileNotFoundError: .*needs files that are not there'),
    (['train_dataloader.dataset.feature_dim=9'], 'ValueError: The features in .* have 8 dimensions'),
])
def test_mistakes_are_explained_without_a_traceback(tmp_path, config, options, message):
    output = run_tool(['tools/train.py', config(), '--work-dir', tmp_path / 'run', '--cfg-options', *options], 1)
    end = output[output.rindex('\n\n'):]
    assert re.search(message, end, re.DOTALL), output[-3000:]
    assert 'Traceback' not in output
