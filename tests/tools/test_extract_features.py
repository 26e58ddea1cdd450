"""The command that extracts features, on good videos and bad ones, killed and started again."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from runs import run_command
from videos import grey, write_frames

from mmvmr.features.extract import extract_video
from mmvmr.features.folder import _is_newer, extract_folder
from mmvmr.features.stores.feature_store import open_feature_store
from mmvmr.registry import EXTRACTORS

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'misc' / 'extract_features.py'


# An extractor that, where STUCK is set, says who it is and never finishes with the longest video.
MODULE = """
import os
import time
from pathlib import Path

from mmvmr.features.extractors.descriptor import DescriptorExtractor
from mmvmr.registry import EXTRACTORS


@EXTRACTORS.register_module()
class Patient(DescriptorExtractor):
    def __call__(self, frames, fps):
        rows = super().__call__(frames, fps)
        if 'STUCK' in os.environ and len(rows) == 8:
            Path(os.environ['STUCK']).write_text(str(os.getpid()))
            time.sleep(600)
        return rows


@EXTRACTORS.register_module()
class Dying(DescriptorExtractor):
    def __call__(self, frames, fps):
        os._exit(9)
"""
CONFIG = "custom_imports = dict(imports=['patient'])\nextractor = dict(type='Patient', saturation=50)\n"


def frames(seconds, seed):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (24, 32, 3), dtype=np.uint8) for _ in range(8 * seconds)]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Five good videos, two that are none, other files, and an extractor of one's own."""
    root = tmp_path_factory.mktemp('extract')
    (root / 'videos' / 'more').mkdir(parents=True)
    for name, seconds in dict(c=1, a=2, d=3).items():
        write_frames(root / 'videos' / f'{name}.mkv', frames(seconds, seconds))
    write_frames(root / 'videos' / 'more' / 'кухня 1.MP4', [grey(3)] * 8, codec='mpeg4', pixels='yuv420p')
    write_frames(root / 'videos' / 'more' / 'longest.mkv', frames(4, 4))
    write_frames(root / 'videos' / 'sound.mkv', [], sound=1.0)
    (root / 'videos' / 'broken.mp4').write_bytes(b'not a video')
    (root / 'videos' / 'a.txt').write_text('notes')
    (root / 'videos' / '._a.mp4').write_bytes(b'what macOS leaves on foreign disks')
    (root / 'patient.py').write_text(MODULE)
    (root / 'config.py').write_text(CONFIG)
    return root


def start(root, target, *more, **environment):
    command = [sys.executable, TOOL, root / 'videos', root / target, '--extractor', root / 'config.py', *more]
    path = os.pathsep.join([str(ROOT), str(root), os.environ.get('PYTHONPATH', '')])
    return subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=dict(os.environ, PYTHONPATH=path, **environment))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope='module')
def at_once(root):
    """The store of one run, with two processes: its folder, exit code and messages."""
    run = start(root, 'at_once', '--workers', 2)
    messages = ''.join(run.communicate())
    return root / 'at_once', run.returncode, messages


def wait_until(condition, what):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, f'{what} did not happen in two minutes'
        time.sleep(0.05)


def ended(pid):
    try:
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] == 'Z'  # nobody has collected it
    except FileNotFoundError:
        return True


@pytest.fixture(scope='module')
def killed_and_restarted(root):
    """The store of a run whose main process was killed in the middle of a video, and of a second run after it."""
    unfinished = root / 'killed.unfinished'
    run = start(root, 'killed', '--workers', 1, STUCK=str(root / 'pid'))
    wait_until(lambda: (root / 'pid').exists() and (root / 'pid').read_text(), 'the longest video')
    run.send_signal(signal.SIGKILL)
    run.communicate()
    wait_until(lambda: ended((root / 'pid').read_text()), 'the end of the worker')
    finished = {path: path.stat().st_mtime_ns for path in unfinished.glob('*.npy')}
    (unfinished / '.longest.npy.123.partial').write_bytes(b'half of the rows')
    again = start(root, 'killed', '--workers', 2)
    messages = ''.join(again.communicate())
    return root / 'killed', finished, messages


def test_the_store_has_the_rows_of_every_video_that_can_be_decoded(root, at_once):
    store = open_feature_store(at_once[0])
    assert store.video_ids == ['a', 'c', 'd', 'longest', 'кухня 1']
    extractor = EXTRACTORS.build(dict(type='DescriptorExtractor', saturation=50))
    for name in ('a', 'more/longest', 'more/кухня 1'):
        path = next((root / 'videos').glob(f'{name}.*[4v]'))
        np.testing.assert_array_equal(store.read(path.stem), extract_video(path, extractor))


def test_the_manifest_says_where_the_rows_come_from(at_once):
    manifest = open_feature_store(at_once[0]).manifest
    expected = dict(extractor=dict(type='Patient', saturation=50), extractor_name='descriptor-1', weights_sha256=None,
                    clip_seconds=0.5, fps=8, dim=57, dtype='float32', num_clips=None, num_videos=5)
    assert {key: manifest[key] for key in expected} == expected


def test_files_that_cannot_be_decoded_are_listed_and_stop_nothing(root, at_once):
    _, code, messages = at_once
    assert code == 1
    assert f'left out: {root / "videos" / "broken.mp4"}\n' in messages
    assert 'has no pictures, only sound' in messages
    assert 'Left out: 2 videos.' in messages and '5 videos, 22 clips of 0.5 s, 57 dimensions' in messages


def test_a_killed_and_restarted_extraction_ends_in_the_same_store_bit_for_bit(at_once, killed_and_restarted):
    target, finished, _ = killed_and_restarted
    assert {path.stem for path in finished} == {'a', 'c', 'd'}  # in the order of their names
    assert contents(target) == contents(at_once[0])


def test_a_restart_does_not_extract_anew_what_was_finished(killed_and_restarted):
    _, finished, messages = killed_and_restarted
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert '3/7' in messages  # of the videos, before any was read


def test_ctrl_c_ends_all_processes_with_one_sentence(root):
    run = start(root, 'interrupted', '--workers', 1, STUCK=str(root / 'stuck'))
    wait_until(lambda: (root / 'stuck').exists() and (root / 'stuck').read_text(), 'the longest video')
    for pid in (run.pid, int((root / 'stuck').read_text())):  # a terminal tells all processes
        os.kill(pid, signal.SIGINT)
    _, messages = run.communicate(timeout=60)
    assert run.returncode == 130 and 'Traceback' not in messages
    assert messages.strip().endswith('Finished videos are kept: the same command goes on from there.')
    assert {path.stem for path in (root / 'interrupted.unfinished').glob('*.npy')} == {'a', 'c', 'd'}


def test_what_is_unfinished_is_not_mixed_with_another_extractor(root, at_once):
    with pytest.raises(ValueError, match='(?s)another extractor.*there.*Patient.*asked.*DescriptorExtractor.*remove'):
        extract_folder(root / 'videos', at_once[0], dict(type='DescriptorExtractor'), overwrite=True)


def test_repaired_files_are_read_alone_and_nothing_is_left_over(root, at_once, killed_and_restarted, monkeypatch):
    target = killed_and_restarted[0]
    before = open_feature_store(target)
    old = {name: before.read(name).copy() for name in before.video_ids}
    monkeypatch.syspath_prepend(str(root))
    write_frames(root / 'videos' / 'broken.mp4', [grey(5)] * 8, codec='mpeg4', pixels='yuv420p')
    (root / 'videos' / 'sound.mkv').unlink()
    arguments = [*map(str, (root / 'videos', target, '--extractor', root / 'config.py', '--workers', 1))]
    with pytest.raises(FileExistsError, match='--force'):
        run_command('extract', *arguments)
    assert run_command('extract', *arguments, '--force') == 0
    store = open_feature_store(target)
    assert store.video_ids == ['a', 'broken', 'c', 'd', 'longest', 'кухня 1']
    for name, rows in old.items():
        np.testing.assert_array_equal(store.read(name), rows)
    assert not target.with_name('killed.unfinished').exists()


def test_a_process_that_dies_ends_the_run_with_advice(root, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(root))
    with pytest.raises(ChildProcessError, match='Finished videos are kept.*fewer --workers'):
        extract_folder(root / 'videos', tmp_path / 'out', dict(type='Dying'), imports=['patient'])


def test_two_machines_extract_a_half_each(tmp_path, capsys):
    (tmp_path / 'videos').mkdir()
    for number, name in enumerate('cab'):
        write_frames(tmp_path / 'videos' / f'{name}.mkv', [grey(number + 1)] * 8)
    (tmp_path / 'videos' / 'broken.mkv').write_bytes(b'not a video')
    arguments = [str(tmp_path / 'videos'), str(tmp_path / 'out'), '--extractor', 'DescriptorExtractor']
    assert run_command('extract', *arguments, '--shard', '1/2') == 1  # it has the broken one
    assert f'needs for that is in {tmp_path}/out/shard_1_of_2.unfinished' in capsys.readouterr().err
    assert run_command('extract', *arguments, '--shard', '0/2') == 0
    store = open_feature_store(tmp_path / 'out')
    assert store.video_ids == ['a', 'b', 'c'] and store.manifest['extractor_name'] == 'descriptor-1'
    extractor = EXTRACTORS.build(dict(type='DescriptorExtractor'))
    for video_id in store.video_ids:
        np.testing.assert_array_equal(store.read(video_id),
                                      extract_video(tmp_path / 'videos' / f'{video_id}.mkv', extractor))


def test_force_replaces_a_store_and_nothing_else(tmp_path):
    (tmp_path / 'thesis').mkdir()
    for name, reason in (('manifest.json', 'is no feature store'), ('chapter_1.tex', 'holds what was not written')):
        (tmp_path / 'thesis' / name).write_text('{}')
        with pytest.raises(FileExistsError, match=f'thesis.*{reason}'):
            extract_folder(tmp_path, tmp_path / 'thesis', dict(type='DescriptorExtractor'), overwrite=True)
        assert (tmp_path / 'thesis' / name).read_text() == '{}'


def extract(root, *more):
    return run_command('extract', str(root), str(root / 'out'), *(more or ('--extractor', 'DescriptorExtractor')))


@pytest.mark.parametrize('files, message', [
    (['a.mp4', 'more/a.avi'], "would both be video 'a'"),
    (['a.txt'], 'There is no video in .*Files with these suffixes are read'),
    (['.hidden/a.mp4'], 'There is no video in'),
    (['a.mp4', 'out/manifest.json'], 'out exists.*--force')])
def test_folders_that_promise_no_good_are_refused_at_once(tmp_path, files, message):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises((ValueError, FileExistsError, FileNotFoundError), match=f'(?s){message}'):
        extract(tmp_path)


def test_nothing_is_written_when_no_video_can_be_decoded(tmp_path):
    (tmp_path / 'a.mp4').touch()
    assert extract(tmp_path, '--extractor', 'DescriptorExtractor', '--workers', '1') == 1
    assert not (tmp_path / 'out').exists()


def test_a_video_that_has_changed_is_read_again(tmp_path):
    video, rows = tmp_path / 'a.mp4', tmp_path / 'a.npy'
    rows.touch()
    video.touch()
    os.utime(rows, (100, 100))
    os.utime(video, (200, 200))
    assert not _is_newer(rows, video)


@pytest.mark.parametrize('name, message', [('DescriptorExtracter', 'Did you mean DescriptorExtractor'),
                                           ('ClipExtractor', 'ClipExtractor needs weights')])
def test_an_extractor_that_cannot_be_built_is_explained(tmp_path, name, message):
    (tmp_path / 'a.mp4').touch()
    with pytest.raises((KeyError, ValueError), match=message):
        extract(tmp_path, '--extractor', name)
