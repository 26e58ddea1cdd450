"""A data set from a folder of videos."""
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from runs import run_command
from videos import grey, write_frames

from mmvmr.datasets.forms import read_pairs
from mmvmr.datasets.skeleton import validation_share, write_skeleton
from mmvmr.engine.run.check_config import check_config
from mmvmr.engine.run.config import read_config

PAGE = Path(__file__).parents[2] / 'docs' / 'own_videos.md'
DURATIONS = {'kitchen': 31.5, 'garden': 48.0, 'v_street': 9.0}


def table(folder, *lines):
    (folder / 'a.csv').write_text('\n'.join(lines) + '\n')
    return folder / 'a.csv'


def test_without_a_table_each_video_has_a_line_to_be_filled():
    train, test, *_ = write_skeleton(DURATIONS)
    assert train == [[video_id, duration, None, ''] for video_id, duration in DURATIONS.items()] and test == []


@pytest.mark.parametrize('mark', [',', ';', '\t'])
def test_sentences_come_from_a_table_and_a_fifth_of_the_timed_videos_is_for_testing(tmp_path, mark):
    lines = [mark.join(cells) for cells in (
        ('Caption', 'File', 'end', 'start'), ('He sits.', 'videos/kitchen.mp4', '9', '2'),
        ('It runs.', 'garden', '', ''), ('It stops.', 'street.avi', '4', '1'), ('It goes.', 'street', '', ''))]
    train, test, *_ = write_skeleton(DURATIONS, table(tmp_path, *lines))
    assert {entry[0] for entry in train} | {entry[0] for entry in test} == set(DURATIONS)
    assert len(test) == 1 and test[0][2] and test[0][0] != 'garden'  # one of two videos with known moments
    assert not {entry[0] for entry in test} & {entry[0] for entry in train}
    assert [48.0, None, 'It runs.'] in [entry[1:] for entry in train]


@pytest.mark.parametrize('start, end', [
    ('start', 'end'), ('start_time', 'end_time'), ('start_sec', 'end_sec'), ('Start_Seconds', 'End_Seconds'),
    ('begin', 'stop'), ('from', 'to')])
def test_moments_are_found_under_all_usual_names_and_other_columns_are_named(tmp_path, start, end):
    rows = ['1,kitchen,He sits.,2,9.5,x', '2,garden,It runs.,,,']
    path = table(tmp_path, f'id,video,sentence,{start},{end},note', *rows)
    _, test, left_out, ignored = write_skeleton(DURATIONS, path)
    assert test == [['kitchen', 31.5, [2.0, 9.5], 'He sits.']] and (left_out, ignored) == (0, ['id', 'note'])


@pytest.mark.parametrize('start, end', [('0:02', '0:09.5'), ('0:00:02', '00:00:09.5'), ('2', '0:09.5')])
def test_times_may_be_minutes_and_hours(tmp_path, start, end):
    path = table(tmp_path, 'video,sentence,start,end', f'kitchen,He sits.,{start},{end}', 'garden,It runs.,,')
    assert write_skeleton(DURATIONS, path).test[0][2] == [2.0, 9.5]


def test_minutes_and_hours_are_seconds(tmp_path):
    path = table(tmp_path, 'video,sentence,start,end', 'film,He sits.,1:30,1:02:03.5', 'clip,It runs.,,')
    assert write_skeleton(dict(film=7200.0, clip=9.0), path).test[0][2] == [90.0, 3723.5]


def test_rows_of_one_sentence_are_one_entry_with_all_its_moments(tmp_path):
    rows = ('kitchen,He sits.,2,9.5', 'garden,It runs.,,', 'kitchen,He sits.,12,14', 'kitchen,He sits.,2,9.5',
            'garden,It runs.,,', 'kitchen,He stands.,2,9.5')
    train, test, *_ = write_skeleton(DURATIONS, table(tmp_path, 'video,sentence,start,end', *rows))
    assert train == [['garden', 48.0, None, 'It runs.']]
    assert test == [['kitchen', 31.5, [[2.0, 9.5], [12.0, 14.0]], 'He sits.'],
                    ['kitchen', 31.5, [2.0, 9.5], 'He stands.']]


def test_sentences_of_test_videos_whose_moments_are_not_known_are_counted(tmp_path):
    rows = ('kitchen,He sits.,2,9.5', 'kitchen,He stands.,,', 'kitchen,He runs.,,', 'garden,It runs.,,')
    train, test, left_out, _ = write_skeleton(DURATIONS, table(tmp_path, 'video,sentence,start,end', *rows))
    assert (len(train), len(test), left_out) == (1, 1, 2)


@pytest.mark.parametrize('name', ['My Kitchen 1.mkv.mp4', 'videos/My Kitchen 1.mkv.mp4', 'My Kitchen 1.mkv'])
def test_a_video_with_two_suffixes_is_found_by_its_file_and_by_its_id(tmp_path, name):
    path = table(tmp_path, 'video,sentence', f'{name},He sits.')
    for durations in ({'My Kitchen 1.mkv': 9.0}, {'My Kitchen 1.mkv': 9.0, 'My Kitchen 1': 7.0}):
        assert write_skeleton(durations, path).train == [['My Kitchen 1.mkv', 9.0, None, 'He sits.']]


@pytest.mark.parametrize('lines, message', [
    (['clip,words', 'kitchen,x'], 'names of its columns, video and sentence'),
    (['video,sentence', 'cellar,He sits.'], "line 2: there is no video 'cellar'. There are kitchen, garden, v_street"),
    (['video,sentence', 'kitchen,'], r"line 2 \(video 'kitchen'\): the sentence is empty"),
    (['video,sentence,start,end', 'kitchen,He sits.,1,'], 'line 2: start and end must be seconds, m:ss or h:mm:ss'),
    (['video,sentence,start,end', 'kitchen,He sits.,0:75,1:20'], "both empty, got '0:75' and '1:20'"),
    (['video,sentence', 'kitchen,He sits, then stands.'], 'line 2: there are more cells than columns'),
    (['video,sentence,start,end', 'kitchen,He sits.,4,1'],
     r"line 2 \(video 'kitchen'\): the span \[4.0, 1.0\] does not lie in a video of 31.5 s"),
    (['video,sentence,start,end', 'garden,It runs.,1,60', 'kitchen,He sits.,31.6,40'],
     r"line 3 \(video 'kitchen'\): the span \[31.6, 40.0\] does not lie in a video of 31.5 s"),
    (['video,sentence'], 'no rows')])
def test_what_is_wrong_with_a_table_is_said(tmp_path, lines, message):
    with pytest.raises(ValueError, match=message):
        write_skeleton(DURATIONS, table(tmp_path, *lines))


def test_a_share_is_held_out_that_leaves_videos_on_both_sides():
    assert validation_share([f'video {number}' for number in range(100)]) == 0.1
    assert validation_share(['a']) == 0.0


@pytest.mark.parametrize('more', [
    [], ['street,A person opens a door.,1,4', 'cellar,The dog runs.,,']], ids=['as it is', 'with more videos'])
def test_the_page_from_a_folder_of_videos_to_an_answer_can_be_followed(tmp_path, monkeypatch, capsys, more):
    text = PAGE.read_text(encoding='utf-8')
    monkeypatch.chdir(tmp_path)
    Path('videos').mkdir()
    for number, name in enumerate(['kitchen', 'garden', *(row.partition(',')[0] for row in more)]):
        write_frames(f'videos/{name}.mkv', [grey(k * (number + 1) % 20) for k in range(80)])
    head, *rows = re.search(r'```text\n(.*?)```', text, re.S)[1].splitlines()
    table(tmp_path, f'{head},note', *rows, *more).rename('sentences.csv')
    small = ['--cfg-options', 'train_cfg.max_epochs=1', 'dim=16', 'transformer.num_layers=1']
    commands = [shlex.split(line)[1:] for block in re.findall(r'```bash\n(.*?)```', text, re.S)
                for line in block.splitlines()]
    assert [words[0] for words in commands] == ['new', 'extract', 'vocabulary', 'train', 'test', 'infer']
    for command, *words in commands:
        run_command(command, *words, *(small if command == 'train' else []))
    run_command('verify', 'data/mine/cpl_mine.py')
    text = capsys.readouterr().out
    assert 'mmvmr train data/mine/cpl_mine.py' in text
    counts = ('2 entries of 2 videos', '1 entries of 1 videos') if more else ('1 entries of 1 videos',
                                                                              '0 entries of 0 videos')
    assert f'data/mine/train.json: {counts[0]} to train on, {counts[1]} to validate on' in text
    assert 'Not read of sentences.csv: note' in text
    assert 'The training annotations have no moments, so no constant window was fitted.' in text
    assert 'data/mine/test.json: 1 entries of 1 videos to test on' in text
    assert Path('page.html').exists() and list(Path('work_dirs/cpl_mine').glob('**/predictions.jsonl'))


def test_nothing_is_written_over_and_bare_annotations_say_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path('videos').mkdir()
    write_frames('videos/a.mkv', [grey(number) for number in range(16)])
    Path('videos/broken.mp4').write_bytes(b'no video')
    run_command('new', 'videos', 'mine')
    text = capsys.readouterr().out
    Path('my videos').mkdir()
    for name in 'ab':
        shutil.copy('videos/a.mkv', f'my videos/{name}.mkv')
    Path('my.csv').write_text('video,sentence,start,end\na,He sits.,0,1\na,He runs.,,\nb,It runs.,,\n')
    run_command('new', 'my videos', 'my data', '--sentences', 'my.csv')
    commands = capsys.readouterr().out
    assert 'Left out: 1 entries of test videos whose moments are not known' in commands
    assert "mmvmr extract 'my videos' 'my data/features'" in commands and "train 'my data/cpl_my data.py'" in commands
    assert 'left out: videos/broken.mp4' in text and 'First write a sentence' in text
    assert json.loads(Path('mine/train.json').read_text()) == [['a', 2.0, None, '']]
    config = read_config('mine/cpl_mine.py')
    check_config(config)
    assert config.val_dataloader is None and config.train_dataloader.dataset.val_fraction == 0
    assert config.train_dataloader.dataset.num_clips == config.model.proposal_generator.num_clips == 32
    assert read_pairs('mine/train.json')[0]['query'] == ''
    with pytest.raises(FileExistsError, match='cpl_mine.py, mine/train.json would be written over'):
        run_command('new', 'videos', 'mine')
