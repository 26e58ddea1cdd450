"""Is the right picture shown at the right second, whatever the file looks like?"""
import io
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from videos import grey, numbers, write_frames

from mmvmr.apis.clips import cut_clip
from mmvmr.features import video
from mmvmr.features.folder import find_videos
from mmvmr.features.video import probe_video, read_frames, read_frames_at


def pictures(path, *args):
    return numbers(frame for _, frame in read_frames(path, *args))


def seconds(path, *args):
    return [time for time, _ in read_frames(path, *args)]


@pytest.fixture
def eight(tmp_path):
    """Pictures 0 to 7, four per second."""
    return write_frames(tmp_path / 'a.mkv', [grey(number) for number in range(8)], fps=4)


def test_by_default_every_picture_comes_once_at_its_own_time(eight):
    assert pictures(eight) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert seconds(eight) == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]


def test_a_slower_rate_passes_pictures_over_and_a_faster_one_repeats_them(eight):
    assert pictures(eight, 2) == [0, 2, 4, 6]
    assert pictures(eight, 8) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]
    assert seconds(eight, 8) == [number / 8 for number in range(16)]


def test_each_picture_is_decoded_without_loss_or_mirrors(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (30, 44, 3), dtype=np.uint8)
    (_, decoded), = read_frames(write_frames(tmp_path / 'a.mkv', [picture]))
    np.testing.assert_array_equal(decoded, picture)
    assert decoded.flags.c_contiguous


def test_a_picture_is_shown_until_the_next_one_comes(tmp_path):
    path = write_frames(tmp_path / 'a.mkv', [grey(number) for number in range(4)], times=[0, 0.1, 0.6, 2], fps=4)
    assert pictures(path, 4) == [0, 1, 1, 2, 2, 2, 2, 2, 3]  # at 0, 0.25, 0.5, ... 2; the last one lasts 1/4 s


def test_milliseconds_of_the_file_do_not_make_pictures_come_twice(tmp_path):
    path = write_frames(tmp_path / 'a.mkv', [grey(number) for number in range(24)], fps=30)  # at 0, 33, 67, 100 ms ...
    assert pictures(path, 30) == list(range(24))


def test_second_0_is_where_a_player_starts(tmp_path):
    late = write_frames(tmp_path / 'late.mkv', [grey(number) for number in range(3)], times=[5, 5.5, 6], fps=2)
    assert seconds(late) == [0, 0.5, 1]
    assert pictures(late, 2) == [0, 1, 2]
    assert probe_video(late).duration == pytest.approx(1.5, abs=0.01)


def test_the_first_picture_is_also_shown_while_there_is_only_sound(tmp_path):
    path = write_frames(tmp_path / 'a.mkv', [grey(3), grey(4)], times=[1, 1.5], fps=2, sound=2.0)
    assert pictures(path, 2) == [3, 3, 3, 4]


@pytest.mark.parametrize('codec, suffix', [('ffv1', 'mkv'), ('mpeg4', 'mp4'), ('mpeg4', 'avi')])
@pytest.mark.parametrize('start, end', [(0.0, 1.0), (0.9, 2.35), (2.5, None), (2.9, None), (3.0, None), (7.0, 9.0)])
def test_a_part_is_what_the_whole_shows_then(tmp_path, codec, suffix, start, end):
    frames = [grey(number) for number in range(24)]
    path = write_frames(tmp_path / f'a.{suffix}', frames, fps=8, codec=codec,
                        pixels='bgr0' if codec == 'ffv1' else 'yuv420p')
    times = [start + number / 5 for number in range(20)]
    expected = [int(time * 8 + 1e-6) for time in times if time < min(end or 3.0, 3.0)]
    assert pictures(path, 5, start, end) == expected


@pytest.mark.parametrize('rotation', [0, 90, 180, -90])
def test_pictures_are_upright(tmp_path, rotation):
    picture = grey(2, 32, 64)
    picture[:16, :16] = 250  # a bright corner
    path = write_frames(tmp_path / 'a.mp4', [picture] * 3, codec='mpeg4', pixels='yuv420p', rotation=rotation)
    upright = np.rot90(picture, rotation // 90)
    frames = [frame for _, frame in read_frames(path)]
    assert frames[0].shape == upright.shape
    assert np.abs(frames[0].astype(int) - upright).mean() < 3
    assert probe_video(path)[3:5] == (upright.shape[1], upright.shape[0])
    np.testing.assert_array_equal(frames[0], cv2.VideoCapture(str(path)).read()[1])  # OpenCV turns them as well


@pytest.mark.parametrize('codec, pixels', [('ffv1', 'gray'), ('ffv1', 'yuv420p10le'), ('ffv1', 'bgra'),
                                           ('mjpeg', 'yuvj420p')])
def test_grey_deep_and_transparent_pictures_become_bgr(tmp_path, codec, pixels):
    path = write_frames(tmp_path / 'a.mkv', [grey(3, 33, 47), grey(9, 33, 47)], codec=codec, pixels=pixels)
    frames = [frame for _, frame in read_frames(path)]
    assert [(frame.shape, frame.dtype) for frame in frames] == [((33, 47, 3), np.uint8)] * 2
    assert numbers(frames) == [3, 9]


def test_probing_says_length_rate_and_size(eight, tmp_path):
    assert probe_video(eight) == (eight, 2.0, 4.0, 48, 32, 1)
    single = write_frames(tmp_path / 'single.mp4', [grey(1)], fps=8, codec='mpeg4', pixels='yuv420p')
    assert probe_video(single).duration == pytest.approx(1 / 8, abs=0.01)
    assert pictures(single, 8) == [1]


def test_a_file_that_was_streamed_does_not_say_how_long_it_is_but_has_a_length(tmp_path):
    class Pipe(io.RawIOBase):
        written = b''

        def writable(self):
            return True

        def write(self, data):
            self.written += bytes(data)
            return len(data)
    pipe = Pipe()
    write_frames(pipe, [grey(number) for number in range(6)], fps=4, format='matroska')
    (tmp_path / 'a.mkv').write_bytes(pipe.written)
    assert probe_video(tmp_path / 'a.mkv')[1:3] == (1.5, 4)
    assert pictures(tmp_path / 'a.mkv', 2, 0.5) == [2, 4]


@pytest.mark.parametrize('name', ['видео ü.mkv', 'half:past.mkv', '100%d.mkv', "it's #1?.mkv"])
def test_a_file_may_have_any_name(eight, tmp_path, name):
    assert pictures(eight.rename(tmp_path / name), 2) == [0, 2, 4, 6]


def test_the_cover_of_a_song_is_no_video(tmp_path):
    song = write_frames(tmp_path / 'song.mp4', [grey(3)], codec='mjpeg', pixels='yuvj420p', sound=2.0, cover=True)
    with pytest.raises(ValueError, match='no pictures, only sound'):
        probe_video(song)


def broken_files(folder):
    """Files that cannot be read, by what a user should learn."""
    whole = write_frames(folder / 'whole.mkv', [np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
                                                for number in range(40)], fps=4).read_bytes()
    movie = write_frames(folder / 'whole.mp4', [grey(1), grey(2)], codec='mpeg4', pixels='yuv420p').read_bytes()
    for name, content in dict(empty=b'', text=b'not a video', half=whole[:len(whole) // 2],
                              headless=movie[:len(movie) // 2]).items():
        (folder / f'{name}.mp4').write_bytes(content)
    write_frames(folder / 'sound.mkv', [], sound=2.0)


@pytest.mark.parametrize('name, message', [
    ('empty.mp4', 'cannot be decoded as a video .*Fetch it again'),
    ('text.mp4', 'cannot be decoded as a video .*Fetch it again'),
    ('headless.mp4', 'cannot be decoded as a video .*Fetch it again'),
    ('half.mp4', r'ends after [45]\.\d s, but its head promises 10\.0 s: it is incomplete'),
    ('sound.mkv', 'no pictures, only sound')])
def test_a_broken_file_says_what_is_wrong_and_what_to_do(tmp_path, name, message):
    broken_files(tmp_path)
    with pytest.raises(ValueError, match=f'{name}.*{message}'):
        list(read_frames(tmp_path / name))


@pytest.mark.parametrize('times', [(0, 1, 4000), (4000, 4001)])
def test_a_picture_that_stays_for_more_than_an_hour_is_damage(tmp_path, times):
    path = write_frames(tmp_path / 'v.mkv', [grey(number) for number in range(len(times))], times, sound=1)
    with pytest.raises(ValueError, match=r'no picture between the seconds [01]\.0 and 4000\.0'):
        list(read_frames(path))


def test_a_file_that_is_not_there_is_named(tmp_path):
    for read in (probe_video, lambda path: next(read_frames(path))):
        with pytest.raises(FileNotFoundError, match='absent.mp4'):
            read(tmp_path / 'absent.mp4')
        with pytest.raises(ValueError, match='cannot be decoded as a video .*directory'):
            read(tmp_path)


@pytest.mark.parametrize('times', [dict(rate=0), dict(rate=float('nan')), dict(rate=float('inf')), dict(start=-1.0)])
def test_impossible_times_are_refused(eight, times):
    with pytest.raises(ValueError, match='at a positive rate; got'):
        next(read_frames(eight, **times))


@pytest.mark.parametrize('name', ['charades', 'demo'])
def test_real_videos_give_the_pictures_that_opencv_gives(shared_data, name):
    path = shared_data / 'videos' / f'{name}.mp4'
    reader = cv2.VideoCapture(str(path))
    for _, frame in read_frames(path):
        np.testing.assert_array_equal(frame, reader.read()[1])
    assert not reader.read()[0]
    info = probe_video(path)
    assert len(seconds(path, info.fps)) == len(seconds(path)) == round(info.duration * info.fps)


def test_the_last_pictures_count_for_as_long_as_they_are_shown_whatever_the_head_says(tmp_path):
    times = [0.1 * number for number in range(12)] + [1.5 + 0.5 * number for number in range(4)]
    path = write_frames(tmp_path / 'v.mp4', [grey(number) for number in range(16)], times, fps=10, codec='libx264',
                        pixels='yuv420p')
    with av.open(path) as container:  # it was added up before the pictures were put into their order
        assert container.duration / 1e6 < 3
    assert probe_video(path).duration > 3 and numbers(read_frames_at(path, [1.6, 3.05])) == [12, 15]


@pytest.mark.parametrize('suffix', ['mkv', 'mp4', 'flv'])
def test_sound_that_outlasts_the_pictures_makes_no_video_longer(tmp_path, suffix):
    lossy = {} if suffix == 'mkv' else dict(codec='mpeg4' if suffix == 'mp4' else 'flv1', pixels='yuv420p')
    path = write_frames(tmp_path / f'v.{suffix}', [grey(number) for number in range(16)], **lossy)
    longer = tmp_path / f'longer.{suffix}'
    with av.open(path) as source, av.open(longer, 'w') as target:
        pictures = target.add_stream_from_template(source.streams.video[0])
        sound = target.add_stream('aac' if suffix != 'mkv' else 'flac', rate=44100, layout='mono')
        for second in range(5):
            frame = av.AudioFrame(format=sound.codec_context.format.name, layout='mono', samples=44100)
            frame.rate, frame.pts, frame.time_base = 44100, second * 44100, Fraction(1, 44100)
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            target.mux(sound.encode(frame))
        target.mux(sound.encode(None))
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = pictures
                target.mux(packet)
    with av.open(longer) as container:
        assert container.duration / 1e6 >= 5
    assert probe_video(longer).duration == pytest.approx(2, abs=0.05)


def test_a_stream_whose_clock_jumps_is_refused_with_the_way_out(tmp_path):
    parts = b''
    for start in (0, 1000):
        part = write_frames(tmp_path / 'part.ts', [grey(number) for number in range(16)],
                            [start + number / 25 for number in range(16)], 25, 'libx264', 'yuv420p')
        parts += part.read_bytes()
    (tmp_path / 'v.ts').write_bytes(parts)
    for read in (probe_video, lambda path: list(read_frames(path, rate=1))):
        with pytest.raises(ValueError, match=r'The clock of .*v\.ts" jumps from .* s.*with one: ffmpeg -i'):
            read(tmp_path / 'v.ts')


def test_a_clip_is_shown_as_wide_as_its_video(tmp_path):
    path = tmp_path / 'wide.mp4'
    with av.open(path, 'w') as container:
        stream = container.add_stream('mpeg4', 8, pix_fmt='yuv420p', width=48, height=32)
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for number in range(8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey(number), format='bgr24')))
        container.mux(stream.encode(None))
    assert probe_video(path).pixel_ratio == Fraction(4, 3)
    assert next(read_frames(path))[1].shape == (32, 48, 3)  # the pixels of the file
    cut_clip(path, 0, 0.5, tmp_path / 'clip.mp4')
    assert probe_video(tmp_path / 'clip.mp4')[3:] == (48, 32, Fraction(4, 3))


def test_a_file_is_read_through_once_for_its_length_until_it_changes(tmp_path, monkeypatch):
    path = write_frames(tmp_path / 'v.mkv', [grey(number) for number in range(16)])
    measured, end = [], video._end_of_pictures
    monkeypatch.setattr(video, '_end_of_pictures', lambda *args: measured.append(end(*args)) or measured[-1])
    assert probe_video(path).duration == probe_video(str(path)).duration == 2
    assert measured == [2]
    write_frames(path, [grey(number) for number in range(24)])
    assert probe_video(path).duration == 3


def test_an_animated_gif_is_a_video(tmp_path):
    path = write_frames(tmp_path / 'v.gif', [grey(number) for number in range(16)], codec='gif', pixels='rgb8')
    assert probe_video(path).duration == pytest.approx(2, abs=0.02)
    assert [numbers([frame])[0] for _, frame in read_frames(path, 1, end=2)] == pytest.approx([0, 8], abs=2)


def test_one_video_is_as_good_as_a_folder_of_one(tmp_path):
    path = write_frames(tmp_path / 'v.mp4', [grey(0)] * 4)
    assert find_videos(path) == find_videos(tmp_path) == dict(v=path)
    (tmp_path / 'v.txt').touch()
    with pytest.raises(FileNotFoundError, match='v.txt" is no folder with videos, and no video'):
        find_videos(tmp_path / 'v.txt')


def test_videos_behind_links_to_folders_are_found_once(tmp_path):
    (tmp_path / 'disk').mkdir()
    (tmp_path / 'disk' / 'v.mp4').touch()
    (tmp_path / 'videos').mkdir()
    (tmp_path / 'videos' / 'linked').symlink_to(tmp_path / 'disk')
    (tmp_path / 'disk' / 'round').symlink_to(tmp_path / 'videos')
    assert find_videos(tmp_path / 'videos') == dict(v=tmp_path / 'videos' / 'linked' / 'v.mp4')
    for link in ('.latest', '1'):
        (tmp_path / 'disk' / link).symlink_to(tmp_path / 'disk' / '2024')
    (tmp_path / 'disk' / '2024').mkdir()
    (tmp_path / 'disk' / '2024' / 'w.mp4').touch()
    assert find_videos(tmp_path / 'disk')['w'] == tmp_path / 'disk' / '2024' / 'w.mp4'


def test_a_folder_of_pictures_says_how_to_make_a_video_of_them(tmp_path):
    (tmp_path / 'frames' / 'kitchen').mkdir(parents=True)
    cv2.imwrite(str(tmp_path / 'frames' / 'kitchen' / '00001.jpg'), grey(1))
    with pytest.raises(FileNotFoundError, match='(?s)There is no video in.*holds pictures.*-framerate 25.*kitchen.mp4'):
        find_videos(tmp_path / 'frames')
