"""What docs/security.md says: data cannot run code, and cannot lead to files that nobody has named.

That damaged and malicious checkpoints, vocabularies and pages are harmless is tested next to their code.
"""
import ast
import json
import re
from contextlib import suppress
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
import torch
from runs import run_command
from videos import grey, write_frames

from mmvmr.cli.main import module_of
from mmvmr.datasets.annotations import check_pairs
from mmvmr.engine.checkpoint import load_checkpoint
from mmvmr.evaluation.predictions import COLUMNS, read_predictions
from mmvmr.features.stores.feature_store import open_feature_store
from mmvmr.features.video import probe_video, read_frames

REPO = Path(__file__).parents[1]
IDS_THAT_LEAVE = ['../secret', '/etc/passwd', '..', '.', '', 'a/../b', 'v\0.npy', ['v'], None]


# ------------------------------------------------------------------------------------------------------------- calls
def _calls(path: Path):
    """Name and keywords of every call in a file: (line, 'np.load', {'allow_pickle': 'False'})."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func), {item.arg: ast.unparse(item.value) for item in node.keywords}


def test_no_call_in_the_toolbox_can_run_what_it_reads():
    forbidden = {'eval', 'exec', 'compile', 'os.system', 'pickle.load', 'pickle.loads', 'yaml.load', 'joblib.load',
                 'torch.hub.load', 'runpy.run_path'}
    wanted = {'torch.load': ('weights_only', 'True'), 'np.load': ('allow_pickle', 'False')}
    files = [path for folder in ('mmvmr', 'tools') for path in (REPO / folder).rglob('*.py')]
    calls = [(path.name, *call) for path in files for call in _calls(path)]
    assert sum(name in wanted for _, _, name, _ in calls) >= 5
    run_configs = [call for call in calls if call[0] == 'config_file.py' and call[2] in ('exec', 'compile')]
    assert len(run_configs) == 2  # a config is code, and this is the place where it is run
    for file, line, name, keywords in [call for call in calls if call not in run_configs]:
        assert name not in forbidden and keywords.get('shell', 'False') == 'False', f'{file}:{line}'
        if name in wanted:
            assert wanted[name] in keywords.items(), f'{file}:{line}'


# ------------------------------------------------------------------------------------------------------- checkpoints
def test_checkpoints_may_hold_nothing_beyond_what_pytorch_itself_admits():
    assert {item.__module__.split('.')[0] for item in torch.serialization.get_safe_globals()} <= {'torch'}


def test_the_environment_cannot_switch_the_check_of_checkpoints_off(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    torch.save(dict(state_dict={}, meta=Path('x')), tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='refused, and nothing in it has been run'):
        load_checkpoint(tmp_path / 'x.pth')


# ---------------------------------------------------------------------------------------------------------- file names
@pytest.mark.parametrize('video_id', IDS_THAT_LEAVE)
def test_a_video_id_of_an_annotation_stays_in_its_folder(video_id):
    with pytest.raises(ValueError, match='a video id must be text without a path'):
        check_pairs([dict(video_id=video_id, duration=5.0, query='a ball.', spans=[])], 'annotations.json')


@pytest.mark.parametrize('video_id', IDS_THAT_LEAVE)
def test_a_video_id_of_a_prediction_stays_in_its_folder(tmp_path, video_id):
    (tmp_path / 'p.jsonl').write_text(json.dumps(dict(dict.fromkeys(COLUMNS, 0), video_id=video_id)))
    with pytest.raises(ValueError, match='line 1: a video id must be text without a path'):
        read_predictions(tmp_path / 'p.jsonl')


def test_a_folder_of_features_gives_its_own_files_only(tmp_path):
    (tmp_path / 'features').mkdir()
    for name in ('secret.npy', 'features/v.npy'):
        np.save(tmp_path / name, np.ones((3, 2)))
    store = open_feature_store(tmp_path / 'features')
    assert store.read('v').shape == (3, 2) and '../secret' not in store
    with pytest.raises(KeyError):
        store.read('../secret')


def test_pickled_features_are_refused_and_not_run(tmp_path):
    class Exploit:
        def __reduce__(self):
            return Path.mkdir, (tmp_path / 'owned',)

    (tmp_path / 'features').mkdir()
    np.save(tmp_path / 'features' / 'v.npy', np.array([Exploit()], dtype=object))
    with pytest.raises(ValueError, match='v.npy cannot be read'):
        open_feature_store(tmp_path / 'features')
    assert not (tmp_path / 'owned').exists()
    np.load(tmp_path / 'features' / 'v.npy', allow_pickle=True)
    assert (tmp_path / 'owned').exists()  # the exploit works


# ---------------------------------------------------------------------------------------------------------------- HDF5
def _external_link(file, secret):
    file['v'] = h5py.ExternalLink(str(secret), 'rows')


def _soft_link(file, secret):
    file['file'] = h5py.ExternalLink(str(secret), '/')
    file['v'] = h5py.SoftLink('/file/rows')


def _link_in_a_group(file, secret):
    file.create_group('v')['c3d_features'] = h5py.ExternalLink(str(secret), 'rows')


def _virtual_dataset(file, secret):
    layout = h5py.VirtualLayout((4, 2), np.float32)
    layout[:] = h5py.VirtualSource(str(secret), 'rows', (4, 2))
    file.create_virtual_dataset('v', layout)


def _external_data(file, secret):
    file.create_dataset('v', (4, 2), np.float32, external=[(str(secret), 0, 32)])


@pytest.mark.parametrize('write', [_external_link, _soft_link, _link_in_a_group, _virtual_dataset, _external_data])
def test_an_hdf5_file_opens_no_other_file(tmp_path, write):
    secret = tmp_path / 'secret.h5'
    with h5py.File(secret, 'w') as file:
        file['rows'] = np.ones((4, 2), np.float32)
    with h5py.File(tmp_path / 'features.h5', 'w') as file:
        file['a'] = np.zeros((4, 2), np.float32)
        write(file, secret)
    with h5py.File(tmp_path / 'features.h5') as file:
        assert file['v'].get('c3d_features') is not None if write is _link_in_a_group else file['v'].shape == (4, 2)
    store = open_feature_store(tmp_path / 'features.h5')
    assert store.read('a').shape == (4, 2)
    with pytest.raises(ValueError, match="'v' cannot be read .*(not followed|not opened)"):
        store.read('v')


# --------------------------------------------------------------------------------------------------------------- video
PLAYLISTS = {
    'concat.mp4': 'ffconcat version 1.0\nfile secret.mkv\n',
    'hls.m3u8': '#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5.0,\nsecret.ts\n#EXT-X-ENDLIST\n',
    'vobsub.mkv': '# VobSub index file, v7\n',  # opens the .sub beside it
    'session.avi': 'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n'
                   'a=rtpmap:96 H264/90000\n'}


@pytest.fixture
def secrets(tmp_path):
    write_frames(tmp_path / 'secret.mkv', [grey(number) for number in range(8)])
    write_frames(tmp_path / 'secret.ts', [grey(number) for number in range(8)], codec='mpeg4', pixels='yuv420p',
                 format='mpegts')
    return tmp_path


@pytest.mark.parametrize('name', PLAYLISTS)
def test_a_video_file_opens_no_other_file_and_no_address(secrets, name):
    (secrets / name).write_text(PLAYLISTS[name])
    for read in (probe_video, lambda path: list(read_frames(path))):
        with pytest.raises(ValueError, match=r'as a video \(Invalid argument\).*formats that are read: asf,avi'):
            read(secrets / name)


@pytest.mark.parametrize('name', ['concat.mp4', 'hls.m3u8'])
def test_ffmpeg_alone_would_open_the_other_file(secrets, name):
    (secrets / name).write_text(PLAYLISTS[name])
    with av.open(str(secrets / name)) as container:
        assert len(list(container.decode(video=0))) == 8


@pytest.mark.parametrize('address', ['http://127.0.0.1:9/v.mp4', 'concat:secret.mkv', 'data:video/mp4;base64,AA=='])
def test_the_name_of_a_video_is_no_address(secrets, address, monkeypatch):
    monkeypatch.chdir(secrets)
    with pytest.raises(FileNotFoundError):
        probe_video(address)


# ------------------------------------------------------------------------------------------------------- what is code
@pytest.mark.parametrize('command', ['train', 'test', 'infer', 'serve', 'search', 'browse'])
def test_commands_say_that_configs_are_code(command):
    assert 'A config is Python and is run' in module_of(command).__doc__


# ------------------------------------------------------------------------------------------------------- what is code
LINES = {'train': 'train RUN', 'test': 'test RUN', 'infer': 'infer RUN v.mp4 s', 'search': 'search index RUN v.mp4 x',
         'print-config': 'print-config RUN', 'verify': 'verify RUN', 'browse-dataset': 'browse-dataset RUN --out x',
         'browse': 'browse RUN', 'reproduce': 'reproduce RUN', 'benchmark': 'benchmark RUN', 'flops': 'flops RUN',
         'publish': 'publish RUN x', 'export': 'export RUN x', 'score': 'score RUN',
         'timelines': 'timelines RUN --out x',
         'serve': 'serve RUN --port 0', 'calibrate': 'calibrate RUN', 'regret': 'regret RUN',
         'plot-results': 'plot-results RUN --out x', 'plot-training': 'plot-training RUN',
         'extract': 'extract v.mp4 x --extractor RUN/config.py',
         'vocabulary': 'vocabulary x.npz --vectors x --sentences RUN',
         'convert-official': 'convert-official cpl x.pth y.pth --data RUN', 'plant': 'plant RUN x'}


@pytest.mark.parametrize('name', LINES)
def test_the_page_says_which_commands_run_the_config_of_a_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('run').mkdir()
    for epoch in (1, 2):
        torch.save({}, f'run/epoch_{epoch}.pth')
    write_frames(tmp_path / 'v.mp4', [grey(0)] * 8)
    torch.save({}, 'x.pth')
    Path('run/config.py').write_text("open('ran', 'w').close()\n")
    with suppress(Exception, SystemExit):  # it is no config
        run_command(*LINES[name].replace('RUN', 'run').split())
    text = (REPO / 'docs' / 'security.md').read_text(encoding='utf-8')
    found = re.search(r'\*\*the folder of a run\*\*(.*?)\. The others, (.*?) read predictions', text, re.S)
    run_it, do_not = found.groups()
    by_option = re.search(r'\*\*a file for\*\*(.*?)- \*\*plugins', text, re.S)[1]
    assert f'`{name}`' in (run_it if Path('ran').exists() else do_not) or f'`mmvmr {name}`' in by_option


def test_the_page_names_all_variables_that_are_read():
    text = (REPO / 'docs' / 'security.md').read_text(encoding='utf-8')
    read = set()
    for path in (REPO / 'mmvmr').rglob('*.py'):
        read |= set(re.findall(r"(?:environ|settings)(?:\.get\(|\[)[\"']([A-Z_]+)", path.read_text(encoding='utf-8')))
    for path in (REPO / 'tools').rglob('*.sh'):
        read |= set(re.findall(r'\$\{([A-Z][A-Z_]+)', path.read_text(encoding='utf-8')))
    ours = {name for name in read if not name.startswith(('SLURM_', 'TORCH_DISABLE'))}
    assert len(ours) > 15 and not {name for name in ours if f'`{name}`' not in text}
