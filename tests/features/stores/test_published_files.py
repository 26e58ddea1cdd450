"""Features in the files in which they are published, and what is refused with the line that converts it."""
import json
import logging
import re
import subprocess

import h5py
import numpy as np
import pytest
import torch

from mmvmr.features.stores.arrays import read_array
from mmvmr.features.stores.feature_store import open_feature_store, write_packed_store
from mmvmr.features.stores.resampling import check_rows, resample_clips

A, B = np.arange(80, dtype=np.float32).reshape(20, 4), np.ones((30, 4), np.float32)
SAVE = {
    'npz with features': ('.npz', lambda path, rows: np.savez(path, features=rows, fps=np.array(25.0))),
    'npz with one array': ('.npz', lambda path, rows: np.savez(path, arr_0=rows)),
    'npz with one table': ('.npz', lambda path, rows: np.savez(path, slow=rows, ids=np.arange(len(rows)))),
    'tensor': ('.pt', lambda path, rows: torch.save(torch.tensor(rows), path)),
    'half tensor': ('.pth', lambda path, rows: torch.save(torch.tensor(rows).bfloat16().requires_grad_(), path)),
    'dict of a tensor': ('.pt', lambda path, rows: torch.save({'features': torch.tensor(rows), 'fps': 25}, path)),
    'float16': ('.npy', lambda path, rows: np.save(path, rows.astype(np.float16))),
    'I3D': ('.npy', lambda path, rows: np.save(path, rows[:, None, None])),
    'batch axis': ('.npy', lambda path, rows: np.save(path, rows[None])),
    'axis between': ('.npy', lambda path, rows: np.save(path, rows[:, None])),
    'pooled maps': ('.npy', lambda path, rows: np.save(path, rows[:, :, None, None])),
}


@pytest.mark.parametrize('kind', SAVE)
def test_a_folder_of_files_gives_rows_and_dimensions(tmp_path, kind):
    suffix, save = SAVE[kind]
    for video_id, rows in dict(a=A, b=B).items():
        save(tmp_path / f'{video_id}{suffix}', rows)
    (tmp_path / 'a.json').write_text('{}')  # what other tools leave beside them
    store = open_feature_store(tmp_path)
    assert store.video_ids == ['a', 'b'] and store.dim == 4
    np.testing.assert_array_equal(store.read('a'), A)
    assert store.read_clips(['b', 'a'], 5).shape == (2, 5, 4)


@pytest.mark.parametrize('suffix', ['.npz', '.pt'])
def test_one_file_may_hold_an_array_of_each_video(tmp_path, suffix):
    path = tmp_path / f'all{suffix}'
    if suffix == '.npz':
        np.savez(path, a=A, b=B)
    else:
        torch.save(dict(a=torch.tensor(A), b=torch.tensor(B)), path)
    store = open_feature_store(path)
    assert store.video_ids == ['a', 'b']
    np.testing.assert_array_equal(store.read('b'), B)


@pytest.mark.parametrize('shape, found', [((1, 1, 6), (1, 6)), ((7, 1, 1, 6), (7, 6)), ((1, 7, 6), (7, 6))])
def test_axes_of_length_one_are_dropped(shape, found):
    assert check_rows(np.zeros(shape), 'v').shape == found


@pytest.mark.parametrize('shape', [(2, 7, 6), (7, 1, 1), (6,)])
def test_other_shapes_are_refused_as_they_are(shape):
    with pytest.raises(ValueError, match=re.escape(f"'v' have shape {shape}")):
        check_rows(np.zeros(shape), 'v')


# ------------------------------------------------------------------------------------------------------------- objects
@pytest.mark.parametrize('name, write', [
    ('a.npy', lambda path: np.save(path, np.array({'features': A}, dtype=object))),
    ('a.npy', lambda path: np.save(path, np.array([list(row) for row in A] + [None], dtype=object)[:-1])),
    ('a.pkl', lambda path: path.write_bytes(__import__('pickle').dumps(A))),
    ('a.pt', lambda path: torch.save(A, path))])
def test_objects_are_refused_with_a_line_that_converts_them(tmp_path, name, write):
    write(tmp_path / name)
    with pytest.raises(ValueError, match='may run code') as refused:
        open_feature_store(tmp_path)
    line = str(refused.value).split('in their folder: ')[1]
    subprocess.run(line, shell=True, check=True, cwd=tmp_path)
    if name != 'a.npy':
        (tmp_path / name).unlink()
    np.testing.assert_array_equal(open_feature_store(tmp_path).read('a'), A)


@pytest.mark.parametrize('tensor', [torch.tensor(A).to_sparse(), torch.tensor(A).to('meta')])
def test_a_tensor_that_is_no_plain_array_is_named(tmp_path, tensor):
    torch.save(tensor, tmp_path / 'a.pt')
    with pytest.raises(ValueError, match=r'(?s)a\.pt holds a tensor that is no plain array \(.*\)\. Save it as'):
        open_feature_store(tmp_path).read('a')


@pytest.mark.parametrize('name', ['a.npy', 'a.pt'])
def test_a_page_that_was_saved_as_features_is_no_file_of_objects(tmp_path, name):
    (tmp_path / name).write_text('<html><body>404 Not Found</body></html>')
    with pytest.raises(ValueError, match=rf'{name} cannot be read .*: fetch or extract it again') as refused:
        open_feature_store(tmp_path).read('a')
    assert 'objects' not in str(refused.value) and 'pickle' not in str(refused.value)


@pytest.mark.parametrize('name, write', [
    ('all.pkl', lambda path, videos: path.write_bytes(__import__('pickle').dumps(videos))),
    ('all.npy', lambda path, videos: np.save(path, videos, allow_pickle=True))])
def test_a_pickle_of_all_videos_becomes_one_file(tmp_path, name, write):
    write(tmp_path / name, dict(a=A, b=B))
    with pytest.raises(ValueError, match='may run code') as refused:
        open_feature_store(tmp_path / name)
    subprocess.run(str(refused.value).split('in their folder: ')[1], shell=True, check=True, cwd=tmp_path)
    np.testing.assert_array_equal(open_feature_store(tmp_path / 'all.npz').read('b'), B)


def test_one_table_of_all_videos_is_refused(tmp_path):
    np.savez(tmp_path / 'all.npz', features=A)
    with h5py.File(tmp_path / 'all.h5', 'w') as file:
        file['features'], file['lengths'] = np.concatenate([A, B]), [len(A), len(B)]
    for name in ('all.npz', 'all.h5'):
        with pytest.raises(ValueError, match=f"{name} holds one table, 'features', expected one for each video"):
            open_feature_store(tmp_path / name)


def test_several_arrays_need_a_name(tmp_path):
    np.savez(tmp_path / 'a.npz', rgb=A, flow=A + 1)
    with pytest.raises(ValueError, match=r'a\.npz holds flow, rgb, each of which may be .*key=NAME'):
        open_feature_store(tmp_path)
    np.testing.assert_array_equal(open_feature_store(dict(path=tmp_path, key='flow')).read('a'), A + 1)
    with pytest.raises(ValueError, match="holds flow, rgb, but key='depth'"):
        read_array(tmp_path / 'a.npz', 'depth')


# ---------------------------------------------------------------------------------------------- folders of other tools
def _video_features(folder, *kinds):
    """The files of a tool that names each after video and kind, and writes rates and times beside them."""
    for video_id, rows in dict(v_1=A, v_2=B).items():
        for number, kind in enumerate(kinds):
            np.save(folder / f'{video_id}_{kind}.npy', rows + number)
        np.save(folder / f'{video_id}_fps.npy', 25.0)
        np.save(folder / f'{video_id}_timestamps_ms.npy', np.arange(len(rows)))


def test_side_files_are_no_videos(tmp_path, caplog):
    _video_features(tmp_path, 'clip')
    with caplog.at_level(logging.INFO, 'mmengine'):
        store = open_feature_store(tmp_path)
    assert store.video_ids == ['v_1', 'v_2']
    np.testing.assert_array_equal(store.read('v_1'), A)


def test_two_kinds_of_each_video_need_a_name(tmp_path):
    _video_features(tmp_path, 'rgb', 'flow')
    with pytest.raises(ValueError, match='holds flow and rgb of each video'):
        open_feature_store(tmp_path)
    np.testing.assert_array_equal(open_feature_store(dict(path=tmp_path, key='flow')).read('v_1'), A + 1)


def test_a_video_that_is_called_like_a_side_file_is_one_if_it_has_features(tmp_path):
    for name in ('my', 'my_time'):
        np.save(tmp_path / f'{name}.npy', A)
    assert open_feature_store(tmp_path).video_ids == ['my', 'my_time']


def test_two_files_of_one_video_are_named(tmp_path):
    np.save(tmp_path / 'a.npy', A)
    np.savez(tmp_path / 'a.npz', A)
    with pytest.raises(ValueError, match=r"'a' may be .*a\.npy or .*a\.npz"):
        open_feature_store(tmp_path)


def test_folders_inside_are_named(tmp_path):
    (tmp_path / 'rgb').mkdir()
    np.save(tmp_path / 'rgb' / 'a.npy', A)
    with pytest.raises(ValueError, match='folders rgb hold such files'):
        open_feature_store(tmp_path)


# ---------------------------------------------------------------------------------------------------------------- HDF5
def _hdf5(path, members):
    with h5py.File(path, 'w') as file:
        for name, value in members.items():
            file[name] = value
    return path


@pytest.mark.parametrize('members', [
    {'a': A, 'b': B},
    {'a/c3d_features': A, 'b/c3d_features': B},
    {'a/features': A, 'b/features': B, 'a/timestamps': np.zeros((20, 2)), 'b/timestamps': np.zeros((30, 2))},
    {'a/i3d': A, 'b/i3d': B, 'a/timestamps': np.arange(20), 'b/timestamps': np.arange(30)},
    {'features/a': A, 'features/b': B},
    {'data/a/feat': A, 'data/b/feat': B},
    {'a': A[:, None, None], 'b': B[:, None, None], 'ids': np.array([b'a', b'b']), 'fps': 25.0},
    {'features/a': A, 'features/b': B, 'meta': np.arange(3)}], ids=lambda members: ' '.join(members))
def test_layouts_of_hdf5_that_can_be_told_apart(tmp_path, members):
    store = open_feature_store(_hdf5(tmp_path / 'f.h5', members))
    assert store.video_ids == ['a', 'b']
    np.testing.assert_array_equal(store.read('a'), A)
    np.testing.assert_array_equal(store.read('b'), B)


@pytest.mark.parametrize('members', [
    {'a/rgb': A, 'a/flow': A + 1, 'b/rgb': B, 'b/flow': B},
    {'rgb/a': A, 'rgb/b': B, 'flow/a': A + 1, 'flow/b': B},
    {'all/a/rgb': A, 'all/a/flow': A + 1, 'all/b/rgb': B, 'all/b/flow': B}], ids=lambda members: ' '.join(members))
def test_layouts_that_cannot_be_told_apart_take_a_key(tmp_path, members):
    path = _hdf5(tmp_path / 'f.h5', members)
    with pytest.raises(ValueError, match='Say which of them is meant'):
        open_feature_store(path)
    store = open_feature_store(dict(path=path, key='rgb'))
    assert store.video_ids == ['a', 'b']
    np.testing.assert_array_equal(store.read('a'), A)


def test_a_linked_table_is_not_looked_into(tmp_path):
    secret = _hdf5(tmp_path / 'secret.h5', {'rows': A})
    with h5py.File(tmp_path / 'f.h5', 'w') as file:
        file['a/mine'], file['b/mine'] = A, B
        file['a']['theirs'] = h5py.ExternalLink(str(secret), 'rows')
    np.testing.assert_array_equal(open_feature_store(tmp_path / 'f.h5').read('a'), A)


# ----------------------------------------------------------------------------------------------------------------- ids
@pytest.mark.parametrize('kind', ['npy', 'hdf5', 'packed'])
@pytest.mark.parametrize('theirs, ours', [('s13-d21', 's13-d21.avi'), ('s13-d21.avi', 's13-d21'), ('abc', 'v_abc.MP4'),
                                          ('v_abc', 'abc'), ('x_210.0_360.0', 'x_210.0_360.0.mp4'),
                                          ('caf\u00e9', 'cafe\u0301')])
def test_a_suffix_or_a_prefix_names_the_same_video(tmp_path, kind, theirs, ours):
    videos = {theirs: A, 'other': B}
    if kind == 'packed':
        write_packed_store(tmp_path / 'f', videos)
    elif kind == 'hdf5':
        _hdf5(tmp_path / 'f', videos)
    else:
        (tmp_path / 'f').mkdir()
        for video_id, rows in videos.items():
            np.save(tmp_path / 'f' / f'{video_id}.npy', rows)
    store = open_feature_store(tmp_path / 'f')
    assert ours in store and store.names.find(ours) == theirs and 'v_other.avix' not in store
    np.testing.assert_array_equal(store.read(ours), A)
    assert store.read_clips([ours, 'other'], 3).shape == (2, 3, 4)


def test_an_id_that_two_files_fit_is_refused_with_both_names_but_not_an_exact_one(tmp_path):
    write_packed_store(tmp_path / 'f', {'a.mp4': A, 'v_a': B})
    store = open_feature_store(tmp_path / 'f')
    np.testing.assert_array_equal(store.read('v_a'), B)
    with pytest.raises(ValueError, match=r"Video 'a' may be 'a\.mp4' or 'v_a'"):
        'a' in store  # noqa: B015


# ------------------------------------------------------------------------------------------------------------- streams
@pytest.fixture
def two_streams(tmp_path):
    """SlowFast of 20 and 31 rows, CLIP of 40 and 60."""
    rng = np.random.default_rng(0)
    streams = {name: {video_id: rng.normal(size=(count, dim)).astype(np.float32) for video_id, count in counts.items()}
               for name, dim, counts in (('slowfast', 3, dict(a=20, b=31)), ('clip', 2, dict(a=40, b=60)))}
    for name, videos in streams.items():
        (tmp_path / name).mkdir()
        for video_id, rows in videos.items():
            np.savez(tmp_path / name / f'{video_id}.npz', features=rows)
    return streams


def test_streams_are_resampled_to_common_clips_and_put_side_by_side(tmp_path, two_streams):
    store = open_feature_store(['slowfast', 'clip'], tmp_path)
    assert store.dim == 5 and store.video_ids == ['a', 'b']
    slowfast, clip = two_streams.values()
    expected = np.stack([np.concatenate([resample_clips(slowfast[video_id], 6), resample_clips(clip[video_id], 6)],
                                        axis=1) for video_id in ('b', 'a')])
    np.testing.assert_array_equal(store.read_clips(['b', 'a'], 6), expected)
    with pytest.raises(ValueError, match='20 and 40 rows, which only clips have in common'):
        store.read('a')


def test_each_stream_is_normalised_by_itself_before_it_is_resampled(tmp_path, two_streams):
    store = open_feature_store([dict(path='slowfast', normalize=True), 'clip'], tmp_path)
    rows = two_streams['slowfast']['a']
    unit = rows / (np.sqrt((rows**2).sum(axis=1, keepdims=True)) + 1e-5)  # Moment-DETR's formula
    found = store.read_clips(['a'], 10)[0]
    np.testing.assert_allclose(found[:, :3], resample_clips(unit, 10), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found[:, 3:], resample_clips(two_streams['clip']['a'], 10))


def test_streams_of_other_videos_or_of_odd_form_are_refused(tmp_path, two_streams):
    write_packed_store(tmp_path / 'others', {'c': A})
    with pytest.raises(ValueError, match='No video is in all streams: .*slowfast has a, b, .*others has c'):
        open_feature_store(['slowfast', 'others'], tmp_path)
    with pytest.raises(ValueError, match='Features are a path, dict'):
        open_feature_store([dict(path='clip', normalise=True)], tmp_path)


def test_packed_streams_are_those_that_were_packed_and_say_so(tmp_path, two_streams, monkeypatch):
    from runs import run_command
    monkeypatch.chdir(tmp_path)
    run_command('pack', 'slowfast', 'clip', 'packed', '--num-clips', '6', '--normalize')
    packed = open_feature_store('packed')
    streams = [dict(path=name, normalize=True) for name in ('slowfast', 'clip')]
    np.testing.assert_array_equal(packed.read_clips(['b'], 6), open_feature_store(streams).read_clips(['b'], 6))
    manifest = json.loads((tmp_path / 'packed' / 'manifest.json').read_text())
    assert manifest['source'] == 'slowfast + clip' and manifest['dim'] == 5
    assert manifest['streams'] == [dict(source='slowfast', dim=3, normalize=True),
                                   dict(source='clip', dim=2, normalize=True)]


def test_videos_may_lie_below_several_groups_of_an_hdf5_file(tmp_path):
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    with h5py.File(tmp_path / 'a.h5', 'w') as file:
        for number in range(2):
            file[f'data/all/vid_{number}/c3d_features'] = rows + number
            file[f'data/all/vid_{number}/fps'] = 25.0
    store = open_feature_store(tmp_path / 'a.h5')
    assert store.video_ids == ['vid_0', 'vid_1']
    np.testing.assert_array_equal(store.read('vid_1'), rows + 1)
