"""Packed stores in shards: packed by many machines, read as one."""
import argparse
import json
import os
import pickle
import shutil

import numpy as np
import pytest

from mmvmr.features.stores import names as stored_names
from mmvmr.features.stores import packed_store
from mmvmr.features.stores.feature_store import PackedStore, open_feature_store, write_packed_store
from mmvmr.features.stores.shards import Shard

IDS = [f'v{number}' for number in range(7)]
VIDEOS = {v: np.random.default_rng(n).normal(size=(5 + 3 * n, 4)).astype(np.float32) for n, v in enumerate(IDS)}


def write_shard(folder, index, count, videos=VIDEOS, num_clips=6, dtype='float32', **manifest):
    shard = Shard(index, count)
    pairs = ((video_id, videos[video_id]) for video_id in shard.take(videos))
    return write_packed_store(shard.folder(folder), pairs, num_clips, dtype, {**manifest, **shard.entries(videos)})


@pytest.fixture
def folder(tmp_path):
    """Three shards of the seven videos, written in any order."""
    for index in (2, 0, 1):
        write_shard(tmp_path / 'store', index, 3, extractor='I3D')
    return tmp_path / 'store'


# --------------------------------------------------------------------------------------------------------- who packs
def test_shares_follow_each_other_in_the_sorted_list_whatever_its_order():
    ids = ['c', 'a', 'b', 'e', 'd']
    # of 5 videos: [0, 5/3) = a, [5/3, 10/3) = b c, [10/3, 5) = d e
    assert [Shard(index, 3).take(ids) for index in range(3)] == [['a'], ['b', 'c'], ['d', 'e']]
    assert Shard(1, 3).take(reversed(ids)) == ['b', 'c']


@pytest.mark.parametrize('videos, count', [(16, 16), (17, 16), (1000, 7), (31, 16)])
def test_every_video_is_in_one_share_and_shares_are_equal_up_to_one(videos, count):
    ids = [str(number) for number in range(videos)]
    shares = [Shard(index, count).take(ids) for index in range(count)]
    assert sorted(sum(shares, [])) == sorted(ids)
    assert {len(share) for share in shares} <= {videos // count, -(-videos // count)}


@pytest.mark.parametrize('text', ['3', '3/3', '0/0', '-1/3', '1/2/3', '1 /3', 'a/b', '', '١/3'])
def test_a_share_that_is_none_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match='from 0 to COUNT - 1, such as 3/16'):
        Shard.parse(text)


def test_more_shards_than_videos_are_refused():
    with pytest.raises(ValueError, match='7 videos cannot be divided into 8 shards'):
        Shard(0, 8).take(IDS)


def test_shards_are_not_mixed_with_those_of_another_number_nor_with_a_whole_store(folder):
    with pytest.raises(FileExistsError, match='holds shards of 3, where one of 4 shards shall be'):
        Shard(0, 4).folder(folder)
    write_packed_store(folder / 'whole', VIDEOS)
    with pytest.raises(FileExistsError, match='holds a store in one piece'):
        Shard(0, 4).folder(folder / 'whole')


# -------------------------------------------------------------------------------------------------------- who reads
def test_shards_together_have_the_bytes_of_the_store_in_one_piece(folder, tmp_path):
    write_packed_store(tmp_path / 'whole', VIDEOS, num_clips=6)
    names = ['shard_0_of_3', 'shard_1_of_3', 'shard_2_of_3']
    assert sorted(path.name for path in folder.iterdir()) == names
    assert b''.join((folder / name / 'features.bin').read_bytes() for name in names) == \
        (tmp_path / 'whole' / 'features.bin').read_bytes()


@pytest.mark.parametrize('num_clips', [6, None])
def test_shards_are_read_as_the_store_in_one_piece_is(tmp_path, num_clips):
    whole = write_packed_store(tmp_path / 'whole', VIDEOS, num_clips=num_clips)
    for index in range(3):
        write_shard(tmp_path / 'store', index, 3, num_clips=num_clips)
    store = open_feature_store(tmp_path / 'store')
    assert (store.video_ids, store.dim, store.num_clips, store.nbytes) == (IDS, 4, num_clips, whole.nbytes)
    assert store.num_rows.tolist() == [5, 8, 11, 14, 17, 20, 23] and 'v6' in store and 'v7' not in store
    assert store.rows(['v5', 'v0']).tolist() == [5, 0]
    for video_id in IDS:
        np.testing.assert_array_equal(store.read(video_id), whole.read(video_id))
    wanted = ['v6', 'v2', 'v3', 'v0', 'v2']
    np.testing.assert_array_equal(store.read_clips(wanted, 6), whole.read_clips(wanted, 6))


def test_the_manifest_has_what_the_shards_have_in_common(folder):
    manifest = open_feature_store(folder).manifest
    assert manifest.items() >= dict(extractor='I3D', num_videos=7, num_clips=6, dim=4, num_shards=3).items()
    assert not {'shard', 'sha256_of_ids'} & set(manifest)


def test_one_shard_alone_is_a_store(folder):
    assert open_feature_store(folder / 'shard_1_of_3').video_ids == ['v2', 'v3']


def open_files():
    return len(os.listdir('/proc/self/fd'))


@pytest.mark.parametrize('read', [lambda store, v: store.read_clips([v], 6)[0], lambda store, v: store.read(v)])
def test_the_number_of_open_files_is_bounded(folder, monkeypatch, read):
    monkeypatch.setattr(packed_store, 'MAX_OPEN', 2)
    before = open_files()
    store = open_feature_store(folder)
    assert open_files() == before  # opening opens nothing
    clips = [np.array(read(store, video_id)) for video_id in (*IDS, *IDS)]
    assert open_files() == before + 2
    whole = write_packed_store(folder.parent / 'whole', VIDEOS, num_clips=6)
    np.testing.assert_array_equal(clips, whole.read_clips([*IDS, *IDS], 6))
    del store, whole
    assert open_files() == before


def test_a_store_that_was_read_goes_through_a_fork_and_through_pickle(folder):
    store = open_feature_store(folder)
    expected = store.read_clips(IDS, 6)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store)).read_clips(IDS, 6), expected)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(store.read_clips(IDS, 6), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# ------------------------------------------------------------------------------------------- what is no whole store
def test_missing_shards_are_named_with_the_option_that_makes_them(folder):
    shutil.rmtree(folder / 'shard_1_of_3')
    (folder / 'shard_1_of_3.partial-77').mkdir()  # somebody is at it
    with pytest.raises(ValueError, match=r'store lacks 1 of 3 shards: 1/3\. .*--shard 1/3.*or wait'):
        open_feature_store(folder)


def test_shards_of_two_divisions_are_refused(folder, tmp_path):
    write_shard(tmp_path / 'other', 0, 4)
    (tmp_path / 'other' / 'shard_0_of_4').rename(folder / 'shard_0_of_4')
    with pytest.raises(ValueError, match='holds shards of 3 and of 4'):
        open_feature_store(folder)


@pytest.mark.parametrize('change, message', [
    (dict(num_clips=5), 'num_clips=6.*num_clips=5'),
    (dict(dtype='float16'), "dtype='float32'.*dtype='float16'"),
    (dict(extractor='C3D'), "extractor='I3D'.*extractor='C3D'"),
    (dict(videos={v: rows[:, :3] for v, rows in VIDEOS.items()}), 'dim=4.*dim=3'),
    (dict(videos={f'w{v}': rows for v, rows in VIDEOS.items()}), 'sha256_of_all_ids='),
    (dict(fps=25), 'fps=None.*fps=25'),
])
def test_a_shard_of_another_store_is_refused_with_the_difference(folder, change, message):
    shutil.rmtree(folder / 'shard_1_of_3')
    write_shard(folder, 1, 3, **{'extractor': 'I3D', **change})
    with pytest.raises(ValueError, match=f'{message}.*no shards of one store'):
        open_feature_store(folder)


def test_a_shard_under_the_name_of_another_is_refused(folder):
    shutil.rmtree(folder / 'shard_1_of_3')
    shutil.copytree(folder / 'shard_2_of_3', folder / 'shard_1_of_3')
    with pytest.raises(ValueError, match='shard_1_of_3 was packed as shard 2/3.*--shard 1/3'):
        open_feature_store(folder)


def test_a_video_in_two_shards_is_named(tmp_path):
    for index, names in enumerate((['a', 'b'], ['b', 'c'])):  # as nobody packs them: each with its own idea of a share
        write_packed_store(tmp_path / f'shard_{index}_of_2', {name: np.ones((3, 2)) for name in names},
                           manifest=dict(shard=index, num_shards=2))
    with pytest.raises(ValueError, match="holds video 'b' twice"):
        open_feature_store(tmp_path)


@pytest.mark.parametrize('name, key, value', [
    ('manifest.json', 'dim', 4.0), ('manifest.json', 'dtype', 'int32'), ('manifest.json', 'num_clips', '6'),
    ('index.json', 'num_rows', [5, 8.5]), ('index.json', 'num_rows', [5, 10**30]), ('index.json', 'num_rows', [0, 5]),
    ('index.json', 'num_rows', [5]), ('index.json', 'video_ids', [1, 2])])
def test_a_shard_whose_head_makes_no_sense_is_refused(folder, name, key, value):
    path = folder / 'shard_0_of_3' / name
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(ValueError, match='shard_0_of_3 has no complete manifest.json and index.json'):
        PackedStore(folder)


def test_a_shard_that_is_cut_off_is_named(folder):
    data = folder / 'shard_2_of_3' / 'features.bin'
    data.write_bytes(data.read_bytes()[:-4])
    with pytest.raises(ValueError, match='shard_2_of_3/features.bin has 284 bytes, its manifest promises 288'):
        open_feature_store(folder)  # 3 videos x 6 x 4 x 4 bytes


def test_what_a_large_store_holds_is_kept_and_checked(tmp_path, monkeypatch):
    ids = [f'v{number}' for number in range(7)]
    for shard in (Shard(index, 2) for index in range(2)):
        features = ((video_id, np.full((3, 2), ids.index(video_id))) for video_id in shard.take(ids))
        write_packed_store(shard.folder(tmp_path / 'store'), features, 3, manifest=shard.entries(ids))
    plain = PackedStore(tmp_path / 'store')
    monkeypatch.setattr(packed_store, 'KEPT_FROM', 0)
    read = packed_store.read_heads
    first = PackedStore(tmp_path / 'store')
    monkeypatch.setattr(packed_store, 'read_heads', None)  # not called any more
    later = PackedStore(tmp_path / 'store')
    monkeypatch.setattr(packed_store, 'read_heads', read)
    for store in (first, later):
        assert store.video_ids == ids == plain.video_ids and store.manifest == plain.manifest
        assert (store.read_clips(ids[::-1], 3) == plain.read_clips(ids[::-1], 3)).all()
        assert 'v_v3.mp4' in store and store.rows(['v_v3.mp4', 'v6']).tolist() == [3, 6] and 'v7' not in store
    data = next((tmp_path / 'store').glob('shard_1*')) / 'features.bin'
    whole = data.read_bytes()
    data.write_bytes(whole[:-4])
    with pytest.raises(ValueError, match='the copy is incomplete'):
        PackedStore(tmp_path / 'store')
    data.write_bytes(whole)
    index = data.with_name('index.json')
    index.write_text(index.read_text().replace('v6', 'v9'))
    with pytest.raises(ValueError, match='does not belong to its manifest'):
        PackedStore(tmp_path / 'store')


def test_ids_with_the_same_hash_are_told_apart(monkeypatch):
    monkeypatch.setattr(stored_names, '_hash', lambda video_id: len(video_id))
    found = stored_names.VideoNames(['b', 'cc', 'a', 'v_d'])
    assert [found.row(video_id) for video_id in ('a', 'b', 'cc', 'd')] == [2, 0, 1, 3]
    assert 'e' not in found and found.twice is None
    assert stored_names.VideoNames(['b', 'cc', 'a', 'b']).twice == 'b'
