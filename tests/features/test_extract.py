"""Does each row describe the seconds that it should, whatever the rate of the video?"""
import itertools
import json
from unittest.mock import MagicMock

import numpy as np
import pytest
from videos import grey, write_frames

from mmvmr.features import workers as workers_module
from mmvmr.features.extract import by_clip, extract_video, make_manifest
from mmvmr.registry import EXTRACTORS


class Brightness:
    """The mean number of the pictures of a clip, as made by ``grey``."""
    name, dim, weights_sha256 = 'brightness-1', 1, 'abc'

    def __init__(self, clip_seconds, fps):
        self.clip_seconds, self.fps = clip_seconds, fps

    def __call__(self, frames, fps):
        values = (frame.mean() / 10 for frame in frames)
        return np.array([[np.mean(clip)] for clip in by_clip(values, fps, self.clip_seconds)], np.float32)


def rows(tmp_path, count, fps, clip_seconds, wanted):
    path = write_frames(tmp_path / 'a.mkv', [grey(number) for number in range(count)], fps=fps)
    return extract_video(path, Brightness(clip_seconds, wanted))[:, 0].tolist()


def test_row_i_covers_the_ith_clip_and_the_last_one_what_is_left(tmp_path):
    assert rows(tmp_path, count=10, fps=4, clip_seconds=1.0, wanted=4) == [1.5, 5.5, 8.5]


def test_a_rest_of_less_than_half_a_clip_has_no_row(tmp_path):
    assert rows(tmp_path, count=9, fps=4, clip_seconds=1.0, wanted=4) == [1.5, 5.5]


def test_at_most_the_frames_that_the_extractor_wants_are_looked_at(tmp_path):
    assert rows(tmp_path, count=8, fps=4, clip_seconds=1.0, wanted=2) == [1, 5]  # 0 and 2, 4 and 6


def test_no_frame_is_shown_twice_to_fill_up_a_slow_video(tmp_path):
    assert rows(tmp_path, count=6, fps=2, clip_seconds=1.5, wanted=8) == [1, 4]  # 0 1 2, 3 4 5


def test_every_clip_has_a_frame_even_if_the_video_has_fewer(tmp_path):
    assert rows(tmp_path, count=3, fps=1, clip_seconds=0.5, wanted=8) == [0, 0, 1, 1, 2, 2]


def test_a_video_shorter_than_a_clip_has_one_row(tmp_path):
    assert rows(tmp_path, count=3, fps=8, clip_seconds=4.0, wanted=8) == [1]


def test_clips_of_broken_numbers_of_frames_do_not_drift():
    clips = list(by_clip(range(3750), fps=7.5, clip_seconds=0.5))  # 500 seconds
    assert len(clips) == 1000
    assert all(0.5 * row <= number / 7.5 < 0.5 * (row + 1) for row, clip in enumerate(clips) for number in clip)


def test_frames_of_a_clip_are_all_that_is_kept():
    numbers = itertools.count()
    clips = by_clip(numbers, fps=8, clip_seconds=0.5)
    assert next(clips) == [0, 1, 2, 3]
    assert next(numbers) == 5  # one more was needed to see that the clip is over


class Placed:
    clip_seconds, frames_per_clip, dim = 1.0, 1, 1

    def __init__(self, device=None):
        self.device = device


def test_a_network_has_a_process_of_its_own_on_each_gpu(tmp_path, monkeypatch):
    monkeypatch.setitem(EXTRACTORS.module_dict, 'Placed', Placed)
    monkeypatch.setattr('torch.cuda.device_count', lambda: 2)
    started, placed = [], []

    class Pool:
        def __init__(self, workers, context, start, given):
            started.append((workers, given))
            for _ in range(3):  # a process of the pool dies and is started again
                monkeypatch.setattr(workers_module, '_placed', {})
                start(*given)
                placed.append(workers_module._build.__wrapped__(json.dumps(config)).device)

        def shutdown(self, **_):
            pass

    monkeypatch.setattr(workers_module, 'ProcessPoolExecutor', Pool)
    for name in ('threading.Thread', 'signal.signal', 'cv2.setNumThreads', 'torch.set_num_threads'):
        monkeypatch.setattr(name, MagicMock())
    config = dict(type='Placed')
    workers_module.extract_all({}, 0, config, None, [])
    assert started[0][0] == 2 and placed == ['cuda:0', 'cuda:1', 'cuda:0']
    config = dict(type='Placed', device='cuda:1')
    workers_module.extract_all({}, 0, config, 3, [])
    assert started[1][0] == 3 and placed[3:] == ['cuda:1'] * 3
    config = dict(type='DescriptorExtractor')
    assert workers_module.gpus_of(config) == []


def test_features_that_are_no_numbers_are_refused(tmp_path):
    class Dark(Brightness):
        def __call__(self, frames, fps):
            return np.log(super().__call__(frames, fps))
    path = write_frames(tmp_path / 'a.mkv', [grey(0)] * 4, fps=4)
    with np.errstate(divide='ignore'), pytest.raises(ValueError, match='a.mkv" are NaN or infinite'):
        extract_video(path, Dark(1.0, 4))


def test_the_manifest_says_how_to_build_the_extractor_again_wherever_it_ran():
    config = dict(type='DescriptorExtractor', clip_seconds=0.25, saturation=90)
    manifest = make_manifest(dict(config, device='cuda:7'), EXTRACTORS.build(config))
    assert manifest == dict(extractor=config, extractor_name='descriptor-1', weights_sha256=None, clip_seconds=0.25,
                            fps=8)
    assert make_manifest(config, Brightness(1.0, 2))['weights_sha256'] == 'abc'
