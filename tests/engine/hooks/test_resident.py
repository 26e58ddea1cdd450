import pytest
import torch
from runs import make_runner, same, weights, write_config

from mmvmr.engine.hooks.resident import ResidentFeaturesHook, copy_to_device
from mmvmr.features.stores.feature_store import open_feature_store, write_packed_store
from mmvmr.features.stores.shards import Shard
from mmvmr.registry import DATASETS, MODELS


class _Runner:
    """The three attributes that the hook looks at."""

    def __init__(self, dataset):
        self.train_dataloader = self
        self.dataset = dataset
        self.model = torch.nn.Linear(1, 1)
        self.model.data_preprocessor = MODELS.build(dict(type='MomentDataPreprocessor'))
        self.logger = self

    def info(self, message):
        self.message = message


@pytest.fixture
def packed(tiny_dataset):
    store = open_feature_store(tiny_dataset.features)
    path = tiny_dataset.root / 'packed'
    write_packed_store(path, {video_id: store.read(video_id) for video_id in store.video_ids}, num_clips=16)
    return dict(tiny_dataset.train, features=str(path))


def test_resident_batches_hold_the_same_features(packed):
    plain, resident = DATASETS.build(packed), DATASETS.build(dict(packed, resident=True))
    runner = _Runner(resident)
    ResidentFeaturesHook().before_train(runner)
    indices = [5, 0, 3]
    batch = resident.__getitems__(indices)
    assert batch['inputs'].video.shape == (3,)
    moved = runner.model.data_preprocessor(batch, True)['inputs'].video
    torch.testing.assert_close(moved, plain.__getitems__(indices)['inputs'].video)


def test_training_on_resident_features_is_that_on_others(packed, tiny_dataset, tmp_path):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=1))
    for name, options in dict(plain={}, resident={'train_dataloader.dataset.resident': True}).items():
        make_runner(file, tmp_path / name, {'train_dataloader.dataset.features': packed['features'], **options}).train()
    assert same(weights(tmp_path / 'plain' / 'epoch_1.pth'), weights(tmp_path / 'resident' / 'epoch_1.pth'))


def test_ordinary_datasets_are_left_alone(tiny_dataset):
    runner = _Runner(DATASETS.build(tiny_dataset.train))
    ResidentFeaturesHook().before_train(runner)
    assert runner.model.data_preprocessor.resident is None


def test_resident_needs_a_packed_training_set(tiny_dataset, packed):
    with pytest.raises(ValueError, match='needs a packed store.*--num-clips 16'):
        DATASETS.build(dict(tiny_dataset.train, resident=True))
    with pytest.raises(ValueError, match='is for training sets'):
        DATASETS.build(dict(packed, resident=True, test_mode=True))


def test_shards_become_resident_in_the_order_of_their_rows(tiny_dataset, packed, tmp_path):
    whole, shards = open_feature_store(packed['features']), tmp_path / 'shards'
    for index in range(3):
        shard = Shard(index, 3)
        pairs = ((video_id, whole.read(video_id)) for video_id in shard.take(whole.video_ids))
        write_packed_store(shard.folder(shards), pairs, 16, manifest=shard.entries(whole.video_ids))
    store = open_feature_store(shards)
    resident = copy_to_device(store, torch.device('cpu'))
    assert resident.dtype == torch.float32
    assert torch.equal(resident, torch.from_numpy(store.read_clips(store.video_ids, 16)))


def test_a_store_that_does_not_fit_is_refused_with_what_to_do(packed):
    store = open_feature_store(packed['features'])
    store.num_clips = 2**50
    with pytest.raises(ValueError, match='do not fit on cpu .*without resident=True, or .*--dtype float16'):
        copy_to_device(store, torch.device('cpu'))
