"""The benchmark finishes on every kind of config, and with several processes."""
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from mmengine.registry import DefaultScope
from runs import run_command, run_tool

from mmvmr.engine.run.config import read_config
from mmvmr.features.stores.feature_store import open_feature_store
from mmvmr.reproduction import benchmark

REPO = Path(__file__).parents[2]
SMALL = {'train_dataloader.batch_size': 12}


# two optimizers in turn; no reconstructor; two of them; batches are larger than the data set
@pytest.mark.parametrize('name', ['cnm_moving_shapes', 'mscl_charades', 'mcmt_ms2d_moving_shapes'])
def test_every_part_runs_on_generated_data(name, tmp_path):
    config = read_config(str(REPO / 'configs' / f'{name}.py'), SMALL)
    benchmark.fill_benchmark_sizes(config)
    benchmark.generate(tmp_path, config, videos=5, shards=2)
    store = open_feature_store(tmp_path / 'features')
    assert len(store.video_ids) == 5 and store.manifest['num_shards'] == 2
    with DefaultScope.overwrite_default_scope('mmvmr'):
        for part, measure in benchmark.PARTS.items():
            dataset = benchmark.build_dataset(tmp_path, config, part)
            assert len(dataset) == 10
            seconds = measure(dataset, config, 1)
            assert len(seconds) == (20 if part in ('loader', 'cold') else 1) and min(seconds) > 0


def test_the_store_becomes_resident_and_the_step_is_compiled_by_the_config(tmp_path, monkeypatch):
    config = read_config(str(REPO / 'configs' / 'mscl_moving_shapes.py'), {
        **SMALL, 'train_dataloader.dataset.resident': True, 'compile': dict(backend='eager')})
    benchmark.fill_benchmark_sizes(config)
    benchmark.generate(tmp_path, config, videos=5)
    compiled, seen = [], []
    monkeypatch.setattr(benchmark.torch, 'compile', lambda step, backend: compiled.append(backend) or step)
    copy = benchmark.copy_to_device
    monkeypatch.setattr(benchmark, 'copy_to_device', lambda *args: seen.append(copy(*args)) or seen[0])
    with DefaultScope.overwrite_default_scope('mmvmr'):
        dataset = benchmark.build_dataset(tmp_path, config, 'training')
        assert next(benchmark.make_batches(dataset, 12))['inputs'].video.shape == (12,)  # rows of the store
        benchmark.training(dataset, config, 1)
        assert not benchmark.build_dataset(tmp_path, config, 'evaluation').resident
    assert compiled == ['eager'] and seen[0].shape == (5, 64, 57)


def test_batches_go_round_a_data_set_that_is_smaller_than_they_are(tmp_path):
    config = read_config(str(REPO / 'configs' / 'mscl_moving_shapes.py'))
    benchmark.fill_benchmark_sizes(config)
    benchmark.generate(tmp_path, config, videos=3)
    batch = next(benchmark.make_batches(benchmark.build_dataset(tmp_path, config, 'loader'), 12))
    assert batch['inputs'].video.shape == (12, 64, 57)
    firsts = batch['inputs'].video[:, 0].numpy()
    assert sorted((firsts == video).all(axis=1).sum() for video in firsts) == [4] * 12  # two queries each, two rounds


@pytest.mark.parametrize('options, message', [
    (['--minutes', 3], '--minutes would change nothing here'),
    (['--start', '--steps', 3, '--amp'], '--steps, --amp would change nothing with --start, which reads --dtype'),
    (['--table', 'gpu.md', '--parts', 'loader'], '--parts would change nothing with --table'),
    (['--against', 'cpl', '--processes', 2], '--processes would change nothing with --against')])
def test_what_a_measurement_does_not_read_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        run_command('benchmark', 'mscl_moving_shapes', *options)


def test_two_processes_are_compared_with_one():
    table = run_tool(['tools/analysis_tools/benchmark.py', 'configs/mscl_moving_shapes.py', '--videos', 20, '--steps',
                      1, '--processes', 1, 2, '--parts', 'training', '--cfg-options', 'train_dataloader.batch_size=12'])
    rows = [[float(cell) for cell in row.split('|')[2:6]] for row in table.splitlines() if '| training' in row]
    assert [row[0] for row in rows] == [1, 2]
    for processes, rate, each, efficiency in rows:
        assert each == pytest.approx(rate / processes, abs=0.1)
        assert efficiency == pytest.approx(each / rows[0][2], abs=0.01)
    assert re.search(r'batch 12, 1 CPU threads per process, 377,710 parameters', table)


def test_generated_data_of_other_sizes_are_not_measured(tmp_path):
    config = read_config(str(REPO / 'configs' / 'mscl_charades.py'), SMALL)
    benchmark.fill_benchmark_sizes(config)
    for _ in range(2):
        benchmark.prepare_data(tmp_path / 'data', config, 5, 'float32', 1)
    for videos, dtype, shards in ((6, 'float32', 1), (5, 'float16', 1), (5, 'float32', 2)):
        with pytest.raises(ValueError, match="were made with {'videos': 5, .*Give another --folder"):
            benchmark.prepare_data(tmp_path / 'data', config, videos, dtype, shards)
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'vocabulary.npz').write_text('mine')
    with pytest.raises(FileExistsError, match='vocabulary.npz'):
        benchmark.prepare_data(tmp_path / 'mine', config, 5, 'float32', 1)
    assert (tmp_path / 'mine' / 'vocabulary.npz').read_text() == 'mine'


def test_later_starts_use_what_the_first_has_kept(tmp_path):
    table = run_tool(['tools/analysis_tools/benchmark.py', 'configs/mscl_moving_shapes.py', '--start', '--videos',
                      40_000, '--processes', 2, '--folder', tmp_path, '--cfg-options', 'dataset.num_clips=2',
                      'dataset.feature_dim=8'])
    rows = [row.split('|')[1:-1] for row in table.splitlines() if re.match(r'\| (first|later)', row)]
    assert [(row[0].strip(), int(row[1])) for row in rows] == [('first', 2), ('later', 2)]
    assert all(float(cell) > 0 for row in rows for cell in row[2:])
    # annotations, words and which videos have features, once for all processes
    assert len(list((tmp_path / '.mmvmr').iterdir())) == 3


@pytest.mark.skipif(not hasattr(os, 'killpg'), reason='there are no groups of processes')
@pytest.mark.parametrize('name', ['SIGTERM', 'SIGHUP'])
def test_what_is_told_to_stop_ends_its_processes_and_leaves_no_data(tmp_path, name):
    command = [sys.executable, '-m', 'mmvmr', 'benchmark', 'cnm_moving_shapes', '--videos', '50', '--steps', '2000',
               '--parts', 'training']
    heard = partial(signal.signal, signal.Signals[name], signal.SIG_DFL)  # also where the tests run behind nohup
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True, cwd=REPO,
                               env=dict(os.environ, TMPDIR=str(tmp_path)), preexec_fn=heard)
    while process.poll() is None and not list(tmp_path.glob('*/features')):
        time.sleep(0.1)
    time.sleep(3)  # then the process that measures is there
    process.send_signal(signal.Signals[name])
    assert 'Stopped.' in process.communicate(timeout=60)[1] and process.returncode == 130
    assert not list(tmp_path.glob('*/features'))
    with pytest.raises(ProcessLookupError):
        for _ in range(100):  # the process that watches over shared memory ends when it sees that it is alone
            os.killpg(process.pid, 0)
            time.sleep(0.1)
