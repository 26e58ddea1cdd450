"""Every option that is typed reaches the function that does the work of its command."""
import inspect
import os
import pkgutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from runs import run_command

from mmvmr.cli.main import build_parser
from mmvmr.features.stores.shards import Shard

CONFIG = 'cnm_moving_shapes'
CORES = os.cpu_count()
STORE = SimpleNamespace(path='', video_ids=(), dim=1, nbytes=1)
FILES = SimpleNamespace(videos=dict(a={}), coarse=np.zeros((0, 0)))
PAIRS = [dict(video_id='a', query=str(number)) for number in range(3)]

# command: what is typed, and what is handed to a function, by the name of the function: all options left out, then all
# given; what a function gets beside that is not compared
CALLS = {
    'test': [
        ([CONFIG, 'run'], {'mmvmr.engine.run.testing.run_test': dict(
            checkpoint='run', folder=None, out=None, probe=None, options={}, launcher='none')}),
        ([CONFIG, 'run', '--work-dir', 'folder', '--out', 'file', '--probe', 'shuffle-video', '--launcher', 'pytorch',
          '--local_rank', 2, '--cfg-options', 'dim=64'], {'mmvmr.engine.run.testing.run_test': dict(
              checkpoint='run', folder='folder', out='file', probe='shuffle-video', options=dict(dim='64'),
              launcher='pytorch')})],
    'publish': [
        (['run', 'target'], {'mmvmr.engine.run.publishing.publish': dict(
            run=Path('run'), target=Path('target'), checkpoint=None)}),
        (['run', 'target', '--checkpoint', 'file'], {'mmvmr.engine.run.publishing.publish': dict(checkpoint='file')})],
    'pack': [
        (['source', 'target'], {'mmvmr.features.stores.packing.pack_features': dict(
            source=Path('source'), target=Path('target'), num_clips=200, dtype='float32', manifest={}, shard=None,
            overwrite=False)}),
        (['source', 'target', '--num-clips', 0, '--dtype', 'float16', '--extractor', 'I3D', '--weights-sha256', 'ab',
          '--fps', 24, '--stride', 8, '--shard', '3/16', '--force'], {
              'mmvmr.features.stores.packing.pack_features': dict(
                  num_clips=None, dtype='float16', shard=Shard(3, 16), overwrite=True,
                  manifest=dict(extractor='I3D', weights_sha256='ab', fps=24, stride=8))})],
    'extract': [
        (['videos', 'target', '--extractor', 'DescriptorExtractor'], {'mmvmr.features.folder.extract_folder': dict(
            folder=Path('videos'), target=Path('target'), config=dict(type='DescriptorExtractor'), workers=CORES,
            overwrite=False, shard=None)}),
        (['videos', 'target', '--extractor', 'DescriptorExtractor', '--workers', 3, '--force', '--shard', '1/2',
          '--cfg-options', 'clip_seconds=2'], {'mmvmr.features.folder.extract_folder': dict(
              config=dict(type='DescriptorExtractor', clip_seconds=2), workers=3, overwrite=True, shard=Shard(1, 2),
              target=Shard(1, 2).folder(Path('target')))})],
    'moving-shapes': [
        ([], {'mmvmr.datasets.moving_shapes_files.write_moving_shapes': dict(
            folder=Path('data/moving_shapes'), difficulty='medium', scale=1, seed=0, num_clips=64, workers=CORES,
            overwrite=False)}),
        (['--out', 'out', '--difficulty', 'hard', '--scale', 0.5, '--seed', 3, '--num-clips', 32, '--workers', 7,
          '--force'], {'mmvmr.datasets.moving_shapes_files.write_moving_shapes': dict(
              folder=Path('out'), difficulty='hard', scale=0.5, seed=3, num_clips=32, workers=7, overwrite=True)})],
    'benchmark': [
        ([CONFIG], {'mmvmr.reproduction.benchmark.benchmark': dict(
            parts=['loader', 'training', 'evaluation'], processes=[1], steps=5, videos=6670, dtype='float32',
            shards=1)}),
        ([CONFIG, '--videos', 8, '--steps', 3, '--dtype', 'float16', '--shards', 2, '--amp', '--parts', 'cold',
          '--processes', 1, 2, '--folder', 'folder', '--cfg-options', 'dim=64'], {
              'mmvmr.reproduction.benchmark.benchmark': dict(
                  parts=['cold'], processes=[1, 2], steps=3, folder=Path('folder'), videos=8, dtype='float16',
                  shards=2)})],
    'convert-official': [
        (['cpl', 'source.pt', 'a.pth'], {'mmvmr.reproduction.official_checkpoints.convert': dict(
            method='cpl', source=Path('source.pt'), target=Path('a.pth'), data=None)}),
        (['cnm', 'source.pt', 'a.pth', '--data', 'data.py', '--force'], {
            'mmvmr.reproduction.official_checkpoints.convert': dict(method='cnm', data=Path('data.py'))})],
    'reproduce': [
        ([], {'mmvmr.reproduction.reproduce.plan': dict(
            configs=[], seeds=[0, 1, 2], out=Path('work_dirs/reproduction'), options={}, reference=None, redo=False),
            'mmvmr.reproduction.reproduce.run_all': dict(jobs=1),
            'mmvmr.reproduction.reproduce.report': dict(out=Path('work_dirs/reproduction'), reference=None)}),
        (['a', 'b', '--seeds', 4, 5, '--out', 'out', '--jobs', 2, '--reference', 'b', '--redo', '--cfg-options',
          'dim=64'], {
              'mmvmr.reproduction.reproduce.plan': dict(
                  configs=['a', 'b'], seeds=[4, 5], out=Path('out'), options=dict(dim='64'), reference='b', redo=True),
              'mmvmr.reproduction.reproduce.run_all': dict(jobs=2),
              'mmvmr.reproduction.reproduce.report': dict(out=Path('out'), reference='b')})],
    'vocabulary': [
        (['a.npz', '--vectors', 'glove.txt'], {'mmvmr.text.building.build_vocabulary': dict(
            vectors=Path('glove.txt'), sentences=[], size=None)}),
        (['a.npz', '--vectors', 'glove.txt', '--sentences', 'a.json', 'b.json', '--size', 4, '--force'], {
            'mmvmr.text.building.build_vocabulary': dict(
                vectors=Path('glove.txt'), sentences=['of a.json', 'of b.json'], size=4)})],
    'search': [
        (['index', 'run', 'videos', 'index'], {'mmvmr.search.build_index.build_index': dict(
            run='run', source='videos', folder=Path('index'), annotations=None, workers=CORES, device=None)}),
        (['index', 'run', 'videos', 'index', '--annotations', 'file', '--workers', 3, '--device', 'cpu'], {
            'mmvmr.search.build_index.build_index': dict(annotations='file', workers=3, device='cpu')}),
        (['query', 'index', 'a ball'], {
            'mmvmr.search.moment_index.MomentIndex.__init__': dict(folder=Path('index'), run=None, device=None),
            'mmvmr.search.moment_index.MomentIndex.search': dict(query='a ball', top_k=10, candidates=20)}),
        (['query', 'index', 'a ball', '--run', 'run', '--device', 'cpu', '--top-k', 3, '--candidates', 7], {
            'mmvmr.search.moment_index.MomentIndex.__init__': dict(run='run', device='cpu'),
            'mmvmr.search.moment_index.MomentIndex.search': dict(query='a ball', top_k=3, candidates=7)}),
        (['query', 'index', 'a ball', '--exhaustive'], {
            'mmvmr.search.moment_index.MomentIndex.__init__': dict(show_progress=True),
            'mmvmr.search.moment_index.MomentIndex.search': dict(candidates=None)}),
        (['evaluate', 'index', 'file'], {
            'mmvmr.search.moment_index.MomentIndex.__init__': dict(folder=Path('index'), run=None, device=None),
            'mmvmr.search.build_index.read_pairs': dict(annotations='file'),
            'mmvmr.search.quality.evaluate_search': dict(
                pairs=PAIRS, counts=[5, 10, 20, 40], events=None)}),
        (['evaluate', 'index', 'file', '--run', 'run', '--device', 'cpu', '--queries', 2, '--windows', 3, 4,
          '--events', 'events.json'], {
              'mmvmr.search.moment_index.MomentIndex.__init__': dict(run='run', device='cpu'),
              'mmvmr.search.build_index.read_pairs': dict(annotations='file'),
              'mmvmr.search.quality.evaluate_search': dict(
                  pairs=[PAIRS[0], PAIRS[2]], counts=[3, 4], events=dict(a=[]))})],
}
RESULTS = {  # what the commands want of the functions
    'publish': [], 'pack_features': STORE, 'extract_folder': {}, 'convert': [], 'run_all': {}, 'search': [],
    'build_index': {}, 'build_vocabulary': (SimpleNamespace(save=lambda path: None, words=()), {}),
    'read_pairs': [*PAIRS, dict(video_id='not in the index')],
    'evaluate_search': dict(recall=pd.DataFrame(), seconds={})}


@pytest.fixture
def handed_on(monkeypatch, tmp_path):
    """``handed_on(name)`` stands in for a function of that name; gives the dict that its arguments will be in."""
    def stand_in(name):
        real, arguments = pkgutil.resolve_name(name), {}

        def note(*args, **kwargs):
            bound = inspect.signature(real).bind(*args, **kwargs)
            bound.apply_defaults()
            arguments.update(bound.arguments)
            return RESULTS.get(name.split('.')[-1])

        monkeypatch.setattr(name, note)
        return arguments

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('signal.signal', lambda *_: None)
    monkeypatch.setattr('mmvmr.cli.vocabulary.read_sentences', lambda name: [f'of {name}'])
    monkeypatch.setattr('mmvmr.search.index_files.read_index', lambda folder: FILES)
    for name, value in dict(files=FILES, windows=(), inferencer=SimpleNamespace(cfg=None)).items():
        monkeypatch.setattr(f'mmvmr.search.moment_index.MomentIndex.{name}', value, raising=False)
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    for name in ('index', 'a.pth', 'a.npz'):
        (tmp_path / name).touch()
    (tmp_path / 'events.json').write_text('{"a": []}')
    return stand_in


@pytest.mark.parametrize('command, words, expected', [
    pytest.param(command, words, expected, id=' '.join(map(str, (command, *words))))
    for command, calls in CALLS.items() for words, expected in calls])
def test_what_is_typed_is_handed_on(handed_on, tmp_path, command, words, expected):
    if '--force' not in words:
        for name in ('a.pth', 'a.npz'):
            (tmp_path / name).unlink()
    found = {name: handed_on(name) for name in expected}
    run_command(command, *words)
    for name, arguments in expected.items():
        assert {key: found[name][key] for key in arguments} == arguments, name
        if 'config' in found[name] and CONFIG in words:
            assert found[name]['config'].model.encoder.dim == (64 if 'dim=64' in words else 128)
            kind = 'BFloat16OptimWrapper' if '--amp' in words else None
            assert found[name]['config'].optim_wrapper.reconstruction.get('type') == kind


@pytest.mark.parametrize('command', CALLS)
def test_no_option_is_forgotten_here(command):
    typed = {word for words, _ in CALLS[command] for word in words}
    parsers = [build_parser(command)]
    for action in parsers[0]._actions:
        parsers += action.choices.values() if isinstance(action.choices, dict) else []
    options = {option for parser in parsers for action in parser._actions for option in action.option_strings[-1:]}
    of_files = {'--json', '--force'} if command == 'search' else set()  # which the tool itself writes
    assert options - typed <= {'--help', '--local-rank', *of_files}


def test_options_of_a_training_reach_its_config(handed_on, monkeypatch):
    found = handed_on('mmvmr.engine.run.training.train')
    monkeypatch.delenv('LOCAL_RANK')
    run_command('train', CONFIG)
    config = found.pop('config')
    assert found == dict(resume=False, validate=True, launcher='none') and os.environ['LOCAL_RANK'] == '0'
    assert config.randomness == dict(seed=0) and config.auto_scale_lr.enable is False
    assert config.work_dir == str(Path('work_dirs', CONFIG)) and 'type' not in config.optim_wrapper.ranking
    monkeypatch.delenv('LOCAL_RANK')
    run_command('train', CONFIG, '--work-dir', 'folder', '--resume', 'a.pth', '--seed', 3, '--deterministic', '--amp',
                '--auto-scale-lr', '--no-validate', '--launcher', 'slurm', '--local_rank', 2, '--cfg-options', 'dim=64')
    config = found.pop('config')
    assert found == dict(resume='a.pth', validate=False, launcher='slurm') and os.environ['LOCAL_RANK'] == '2'
    assert config.randomness == dict(seed=3, deterministic=True) and config.auto_scale_lr.enable is True
    assert config.work_dir == 'folder' and config.model.encoder.dim == 64
    assert config.optim_wrapper.ranking.type == config.optim_wrapper.reconstruction.type == 'BFloat16OptimWrapper'
    run_command('train', CONFIG, '--resume')
    assert found['resume'] is True
