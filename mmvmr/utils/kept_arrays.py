"""Arrays that take long to compute, kept in a file that all processes of a machine map into their memory."""
import fcntl
import hashlib
import json
import logging
import mmap
import os
import zlib
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional, Union

import numpy as np
from mmengine.logging import print_log

from mmvmr.utils.files import written_aside

SUFFIX = '.arrays'
KEPT = '.mmvmr'  # folder beside what the arrays depend on
KEPT_FROM = 4 << 20  # bytes of what they depend on; less is read in two seconds
MOST = 4  # files of one name; those that were used last stay
_FORMAT = 'arrays of mmvmr 1'
_ALIGN = 64  # bytes

Arrays = Dict[str, np.ndarray]


def kept_arrays(folder: Union[str, Path], name: str, depends_on: Dict[str, Any],
                compute: Callable[[], Arrays]) -> Arrays:
    """The arrays that were kept, or else those that are computed, and kept then.

    One process computes, others that ask for the same wait for it. What is kept is found by a hash of what it depends
    on, so a change makes another file. A damaged file is written anew. Where nothing can be written, the arrays stay in
    the memory of the process, and a warning says so once.

    Args:
        folder: Where the file lies; it is made if it is not there.
        name: How the file is called, before the hash.
        depends_on: Plain data.

    Returns:
        Arrays that cannot be written to, where they were read from the file.
    """
    digest = hashlib.sha256(json.dumps([_FORMAT, depends_on], sort_keys=True).encode()).hexdigest()
    path = Path(folder, f'{name}.{digest[:20]}{SUFFIX}')
    found = _read_whole(path)
    if found is not None:
        return found
    with ExitStack() as stack:
        try:
            stack.enter_context(_only_one(path.parent))
        except OSError as error:
            _say_once(path.parent, str(error))
            return compute()
        found = _read_whole(path)  # another process may have been faster
        if found is not None:
            return found
        found = compute()
        try:
            _write(path, found)
            return _read(path)
        except OSError as error:
            _say_once(path.parent, str(error))
            return found


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    if not folder.exists() and not folder.parent.stat().st_mode & 0o222:  # root may write there, and should not
        raise PermissionError(f'{folder.parent} is to be read only')
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # on a disk without locks several compute, and the last one's file stays
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, arrays: Arrays) -> None:
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header = {name: [array.dtype.str, array.shape] for name, array in arrays.items()}
    checksum = 0
    for array in arrays.values():
        checksum = zlib.crc32(_bytes(array), checksum)
    with written_aside(path) as partial, open(partial, 'wb') as file:
        file.write(json.dumps([_FORMAT, checksum, header]).encode() + b'\n')
        for array in arrays.values():
            file.write(bytes(-file.tell() % _ALIGN))
            file.write(_bytes(array))
    name = path.name.rpartition('.')[0].rpartition('.')[0]
    ours = sorted((file for file in path.parent.glob(f'*{SUFFIX}') if file.name.startswith(f'{name}.') and
                   len(file.name) == len(path.name)), key=lambda file: file.stat().st_mtime)
    for old in ours[:-MOST]:  # a process that has it mapped keeps it
        old.unlink(missing_ok=True)


def _read_whole(path: Path) -> Optional[Arrays]:
    if not path.is_file():
        return None
    try:
        found = _read(path)
    except Exception as error:  # a damaged file can fail anywhere inside json and numpy
        print_log(f'"{path}" is damaged ({type(error).__name__}: {error}), and made anew.', 'current', logging.WARNING)
        return None
    with suppress(OSError):  # it may be of another user, or on a disk that is not written to
        os.utime(path)
    return found


def _read(path: Path) -> Arrays:
    with open(path, 'rb') as file:
        version, expected, header = json.loads(file.readline())
        if version != _FORMAT:
            raise ValueError(f'it holds {version!r}')
        start, checksum, places = file.tell(), 0, {}
        for name, (dtype, shape) in header.items():
            start += -start % _ALIGN
            places[name] = start
            left = nbytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
            file.seek(start)
            while left:
                block = file.read(min(left, 1 << 20))
                if not block:
                    raise ValueError('it is cut off')
                checksum, left = zlib.crc32(block, checksum), left - len(block)
            start += nbytes
        if checksum != expected:
            raise ValueError('its checksum does not fit')
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return {name: np.frombuffer(content, dtype, int(np.prod(shape, dtype=np.int64)), places[name]).reshape(shape)
            for name, (dtype, shape) in header.items()}


def _bytes(array: np.ndarray) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8))


@lru_cache(None)
def _say_once(folder: Path, reason: str) -> None:
    print_log(f'Nothing can be kept in "{folder}" ({reason}), so it is computed again at each start and in each '
              'process. Make room there, or make the folder writable.', 'current', logging.WARNING)
