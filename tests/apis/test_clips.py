from fractions import Fraction

import av
import numpy as np
import pytest
from videos import grey, numbers, write_frames

from mmvmr.apis import clips
from mmvmr.apis.clips import clip_name, cut_clip
from mmvmr.features.video import probe_video, read_frames


def _pictures(path):
    return numbers(frame for _, frame in read_frames(path))


def test_a_clip_begins_with_what_is_on_the_screen_at_its_start(tmp_path):
    video = write_frames(tmp_path / 'a.mkv', [grey(number) for number in range(20)], fps=4)  # 5 s
    cut_clip(video, 1.1, 2.6, tmp_path / 'clip.mp4')  # the picture of second 1, then every quarter of a second
    assert _pictures(tmp_path / 'clip.mp4') == [4, 5, 6, 7, 8, 9]
    assert probe_video(tmp_path / 'clip.mp4').duration == pytest.approx(1.5)


def test_a_moment_between_two_pictures_is_a_clip_of_one(tmp_path):
    video = write_frames(tmp_path / 'a.mkv', [grey(number) for number in range(8)], fps=4)
    cut_clip(video, 1.05, 1.1, tmp_path / 'clip.mp4')
    assert _pictures(tmp_path / 'clip.mp4') == [4]


def test_odd_sizes_and_turned_pictures_come_out_upright(tmp_path):
    picture = grey(5, height=33, width=47)
    picture[:8] = 0  # dark at the top of the file, which a player turns to the left
    video = write_frames(tmp_path / 'a.mov', [picture] * 8, codec='mpeg4', pixels='yuv420p', rotation=90)
    cut_clip(video, 0, 1, tmp_path / 'clip.mp4')
    _, frame = next(read_frames(tmp_path / 'clip.mp4'))
    assert frame.shape == (46, 32, 3)
    assert frame[:, :6].mean() < 10 < 40 < frame[:, 12:].mean()


def _write_beep(path, start=0, codec='ffv1', pixels='bgr0', sound='pcm_s16le'):
    """Pictures and sound of 4 s; from second 2 to 3 there is a tone. Timestamps begin at ``start``."""
    times = np.arange(4 * 48000) / 48000
    tone = np.where((times >= 2) & (times < 3), 16000 * np.sin(2 * np.pi * 500 * times), 0).astype(np.int16)
    with av.open(str(path), 'w') as container:
        heard, stream = container.add_stream(sound, rate=48000, layout='mono'), container.add_stream(codec, 25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, pixels
        for number in range(100):
            frame = av.VideoFrame.from_ndarray(grey(number % 25), format='bgr24')
            frame.pts, frame.time_base = number + 25 * start, Fraction(1, 25)
            container.mux(stream.encode(frame))
            samples = av.AudioFrame.from_ndarray(tone[None, 1920 * number:1920 * (number + 1)], 's16', 'mono')
            samples.rate, samples.time_base = 48000, Fraction(1, 48000)
            samples.pts = 1920 * number + 48000 * start
            container.mux(heard.encode(samples))
        container.mux([*stream.encode(None), *heard.encode(None)])
    return path


@pytest.mark.parametrize('name, options', [
    ('a.mkv', {}), ('a.mkv', dict(start=5)), ('a.avi', dict(codec='mpeg4', pixels='yuv420p', sound='libmp3lame')),
    ('a.ts', dict(codec='mpeg2video', pixels='yuv420p', sound='mp2')),
    ('a.mpg', dict(codec='mpeg2video', pixels='yuv420p', sound='mp2'))])
def test_sound_is_cut_at_the_same_seconds(tmp_path, name, options):
    cut_clip(_write_beep(tmp_path / name, **options), 1.5, 3.5, tmp_path / 'clip.mp4')
    with av.open(str(tmp_path / 'clip.mp4')) as container:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(heard) / 48000 == pytest.approx(2, abs=0.1)  # the encoder fills its last frame up
    loud = np.flatnonzero(np.abs(heard) > 0.2) / 48000
    assert loud[0] == pytest.approx(0.5, abs=0.06) and loud[-1] == pytest.approx(1.5, abs=0.06)


def test_names_of_clips_are_no_longer_than_a_file_system_takes():
    names = {clip_name(f'videos/{stem}.mp4', 1, query) for stem in ('x' * 250, 'x' * 249 + 'y', 'é' * 120)
             for query in ('Person opens the door', '人' * 80)}
    assert len(names) == 6 and all(len(name.encode()) <= 255 and name.endswith('.mp4') for name in names)


def test_nothing_is_left_of_a_clip_that_fails(tmp_path):
    (tmp_path / 'broken.mp4').write_bytes(b'no video')
    with pytest.raises(ValueError, match='broken.mp4'):
        cut_clip(tmp_path / 'broken.mp4', 0, 1, tmp_path / 'clip.mp4')
    assert [path.name for path in tmp_path.iterdir()] == ['broken.mp4']


def test_an_absent_encoder_is_named(tmp_path, monkeypatch):
    video = write_frames(tmp_path / 'a.mkv', [grey(1)] * 8)
    monkeypatch.setattr(clips.av, 'codecs_available', {'ffv1'})
    with pytest.raises(ValueError, match='no encoder libx264 or mpeg4'):
        cut_clip(video, 0, 1, tmp_path / 'clip.mp4')
