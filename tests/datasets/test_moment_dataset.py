"""From files to a batch, and what is said about bad files."""
import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset, RepeatDataset
from tiny import make_tiny_dataset, write_annotations

from mmvmr.datasets import moment_dataset
from mmvmr.datasets.annotations import Pairs, in_holdout
from mmvmr.datasets.collate import collate_moments
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.engine.run.runner import MomentRunner
from mmvmr.features.stores.feature_store import open_feature_store, write_packed_store
from mmvmr.registry import DATASETS
from mmvmr.text.encoders.word_vectors import WordVectors
from mmvmr.text.vocabulary import Vocabulary


def loader(dataset, **kwargs):
    config = dict(dataset=DATASETS.build(dataset), batch_size=3, num_workers=0,
                  sampler=dict(type='DefaultSampler', shuffle=False), collate_fn=dict(type='collate_moments'))
    return MomentRunner.build_dataloader(dict(config, **kwargs))


def write_pairs(tiny, *pairs, **changes):
    """Config of a training set with these pairs."""
    return dict(tiny.train, ann_file=write_annotations(tiny.root / 'own.json', list(pairs)), **changes)


def test_a_training_batch_holds_no_ground_truth(tiny_dataset):
    batch = DATASETS.build(tiny_dataset.train).__getitems__([0, 3, 1])
    assert set(batch) == {'inputs'}
    assert batch['inputs'].video.shape == (3, 16, 8)
    first, other, again = batch['inputs'].video_ids.tolist()  # two pairs per video
    assert first == again != other


def test_a_batch_holds_the_clips_and_words_of_its_pairs(tiny_dataset):
    dataset = DATASETS.build(tiny_dataset.test)
    batch = dataset.__getitems__([5, 2])
    store = open_feature_store(tiny_dataset.features)
    np.testing.assert_array_equal(batch['inputs'].video[1], store.read_clips(['test_1'], 16)[0])
    query, pair = batch['inputs'].query, dataset.data_list[5]
    words = [dataset.vocabulary.words[i - 1] for i in query.word_ids[0]]
    assert ' '.join(words) == pair['query'].replace('.', ' .')
    torch.testing.assert_close(query.features[0], torch.from_numpy(dataset.vocabulary.vectors[query.word_ids[0]]))
    assert query.word_weights[0].tolist() == [1, 2, 2, 2, 1]  # a / blue ball spins / .
    assert query.mask.all()


def test_a_data_sample_holds_the_moment_in_seconds(tiny_dataset):
    dataset = DATASETS.build(tiny_dataset.test)
    sample, = dataset[-1]['data_samples']
    assert sample.metainfo == dict(video_id='test_3', query=dataset.data_list[7]['query'], duration=20.0, sample_idx=7,
                                   absent=False)
    torch.testing.assert_close(sample.gt_spans, torch.tensor(dataset.data_list[7]['spans']))


def test_words_are_padded_to_the_longest_query_of_the_batch(tiny_dataset):
    dataset = DATASETS.build(write_pairs(
        tiny_dataset, ['train_0', 20, None, 'a ball.'], ['train_1', 20, None, 'a red ball moves.'],
        ['train_0', 20, None, 'a red ball moves a red ball moves.'], max_words=6))
    query = dataset.__getitems__([0, 1])['inputs'].query
    assert query.mask.tolist() == [[True] * 3 + [False] * 2, [True] * 5]
    assert query.word_ids[0, 3:].tolist() == [0, 0] and query.word_weights[0, 3:].tolist() == [0, 0]
    assert not query.features[0, 3:].any()
    assert dataset[2]['inputs'].query.mask.shape == (1, 6)  # cut at max_words


def test_the_loader_makes_whole_batches_and_keeps_the_order(tiny_dataset):
    batches = list(loader(tiny_dataset.test))
    assert [len(batch['data_samples']) for batch in batches] == [3, 3, 2]
    assert [sample.sample_idx for batch in batches for sample in batch['data_samples']] == list(range(8))


def test_worker_processes_read_the_same_as_the_main_process(tiny_dataset):
    for main, worker in zip(loader(tiny_dataset.test), loader(tiny_dataset.test, num_workers=2)):
        torch.testing.assert_close(main['inputs'].video, worker['inputs'].video)
        torch.testing.assert_close(main['inputs'].query, worker['inputs'].query)


@pytest.mark.parametrize('packed', [False, True])
def test_a_dataset_can_be_pickled_for_spawned_workers(tiny_dataset, packed):
    config = dict(tiny_dataset.train)
    if packed:
        store = open_feature_store(tiny_dataset.features)
        config['features'] = str(tiny_dataset.root / 'packed')
        write_packed_store(config['features'], ((i, store.read(i)) for i in store.video_ids), num_clips=16)
    dataset = DATASETS.build(config)
    before = dataset[1]['inputs'].video
    torch.testing.assert_close(pickle.loads(pickle.dumps(dataset))[1]['inputs'].video, before)


def test_wrapped_datasets_give_the_same_batches(tiny_dataset):
    short = write_pairs(tiny_dataset, ['train_0', 20, None, 'a ball.'])
    train = DATASETS.build(tiny_dataset.train)
    joined = ConcatDataset([DATASETS.build(short), train], ignore_keys=['protocol', 'num_pairs'])
    batch = collate_moments([joined[0], joined[3]])['inputs']
    assert batch.query.mask.sum(dim=1).tolist() == [3, 5]
    torch.testing.assert_close(batch.video[1], train[2]['inputs'].video[0])
    assert len(RepeatDataset(train, 2)) == 32
    one = train[2]['inputs']
    with_vector = dict(inputs=one._replace(query=one.query._replace(sentences=torch.ones(1, 1, 3))))
    with pytest.raises(ValueError, match='1 of 2 queries of a batch have sentence vectors'):
        collate_moments([with_vector, joined[0]])


def test_a_subset_keeps_features_and_words_of_its_pairs(tiny_dataset):
    dataset = DATASETS.build(tiny_dataset.train)
    subset = dataset.get_subset([4, 9])
    assert len(dataset) == 16 and len(subset) == 2
    assert subset.metainfo['num_pairs'] == 2 and subset.metainfo['protocol'] == 'custom (train) (subset)'
    assert dataset.metainfo['protocol'] == 'custom (train)'
    torch.testing.assert_close(subset[1]['inputs'], dataset[9]['inputs'])
    assert len(DATASETS.build(dict(tiny_dataset.train, indices=3))) == 3


def test_without_features_there_are_annotations_only(tiny_dataset):
    dataset = DATASETS.build(dict(tiny_dataset.train, features=None, vocabulary='absent.npz'))
    assert len(dataset.data_list) == 16 and dataset.data_list[0]['spans']
    with pytest.raises(RuntimeError, match='annotations only'):
        dataset[0]


def test_own_data_has_a_protocol_named_after_its_file(tiny_dataset):
    meta = DATASETS.build(tiny_dataset.test).metainfo
    assert meta == dict(dataset='custom', protocol='custom (test)', split='test', num_pairs=8)


# --------------------------------------------------------------------------------------------------- held-out videos
def test_held_out_videos_are_disjoint_from_training_and_together_everything(tmp_path):
    tiny = make_tiny_dataset(tmp_path, train=40)
    train, val = (DATASETS.build(dict(tiny.train, val_fraction=0.3, split=split, features=None))
                  for split in ('train', 'val'))
    videos = [{pair['video_id'] for pair in part.data_list} for part in (train, val)]
    assert not videos[0] & videos[1] and len(videos[0] | videos[1]) == 40
    assert 4 <= len(videos[1]) <= 20
    assert len(train) + len(val) == 80


def test_a_part_without_pairs_is_refused(tiny_dataset):
    with pytest.raises(ValueError, match='gives no pairs for split "train" with val_fraction=1.0'):
        DATASETS.build(dict(tiny_dataset.train, val_fraction=1.0))


def test_which_side_a_video_is_on_depends_on_its_id_alone():
    assert in_holdout('AO8RW', 1.0) and not in_holdout('AO8RW', 0.0)
    ids = [f'video_{i}' for i in range(2000)]
    small, large = ({i for i in ids if in_holdout(i, fraction)} for fraction in (0.05, 0.1))
    assert small < large  # a larger fraction only adds videos
    assert abs(len(large) - 200) < 45  # three standard deviations


# ------------------------------------------------------------------------------------------------------- bad inputs
@pytest.mark.parametrize('pair, message', [
    (['train_0', 20.0, [1, 4], '  '], r'own\.json", entry 1 .*sentence is empty'),
    (['train_0', 20.0, [25, 28], 'a ball.'], r'entry 1 .*span \[25.0, 28.0\] does not lie in a video of 20.0 s'),
    (['train_0', 20.0, [8, 4], 'a ball.'], r'span \[8.0, 4.0\] does not lie'),
    (['train_0', 20.0, [-1, 4], 'a ball.'], r'span \[-1.0, 4.0\] does not lie'),
    (['train_0', 0, [0, 0], 'a ball.'], 'duration must be positive, got 0.0'),
    (['train_0', None, [0, 1], 'a ball.'], 'must be numbers of seconds, got None'),
    (['train_0', 20.0, ['a', 'b'], 'a ball.'], 'must be numbers of seconds'),
    (['../train_0', 20.0, [1, 4], 'a ball.'], 'text without a path'),
    ([7.5, 20.0, [1, 4], 'a ball.'], 'text without a path'),
    (['train_0', 20.0, 'a ball.'], r'entry 1: expected \[video_id, duration'),
])
def test_a_bad_entry_is_named_with_its_file(tiny_dataset, pair, message):
    with pytest.raises(ValueError, match=message):
        DATASETS.build(write_pairs(tiny_dataset, ['train_0', 20.0, [1, 4], 'a ball.'], pair))


def test_all_bad_entries_are_counted(tiny_dataset):
    with pytest.raises(ValueError, match=r'(?s)entry 0 .*entry 4 .*\n\.\.\. and 2 more$'):
        DATASETS.build(write_pairs(tiny_dataset, *[['train_0', 20.0, [1, 4], '']] * 7))


def test_a_span_that_ends_after_its_video_is_cut(tiny_dataset):
    dataset = DATASETS.build(write_pairs(tiny_dataset, ['train_0', 20.0, [15.0, 20.4], 'a ball.']))
    assert dataset.data_list[0]['spans'] == [[15.0, 20.0]]


@pytest.mark.parametrize('text, message', [('[["a", 1', 'is not a JSON file'),
                                           ('{"a": 1}', 'is in a form that is not known: a dict with a')])
def test_a_broken_annotation_file_is_named(tiny_dataset, text, message):
    path = tiny_dataset.root / 'broken.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=rf'broken\.json" {message}'):
        DATASETS.build(dict(tiny_dataset.train, ann_file=str(path)))


def test_absent_files_are_all_listed_with_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        MomentDataset('train.json', features='f', vocabulary='v.npz', data_root=str(tmp_path))
    for part in (str(tmp_path / 'train.json'), str(tmp_path / 'f'), str(tmp_path / 'v.npz'), 'JSON list',
                 'mmvmr train mcmt_moving_shapes'):
        assert part in str(error.value)


def test_a_video_without_features_is_an_error_that_names_it(tiny_dataset):
    pairs = [['train_0', 20, None, 'a ball.'], ['lost_1', 20, None, 'a ball.'], ['lost_1', 20, None, 'a red ball.']]
    message = r'1 videos .* \(2 of 3 pairs\) .*lost_1\. .* train_dataloader\.dataset\.missing=drop'
    with pytest.raises(ValueError, match=message):
        DATASETS.build(write_pairs(tiny_dataset, *pairs))
    assert len(DATASETS.build(write_pairs(tiny_dataset, *pairs, missing='drop'))) == 1


def test_a_test_pair_without_features_can_stay_to_be_counted_as_wrong(tiny_dataset):
    config = write_pairs(tiny_dataset, ['train_0', 20, [1, 2], 'a ball.'], ['lost', 20, [1, 2], 'a ball.'],
                         test_mode=True, missing='score_as_wrong')
    batch = DATASETS.build(config).__getitems__([0, 1])
    assert [sample.absent for sample in batch['data_samples']] == [False, True]
    assert batch['inputs'].video[0].any() and not batch['inputs'].video[1].any()
    with pytest.raises(ValueError, match="missing must be one of 'error', 'score_as_wrong', got 'drop'"):
        DATASETS.build(dict(config, missing='drop'))


def test_a_query_without_known_words_is_left_out_of_training_and_kept_in_testing(tiny_dataset):
    pairs = [['train_0', 20, None, 'a ball.'], ['train_1', 20, None, 'zyzzyva qwertz']]
    assert len(DATASETS.build(write_pairs(tiny_dataset, *pairs))) == 1
    tested = DATASETS.build(write_pairs(tiny_dataset, *pairs, test_mode=True))
    query = tested.__getitems__([0, 1])['inputs'].query
    assert len(tested) == 2 and query.mask.tolist() == [[True] * 3, [True, False, False]]
    assert not query.features[1].any()
    with pytest.raises(ValueError, match='No query of .* has a word of the vocabulary'):
        DATASETS.build(write_pairs(tiny_dataset, pairs[1]))


def test_features_of_another_dimension_are_refused(tiny_dataset):
    with pytest.raises(ValueError, match='have 8 dimensions, the config expects feature_dim=1024'):
        DATASETS.build(dict(tiny_dataset.train, feature_dim=1024))


def test_a_store_packed_with_another_number_of_clips_is_refused(tiny_dataset):
    store = open_feature_store(tiny_dataset.features)
    packed = tiny_dataset.root / 'packed'
    write_packed_store(packed, ((i, store.read(i)) for i in store.video_ids), num_clips=32)
    with pytest.raises(ValueError, match='packed with 32 clips per video, the config asks for num_clips=16'):
        DATASETS.build(dict(tiny_dataset.train, features=str(packed)))


@pytest.mark.parametrize('change, message', [
    (dict(split='testing'), "split must be one of 'train', 'val', 'test', got 'testing'"),
    (dict(protocol='official'), "protocol must be one of None, got 'official'"),
    (dict(vocabulary=None), 'Features need words: give a vocabulary'),
])
def test_a_wrong_argument_is_named(tiny_dataset, change, message):
    with pytest.raises(ValueError, match=message):
        DATASETS.build(dict(tiny_dataset.train, **change))


# ---------------------------------------------------------------------------------------------------- what is kept
@pytest.fixture
def kept(tiny_dataset, monkeypatch):
    """A function that builds a data set and says how many queries it has encoded, all of them kept."""
    monkeypatch.setattr(moment_dataset, 'KEPT_FROM', 0)
    encode, count = WordVectors.encode, []
    monkeypatch.setattr(WordVectors, 'encode', lambda self, queries, *args: count.append(len(queries)) or encode(
        self, queries, *args))

    def build(config):
        count.clear()
        dataset = DATASETS.build(config)
        return dataset, sum(count)
    return build


def test_a_second_start_encodes_nothing_and_gives_the_same(tiny_dataset, kept, monkeypatch):
    (first, encoded), (second, again) = kept(tiny_dataset.test), kept(tiny_dataset.test)
    assert (encoded, again) == (8, 0)
    monkeypatch.setattr(moment_dataset, 'KEPT_FROM', 1 << 30)
    plain, _ = kept(tiny_dataset.test)
    for dataset in (first, second):
        assert dataset.data_list == plain.data_list and dataset.metainfo == plain.metainfo
        torch.testing.assert_close(dataset.__getitems__([5, 2, 7])['inputs'], plain.__getitems__([5, 2, 7])['inputs'],
                                   rtol=0, atol=0)
        assert [s.metainfo for s in dataset[3]['data_samples']] == [s.metainfo for s in plain[3]['data_samples']]


def test_a_second_start_asks_for_no_video(tiny_dataset, kept, monkeypatch):
    first, _ = kept(tiny_dataset.test)
    packed = tiny_dataset.root / 'packed'
    write_packed_store(packed, ((video, first.store.read(video)) for video in first.store.video_ids), 16)
    config = dict(tiny_dataset.test, features=str(packed), num_clips=16)
    first, _ = kept(config)
    assert len(first) == 8
    monkeypatch.setattr(moment_dataset, 'describe_names', None)  # not called any more
    second, _ = kept(config)
    assert second.data_list == first.data_list


@pytest.mark.parametrize('found, error, message', [
    (None, TypeError, 'parse_annotations of Own returned None; expected a list of dicts'),
    ([('v', 1.0)], ValueError, r"entry 0: expected a dict of video_id, duration, query and spans, got \('v', 1.0\)"),
    ([dict(video_id='v', duration=1.0, spans=[])], ValueError, 'entry 0: expected a dict'),
    ([dict(video_id='v', duration=1.0, spans=[], query=['x'])], ValueError, r"should be text, got \['x'\]"),
    ([dict(video_id='v', duration=1.0, spans=[], query='x \ud800')], ValueError, 'half a letter')])
def test_annotations_of_another_form_are_refused_by_what_they_are(tmp_path, found, error, message):
    own = type('Own', (MomentDataset,), dict(parse_annotations=lambda self: found))
    (tmp_path / 'a.json').write_text('[]')
    with pytest.raises(error, match=message):
        own('a.json', data_root=str(tmp_path))


@DATASETS.register_module()
class ReadsElsewhere(MomentDataset):
    """Annotations that depend on what nobody else knows of."""
    longest = 100

    def parse_annotations(self):
        return [pair for pair in super().parse_annotations() if len(pair['query']) <= self.longest]


def test_annotations_of_a_class_from_elsewhere_are_not_kept(tiny_dataset, kept, monkeypatch):
    config = dict(write_pairs(tiny_dataset, ['train_0', 20, None, 'a red ball.'], ['train_1', 20, None, 'a ball.']),
                  type='ReadsElsewhere')
    assert len(kept(config)[0]) == 2
    monkeypatch.setattr(ReadsElsewhere, 'longest', 8)
    assert len(kept(config)[0]) == 1


def test_what_changes_the_words_is_encoded_anew(tiny_dataset, kept, monkeypatch):
    pairs = [['train_0', 20, None, 'a red ball.'], ['train_1', 20, None, 'a blue ball spins.']]
    config = write_pairs(tiny_dataset, *pairs)
    kept(config)
    assert kept(dict(config, max_words=2))[0][1]['inputs'].query.word_ids.shape == (1, 2)
    write_pairs(tiny_dataset, ['train_0', 20, None, 'a ball.'], pairs[1])
    changed, encoded = kept(config)
    assert encoded == 2 and changed.data_list[0]['query'] == 'a ball.'
    words = Vocabulary.load(config['vocabulary'])
    other = str(tiny_dataset.root / 'other.npz')
    Vocabulary(words.words[::-1], words.vectors).save(other)
    dataset, encoded = kept(dict(config, vocabulary=other))
    assert encoded == 2 and dataset.vocabulary.words[dataset.encoded.word_ids[0, 1] - 1] == 'ball'
    assert kept(dict(config, vocabulary=other))[1] == 0
    monkeypatch.setattr(moment_dataset, '_sha256_of_code', lambda kind: 'other')
    assert kept(config)[1] == 2


def test_parts_and_left_out_pairs_have_words_of_their_own(tmp_path, kept):
    tiny = make_tiny_dataset(tmp_path / 'parts', train=40)
    for _ in range(2):
        for split in ('train', 'val'):
            dataset, _ = kept(dict(tiny.train, val_fraction=0.3, split=split))
            for row in (0, len(dataset) - 1):
                words = [dataset.vocabulary.words[i - 1] for i in dataset[row]['inputs'].query.word_ids[0]]
                assert ' '.join(words) == dataset.data_list[row]['query'].replace('.', ' .')
    pairs = [['lost', 20, None, 'a red ball.'], ['train_1', 20, None, 'zyzzyva'], ['train_1', 20, None, 'a blue ball.']]
    for _ in range(2):
        dataset, _ = kept(write_pairs(tiny, *pairs, missing='drop'))
        assert [pair['query'] for pair in dataset.data_list] == ['a blue ball.'] and len(dataset.encoded.lengths) == 1
    assert kept(write_pairs(tiny, *pairs, missing='drop'))[1] == 0


def test_annotations_are_lists_of_dicts_to_those_who_read_them(tmp_path):
    pairs = [dict(video_id='b', duration=9.5, query='Ein Mann läuft.', spans=[[0.1, 12.0], [2.0, 3.0]], qid=7),
             dict(video_id='a', duration=20.0, query='x', spans=[], clips=np.array([1, 2])),
             dict(video_id='b', duration=9.5, query='y', spans=[[1.0, 2.0]])]
    found = Pairs.of(pairs)
    pairs[1]['clips'] = [1, 2]
    assert list(found) == pairs == found and found[-1] == pairs[2] and found[1:] == pairs[1:]
    with pytest.raises(IndexError):
        found[3]
    assert found.video_ids() == ['b', 'a'] and found.keys() == [7, 'x', 'y']
    assert found.take([2, 0]).take([1]) == pairs[:1] and found.of_videos('a'.__eq__) == [pairs[1]]
    np.testing.assert_allclose(found.take([2, 0]).fractions() * 9.5, [[1, 2], [0.1, 12], [2, 3]])
    cut, outside = found.cut()
    assert outside == 1 and cut[0]['spans'] == [[0.1, 9.5], [2.0, 3.0]] and found[0]['spans'][0] == [0.1, 12.0]
    with pytest.raises(TypeError, match='is no plain data'):
        Pairs.of([dict(pairs[0], who=object())])
