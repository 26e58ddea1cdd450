import cv2
import numpy as np
import pytest
import torch
from runs import make_runner, write_config
from videos import grey, write_frames

from mmvmr.registry import HOOKS, VISUALIZERS
from mmvmr.structures import MomentSample
from mmvmr.visualization import moment_visualizer
from mmvmr.visualization.moment_visualization_hook import MomentVisualizationHook
from mmvmr.visualization.style import ANSWER, OTHER, TRUTH

HOOK = dict(type='MomentVisualizationHook', num=3)


@pytest.fixture
def figures(monkeypatch):
    """The timelines that are drawn."""
    drawn, draw = [], moment_visualizer.draw_timeline
    monkeypatch.setattr(moment_visualizer, 'draw_timeline', lambda *args: drawn.append(draw(*args)) or drawn[-1])
    return drawn


def _sample(**fields):
    sample = MomentSample(metainfo=dict(video_id='v', query='a red ball', duration=20.0, sample_idx=0, **fields))
    sample.pred_spans, sample.gt_spans = torch.tensor([[2.0, 5.0], [7.0, 9.0]]), torch.tensor([[3.0, 6.0]])
    return sample


def _visualizer(tmp_path, *backends):
    return VISUALIZERS.build(dict(type='MomentVisualizer', name=str(tmp_path), save_dir=str(tmp_path),
                                  vis_backends=[dict(type=name) for name in backends or ['LocalVisBackend']]))


def test_data_sample_goes_to_all_backends(tmp_path, figures, bars):
    frames = np.zeros((4, 8, 16, 3), np.uint8)
    _visualizer(tmp_path, 'LocalVisBackend', 'TensorboardVisBackend').add_datasample('one', frames, _sample(), step=3)
    picture = cv2.imread(str(tmp_path / 'vis_data' / 'vis_image' / 'one_3.png'))
    assert picture.shape[1] == round(17.5 / 2.54 * 150)  # cm at 150 dpi
    assert bars(figures[0], ANSWER) == [(2, 5)] and bars(figures[0], OTHER) == [(7, 9)]
    assert bars(figures[0], TRUTH) == [(3, 6)]
    assert len(figures[0].axes) == 2
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    events = EventAccumulator(str(tmp_path / 'vis_data'))
    events.Reload()
    assert [image.step for image in events.Images('one')] == [3]


@pytest.mark.parametrize('draw, sample, colors', [
    (dict(draw_gt=False), _sample(), [ANSWER]), (dict(draw_pred=False), _sample(), [TRUTH]),
    (dict(), _sample(absent=True), [TRUTH])])  # its prediction is made of zeros
def test_only_what_is_asked_for_and_known_is_drawn(tmp_path, figures, bars, draw, sample, colors):
    _visualizer(tmp_path).add_datasample('one', None, sample, **draw)
    assert [color for color in (ANSWER, TRUTH) if bars(figures[0], color)] == colors


def test_picture_for_a_paper_is_written_instead_of_recorded(tmp_path):
    _visualizer(tmp_path).add_datasample('one', None, _sample(), out_file=str(tmp_path / 'one.svg'))
    assert (tmp_path / 'one.svg').read_text().startswith('<?xml')
    assert not list(tmp_path.rglob('*.png'))


def test_hook_draws_queries_from_first_to_last_in_every_second_epoch(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, train_cfg=dict(max_epochs=4),
                        custom_hooks=[dict(HOOK, interval=2)])
    make_runner(file, tmp_path / 'run').train()
    names = sorted(path.name for path in (tmp_path / 'run').rglob('*.png'))
    queries = ['val_00000_val_0', 'val_00003_val_1', 'val_00007_val_3']  # 8 queries, 2 per video
    assert names == [f'{query}_{epoch}.png' for query in queries for epoch in (2, 4)]


def test_first_process_draws_what_any_process_has_predicted(monkeypatch):
    """Batches are dealt out in turn; here the second of two processes has three of the four queries."""
    module = 'mmvmr.visualization.moment_visualization_hook'
    hooks, drawn = [HOOKS.build(dict(HOOK, num=4)) for _ in range(2)], [[], []]
    samples = [_sample() for _ in range(8)]
    for index, sample in enumerate(samples):
        sample.set_metainfo(dict(sample_idx=index))
    for rank, share in enumerate((samples[:2], samples[2:])):
        hooks[rank].after_test_iter(_Runner(drawn[rank]), 0, None, share)
    kept = [dict(hook._kept) for hook in hooks]
    monkeypatch.setattr(f'{module}.all_gather_object', lambda own: kept)
    for rank in (0, 1):
        monkeypatch.setattr(f'{module}.is_main_process', lambda rank=rank: not rank)
        hooks[rank].after_test_epoch(_Runner(drawn[rank]))
    assert drawn == [[0, 2, 4, 7], []]


class _Runner:
    """A runner whose visualizer notes the queries, of a test on eight pairs."""
    test_dataloader = type('Loader', (), dict(dataset=range(8)))

    def __init__(self, drawn):
        self.visualizer = self
        self.add_datasample = lambda name, frames, sample, step: drawn.append(sample.sample_idx)


def test_frames_come_from_the_folder_and_a_broken_video_is_warned_about(tmp_path, tiny_dataset):
    (tmp_path / 'videos').mkdir()
    write_frames(tmp_path / 'videos' / 'val_0.mkv', [grey(number) for number in range(16)])
    (tmp_path / 'videos' / 'val_3.mp4').write_bytes(b'nothing')
    file = write_config(tmp_path / 'config.py', tiny_dataset, train_cfg=dict(max_epochs=1),
                        custom_hooks=[dict(HOOK, videos=str(tmp_path / 'videos'))])
    make_runner(file, tmp_path / 'run').train()
    heights = [cv2.imread(str(path)).shape[0] for path in sorted((tmp_path / 'run').rglob('*.png'))]
    assert heights[0] > heights[1] == heights[2]  # the first one has a strip of frames
    assert 'A timeline has no frames: "' in next((tmp_path / 'run').rglob('*.log')).read_text()


def test_plain_visualizer_is_refused(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, custom_hooks=[HOOK], visualizer=dict(type='Visualizer'))
    with pytest.raises(ValueError, match='needs visualizer.type="MomentVisualizer", the config has "Visualizer"'):
        make_runner(file, tmp_path / 'run').train()


def test_folder_of_videos_must_exist():
    with pytest.raises(FileNotFoundError, match='no folder "/absent" of videos'):
        MomentVisualizationHook(videos='/absent')
    with pytest.raises(ValueError, match='num=0'):
        MomentVisualizationHook(num=0)
