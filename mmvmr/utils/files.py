"""Files and folders that are either whole or as they were before; locks; hashes."""
import hashlib
import os
import secrets
import shutil
import tempfile
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Iterator, List, Sequence, Union

_LFS = b'version https://git-lfs'
PARTIAL = '.{name}.{writer}.partial'  # what is being written beside NAME; a killed process leaves it there


def _aside(path: Path, what: str = '') -> Path:
    """A name beside ``path`` that nobody else takes, as numbers of processes repeat in containers and after kills."""
    writer = f'{os.getpid()}_{secrets.token_hex(4)}'
    return path.with_name(PARTIAL.format(name=f'{cut_name(path.name)}{what}', writer=writer))


def cut_name(name: str) -> str:
    """The first 200 bytes of a name, which may have 255, so that something can be added."""
    return os.fsdecode(os.fsencode(name)[:200])


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Of an error in writing, such as a full disk, the system does not say which file it was."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None or isinstance(error, BrokenPipeError):
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error


@contextmanager
def written_aside(path: Union[str, Path]) -> Iterator[Path]:
    """A path beside ``path`` to write a file to, which takes its place when the block ends well.

    The folder is made if it is not there. A file that is there is replaced as a whole, or not at all; a link stays one.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _aside(path)
    try:
        with _naming(path):
            yield partial
            with open(partial, 'r+b') as file:
                os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(path: Union[str, Path], content: bytes) -> None:
    """Write a file in one piece."""
    with written_aside(path) as partial, open(partial, 'wb') as file:
        file.write(content)


def write_text(path: Union[str, Path], text: str) -> None:
    """Write a text file in UTF-8 in one piece; of file names that are not, bytes are written as JSON reads them."""
    write_bytes(path, text.encode(errors='backslashreplace'))


def check_output(path: Union[str, Path], overwrite: bool = False) -> None:
    """Make sure, before long work, that a file can be written when it is done.

    Raises:
        FileExistsError: If it is there, and is not to be replaced.
        OSError: If a folder or a device has its name, or it cannot be written there.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f'"{path}" is a folder, where a file is to be written. Give the name of a file.')
    if path.exists() and not path.is_file():
        raise FileExistsError(f'"{path}" is a device or a pipe, where a file is to be written. Give that of a file.')
    if path.exists() and not overwrite:
        raise FileExistsError(f'"{path}" exists. Choose another name, or replace it with --force.')
    check_writable(Path(os.path.realpath(path)).parent)


def check_writable(folder: Union[str, Path]) -> None:
    """Make sure, before long work, that files can be written to a folder, which need not be there yet.

    Raises:
        NotADirectoryError: If a file is where a folder should be.
        PermissionError: If nothing can be written there.
    """
    folder = Path(os.path.realpath(folder))
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not there.is_dir():
        raise NotADirectoryError(f'"{there}" is a file, where a folder should be. Choose another name.')
    try:
        with tempfile.TemporaryFile(dir=there):  # has no name, and so leaves nothing
            pass
    except OSError as error:
        raise PermissionError(f'Nothing can be written to "{folder}": {error.strerror}. Choose another place, or '
                              f'change the permissions of "{there}".') from error


def refuse_foreign_files(folder: Union[str, Path], ours: Sequence[str]) -> None:
    """Make sure that a folder which is to be replaced holds nothing but what the same tool has written there.

    Args:
        folder: The folder; it need not be there.
        ours: Patterns of the files that the tool writes, seen from the folder, such as ``'videos/*.mp4'``. All files
            that were left half-written are ours as well.

    Raises:
        FileExistsError: If there is anything else in it, or it is a file.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f'"{folder}" is a file, where a folder is to be written. Choose another name.')
    found = _foreign_files(folder, ours)
    if found:
        more = f' and {len(found) - 3} more' if len(found) > 3 else ''
        raise FileExistsError(f'"{folder}" is not replaced, as it holds what was not written by this tool: '
                              f'{", ".join(found[:3])}{more}. Choose another folder, or move these away.')


def _foreign_files(folder: Path, ours: Sequence[str]) -> List[str]:
    files = sorted(str(path.relative_to(folder).as_posix()) for path in folder.rglob('*')
                   if path.is_symlink() or not path.is_dir())
    return [file for file in files if not any(_fits(file, pattern) for pattern in (*ours, '.*.partial'))]


def _fits(file: str, pattern: str) -> bool:
    """Whether a path fits a pattern, part by part: ``*`` stands for no slash."""
    parts, patterns = file.split('/'), pattern.split('/')
    return len(parts) == len(patterns) and all(map(fnmatch, parts, patterns))


def remove_own_files(folder: Union[str, Path], ours: Sequence[str]) -> None:
    """Delete what a tool has written in a folder, see :func:`refuse_foreign_files`; and the folder, if that was all."""
    folder = Path(folder)
    foreign = set(_foreign_files(folder, ours))
    for path in sorted(folder.rglob('*'), reverse=True):  # what is in a folder comes before it
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in foreign:
            path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


@contextmanager
def folder_written_aside(folder: Union[str, Path], ours: Sequence[str]) -> Iterator[Path]:
    """An empty folder beside ``folder``, which takes its place when the block ends well.

    Args:
        folder: What is there is deleted at the end, if the tool has written it.
        ours: See :func:`refuse_foreign_files`.

    Raises:
        FileExistsError: If there is anything else in it; then nothing is touched.
    """
    folder = Path(os.path.realpath(folder))  # a link to another disk stays a link
    refuse_foreign_files(folder, ours)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial, old = _aside(folder), _aside(folder, '.old')
    partial.mkdir()
    try:
        with _naming(folder):
            yield partial
        refuse_foreign_files(folder, ours)  # it may have come in the meantime
        if folder.exists():
            os.replace(folder, old)
        try:
            os.replace(partial, folder)
        except BaseException:
            with suppress(OSError):  # another process may have written there; then the old folder stays aside
                os.replace(old, folder)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def open_locked(path: Union[str, Path], shared_with_children: bool = False) -> int:
    """Open a file that one process at a time can have, and write into it who that is.

    The system takes the lock away however the process ends. The descriptor that is returned must be kept open.

    Args:
        path: The file; it is made if it is not there.
        shared_with_children: Processes that inherit the descriptor hold the lock as well, until the last of them ends.

    Raises:
        FileExistsError: If another process has it; the message says which.
        OSError: If the disk knows no locks.
    """
    import fcntl  # not on Windows
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        (fcntl.flock if shared_with_children else fcntl.lockf)(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        owner = os.read(file, 1000).decode(errors='replace') or 'a process'
        owner += ', or what that has started and is still at work' if shared_with_children else ''
        os.close(file)
        raise FileExistsError(f'"{Path(path).parent}" is in use by {owner}.') from error
    except OSError:
        os.close(file)
        raise
    os.ftruncate(file, 0)
    os.write(file, f'process {os.getpid()} on {os.uname().nodename}'.encode())
    return file


def refuse_lfs_pointers(*paths: Union[str, Path]) -> None:
    """Refuse what a checkout without Git LFS leaves in the place of large files.

    Raises:
        ValueError: If one is such a pointer.
    """
    for path in map(Path, paths):
        with open(path, 'rb') as file:
            if file.read(len(_LFS)) == _LFS:
                raise ValueError(f'"{path}" is not the file itself but a pointer of Git LFS to it. Fetch it: '
                                 f'git lfs pull, in "{path.parent}".')


def sha256_of_files(*paths: Union[str, Path]) -> str:
    """By which files are told apart; of several, read one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, 'rb') as file:
            for block in iter(lambda: file.read(1 << 20), b''):
                digest.update(block)
    return digest.hexdigest()
