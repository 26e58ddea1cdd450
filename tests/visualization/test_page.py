import base64
import json
import re

import cv2
import numpy as np
import pytest
from records import make_record

from mmvmr.visualization.frame_strip import frame_strip
from mmvmr.visualization.page import pack, write_page


def _data(path, name):
    """What a page holds: the list of JSON texts in one of its data blocks."""
    block = re.search(f'<script type="application/json" id="{name}">(.*?)</script>', path.read_text(), re.DOTALL)[1]
    return [json.loads(line) for line in block.split('\n')] if block else []


def _video(path, frames=16):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 8, (64, 32))
    for value in range(frames):
        writer.write(np.full((32, 64, 3), 10 * value, np.uint8))
    writer.release()
    return path


def test_list_knows_the_iou_of_the_chosen_and_of_the_best_candidate(tmp_path):
    write_page(tmp_path / 'page.html', [make_record(), make_record(gt_spans=[]), make_record(spans=[])], 'run')
    judged, unknown, absent = _data(tmp_path / 'page.html', 'index')[0]
    assert (judged['iou'], judged['best'], judged['chosen']) == (0.5, 1.0, [2.0, 6.0])
    assert (unknown['iou'], unknown['truth']) == (None, [])
    assert (absent['iou'], absent['chosen']) == (None, None)
    assert _data(tmp_path / 'page.html', 'details')[0]['ious'] == [0.5, 1.0]


def test_packed_numbers_come_back_within_half_a_step():
    values = [0.25, None, 0.5, 0.333, 0.75]
    low, high, data = pack(values)
    back = [None if byte == 0 else low + (byte - 1) / 254 * (high - low) for byte in base64.b64decode(data)]
    assert back[1] is None
    assert [value for value in back if value is not None] == pytest.approx([0.25, 0.5, 0.333, 0.75], abs=0.5 / 508)
    assert pack([0.0, None, 0.5, 1.0]) == [0.0, 1.0, base64.b64encode(bytes([1, 0, 128, 255])).decode()]
    assert pack([0.5, 0.5])[:2] == [0.5, 0.5]


def test_nothing_in_the_data_can_end_a_script(tmp_path):
    text = '</script><script>alert(1)</script><!-- ${script} $style'
    write_page(tmp_path / 'page.html', [make_record(query=text, video_id=text)], title=text, note=text)
    page = (tmp_path / 'page.html').read_text()
    assert page.count('</script>') == 5 and page.count('<!--') == 0  # four blocks of data and the script
    assert _data(tmp_path / 'page.html', 'index')[0][0]['query'] == text


def test_number_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match='JSON'):
        write_page(tmp_path / 'page.html', [make_record(scores=[float('nan'), 0.0])], 'run')
    assert not (tmp_path / 'page.html').exists()


def test_video_is_found_from_where_the_page_is(tmp_path):
    videos = tmp_path / 'my videos'
    videos.mkdir()
    file = _video(videos / 'a#.mp4')
    write_page(tmp_path / 'page.html', [make_record(), make_record(1)], 'run', videos={'v_0': file}, frames=4)
    video, = _data(tmp_path / 'page.html', 'videos')
    assert video['video_id'] == 'v_0' and video['source'] == 'my%20videos/a%23.mp4'
    assert video['strip']['times'] == [  # spread over the video, and in the annotated and the chosen moment
        1.25, 2.33, 2.67, 3.0, 3.67, 3.75, 4.0, 5.33, 6.25, 8.75]
    write_page(tmp_path / 'page.html', [make_record()], 'run', videos={'v_0': file}, frames=2)
    video, = _data(tmp_path / 'page.html', 'videos')
    assert video['strip']['times'] == [2.5, 3.0, 4.0, 7.5]  # one of each moment, as there are so few


def test_page_says_what_could_not_be_answered_and_what_was_not_read(tmp_path):
    problems = [dict(query='a zebra', error='The model knows no zebra.')]
    unanswered = make_record(spans=[], scores=[], masks=[], unanswered='probably not in this video', confidence=0.1)
    write_page(tmp_path / 'page.html', [make_record(unknown_words=['zebra']), unanswered], 'run',
               problems=problems)
    first, second = _data(tmp_path / 'page.html', 'index')[0]
    assert first['unknown_words'] == ['zebra'] and (first['score'], first['scored_by']) == (0.9, 'score')
    assert (second['unanswered'], second['confidence']) == ('probably not in this video', 0.1)
    assert _data(tmp_path / 'page.html', 'problems-data') == [problems]


def test_a_wide_video_gives_no_wider_picture_than_a_jpeg_can_be(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / 'v.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 8, (640, 32))
    for _ in range(8):
        writer.write(np.zeros((32, 640, 3), np.uint8))
    writer.release()
    strip = frame_strip(tmp_path / 'v.avi', [number / 50 for number in range(48)], height=96)
    assert 48 * strip['width'] <= 65_000 and strip['width'] / strip['height'] == pytest.approx(20, rel=0.02)


def test_video_that_cannot_be_decoded_leaves_its_frames_out(tmp_path):
    (tmp_path / 'v.mp4').write_bytes(b'nothing')
    write_page(tmp_path / 'page.html', [make_record()], 'run', videos={'v_0': tmp_path / 'v.mp4'})
    assert _data(tmp_path / 'page.html', 'videos')[0]['strip'] is None


def test_strip_has_the_pictures_of_its_times_beside_each_other(tmp_path):
    strip = frame_strip(_video(tmp_path / 'v.mp4'), [0.25, 0.75, 1.25, 1.75], height=16)
    assert (strip['width'], strip['height'], strip['times']) == (32, 16, [0.25, 0.75, 1.25, 1.75])
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(strip['jpeg']), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (16, 128, 3)
    means = picture.reshape(16, 4, 32, 3).mean(axis=(0, 2, 3))
    assert means == pytest.approx([20, 60, 100, 140], abs=6)  # frames 2, 6, 10 and 14


def test_video_with_fewer_frames_than_the_strip_shows_them_several_times(tmp_path):
    strip = frame_strip(_video(tmp_path / 'v.mp4', frames=2), [0.03, 0.09, 0.16, 0.22], height=16)
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(strip['jpeg']), np.uint8), cv2.IMREAD_COLOR)
    assert picture.reshape(16, 4, 32, 3).mean(axis=(0, 2, 3)) == pytest.approx([0, 0, 10, 10], abs=6)
