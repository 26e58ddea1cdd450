"""Four kinds of feature files behind one reader."""
import json
import os
import pickle
import shutil

import h5py
import numpy as np
import pytest

from mmvmr.features.stores.feature_store import (
    ArrayFolder,
    Hdf5Store,
    PackedStore,
    open_feature_store,
    write_packed_store,
)
from mmvmr.features.stores.resampling import resample_clips

VIDEOS = {f'v{i}': np.random.default_rng(i).normal(size=(5 + 3 * i, 4)).astype(np.float32) for i in range(3)}


def write_hdf5(path, group=None, videos=VIDEOS):
    with h5py.File(path, 'w') as file:
        for video_id, rows in videos.items():
            file[f'{video_id}/{group}' if group else video_id] = rows
    return path


def make_store(kind, folder):
    if kind == 'hdf5':
        return open_feature_store(write_hdf5(folder / 'f.h5'))
    if kind == 'hdf5 groups':
        return open_feature_store(write_hdf5(folder / 'f.h5', 'c3d_features'))
    if kind == 'packed':
        write_packed_store(folder / 'packed', VIDEOS)
        return open_feature_store(folder / 'packed')
    for video_id, rows in VIDEOS.items():
        np.save(folder / f'{video_id}.npy', rows)
    return open_feature_store(folder)


# -------------------------------------------------------------------------------------------------------- resampling
def resample_by_loop(rows, num_clips):
    """The rule as CNM states it, clip by clip."""
    borders = [min(int(np.round(j / num_clips * len(rows))), len(rows) - 1) for j in range(num_clips + 1)]
    return np.stack([rows[low:high].mean(axis=0) if low < high else rows[low]
                     for low, high in zip(borders, borders[1:])])


def test_clips_are_means_between_rounded_borders():
    rows = np.arange(6.0)[:, None]
    # T = 4, N = 6: borders 0, 1.5 -> 2 (half to even), 3, 4.5 -> 4 (half to even), 6 -> 5 (clipped)
    assert resample_clips(rows, 4)[:, 0].tolist() == [0.5, 2.0, 3.0, 4.0]


def test_a_short_video_repeats_its_rows():
    # T = 5, N = 2: borders 0, 0.4 -> 0, 0.8 -> 1, 1.2 -> 1, 1.6 -> 2 -> 1, 1
    assert resample_clips(np.array([[3.0], [7.0]]), 5)[:, 0].tolist() == [3, 3, 7, 7, 7]
    assert resample_clips(np.array([[3.0]]), 2)[:, 0].tolist() == [3, 3]


@pytest.mark.parametrize('num_rows', [1, 2, 7, 49, 50, 51, 99, 120, 200, 777])
def test_resampling_follows_the_rule_at_every_length(num_rows):
    rows = np.random.default_rng(num_rows).normal(size=(num_rows, 3))
    np.testing.assert_allclose(resample_clips(rows, 50), resample_by_loop(rows, 50), rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------------------------------------ stores
@pytest.mark.parametrize('kind', ['hdf5', 'hdf5 groups', 'npy', 'packed'])
def test_every_kind_of_store_reads_the_same(tmp_path, kind):
    store = make_store(kind, tmp_path)
    assert sorted(store.video_ids) == ['v0', 'v1', 'v2'] and store.dim == 4
    assert 'v1' in store and 'v7' not in store
    np.testing.assert_array_equal(store.read('v2'), VIDEOS['v2'])
    clips = store.read_clips(['v2', 'v0', 'v2'], 6)
    np.testing.assert_allclose(clips, np.stack([resample_by_loop(VIDEOS[v], 6) for v in ('v2', 'v0', 'v2')]), rtol=1e-6)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store)).read('v1'), VIDEOS['v1'])


@pytest.mark.parametrize('dtype, tolerance', [('float32', 1e-6), ('float16', 1e-3)])
def test_a_store_packed_with_clips_gathers_them_in_order(tmp_path, dtype, tolerance):
    store = write_packed_store(tmp_path / 'p', iter(VIDEOS.items()), num_clips=6, dtype=dtype)
    clips = store.read_clips(['v2', 'v0', 'v2'], 6)
    assert clips.dtype == dtype and clips.shape == (3, 6, 4) and clips.flags.writeable
    expected = np.stack([resample_by_loop(VIDEOS[v], 6) for v in ('v2', 'v0', 'v2')])
    np.testing.assert_allclose(clips, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(np.stack([store.read(v) for v in ('v2', 'v0', 'v2')]), clips)
    assert store.rows(['v2', 'v0']).tolist() == [2, 0]
    with pytest.raises(ValueError, match='packed with 6 clips per video, asked for are 5'):
        store.read_clips(['v0'], 5)


def test_the_manifest_says_what_the_features_are(tmp_path):
    write_packed_store(tmp_path / 'p', VIDEOS, num_clips=6, dtype='float16', manifest=dict(extractor='I3D', fps=24))
    manifest = json.loads((tmp_path / 'p' / 'manifest.json').read_text())
    expected = dict(dim=4, dtype='float16', num_clips=6, num_videos=3, extractor='I3D', fps=24)
    assert {key: manifest[key] for key in expected} == expected
    assert PackedStore(tmp_path / 'p').num_rows.tolist() == [5, 8, 11]


def test_an_hdf5_file_is_opened_once_per_process_and_not_across_a_fork(tmp_path):
    store = make_store('hdf5', tmp_path)
    store.read('v0')
    parents = store._open()
    assert store._open() is parents
    child = os.fork()
    if child == 0:
        try:
            own = store._open() is not parents and np.array_equal(store.read('v1'), VIDEOS['v1'])
        except BaseException:
            own = False
        os._exit(0 if own else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# --------------------------------------------------------------------------------------------------------- bad files
def test_a_truncated_hdf5_file_is_named_with_what_to_do(tmp_path):
    path = write_hdf5(tmp_path / 'f.h5', videos={'v': np.zeros((500, 64), np.float32)})
    path.write_bytes(path.read_bytes()[:40000])
    with pytest.raises(ValueError, match=r'f\.h5 cannot be opened as HDF5 .*fetch it again'):
        open_feature_store(path)


@pytest.mark.parametrize('name', ['f.zip', 'f.tar'])
def test_an_archive_is_to_be_unpacked(tmp_path, name):
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / 'v.npy').write_bytes(b'x')
    archive = shutil.make_archive(str(tmp_path / 'f'), name[2:], tmp_path / 'in')
    with pytest.raises(ValueError, match='is an archive. Unpack it'):
        Hdf5Store(archive)


def test_hdf5_data_damaged_inside_the_file_is_an_error_with_the_video(tmp_path):
    path = tmp_path / 'f.h5'
    with h5py.File(path, 'w') as file:
        file.create_dataset('v0', data=np.random.default_rng(0).normal(size=(64, 8)), compression='gzip')
        offset = file['v0'].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset:offset + 64] = bytes(64)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"f\.h5: video 'v0' cannot be read .*damaged"):
        open_feature_store(path).read('v0')


def test_an_empty_or_foreign_hdf5_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match='holds no dataset'):
        Hdf5Store(write_hdf5(tmp_path / 'empty.h5', videos={}))
    (tmp_path / 'text.h5').write_text('not found')
    with pytest.raises(ValueError, match='cannot be opened as HDF5'):
        Hdf5Store(tmp_path / 'text.h5')


def test_a_video_of_another_dimension_is_named(tmp_path):
    path = write_hdf5(tmp_path / 'f.h5', videos=dict(VIDEOS, v3=np.zeros((5, 3), np.float32)))
    with pytest.raises(ValueError, match=r"'v3' have shape \(5, 3\) .*expected numbers of shape \(N, 4\)"):
        Hdf5Store(path).read('v3')


def test_features_with_time_last_are_to_be_transposed(tmp_path):
    for name, length in dict(a=66, b=67, c=66).items():
        np.save(tmp_path / f'{name}.npy', np.zeros((64, length), np.float32))
    store = open_feature_store(tmp_path)
    with pytest.raises(ValueError, match=r"Beside \(64, 66\) of 'a', these look like \(dimensions, time\): transpose"):
        store.read('b')
    np.save(tmp_path / 'b.npy', np.zeros((9, 5), np.float32))  # neither axis is the same
    with pytest.raises(ValueError, match='Extract them again.*right ones.$'):
        store.read('b')


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_features_that_are_not_finite_are_named_on_reading_and_on_packing(tmp_path, value):
    bad = VIDEOS['v0'].copy()
    bad[2, 1] = value
    store = Hdf5Store(write_hdf5(tmp_path / 'f.h5', videos=dict(v0=VIDEOS['v0'], v1=bad)))
    with pytest.raises(ValueError, match='NaN or infinite features in v1'):
        store.read_clips(['v0', 'v1'], 5)
    with pytest.raises(ValueError, match="'v1' are NaN, infinite or too large"):
        write_packed_store(tmp_path / 'p', dict(v0=VIDEOS['v0'], v1=bad))


def test_features_too_large_for_float16_are_refused_rather_than_made_infinite(tmp_path):
    with pytest.raises(ValueError, match='too large for float16.* --dtype float32'):
        write_packed_store(tmp_path / 'p', dict(v0=np.full((3, 2), 1e6)), dtype='float16')


@pytest.mark.parametrize('videos, message', [
    (dict(v0=np.zeros((0, 4))), r"'v0' have shape \(0, 4\)"),
    (dict(v0=np.zeros(4)), r"'v0' have shape \(4,\)"),
    (dict(v0=np.zeros((3, 4)), v1=np.zeros((3, 5))), r"'v1' have shape \(3, 5\).*\(N, 4\)"),
    (dict(v0=np.array([['a']])), 'expected numbers'),
    ([('v0', np.zeros((3, 4))), ('v0', np.zeros((3, 4)))], "'v0' comes twice"),
    ({}, 'no features to pack'),
])
def test_bad_features_cannot_be_packed_and_leave_nothing_behind(tmp_path, videos, message):
    with pytest.raises(ValueError, match=message):
        write_packed_store(tmp_path / 'p', videos)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_packing_leaves_the_old_store_alone(tmp_path):
    write_packed_store(tmp_path / 'p', VIDEOS)

    def interrupted():
        yield 'v0', VIDEOS['v0'] * 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_packed_store(tmp_path / 'p', interrupted(), overwrite=True)
    np.testing.assert_array_equal(open_feature_store(tmp_path / 'p').read('v0'), VIDEOS['v0'])
    assert [path.name for path in tmp_path.iterdir()] == ['p']


def test_a_store_is_replaced_only_on_request(tmp_path):
    write_packed_store(tmp_path / 'p', VIDEOS)
    with pytest.raises(FileExistsError, match='--force'):
        write_packed_store(tmp_path / 'p', VIDEOS)
    write_packed_store(tmp_path / 'p', dict(w=VIDEOS['v0']), overwrite=True)
    assert open_feature_store(tmp_path / 'p').video_ids == ['w']


def test_a_half_copied_packed_store_is_detected(tmp_path):
    data = tmp_path / 'p' / 'features.bin'
    write_packed_store(tmp_path / 'p', VIDEOS, num_clips=6)
    data.write_bytes(data.read_bytes()[:-8])
    with pytest.raises(ValueError, match='has 280 bytes, its manifest promises 288'):  # 3 x 6 x 4 x 4 bytes
        open_feature_store(tmp_path / 'p')
    (tmp_path / 'p' / 'manifest.json').unlink()
    with pytest.raises(ValueError, match='the packed store is incomplete'):
        open_feature_store(tmp_path / 'p')


def test_an_index_of_another_store_is_detected(tmp_path):
    write_packed_store(tmp_path / 'p', VIDEOS, num_clips=6)
    write_packed_store(tmp_path / 'q', {f'w{i}': rows for i, rows in enumerate(VIDEOS.values())}, num_clips=6)
    (tmp_path / 'q' / 'index.json').replace(tmp_path / 'p' / 'index.json')
    with pytest.raises(ValueError, match='does not belong to its manifest'):
        open_feature_store(tmp_path / 'p')


def test_a_truncated_npy_file_is_named(tmp_path):
    make_store('npy', tmp_path)
    (tmp_path / 'v1.npy').write_bytes((tmp_path / 'v1.npy').read_bytes()[:-10])
    with pytest.raises(ValueError, match=r'v1\.npy cannot be read'):
        ArrayFolder(tmp_path).read('v1')


def test_a_folder_or_path_without_features_says_what_is_expected(tmp_path):
    with pytest.raises(ValueError, match=r'without manifest\.json .*without \.npy'):
        open_feature_store(tmp_path)
    with pytest.raises(FileNotFoundError, match='No features at'):
        open_feature_store(tmp_path / 'nothing')
