"""The command that renders Moving Shapes, from nothing to an ordinary data set."""
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from runs import run_command

from mmvmr.datasets.moving_shapes import MovingShapes
from mmvmr.engine.run.config import read_config
from mmvmr.features.extract import extract_video
from mmvmr.features.extractors.descriptor import DescriptorExtractor
from mmvmr.features.stores.feature_store import open_feature_store
from mmvmr.registry import EXTRACTORS

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'dataset_converters' / 'moving_shapes.py'


def options(folder, *more):
    return [*map(str, ['--out', folder, '--scale', 0.002, *more])]  # one video per split


def render(folder, *more):
    path = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    subprocess.run([sys.executable, str(TOOL), *options(folder, *more)], check=True, capture_output=True, text=True,
                   env=dict(os.environ, PYTHONPATH=path))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data') / 'shapes'
    render(folder)
    return folder


@pytest.fixture(scope='module')
def forced(folder, tmp_path_factory):
    """Rendered by one process, over another version, of these files."""
    forced = tmp_path_factory.mktemp('data') / 'shapes'
    shutil.copytree(folder, forced)
    (forced / 'settings.json').write_text('{"seed": 1}')
    (forced / 'videos' / 'train_0007.mp4').write_bytes(b'a video of that version')
    render(forced, '--workers', 1, '--force')
    return forced


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob('*')) if path.is_file()}


def test_one_command_makes_an_ordinary_data_set(folder):
    dataset = MovingShapes('test.json', features='features', vocabulary='vocabulary.npz', data_root=str(folder),
                           split='test', protocol='medium', num_clips=64, feature_dim=57, test_mode=True)
    assert dataset[0]['inputs'].video.shape == (1, 64, 57)
    assert len(dataset.vocabulary) == 62  # of all words of the benchmark, however few videos are rendered
    assert sorted(path.name for path in (folder / 'videos').iterdir()) == [
        f'{split}_0000.mp4' for split in ('test', 'train', 'val')]


def test_the_features_are_those_of_the_video_files(folder):
    store = open_feature_store(folder / 'features')
    assert EXTRACTORS.build(store.manifest['extractor']).name == DescriptorExtractor.name
    rows = extract_video(folder / 'videos' / 'test_0000.mp4', DescriptorExtractor())
    assert len(rows) == 2 * json.loads((folder / 'test.json').read_text())[0][1]  # a row for each half second
    np.testing.assert_allclose(store.read_clips(['test_0000'], 64)[0, 0], rows[0], atol=1e-6)


def test_another_run_gives_the_same_files_bit_for_bit(folder, forced):
    assert contents(forced) == contents(folder)


def test_what_a_stopped_run_left_behind_is_cleared_away(forced):
    assert [path.name for path in forced.parent.iterdir()] == ['shapes']


def test_what_is_there_is_not_rendered_again(folder, capsys):
    run_command('moving-shapes', *options(folder))
    assert 'is there already' in capsys.readouterr().out


def test_what_is_there_is_never_replaced_by_another_configuration(folder):
    before = contents(folder)
    with pytest.raises(FileExistsError, match='(?s)"seed": 0.*"seed": 1.*--force'):
        run_command('moving-shapes', *options(folder, '--seed', 1))
    assert contents(folder) == before


def test_a_folder_of_somebody_else_is_never_deleted(tmp_path):
    (tmp_path / 'thesis.txt').write_text('the only copy')
    with pytest.raises(FileExistsError, match='was not made by this tool'):
        run_command('moving-shapes', *options(tmp_path, '--force'))
    assert (tmp_path / 'thesis.txt').read_text() == 'the only copy'


@pytest.mark.parametrize('option', ['workers', 'num-clips', 'scale'])
def test_impossible_options_are_named(tmp_path, option, capsys):
    with pytest.raises(SystemExit):
        run_command('moving-shapes', *options(tmp_path / 'shapes', f'--{option}', 0))
    assert f'argument --{option}: must be a ' in capsys.readouterr().err


def test_a_training_that_is_told_to_end_while_it_renders_leaves_nothing(tmp_path):
    command = [sys.executable, '-m', 'mmvmr', 'train', 'cnm_moving_shapes', '--work-dir', 'run', '--cfg-options',
               'dataset.data_root=shapes']
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(tmp_path.glob('.shapes*/videos/*')):
        time.sleep(0.1)
    process.terminate()
    assert process.wait(60) == 130
    assert not [path.name for path in tmp_path.iterdir() if 'shapes' in path.name]


def test_a_training_says_where_and_how_much_it_renders_before_it_does(tmp_path, capsys, monkeypatch):
    said = []
    monkeypatch.setattr('mmvmr.datasets.moving_shapes_files.write_moving_shapes',
                        lambda *args, **kwargs: said.append(capsys.readouterr().out))
    monkeypatch.chdir(tmp_path)
    MovingShapes.prepare('typo')
    assert f'580 videos of Moving Shapes are rendered into "{tmp_path / "typo"}"' in said[0]
    option = re.search(r'--cfg-options (\S+)=FOLDER', said[0])[1]
    assert read_config('mcmt_moving_shapes', {option: '/x'}).train_dataloader.dataset.data_root == '/x'
    MovingShapes.prepare(str(tmp_path))
    assert len(said) == 1
