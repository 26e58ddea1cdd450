"""Every option that is typed reaches the function that does the work of its command."""
import importlib
import inspect
import os
import pkgutil
import socket
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from runs import run_command

import mmvmr
from mmvmr.cli.main import build_parser
from mmvmr.engine.run.config import read_config
from mmvmr.evaluation.protocols import find_protocol
from mmvmr.features.stores.shards import Shard
from mmvmr.service.app import Limits
from mmvmr.service.model_process import Model
from mmvmr.utils.processes import count_cores
from mmvmr.visualization.result_plots import IOUS

CONFIG = 'cnm_moving_shapes'
CORES = count_cores()
STORE = SimpleNamespace(path='', video_ids=(), dim=1, nbytes=1)
FILES = SimpleNamespace(videos=dict(a=dict(file={})), coarse=np.zeros((0, 0)), find=lambda video_id: ('a', None))
PAIRS = [dict(video_id='a', query=str(number)) for number in range(3)]

READER = object()
SCORED = SimpleNamespace(table=None, protocol=find_protocol('', tops=[1, 5]))
LOADER = SimpleNamespace(dataset=type('Five', (), dict(metainfo=dict(protocol='p'), __len__=lambda self: 5))())
PLOTTED = dict.fromkeys([
    'mmvmr.evaluation.predictions.check_same_queries',
    'mmvmr.evaluation.blind_panel.blind_panel', 'mmvmr.visualization.result_plots.draw_blind_panel',
    'mmvmr.visualization.result_plots.draw_breakdown'], {})
BROWSED = dict.fromkeys([
    'mmvmr.engine.checkpoint.find_weights', 'mmvmr.engine.run.runner.MomentRunner.build_dataloader',
    'mmvmr.engine.run.sizes.fill_sizes'], {})

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
            run=Path('run'), target=Path('target'), checkpoint=None, half=False)}),
        (['run', 'target', '--checkpoint', 'run/epoch_1.pth', '--half'], {
            'mmvmr.engine.run.publishing.publish': dict(checkpoint=Path('run/epoch_1.pth'), half=True)})],
    'export': [
        (['run', 'target'], {'mmvmr.apis.exporting.export': dict(
            run=Path('run'), target=Path('target'), checkpoint=None, onnx=False)}),
        (['run', 'target', '--checkpoint', 'run/epoch_1.pth', '--onnx'], {
            'mmvmr.apis.exporting.export': dict(checkpoint=Path('run/epoch_1.pth'), onnx=True)})],
    'pack': [
        (['source', 'target'], {'mmvmr.features.stores.packing.pack_features': dict(
            source=[dict(path='source', key=None, normalize=False)], target=Path('target'), num_clips=200,
            dtype='float32', manifest={}, shard=None, overwrite=False)}),
        (['source', 'other', 'target', '--key', 'rgb', '--normalize', '--num-clips', 0, '--dtype', 'float16',
          '--extractor', 'I3D', '--weights-sha256', 'ab', '--fps', 24, '--stride', 8, '--shard', '3/16', '--force'], {
              'mmvmr.features.stores.packing.pack_features': dict(
                  source=[dict(path=name, key='rgb', normalize=True) for name in ('source', 'other')],
                  num_clips=None, dtype='float16', shard=Shard(3, 16), overwrite=True,
                  manifest=dict(extractor='I3D', weights_sha256='ab', fps=24, stride=8))})],
    'extract': [
        (['videos', 'target', '--extractor', 'DescriptorExtractor'], {'mmvmr.features.folder.extract_folder': dict(
            folder=Path('videos'), target=Path('target'), config=dict(type='DescriptorExtractor'), workers=None,
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
                  shards=2)}),
        ([CONFIG, '--start', '--processes', 1, 2], {'mmvmr.reproduction.start_benchmark.benchmark_start': dict(
            processes=[1, 2], videos=6670, dtype='float32', shards=1)}),
        ([CONFIG, '--table', 'gpu.md', '--minutes', 3], {'mmvmr.reproduction.device_table.device_table': dict(
            path=Path('gpu.md'), minutes=3, steps=5, videos=6670)}),
        ([CONFIG, '--against', 'cpl'], {
            'mmvmr.reproduction.against.find_method': dict(checkout=Path('cpl')),
            'mmvmr.reproduction.against.compare': dict(
                checkout=Path('cpl'), parts=['loader', 'training', 'evaluation'], steps=5, videos=6670)})],
    'convert-official': [
        (['cpl', 'source.pt', 'a.pth'], {'mmvmr.reproduction.official_checkpoints.convert': dict(
            method='cpl', source=Path('source.pt'), target=Path('a.pth'), data=None)}),
        (['cnm', 'source.pt', 'a.pth', '--data', 'data.py', '--force'], {
            'mmvmr.reproduction.official_checkpoints.convert': dict(method='cnm', data='data.py')})],
    'reproduce': [
        ([], {'mmvmr.reproduction.reproduce.plan': dict(
            configs=[], seeds=[0, 1, 2], out=Path('work_dirs/reproduction'), options={}, reference=None, redo=False,
            data={}),
            'mmvmr.reproduction.reproduce.run_all': dict(probes=['shuffle-query'], jobs=1),
            'mmvmr.reproduction.reproduce.report': dict(
                probes=['shuffle-query'], out=Path('work_dirs/reproduction'), reference=None, people={}, pages=[])}),
        ([CONFIG, 'cpl_moving_shapes@hard', '--seeds', 4, 5, '--out', 'out', '--jobs', 2, '--reference', CONFIG,
          '--redo', '--cfg-options', 'dim=64', '--data', 'hard', 'dataset.protocol=hard', '--probes', 'shift',
          '--human', 'a.csv', 'b.csv', '--into', 'page.md'], {
              'mmvmr.evaluation.human_moments.read_human_moments': dict(paths=[Path('a.csv'), Path('b.csv')]),
              'mmvmr.reproduction.reproduce.check_marks': dict(page=Path('page.md')),
              'mmvmr.reproduction.reproduce.plan': dict(
                  configs=[CONFIG, 'cpl_moving_shapes@hard'], seeds=[4, 5], out=Path('out'),
                  options=dict(dim='64'), reference=CONFIG, redo=True, data=dict(hard={'dataset.protocol': 'hard'})),
              'mmvmr.reproduction.reproduce.run_all': dict(probes=['shift'], jobs=2),
              'mmvmr.reproduction.reproduce.report': dict(
                  probes=['shift'], out=Path('out'), reference=CONFIG, pages=[Path('page.md')])})],
    'regret': [
        (['runs/one', 'runs/two'], {'mmvmr.reproduction.regret.measure_all': dict(
            runs=dict(one=Path('runs/one'), two=Path('runs/two')), out=Path('work_dirs/regret'), options={})}),
        (['run', '--out', 'out', '--cfg-options', 'dim=64'], {'mmvmr.reproduction.regret.measure_all': dict(
            runs=dict(run=Path('run')), out=Path('out'), options=dict(dim='64'))})],
    'vocabulary': [
        (['a.npz', '--vectors', 'glove.txt'], {'mmvmr.text.building.build_vocabulary': dict(
            vectors=Path('glove.txt'), sentences=[], size=None, reader=READER)}),
        (['a.npz', '--vectors', 'glove.txt', '--sentences', 'a.json', 'b.json', '--size', 4, '--force'], {
            'mmvmr.text.building.build_vocabulary': dict(
                vectors=Path('glove.txt'), sentences=['of a.json', 'of b.json'], size=4, reader=READER)})],
    'search': [
        (['index', 'run', 'videos', 'index'], {'mmvmr.search.build_index.build_index': dict(
            run='run', source='videos', folder=Path('index'), annotations=None, workers=None, device=None,
            prune=False, zero_shot=False)}),
        (['index', '--zero-shot', 'model', 'videos', 'index', '--annotations', 'file', '--workers', 3, '--device',
          'cpu', '--prune'], {'mmvmr.search.build_index.build_index': dict(
              run='model', annotations='file', workers=3, device='cpu', prune=True, zero_shot=True)}),
        (['query', 'index', 'a ball'], {
            'mmvmr.search.moment_index.MomentIndex.__init__': dict(folder=Path('index'), run=None, device=None),
            'mmvmr.search.moment_index.MomentIndex.search': dict(query='a ball', top_k=10, num_windows=None)}),
        (['query', 'index', 'a ball', '--run', 'run', '--device', 'cpu', '--top-k', 3, '--windows', 7], {
            'mmvmr.search.moment_index.MomentIndex.__init__': dict(run='run', device='cpu'),
            'mmvmr.search.moment_index.MomentIndex.search': dict(query='a ball', top_k=3, num_windows=7)}),
        (['query', 'index', 'a ball', '--json', 'j', '--srt', 's', '--clips', 'c', '--html', 'h', '--force'], {
            'mmvmr.cli.search.check_targets': dict(
                files=[Path('j'), Path('h')], folders=[Path('s'), Path('c')], force=True),
            'mmvmr.search.moment_index.MomentIndex.__init__': {}, 'mmvmr.search.moment_index.MomentIndex.search': {},
            'mmvmr.cli.search.write_answers': dict(errors=[])}),
        (['query', 'index', 'a ball', '--exhaustive'], {
            'mmvmr.search.moment_index.MomentIndex.__init__': dict(show_progress=True),
            'mmvmr.search.moment_index.MomentIndex.search': dict(num_windows=1)}),
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
    'infer': [
        (['run', 'video.mp4', 'a ball'], {
            'mmvmr.apis.MomentRetrievalInferencer.__init__': dict(model='run', weights=None, device=None),
            'mmvmr.apis.MomentRetrievalInferencer.__call__': dict(
                inputs='video.mp4', queries=['a ball'], top_k=5, min_confidence=0, on_video=None)}),
        (['--zero-shot', 'model', 'video.mp4', 'a ball', '--device', 'cpu'], {
            'mmvmr.apis.MomentRetrievalInferencer.zero_shot': dict(model='model', device='cpu')}),
        (['run', 'store', 'a ball', '--queries', 'more.txt', '--checkpoint', 'run/epoch_1.pth', '--video-id', 'one',
          '--duration', 3, '--top-k', 2, '--min-confidence', 0.4, '--device', 'cpu'], {
              'mmvmr.apis.MomentRetrievalInferencer.__init__': dict(
                  model='run', weights=Path('run/epoch_1.pth'), device='cpu'),
              'mmvmr.apis.MomentRetrievalInferencer.__call__': dict(
                  inputs='features', queries=['a ball', 'a cube'], top_k=2, min_confidence=0.4),
              'mmvmr.apis.VideoFeatures.from_file': dict(
                  path='store', video_id='one', duration=3, row_seconds=0.5)})],
    'serve': [
        (['run'], {
            'mmvmr.service.model_process.ModelProcess.__init__': dict(model=Model('run'), seconds=600),
            'mmvmr.service.model_process.ModelProcess.start': {}, 'uvicorn.Server.run': {},
            'mmvmr.service.uploads.Uploads.__init__': dict(seconds=3600), 'mmvmr.service.uploads.Uploads.close': {},
            'mmvmr.cli.serve.listen': dict(host='127.0.0.1', port=8000),
            'mmvmr.service.app.make_app': dict(limits=Limits(1_024_000_000, 600, 8), hosts=['127.0.0.1'])}),
        (['--zero-shot', 'model', '--device', 'cpu', '--host', '::', '--port', 80, '--allow-host', 'a', 'b',
          '--max-upload', 0.5, '--timeout', 5, '--max-queue', 0, '--keep', 0.5], {
              'mmvmr.service.model_process.ModelProcess.__init__': dict(
                  model=Model(None, None, 'model', 'cpu'), seconds=5),
              'mmvmr.service.model_process.ModelProcess.start': {}, 'uvicorn.Server.run': {},
              'mmvmr.service.uploads.Uploads.__init__': dict(seconds=30), 'mmvmr.service.uploads.Uploads.close': {},
              'mmvmr.cli.serve.listen': dict(host='::', port=80),
              'mmvmr.service.app.make_app': dict(limits=Limits(500_000, 5, 0), hosts=['::', 'a', 'b'])}),
        (['run', '--checkpoint', 'run/epoch_1.pth'], {
            'mmvmr.service.model_process.ModelProcess.__init__': dict(model=Model('run', 'run/epoch_1.pth')),
            'mmvmr.service.model_process.ModelProcess.start': {}, 'uvicorn.Server.run': {},
            'mmvmr.service.uploads.Uploads.__init__': {}, 'mmvmr.service.uploads.Uploads.close': {},
            'mmvmr.cli.serve.listen': {},
            'mmvmr.service.app.make_app': {}})],
    'verify': [
        (['--annotations', 'a.json', 'b.json', '--features', 'store'], {
            'mmvmr.datasets.verification.check_dataset': dict(
                config=dict(type='MomentDataset', ann_file='b.json', features='store', feature_dim=None))}),
        (['--annotations', 'a.json', '--features', 'store', '--feature-dim', 4], {
            'mmvmr.datasets.verification.check_dataset': dict(
                config=dict(type='MomentDataset', ann_file='a.json', features='store', feature_dim=4))}),
        ([CONFIG, '--cfg-options', 'dataset.num_clips=32'], {'mmvmr.datasets.verification.check_dataset': dict(
            config=dict(read_config(CONFIG).test_dataloader.dataset, num_clips=32))})],
    'timelines': [
        (['a/p.jsonl', '--out', 'out'], {
            'mmvmr.evaluation.predictions.read_predictions': dict(path=Path('a/p.jsonl')),
            'mmvmr.visualization.timeline.draw_timeline': dict(
                query='c', duration=9, spans=[[1, 2]], truth=[[3, 4]], frames=None, title='v2', width=17.5),
            'mmvmr.visualization.style.save_figure': dict(path=Path('out/00002_v2.png'))}),
        (['a/p.jsonl', '--out', 'out', '--videos', 'videos', '--num', 1, '--format', 'pdf', '--width', 8.5], {
            'mmvmr.evaluation.predictions.read_predictions': {},
            'mmvmr.visualization.timeline.find_video': dict(folder=Path('videos'), video_id='v0'),
            'mmvmr.visualization.timeline.sample_frames': dict(path='a file'),
            'mmvmr.visualization.timeline.draw_timeline': dict(query='a', frames='pictures', width=8.5),
            'mmvmr.visualization.style.save_figure': dict(path=Path('out/00000_v0.pdf'))})],
    'plot-training': [
        (['runs/one', 'runs/two'], {
            'mmvmr.visualization.training_log.read_training_log': dict(run=Path('runs/two')),
            'mmvmr.visualization.training_plot.choose_scalars': dict(logs=dict(one=['log'], two=['log']), names=None),
            'mmvmr.visualization.training_plot.draw_training': dict(names=['loss']),
            'mmvmr.visualization.style.save_figure': dict(path=Path('runs/one/training.png'))}),
        (['one', 'two', '--labels', 'A', 'A', '--keys', 'lr', '--out', 'a.pdf'], {
            'mmvmr.visualization.training_log.read_training_log': {},
            'mmvmr.visualization.training_plot.choose_scalars': dict(logs=dict(A=['log', 'log']), names=['lr']),
            'mmvmr.visualization.training_plot.draw_training': dict(logs=dict(A=['log', 'log'])),
            'mmvmr.visualization.style.save_figure': dict(path=Path('a.pdf'))})],
    'plot-results': [
        (['a/p.jsonl', 'b/p.jsonl', '--out', 'out'], {
            **PLOTTED, 'mmvmr.engine.run.testing.windows_of_run': dict(path=Path('a/p.jsonl')),
            'mmvmr.evaluation.scored.score_predictions': dict(
                path=Path('b/p.jsonl'), evaluator=dict(tops=(1, 5), ious=IOUS, nms=None), protocol=None),
            'mmvmr.visualization.result_plots.draw_recall': dict(methods=dict(a=[SCORED], b=[SCORED]), panel='panel'),
            'mmvmr.visualization.style.save_figure': dict(path=Path('out/breakdown.png'))}),
        (['a/p.jsonl', 'b/p.jsonl', '--labels', 'A', 'A', '--out', 'out', '--format', 'svg', '--protocol', 'p', '--nms',
          0.5, '--config', CONFIG], {
              **PLOTTED, 'mmvmr.evaluation.scored.fitted_on': {},
              'mmvmr.evaluation.scored.score_predictions': dict(
                  evaluator=dict(tops=(1, 5), ious=IOUS, nms=0.5), protocol='p'),
              'mmvmr.visualization.result_plots.draw_recall': dict(methods=dict(A=[SCORED, SCORED])),
              'mmvmr.visualization.style.save_figure': dict(path=Path('out/breakdown.svg'))})],
    'browse': [
        (['run'], {
            **BROWSED, 'mmvmr.engine.checkpoint.find_weights': dict(path=Path('run')),
            'mmvmr.visualization.browsing.explain_all': dict(weights='a.pth', loader=LOADER, num=5),
            'mmvmr.visualization.page.write_page': dict(
                path=Path('run/page_val.html'), records='records', note='p · val split · a.pth', videos=None,
                frames=32)}),
        (['run', '--config', CONFIG, '--split', 'test', '--predictions', 'p.jsonl', '--videos', 'videos', '--frames', 3,
          '--num', 2, '--out', 'a.html', '--force', '--cfg-options', 'dim=64'], {
              **BROWSED, 'mmvmr.visualization.browsing.check_same_queries': dict(
                  loader=LOADER, predictions=Path('p.jsonl')),
              'mmvmr.features.folder.find_videos': dict(folder=Path('videos')),
              'mmvmr.visualization.browsing.explain_all': dict(num=2),
              'mmvmr.visualization.page.write_page': dict(
                  path=Path('a.html'), note='p · test split · a.pth', videos=dict(one='file'), frames=3)}),
        (['run', '--against', 'run'], {
            **BROWSED, 'mmvmr.visualization.browsing.explain_all': dict(num=5),
            'mmvmr.visualization.browsing.beside': dict(records='records', others='records'),
            'mmvmr.visualization.page.write_page': dict(note='p · val split · a.pth · beside run')})],
    'flops': [
        ([CONFIG], {'mmvmr.reproduction.complexity.complexity': dict(words=8)}),
        ([CONFIG, '--words', 3, '--cfg-options', 'dim=64'], {'mmvmr.reproduction.complexity.complexity': dict(
            words=3)})],
}
RESULTS = {  # what the commands want of the functions
    'publish': [], 'export': 0.0, 'pack_features': STORE, 'extract_folder': {}, 'convert': [], 'run_all': {},
    'search': [], 'measure_all': {}, 'report': {},
    'build_index': {}, 'build_vocabulary': (SimpleNamespace(save=lambda path: None, words=()), {}),
    'read_pairs': [*PAIRS, dict(video_id='not in the index')],
    'evaluate_search': dict(recall=pd.DataFrame(), seconds={}), '__call__': dict(predictions=[], errors=[]),
    'from_file': 'features', 'listen': nullcontext(socket.socket()),
    'zero_shot': lambda *args, **kwargs: dict(predictions=[], errors=[]), 'find_video': 'a file',
    'sample_frames': 'pictures', 'read_training_log': 'log',
    'choose_scalars': ['loss'], 'score_predictions': SCORED, 'blind_panel': 'panel', 'find_weights': 'a.pth',
    'build_dataloader': LOADER, 'explain_all': 'records', 'find_videos': dict(one='file'),
    'complexity': pd.DataFrame(), 'check_dataset': '',
    'read_predictions': pd.DataFrame([
        dict(sample_idx=number, video_id=f'v{number}', query=query, duration=9, pred_spans=[[1, 2]],
             gt_spans=[[3, 4]]) for number, query in enumerate('abc')])}


@pytest.fixture(scope='module')
def everything_imported():
    """A module that is imported while others are replaced would keep what stands in for them."""
    for module in pkgutil.walk_packages(mmvmr.__path__, 'mmvmr.'):
        if not module.name.endswith('__main__'):
            importlib.import_module(module.name)


@pytest.fixture
def handed_on(monkeypatch, tmp_path, everything_imported):
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
    monkeypatch.setattr('mmvmr.cli.vocabulary.read_sentences', lambda name: ([f'of {name}'], None))
    monkeypatch.setattr('mmvmr.text.tokenizer.WordReader', lambda tokenizer=None: READER)
    monkeypatch.setattr('mmvmr.search.index_files.read_index', lambda folder: FILES)
    monkeypatch.setattr('mmvmr.apis.MomentRetrievalInferencer.recipe', SimpleNamespace(
        features=dict(clip_seconds=0.5)), raising=False)
    for name, value in dict(files=FILES, windows=[('a', None)], inferencer=SimpleNamespace(cfg=None)).items():
        monkeypatch.setattr(f'mmvmr.search.moment_index.MomentIndex.{name}', value, raising=False)
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    for name in ('run', 'one', 'two', 'runs/one', 'runs/two', 'a', 'b', 'index'):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / 'epoch_1.pth').touch()
    (tmp_path / 'run' / 'config.py').write_text(f"_base_ = 'mmvmr::{CONFIG}'")
    for name in ('a.pth', 'a.npz', 'index/index.json', 'data.py', 'video.mp4', 'store', 'predictions', 'a/p.jsonl',
                 'b/p.jsonl', 'a/predictions.jsonl', 'b/predictions.jsonl'):
        (tmp_path / name).touch()
    (tmp_path / 'videos').mkdir()
    (tmp_path / 'more.txt').write_text('a cube\n')
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
        if 'model' in (found[name].get('config') or ()):
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
    written = dict(search={'--json', '--force'}, infer={'--json', '--srt', '--clips', '--html', '--force'})
    assert options - typed <= {'--help', '--local-rank'} | written.get(command, set())  # by the commands themselves


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
