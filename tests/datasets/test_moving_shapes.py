"""What happens in the videos of Moving Shapes, what is said about it, and whether that is fair."""
import json
import logging
import subprocess
import sys
import time
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from mmvmr.datasets.moving_shapes import (
    DIFFICULTIES,
    SPLITS,
    Event,
    MovingShapes,
    Script,
    describe,
    write_script,
)
from mmvmr.text.tokenizer import tokenize
from mmvmr.text.word_vectors import random_vectors


def scripts_of(split, difficulty='medium'):
    return [write_script(split, index, 0, difficulty) for index in range(SPLITS[split])]


def pairs_of(split, difficulty='medium'):
    return list(chain.from_iterable(describe(script, 0, difficulty) for script in scripts_of(split, difficulty)))


def test_the_same_seed_tells_the_same_story_and_another_seed_another():
    assert write_script('train', 7, seed=3) == write_script('train', 7, seed=3)
    assert describe(write_script('train', 7, 3), 3) == describe(write_script('train', 7, 3), 3)
    assert write_script('train', 7, seed=3) != write_script('train', 7, seed=4)
    assert write_script('train', 7).events != write_script('test', 7).events


@pytest.mark.parametrize('difficulty', list(DIFFICULTIES))
def test_events_follow_one_another_inside_the_video(difficulty):
    low, high = DIFFICULTIES[difficulty]['events']
    for script in scripts_of('test', difficulty):
        assert low <= len(script.events) <= high
        borders = [time for event in script.events for time in (event.start, event.end)]
        assert borders == sorted(borders) and borders[0] >= 0 and borders[-1] <= script.duration


@pytest.mark.parametrize('difficulty', list(DIFFICULTIES))
def test_every_event_is_unique_and_another_one_differs_in_one_attribute_alone(difficulty):
    for script in scripts_of('test', difficulty):
        looks = [event[:3] for event in script.events]
        assert len(set(looks)) == len(looks)
        for look in looks:
            assert 1 in [sum(a != b for a, b in zip(look, other)) for other in looks]


def test_no_constant_window_finds_a_fifth_of_the_moments():
    pairs = pairs_of('test')
    start, end = np.array([[pair[2][0] / pair[1], pair[2][1] / pair[1]] for pair in pairs]).T
    borders = np.arange(51) / 50
    recall = []
    for left in borders[:-1]:
        right = borders[borders > left][:, None]
        overlap = (np.minimum(right, end) - np.maximum(left, start)).clip(min=0)
        recall += list((overlap / (right - left + end - start - overlap) >= 0.5).mean(axis=1))
    assert 0.05 < max(recall) < 0.2  # of all constant windows, chosen on the test split itself


def test_moments_lie_anywhere_and_are_short_and_long():
    spans = np.array([[start / duration, end / duration] for _, duration, (start, end), _ in pairs_of('train')])
    share, _ = np.histogram(spans.mean(axis=1), bins=5, range=(0, 1))
    assert (share / len(spans) > 0.12).all()  # 0.2 each if centres were uniform
    assert np.quantile(spans[:, 1] - spans[:, 0], 0.1) < 0.07 and np.quantile(spans[:, 1] - spans[:, 0], 0.9) > 0.22


def test_every_word_is_frequent_in_training():
    counts = Counter(word for pair in pairs_of('train') for word in tokenize(pair[3]))
    assert min(counts.values()) >= 30
    assert {word for split in ('val', 'test') for pair in pairs_of(split) for word in tokenize(pair[3])} <= set(counts)


def test_sentences_are_said_in_varied_and_grammatical_ways():
    event = Event('orange', 'circle', 'up', 2.0, 5.5)
    said = {describe(Script(f'test_{index:04d}', 30.0, [event]))[0][3] for index in range(300)}
    assert said == {
        sentence.format(circle) for circle in ('circle', 'disc') for sentence in (
            'An orange {} rises.', 'An orange {} moves up.', 'The orange {} rises.', 'The orange {} moves up.',
            'The {} that is orange rises.', 'The {} that is orange moves up.', 'An orange {} is rising.',
            'An orange {} is moving up.', 'A {} of orange color is rising.', 'A {} of orange color is moving up.',
            'We see an orange {} rising.', 'We see an orange {} moving up.')}


def test_a_query_about_two_events_covers_both():
    events = [Event('red', 'star', 'spin', 1.0, 4.0), Event('red', 'cross', 'spin', 6.0, 9.0)]
    for index in range(100):
        pairs = describe(Script(f'test_{index:04d}', 30.0, events), difficulty='hard')
        assert [pair[2] for pair in pairs[:2]] == [[1.0, 4.0], [6.0, 9.0]]
        if len(pairs) == 3:
            assert pairs[2][2] == [1.0, 9.0]
            first, second = pairs[2][3].split(', then ')
            assert 'star' in first and 'cross' in second
            return
    pytest.fail('no query about two events in a hundred videos')


def test_the_vector_of_a_word_depends_on_the_word_alone():
    vectors = random_vectors(['red', 'star'])
    np.testing.assert_array_equal(random_vectors(['star'])['star'], vectors['star'])
    cosine = vectors['red'] @ vectors['star'] / np.linalg.norm(vectors['red']) / np.linalg.norm(vectors['star'])
    assert abs(cosine) < 0.2


@pytest.fixture
def rendered(tmp_path: Path):
    """The annotations of a folder as the converter writes them; no videos, no features."""
    def write(difficulty='medium', seed=0, scale=1.0, count=None):
        (tmp_path / 'settings.json').write_text(json.dumps(dict(difficulty=difficulty, seed=seed, scale=scale)))
        (tmp_path / 'test.json').write_text(json.dumps(pairs_of('test', difficulty)[:count]))
        return dict(ann_file='test.json', data_root=str(tmp_path), split='test', test_mode=True)
    return write


@pytest.mark.parametrize('difficulty', list(DIFFICULTIES))
def test_a_protocol_is_a_difficulty_with_its_number_of_pairs(rendered, difficulty):
    dataset = MovingShapes(protocol=difficulty, **rendered(difficulty))
    assert dataset.metainfo['protocol'] == f'moving_shapes/{difficulty}'
    for split in ('train', 'val'):
        assert MovingShapes.PROTOCOLS[difficulty][split] == len(pairs_of(split, difficulty))


def test_an_incomplete_annotation_file_does_not_pass_for_the_protocol(rendered):
    with pytest.raises(ValueError, match='has 638 pairs .* gives 50'):
        MovingShapes(protocol='medium', **rendered(count=50))


def test_another_difficulty_than_rendered_is_refused(rendered):
    with pytest.raises(ValueError, match='rendered in the difficulty "easy".*protocol=easy.*--difficulty hard'):
        MovingShapes(protocol='hard', **rendered('easy'))


def test_a_smaller_version_does_not_carry_the_name_of_the_protocol(rendered, caplog):
    with caplog.at_level(logging.WARNING, logger='mmengine'):
        dataset = MovingShapes(protocol='medium', **rendered(scale=0.1, count=50))
    assert dataset.metainfo['protocol'] == 'moving_shapes/custom (medium, seed 0, scale 0.1)'


def test_absent_data_are_rendered_for_a_training_in_the_difficulty_of_the_config(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr('mmvmr.datasets.moving_shapes_files.write_moving_shapes',
                        lambda folder, difficulty, workers: made.append((folder, difficulty)))
    MovingShapes.prepare(data_root=str(tmp_path / 'shapes'), protocol='hard', ann_file='train.json')
    MovingShapes.prepare(data_root=str(tmp_path), protocol='hard')  # something is there
    assert made == [(tmp_path / 'shapes', 'hard')]


def test_no_process_renders_on_when_the_one_that_began_it_is_ended(tmp_path):
    command = [sys.executable, '-m', 'mmvmr', 'moving-shapes', '--out', str(tmp_path / 'shapes'), '--workers', '2']
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob('.*.partial/videos/*.mp4')):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        workers = Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
        process.terminate()
    assert len(workers) == 2
    deadline = time.monotonic() + 60
    while any(map(_is_at_work, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(_is_at_work, workers))


def _is_at_work(process):
    try:
        return Path('/proc', process, 'stat').read_text().rpartition(')')[2].split()[0] != 'Z'  # nobody may reap it
    except FileNotFoundError:
        return False


def test_absent_data_say_which_command_renders_them(tmp_path):
    with pytest.raises(FileNotFoundError, match='mmvmr moving-shapes'):
        MovingShapes('test.json', data_root=str(tmp_path), protocol='medium', split='test')
