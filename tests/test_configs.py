"""Every shipped config builds and takes a training and a prediction step on random features of its real sizes."""
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope, init_default_scope
from shipped import CONFIGS, ZERO_SHOT, data_sizes, read_shipped

from mmvmr.engine.optim.mixed_precision import use_mixed_precision
from mmvmr.engine.run.check_config import check_config
from mmvmr.engine.run.config import read_config
from mmvmr.registry import MODELS
from mmvmr.structures import Batch, MomentSample, Query

DATASETS = CONFIGS[0].parent / '_base_' / 'datasets'


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmvmr'):
        yield


def _batch(config) -> Batch:
    torch.manual_seed(0)
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    sizes, num_clips = data_sizes(config), config.train_dataloader.dataset.num_clips
    ids = torch.randint(1, sizes['vocab_size'], mask.shape) * mask
    words = torch.randn(2, 6, sizes['word_dim']) * mask.unsqueeze(-1)
    return Batch(torch.randn(2, num_clips, sizes['video_dim']), Query(words, mask, ids, 1.0 * mask))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_trains_and_predicts(path):
    init_default_scope('mmvmr')
    config = read_shipped(path)
    model = MODELS.build(config.model)
    optim_wrapper = build_optim_wrapper(model, config.optim_wrapper)
    before = model.encoder.video_projection.weight.clone()
    log = model.train().train_step(dict(inputs=_batch(config)), optim_wrapper)
    assert torch.isfinite(log['loss'])
    assert not torch.equal(before, model.encoder.video_projection.weight)
    samples = [MomentSample(metainfo=dict(video_id='v', query='q', duration=10.0)) for _ in range(2)]
    with torch.no_grad():
        predicted = model.eval().val_step(dict(inputs=_batch(config), data_samples=samples))
    assert all(sample.pred_spans.isfinite().all() for sample in predicted)


@pytest.mark.parametrize('capability', [(8, 0), (7, 0)], ids=['bfloat16', 'float16'])
@pytest.mark.parametrize('path', [path for path in CONFIGS if 'moving_shapes' in path.stem], ids=lambda path: path.stem)
def test_config_trains_in_mixed_precision(path, capability, monkeypatch):
    init_default_scope('mmvmr')
    config = read_shipped(path)
    with monkeypatch.context() as device:
        device.setattr(torch.cuda, 'is_available', lambda: True)
        device.setattr(torch.cuda, 'get_device_capability', lambda: capability)
        use_mixed_precision(config.optim_wrapper)
    torch.manual_seed(0)
    model = MODELS.build(config.model).train()
    optim_wrapper = build_optim_wrapper(model, config.optim_wrapper)
    wrappers = list(optim_wrapper.values()) if hasattr(optim_wrapper, 'optim_wrappers') else [optim_wrapper]
    before = model.encoder.video_projection.weight.clone()
    with torch.backends.mkldnn.flags(enabled=False):  # oneDNN has no LSTM in float16 for most CPUs
        for _ in range(16):  # float16 looks for the scale of its loss, from 2^16 down
            log = model.train_step(dict(inputs=_batch(config)), optim_wrapper)
            assert torch.isfinite(log['loss'])
            if not any(wrapper.skipped for wrapper in wrappers):
                break
    assert not any(wrapper.skipped for wrapper in wrappers)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert not torch.equal(before, model.encoder.video_projection.weight)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_no_split_but_the_test_loader_reads_the_test_set(path):
    config = read_shipped(path)
    for loader in (config.train_dataloader, config.val_dataloader):
        tested = config.test_dataloader.dataset
        assert loader.dataset.split != 'test'
        assert (loader.dataset.ann_file, loader.dataset.get('half')) != (tested.ann_file, tested.get('half'))
        assert (loader.dataset.get('half') is None) == (tested.get('half') is None)  # all pairs would hold a half
    assert not config.train_dataloader.dataset.get('test_mode', False)  # no ground truth in training batches


@pytest.mark.parametrize('name, root, ann_files', [
    ('charades_sta', 'charades_sta', ['charades_sta_train.txt', 'charades_sta_train.txt', 'charades_sta_test.txt']),
    ('charades_sta_official', 'charades_sta',
     ['charades_sta_train.txt', 'charades_sta_train.txt', 'charades_sta_test.txt']),
    ('activitynet_c3d', 'activitynet_captions', ['train.json', 'val_1.json', 'val_2.json']),
    ('activitynet_clip', 'activitynet_captions', ['train.json', 'val_1.json', 'val_2.json']),
    ('tacos', 'tacos', ['train.json', 'val.json', 'test.json']),
    ('moving_shapes', 'moving_shapes', ['train.json', 'val.json', 'test.json']),
    ('json_list', 'custom', ['train.json', 'train.json', 'test.json'])])
def test_each_part_of_a_data_set_reads_its_file_and_the_blind_panel_that_of_the_training(name, root, ann_files):
    config = read_config(DATASETS / f'{name}.py')
    loaders = [config[f'{split}_dataloader'] for split in ('train', 'val', 'test')]
    sets = [loader.dataset.to_dict() for loader in loaders]
    assert [given['ann_file'] for given in sets] == ann_files
    assert [given['split'] for given in sets] == ['train', 'val', 'test']
    assert [given.get('test_mode', False) for given in sets] == [False, True, True]
    assert [loader.sampler.shuffle for loader in loaders] == [True, False, False]
    assert [loader.get('batch_sampler', {}).get('type') for loader in loaders] == [None, *['BatchesInTurn'] * 2]
    own = ('ann_file', 'split', 'test_mode', 'durations', 'val_fraction')
    shared = [{key: value for key, value in given.items() if key not in own} for given in sets]
    assert shared[0] == shared[1] == shared[2] and shared[0]['data_root'] == f'data/{root}'
    assert set(shared[0]) - {'protocol', 'feature_dim'} == {'type', 'data_root', 'features', 'vocabulary', 'num_clips'}
    assert ('val_fraction' in sets[0]) == (ann_files[0] == ann_files[1])
    assert {key: sets[0].get(key) for key in own[3:]} == {key: sets[1].get(key) for key in own[3:]}
    fitted_on = config.test_evaluator.get('train_set')
    assert fitted_on == {**{key: value for key, value in sets[0].items() if key != 'split'}, 'features': None}


def test_protocol_of_charades_sta_is_one_for_all_parts():
    for name, protocol in (('charades_sta', 'filtered'), ('charades_sta_official', 'official')):
        config = read_config(DATASETS / f'{name}.py')
        sets = [*(config[f'{split}_dataloader'].dataset for split in ('train', 'val', 'test')),
                config.test_evaluator.train_set]
        assert {given.protocol for given in sets} == {protocol}


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_inherits_data_schedule_and_runtime_only(path):
    namespace = {}
    exec(path.read_text(), namespace)
    assert all(base.startswith('_base_/') for base in namespace['_base_'])
    assert set(namespace['model']) >= {'type', 'encoder', 'proposal_generator', 'losses'}


@pytest.mark.parametrize('path', ZERO_SHOT, ids=lambda path: path.stem)
def test_config_without_training_predicts_and_has_no_weights(path):
    config = read_config(path)
    check_config(config)
    model = MODELS.build(config.model).eval()
    assert not model.state_dict()
    generator = torch.Generator().manual_seed(0)
    sentences = torch.randn(2, 6, 384, generator=generator)
    one = torch.ones(2, 1)
    query = Query(sentences[:, :1], one.bool(), one.long() * 0, one * 0, sentences=sentences)
    samples = [MomentSample(metainfo=dict(video_id='v', query='q', duration=150.0)) for _ in range(2)]
    video = torch.randn(2, config.test_dataloader.dataset.num_clips or 75, 384, generator=generator)
    for sample in model.test_step(dict(inputs=Batch(video, query), data_samples=samples)):
        assert sample.pred_spans.shape == (10, 2) and sample.pred_spans.isfinite().all()
        assert (sample.pred_scores.diff() <= 0).all()


def test_a_scan_is_validated_after_the_last_epoch_alone():
    scans = [config for config in map(read_shipped, CONFIGS)
             if config.model.get('combiner', {}).get('type') == 'KeepDeleteScan']
    assert len(scans) == 8
    assert all(config.train_cfg.val_interval == config.train_cfg.max_epochs for config in scans)


@pytest.mark.parametrize('data', ['moving_shapes', 'charades', 'activitynet', 'qvhighlights'])
def test_the_scan_is_trained_as_cpl(data):
    model, cpl = (read_shipped(DATASETS.parents[1] / f'{name}_{data}.py').model.to_dict()
                  for name in ('mmvmr_best', 'cpl'))
    assert model.pop('combiner').pop('type') == 'KeepDeleteScan' and model.pop('ranker') == dict(type='ScoreRanker')
    assert model == {key: cpl[key] for key in cpl if key not in ('ranker', 'span_level')}


@pytest.mark.parametrize('data', ['moving_shapes', 'charades', 'activitynet', 'qvhighlights'])
def test_the_vote_is_of_cpl_with_the_scan_and_of_mscl_both_rescaled_and_with_feedback(data):
    model, cpl, mscl = (read_shipped(DATASETS.parents[1] / f'{name}_{data}.py').model.to_dict()
                        for name in ('vote', 'cpl', 'mscl'))
    points = {key: value for key, value in model.pop('combiner').items() if key != 'num_clips'}
    assert points == dict(type='KeepDeleteScan', feedback=0.02) and model.pop('ranker') == dict(type='ScoreRanker')
    assert model.pop('merger') == dict(type='CurveVoteMerger')
    own = [key for key in cpl if key not in ('ranker', 'span_level')]
    adviser, = model.pop('advisers').values()
    assert adviser['proposal_generator'].pop('feedback') == 0.02
    assert model['encoder'].pop('rescale') is adviser['encoder'].pop('rescale') is True
    assert model == {key: cpl[key] for key in own} and adviser == mscl
