import os

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from parity import to_batch
from reference import cnm, cpl
from reference.batches import make_inputs
from reference.checkpoint import make_checkpoint
from runs import run_command

from mmvmr.engine.checkpoint import load_weights
from mmvmr.models.rankers import ReconstructionRanker
from mmvmr.registry import DATASETS, MODELS
from mmvmr.reproduction.official_checkpoints import full_config

METHODS = ('cnm', 'cpl')
PAPER = dict(dim=256, layers=3, video_dim=1024, word_dim=300, num_words=1111, num_clips=200, num_proposals=8)


def _save(checkpoint, path):
    torch.save(checkpoint, path)
    return str(path)


def _data_config(dataset, path):
    """A config of the data set like those in configs/_base_/datasets."""
    loader = dict(num_workers=0, collate_fn=dict(type='collate_moments'), batch_size=8)
    lines = [f'{split}_dataloader = {dict(loader, sampler=dict(type="DefaultSampler", shuffle=False), dataset=given)!r}'
             for split, given in (('train', dataset.train), ('val', dataset.val), ('test', dataset.test))]
    path.write_text('\n'.join([*lines, "val_evaluator = dict(type='ReconstructionMargin')",
                               "test_evaluator = dict(type='MomentRecall', report=True)"]))
    return str(path)


@pytest.fixture
def data(tiny_dataset, tmp_path):
    return _data_config(tiny_dataset, tmp_path / 'tiny.py')


@pytest.fixture
def source(tmp_path, tiny_dataset):
    """Makes a checkpoint of the authors' code for the tiny data set, changed by a function."""
    def make(method, change=lambda checkpoint: None):
        checkpoint = make_checkpoint(method, word_dim=300, num_words=tiny_dataset.vocab_size - 1, num_clips=16)
        change(checkpoint)
        return _save(checkpoint, tmp_path / f'{method}.pt')

    return make


@pytest.mark.parametrize('method', METHODS)
def test_converted_checkpoint_is_tested_as_it_is(method, source, data, tmp_path, monkeypatch, capsys):
    target = tmp_path / 'converted' / f'{method}.pth'
    run_command('convert-official', method, source(method), str(target), '--data', data)
    assert 'are written' in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    run_command('test', target.with_suffix('.py'), target)
    assert len((tmp_path / 'converted' / 'test' / method / 'predictions.jsonl').read_text().splitlines()) == 8


@pytest.mark.parametrize('method, reference', [('cnm', cnm), ('cpl', cpl)])
def test_files_of_the_papers_size_hold_the_authors_model(method, reference, tmp_path):
    checkpoint = make_checkpoint(method, **PAPER)
    target = tmp_path / f'{method}.pth'
    run_command('convert-official', method, _save(checkpoint, tmp_path / 'official.pt'), str(target))
    config = Config.fromfile(target.with_suffix('.py'))
    assert (config.test_dataloader.dataset.type, config.test_dataloader.dataset.protocol) == ('CharadesSTA', 'filtered')
    assert config.test_dataloader.batch_size == checkpoint['config']['train']['batch_size']
    assert config.train_cfg.max_epochs == checkpoint['config']['train']['max_num_epochs']
    init_default_scope('mmvmr')
    model = MODELS.build(config.model.to_dict()).eval()
    load_weights(model, target)
    inputs = make_inputs(checkpoint['config'], (6, 3))
    expected = reference.forward(checkpoint['model_parameters'], checkpoint['config']['model']['config'], inputs)
    nll = model(to_batch(inputs)).nll['query']['positive']
    torch.testing.assert_close(nll, expected.nll['positive'].view_as(nll), atol=1e-5, rtol=0)


@pytest.mark.parametrize('dim, features', [(500, 'features'), (512, 'clip_features')])
def test_features_choose_the_data_set(dim, features):
    checkpoint = make_checkpoint('cnm', video_dim=dim)
    checkpoint['config']['dataset']['dataset'] = 'ActivityNet'
    config = full_config('cnm', checkpoint['config'], checkpoint['model_parameters'], None)
    dataset = config.test_dataloader.dataset
    assert (dataset.type, dataset.features, dataset.feature_dim) == ('ActivityNetCaptions', features, dim)
    assert DATASETS.get(dataset.type) is not None
    assert 'loader' not in config  # helper variables of the files that it is made from


def test_proposals_are_ranked_by_loss_and_learned_with_the_settings_of_the_checkpoint():
    checkpoint = make_checkpoint('cpl', video_dim=1024)
    official = checkpoint['config']
    official['loss'].update({'lambda': 0.13, 'alpha_1': 2, 'alpha_2': 0.1})
    official['train']['optimizer'].update(lr=1e-3, warmup_updates=7)
    config = full_config('cpl', official, checkpoint['model_parameters'], None)
    model = MODELS.build(config.model.to_dict())
    assert isinstance(model.ranker, ReconstructionRanker)
    assert (model.losses['ranking'].loss_weight, model.losses['diversity'].loss_weight) == (2, 0.1)
    num_clips = model.proposal_generator.num_clips
    assert model.losses['diversity'].target(num_clips) == pytest.approx(0.13)
    assert config.optim_wrapper.optimizer.lr == 1e-3 and config.param_scheduler[0].warmup == 7


def _refused(*args):
    with pytest.raises((ValueError, FileExistsError)) as error:
        run_command('convert-official', *args)
    return str(error.value)


def test_nothing_is_overwritten_without_force(source, data, tmp_path):
    target = tmp_path / 'cnm.pth'
    target.write_text('precious')
    assert 'replace it with --force' in _refused('cnm', source('cnm'), str(target), '--data', data)
    assert target.read_text() == 'precious' and not target.with_suffix('.py').exists()
    run_command('convert-official', 'cnm', source('cnm'), str(target), '--data', data, '--force')
    assert target.with_suffix('.py').exists()


def test_checkpoint_that_would_run_code_is_refused_unrun(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'harm'),)

    source = _save(dict(make_checkpoint('cnm'), extra=Attack()), tmp_path / 'evil.pt')
    assert 'was refused' in _refused('cnm', source, str(tmp_path / 'cnm.pth'))
    assert not (tmp_path / 'harm').exists() and not (tmp_path / 'cnm.pth').exists()


def _drop(name):
    return lambda checkpoint: checkpoint['model_parameters'].pop(name)


@pytest.mark.parametrize('change, message', [
    (_drop('fc_mask_gen.bias'), '1 weights are missing: fc_mask_gen.bias'),
    (lambda c: c['model_parameters'].update(extra=torch.zeros(1)), '1 weights are unknown: extra'),
    (lambda c: c['model_parameters'].update(mask_vec=torch.zeros(7)), 'mask_vec has shape (7,) instead of (300,)'),
    (_drop('frame_fc.weight'), 'they lack frame_fc, word_fc or fc_rec'),
    (lambda c: c['config']['model']['config'].pop('alpha'), 'has no model.config.alpha'),
    (lambda c: c['config']['model']['config']['DualTransformer'].update(num_decoder_layers2=3), 'have 2 and 3 layers'),
    (lambda c: c['config']['model'].update(name='PPS'), 'is a checkpoint of PPS, which is not converted: in its code'),
    (lambda c: c['config']['model'].update(name='CPL'), 'is a checkpoint of the model "CPL", not of CNM'),
    (lambda c: c.pop('model_parameters'), 'it has no model_parameters, but num_updates, config'),
])
def test_what_is_wrong_with_a_checkpoint_is_said_in_the_authors_names(change, message, source, data, tmp_path):
    error = _refused('cnm', source('cnm', change), str(tmp_path / 'out.pth'), '--data', data)
    assert message in error
    assert not (tmp_path / 'out.pth').exists()


def test_unknown_data_set_asks_for_a_config_of_it(source, tmp_path):
    error = _refused('cnm', source('cnm'), str(tmp_path / 'out.pth'))
    assert 'is for CharadesSTA with features of 8 dimensions' in error and '--data' in error


def test_target_is_a_pth_file(source, tmp_path):
    assert 'The target is a .pth file' in _refused('cnm', source('cnm'), str(tmp_path / 'out.pt'))
