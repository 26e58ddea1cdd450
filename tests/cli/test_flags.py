"""What is typed reaches what does the work: every flag of infer, extract, benchmark, publish and plot-results."""
import re

import pytest
import torch
from runs import run_command

from mmvmr.features.stores.shards import Shard

PAIR = ('{"sample_idx": 0, "video_id": "v", "query": "a red ball", "duration": 20.0, "gt_spans": [[3.0, 6.0]], '
        '"pred_spans": [[2.0, 5.0]], "pred_scores": [0.5], "protocol": "custom"}')


class Reached(Exception):
    """Instead of the work."""


@pytest.fixture
def reached(monkeypatch):
    """``reached(place, name, word, ...)``: the arguments with which the command calls what is in that place."""
    def call(place, *words):
        def stop(*args, **kwargs):
            raise Reached(args, kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(place, stop)
            with pytest.raises(Reached) as found:
                run_command(*words)
        return found.value.args
    return call


@pytest.fixture
def run(tmp_path):
    """The folder of a run, with nothing but names; and a video."""
    (tmp_path / 'run').mkdir()
    for name in ('run/epoch_1.pth', 'run/config.py', 'v.mp4', 'f.npy', 'other.pth'):
        (tmp_path / name).touch()
    return tmp_path / 'run'


def test_infer(reached, run):
    place, command = 'mmvmr.apis.MomentRetrievalInferencer', ['infer', run, run.parent / 'v.mp4', 'a sentence']
    assert reached(place, *command) == ((str(run), None, None), {})
    assert reached(place, *command, '--device', 'cuda:1', '--checkpoint', run.parent / 'other.pth') == (
        (str(run), run.parent / 'other.pth', 'cuda:1'), {})
    assert reached(place, *command, '--checkpoint', run / 'epoch_1.pth')[0][1] == run / 'epoch_1.pth'


def test_infer_asks_for_so_many_moments_of_the_features(reached, run, monkeypatch):
    asked = []

    class Inferencer:
        recipe = type('Recipe', (), dict(features=dict(clip_seconds=0.5)))

        def __init__(self, *args):
            pass

        def __call__(self, video, queries, top_k, on_video):
            asked.append((video, queries, top_k, on_video is None))
            return dict(predictions=[], errors=[])

    monkeypatch.setattr('mmvmr.apis.MomentRetrievalInferencer', Inferencer)
    (run.parent / 'more.txt').write_text('two\n')
    run_command('infer', run, run.parent / 'v.mp4', 'one', '--top-k', 3, '--queries', run.parent / 'more.txt')
    run_command('infer', run, run.parent / 'v.mp4', 'one', '--html', run.parent / 'a.html')
    assert asked == [(str(run.parent / 'v.mp4'), ['one', 'two'], 3, True),
                     (str(run.parent / 'v.mp4'), ['one'], 5, False)]
    assert reached('mmvmr.apis.VideoFeatures.from_file', 'infer', run, run.parent / 'f.npy', 's', '--duration', 7,
                   '--video-id', 'x') == ((str(run.parent / 'f.npy'), 'x', 7.0, 0.5), {})


def test_extract(reached, run):
    command = ['extract', run.parent, run.parent / 'store', '--extractor', 'DescriptorExtractor']
    place = 'mmvmr.features.folder.extract_folder'
    arguments, _ = reached(place, *command, '--workers', 3, '--force', '--cfg-options', 'clip_seconds=2')
    extractor = dict(type='DescriptorExtractor', clip_seconds=2)
    assert arguments == (run.parent, run.parent / 'store', extractor, 3, True, (), None)
    arguments, _ = reached(place, *command, '--shard', '1/2')
    assert arguments[1] == Shard(1, 2).folder(run.parent / 'store') and arguments[4:] == (False, (), Shard(1, 2))


def test_benchmark(reached, tmp_path):
    command, place = ['benchmark', 'cpl_charades'], 'mmvmr.reproduction.benchmark.benchmark'
    (config, *arguments), _ = reached(place, *command)
    assert config.optim_wrapper.get('type', 'OptimWrapper') == 'OptimWrapper'
    assert arguments[:3] == [['loader', 'training', 'evaluation'], [1], 5] and arguments[4:] == [6670, 'float32', 1]
    (config, *arguments), _ = reached(
        place, *command, '--amp', '--videos', 7, '--steps', 2, '--dtype', 'float16', '--shards', 3, '--parts',
        'cold', '--folder', tmp_path, '--cfg-options', 'train_dataloader.batch_size=5')
    assert config.optim_wrapper.type in ('AmpOptimWrapper', 'BFloat16OptimWrapper')
    assert config.train_dataloader.batch_size == 5
    assert arguments == [['cold'], [1], 2, tmp_path, 7, 'float16', 3]
    if not torch.cuda.is_available():
        assert reached(place, *command, '--processes', 1, 2)[0][2] == [1, 2]


def test_publish(reached, run):
    place = 'mmvmr.engine.run.publishing.publish'
    assert reached(place, 'publish', run, run.parent / 'new') == ((run, run.parent / 'new', None), {})
    assert reached(place, 'publish', run, run.parent / 'new', '--checkpoint', run.parent / 'other.pth')[0][2] == (
        run.parent / 'other.pth')
    assert reached(place, 'publish', run / 'epoch_1.pth', run.parent / 'new')[0][0] == run / 'epoch_1.pth'


def test_plot_results(reached, tmp_path):
    (tmp_path / 'p.jsonl').write_text(PAIR)
    command = ['plot-results', tmp_path / 'p.jsonl', '--out', tmp_path / 'figures']
    place = 'mmvmr.evaluation.scored.score_predictions'
    (path, rules, protocol), _ = reached(place, *command, '--nms', 0.4, '--protocol', 'charades_sta/filtered')
    assert path == tmp_path / 'p.jsonl' and rules['nms'] == 0.4 and protocol == 'charades_sta/filtered'
    assert reached(place, *command)[0][1]['nms'] is None


def test_the_bar_of_plot_results_comes_to_its_end(tmp_path, capsys):
    for name in ('one', 'two'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'predictions.jsonl').write_text(PAIR)
    run_command('plot-results', *tmp_path.glob('*/predictions.jsonl'), '--out', tmp_path / 'figures')
    assert re.search(r'Scoring: 100%.* 2/2 ', capsys.readouterr().err)
