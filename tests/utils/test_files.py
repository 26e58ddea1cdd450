"""Files and folders that are whole or as they were."""
import hashlib
import json
import multiprocessing
import os

import pytest

from mmvmr.utils.files import (
    check_output,
    folder_written_aside,
    open_locked,
    refuse_foreign_files,
    remove_own_files,
    sha256_of_files,
    write_text,
    written_aside,
)


def test_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / 'new' / 'notes.txt'
    with written_aside(path) as partial:
        partial.write_text('all of it')
        assert not path.exists() and partial.parent == path.parent
    assert path.read_text() == 'all of it'
    assert list(path.parent.iterdir()) == [path]


def test_names_may_be_long_and_text_may_hold_the_bytes_of_a_name(tmp_path):
    path = tmp_path / ('é' * 125 + '.json')
    write_text(path, json.dumps('caf\udce9', ensure_ascii=False))
    assert json.loads(path.read_text(encoding='utf-8')) == 'caf\udce9' and list(tmp_path.iterdir()) == [path]


def test_file_stays_as_it_was_when_writing_fails(tmp_path):
    path = tmp_path / 'notes.txt'
    write_text(path, 'älter')
    with pytest.raises(RuntimeError), written_aside(path) as partial:
        partial.write_text('half')
        raise RuntimeError
    assert path.read_text(encoding='utf-8') == 'älter'
    assert list(tmp_path.iterdir()) == [path]


def test_folder_of_ours_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / 'store'
    for text in ('first', 'second'):
        with folder_written_aside(folder, ['*.txt', 'sub/*.bin']) as partial:
            (partial / f'{text}.txt').write_text(text)
            (partial / 'sub').mkdir()
            (partial / 'sub' / 'x.bin').touch()
    assert sorted(path.name for path in folder.iterdir()) == ['second.txt', 'sub']
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize('name', ['notes.md', 'sub/notes.txt', '.hidden', 'deep/er/x.txt'])
def test_folder_with_anything_else_is_refused_and_not_touched(tmp_path, name):
    (tmp_path / 'store' / name).parent.mkdir(parents=True)
    (tmp_path / 'store' / name).write_text('mine')
    (tmp_path / 'store' / 'a.txt').write_text('of the tool')
    with pytest.raises(FileExistsError, match=r'holds what was not written by this tool'):
        with folder_written_aside(tmp_path / 'store', ['a.txt', '*.bin', 'sub/*.bin', '*/x.md']):
            pytest.fail('nothing is written')
    assert (tmp_path / 'store' / name).read_text() == 'mine'
    assert (tmp_path / 'store' / 'a.txt').exists() and len(list(tmp_path.iterdir())) == 1


def test_link_in_a_folder_is_foreign_even_if_it_leads_to_a_folder(tmp_path):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'store').mkdir()
    (tmp_path / 'store' / 'link').symlink_to(tmp_path / 'mine')
    with pytest.raises(FileExistsError, match='link'):
        refuse_foreign_files(tmp_path / 'store', ['*.txt'])


def test_what_a_killed_process_left_half_written_is_ours(tmp_path):
    (tmp_path / '.a.txt.123.partial').touch()
    refuse_foreign_files(tmp_path, [])
    refuse_foreign_files(tmp_path / 'not there', [])
    (tmp_path / 'file').touch()
    with pytest.raises(FileExistsError, match='is a file'):
        refuse_foreign_files(tmp_path / 'file', ['*'])


def test_file_behind_a_link_is_replaced_where_it_is(tmp_path):
    (tmp_path / 'disk').mkdir()
    (tmp_path / 'link').symlink_to('disk/file')
    write_text(tmp_path / 'link', 'new')  # also where there is no file yet
    write_text(tmp_path / 'link', 'newer')
    assert (tmp_path / 'link').is_symlink() and (tmp_path / 'disk' / 'file').read_text() == 'newer'
    assert [path.name for path in (tmp_path / 'disk').iterdir()] == ['file']


def test_no_device_is_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match='is a device or a pipe'):
            check_output(tmp_path / 'pipe', overwrite)


def test_folder_behind_a_link_is_replaced_where_it_is(tmp_path):
    (tmp_path / 'disk' / 'store').mkdir(parents=True)
    (tmp_path / 'store').symlink_to(tmp_path / 'disk' / 'store')
    with folder_written_aside(tmp_path / 'store', []) as partial:
        (partial / 'new').touch()
    assert (tmp_path / 'store').is_symlink() and (tmp_path / 'disk' / 'store' / 'new').exists()


def test_folder_stays_as_it_was_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    write_text(tmp_path / 'store' / 'a.txt', 'old')
    replace, renamed = os.replace, []

    def fail_once(source, target):
        renamed.append(source)
        if len(renamed) == 2:
            raise OSError('the disk has gone')
        replace(source, target)

    monkeypatch.setattr(os, 'replace', fail_once)
    with pytest.raises(OSError, match='the disk has gone'), folder_written_aside(tmp_path / 'store', ['*']) as partial:
        (partial / 'a.txt').write_text('new')
    assert (tmp_path / 'store' / 'a.txt').read_text() == 'old' and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize('aside', [written_aside, lambda path: folder_written_aside(path, [])])
def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path, aside):
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}/file'"), aside(tmp_path / 'file'):
        with open('/dev/full', 'wb', buffering=0) as full:
            full.write(b'x')
    assert not list(tmp_path.iterdir())


def test_another_process_of_the_same_number_does_not_write_to_the_same_place(tmp_path):
    with folder_written_aside(tmp_path / 'store', []) as first, folder_written_aside(tmp_path / 'store', []) as second:
        assert first != second  # in two containers, or after one that was killed
    with written_aside(tmp_path / 'file') as one, written_aside(tmp_path / 'file') as other:
        assert one != other
        one.touch(), other.touch()


def test_folder_that_fills_up_while_it_is_written_is_not_replaced(tmp_path):
    with pytest.raises(FileExistsError, match='mine'):
        with folder_written_aside(tmp_path / 'store', []):
            (tmp_path / 'store').mkdir()
            (tmp_path / 'store' / 'mine').touch()
    assert [path.name for path in tmp_path.iterdir()] == ['store']


def test_own_files_are_removed_and_others_stay(tmp_path):
    for name in ('a.txt', 'sub/b.bin', 'sub/mine', 'empty/c.bin'):
        write_text(tmp_path / 'x' / name, '')
    remove_own_files(tmp_path / 'x', ['a.txt', '*/*.bin'])
    assert [path.name for path in (tmp_path / 'x').rglob('*')] == ['sub', 'mine']
    remove_own_files(tmp_path / 'x', ['*/mine'])
    remove_own_files(tmp_path / 'x', ['*'])
    assert not (tmp_path / 'x').exists()


def _try(path, results, descriptor=None):
    try:
        open_locked(path)
        results.put('locked')
    except FileExistsError as error:
        results.put(str(error))


def test_second_process_is_told_who_holds_the_lock(tmp_path):
    context = multiprocessing.get_context('spawn')
    results = context.SimpleQueue()

    def ask():
        process = context.Process(target=_try, args=(tmp_path / '.lock', results))
        process.start()
        process.join()
        return results.get()

    file = open_locked(tmp_path / '.lock')
    assert f'"{tmp_path}" is in use by process {os.getpid()} on {os.uname().nodename}.' == ask()
    os.close(file)
    assert ask() == 'locked'


def test_hash_of_files_is_that_of_their_contents_in_order(tmp_path):
    write_text(tmp_path / 'a', 'x' * (1 << 21))
    write_text(tmp_path / 'b', 'y')
    assert sha256_of_files(tmp_path / 'a', tmp_path / 'b') == hashlib.sha256(b'x' * (1 << 21) + b'y').hexdigest()
