"""The formats of the benchmarks and the sizes of their protocols."""
import json

import pytest

from mmvmr.datasets.activitynet_captions import ActivityNetCaptions
from mmvmr.datasets.charades_sta import CharadesSTA
from mmvmr.datasets.qvhighlights_captions import QVHighlightsCaptions
from mmvmr.datasets.tacos import TACoS
from mmvmr.registry import DATASETS

TEXT = 'AAAAA 1.0 4.5##person opens a door.\nBBBBB 8.0 30.0##person sits.\nBBBBB 9.0 7.0##a person (sits) ## down.\n'
TABLE = 'id,subject,length\nAAAAA,X,12.5\nBBBBB,"Y, Z",20\n'


@pytest.fixture
def charades(tmp_path):
    (tmp_path / 'train.txt').write_text(TEXT)
    (tmp_path / 'train.csv').write_text(TABLE)
    return dict(ann_file='train.txt', durations='train.csv', data_root=str(tmp_path))


def test_charades_text_gets_its_durations_from_the_table(charades):
    pairs = CharadesSTA(**charades).data_list
    assert pairs[0] == dict(video_id='AAAAA', duration=12.5, query='person opens a door.', spans=[[1.0, 4.5]])
    assert pairs[1]['spans'] == [[8.0, 20.0]]  # cut at the end of the video
    assert pairs[2]['spans'] == [[7.0, 9.0]] and pairs[2]['query'] == 'a person (sits) ## down.'


def test_the_filtered_protocol_leaves_out_spans_that_do_not_lie_in_the_video(charades, monkeypatch):
    monkeypatch.setitem(CharadesSTA.PROTOCOLS, 'filtered', dict(train=1))
    dataset = CharadesSTA(protocol='filtered', **charades)
    assert [pair['video_id'] for pair in dataset.data_list] == ['AAAAA']
    assert dataset.metainfo == dict(
        dataset='Charades-STA', protocol='charades_sta/filtered', split='train', num_pairs=1)


def test_sizes_of_the_protocols_are_those_that_are_published():
    assert CharadesSTA.PROTOCOLS['official'] == dict(train=12408, test=3720)
    assert CharadesSTA.PROTOCOLS['filtered'] == dict(train=10602, test=3158)
    assert ActivityNetCaptions.PROTOCOLS['val_1'] == dict(train=37421, test=17505)
    assert ActivityNetCaptions.PROTOCOLS['val_2'] == dict(train=37421, val=17505, test=17031)
    assert TACoS.PROTOCOLS == {'2d_tan': dict(train=9790, val=4436, test=4001)}
    assert QVHighlightsCaptions.PROTOCOLS['val'] == dict(train=1542, test=1550)
    assert QVHighlightsCaptions.PROTOCOLS['rewrites'] == dict(train=6 * 1542, test=1550)


@pytest.mark.parametrize('kind, protocol, duration', [
    (CharadesSTA, 'cd_test_ood', 'video_duration'), (CharadesSTA, 'cg_novel_word', 'duration'),
    (ActivityNetCaptions, 'cd_test_iid', 'duration'), (ActivityNetCaptions, 'cg_novel_composition', 'duration')])
def test_pairs_that_were_divided_anew_are_a_protocol_of_their_parent(tmp_path, kind, protocol, duration):
    entry = dict(timestamps=[[1.0, 4.0], [2.0, 99.0]], sentences=['He sits.', 'He runs.'], news=[])  # as -CG has it
    content = {f'v{number}': {**entry, duration: 20.0} for number in range(3)}
    (tmp_path / 'a.json').write_text(json.dumps(content))
    given = dict(ann_file=str(tmp_path / 'a.json'), protocol=protocol, split='test')
    assert kind(**given).metainfo['protocol'] == f'{kind.slug()}/{protocol}'
    assert kind(**given).data_list[1]['spans'] == [[2.0, 20.0]]


def test_a_wrong_number_of_pairs_is_an_error_that_says_both_numbers(charades):
    with pytest.raises(ValueError, match=r'"official" of Charades-STA has 12408 pairs in its train file, .* gives 3\.'):
        CharadesSTA(protocol='official', **charades)


@pytest.mark.parametrize('name, content, message', [
    ('train.txt', 'AAAAA 1.0##person.\n', r'train\.txt", line 1: expected "id start end##sentence"'),
    ('train.txt', 'CCCCC 1.0 2.0##person.\n', r'train\.csv" has no length of video "CCCCC" \(line 1'),
    ('train.csv', 'id,duration\nAAAAA,12\n', r'train\.csv" should have the columns id and length'),
    ('train.csv', 'id,length\nAAAAA,12\nAAAAA,13\n', r'train\.csv", line 3: .*AAAAA has another length above, 12'),
    ('train.txt', 'AAAAA 1.0 2.0##\n', r'entry 0 .*sentence is empty'),
])
def test_bad_charades_files_are_named(charades, tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        CharadesSTA(**charades)


def test_charades_text_without_a_table_asks_for_it(charades):
    with pytest.raises(ValueError, match='set `durations` to Charades_v1_train.csv'):
        CharadesSTA(**dict(charades, durations=None))


def test_absent_charades_files_come_with_their_sources(tmp_path):
    with pytest.raises(FileNotFoundError, match='(?s)Charades-STA needs.*train.csv.*LGI.*mmvmr pack.*moving_shapes'):
        CharadesSTA('train.txt', durations='train.csv', data_root=str(tmp_path))


def test_activitynet_has_several_moments_per_video(tmp_path):
    path = tmp_path / 'train.json'
    path.write_text(json.dumps(dict(v_a=dict(duration=20.5, timestamps=[[0, 5], [19, 30.0], [9, 8]],
                                             sentences=['One.', ' Two.', 'Three.']))))
    pairs = ActivityNetCaptions(str(path)).data_list
    assert [pair['query'] for pair in pairs] == ['One.', 'Two.', 'Three.']
    assert [pair['spans'] for pair in pairs] == [[[0, 5]], [[19, 20.5]], [[8, 9]]]


def test_activitynet_may_be_a_json_list(tmp_path):
    path = tmp_path / 'train.json'
    path.write_text(json.dumps([['v_a', 20.5, [1, 2], 'One.']]))
    assert ActivityNetCaptions(str(path)).data_list[0]['spans'] == [[1, 2]]


@pytest.mark.parametrize('video, message', [
    (dict(timestamps=[[0, 1]], sentences=['One.']), "KeyError: 'duration'"),
    (dict(duration=3, timestamps=[[0, 1]], sentences=['One.', 'Two.']), '1 timestamps, 2 sentences'),
    (dict(duration=0, timestamps=[[0, 1]], sentences=['One.']), 'expected positive duration'),
    (dict(duration=3, timestamps=[7], sentences=['One.']), 'TypeError'),
])
def test_a_bad_video_of_activitynet_is_named(tmp_path, video, message):
    path = tmp_path / 'train.json'
    path.write_text(json.dumps(dict(v_a=video)))
    with pytest.raises(ValueError, match=rf'video "v_a": .*{message}'):
        ActivityNetCaptions(str(path))


def test_tacos_counts_in_frames(tmp_path):
    path = tmp_path / 'train.json'
    path.write_text(json.dumps({'s1.avi': dict(timestamps=[[50, 100], [200, 260]], sentences=['He cuts.', 'He eats.'],
                                               fps=25.0, num_frames=250)}))
    pairs = TACoS(str(path)).data_list
    assert pairs[0] == dict(video_id='s1.avi', duration=10.0, query='He cuts.', spans=[[2.0, 4.0]])
    assert pairs[1]['spans'] == [[8.0, 10.0]]


def charades_files(split):
    return dict(type='CharadesSTA', ann_file=f'charades_sta/charades_sta_{split}.txt', split=split,
                durations=f'charades_sta/Charades_v1_{split}.csv')


def activitynet_file(name, split, protocol):
    return dict(type='ActivityNetCaptions', ann_file=f'activitynet_captions/{name}.json', split=split,
                protocol=protocol)


@pytest.mark.parametrize('config, size', [
    (dict(charades_files('train'), protocol='official'), 12408),
    (dict(charades_files('test'), protocol='official'), 3720),
    (dict(charades_files('train'), protocol='filtered'), 10602),
    (dict(charades_files('test'), protocol='filtered'), 3158),
    (dict(type='CharadesSTA', ann_file='charades_sta/train.json', protocol='filtered'), 10602),
    (dict(type='CharadesSTA', ann_file='charades_sta/test.json', protocol='filtered', split='test'), 3158),
    (activitynet_file('train', 'train', 'val_2'), 37421),
    (activitynet_file('val_1', 'val', 'val_2'), 17505),
    (activitynet_file('val_2', 'test', 'val_2'), 17031),
    (activitynet_file('val_1', 'test', 'val_1'), 17505),
    (dict(type='TACoS', ann_file='tacos/train.json', protocol='2d_tan'), 9790),
    (dict(type='TACoS', ann_file='tacos/val.json', protocol='2d_tan', split='val'), 4436),
    (dict(type='TACoS', ann_file='tacos/test.json', protocol='2d_tan', split='test'), 4001),
])
def test_the_real_annotations_have_the_sizes_of_their_protocol(shared_data, config, size):
    dataset = DATASETS.build(dict(config, data_root=str(shared_data)))
    assert len(dataset) == dataset.metainfo['num_pairs'] == size
    assert all(0 <= start <= end <= pair['duration'] for pair in dataset.data_list for start, end in pair['spans'])


def test_the_filtered_text_is_the_json_list_of_cnm_and_cpl(shared_data):
    json_list = dict(type='CharadesSTA', ann_file='charades_sta/test.json', split='test')
    text, listed = (DATASETS.build(dict(config, data_root=str(shared_data), protocol='filtered')).data_list
                    for config in (charades_files('test'), json_list))
    assert text == listed


def test_charades_is_validated_on_videos_held_out_of_training(shared_data):
    parts = [DATASETS.build(dict(charades_files('train'), split=split, protocol='official', val_fraction=0.05,
                                 data_root=str(shared_data))) for split in ('train', 'val')]
    assert sum(map(len, parts)) == 12408 and 400 < len(parts[1]) < 900
    assert not {p['video_id'] for p in parts[0].data_list} & {p['video_id'] for p in parts[1].data_list}
