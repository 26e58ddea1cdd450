"""Reading text in whatever plain encoding and packing it comes, and holding much of it in memory."""
import bz2
import codecs
import csv
import gzip
import io
import json
import lzma
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, Optional, TextIO, Tuple, Union

import numpy as np

_PACKINGS = {b'\x1f\x8b': gzip.open, b'BZh': bz2.open, b'\xfd7zX': lzma.open}  # by the first bytes
_MARKS = ((codecs.BOM_UTF8, 'utf-8-sig'), (codecs.BOM_UTF32_LE, 'utf-32'), (codecs.BOM_UTF32_BE, 'utf-32'),
          (codecs.BOM_UTF16_LE, 'utf-16'), (codecs.BOM_UTF16_BE, 'utf-16'))  # UTF-32's mark begins with UTF-16's


@contextmanager
def open_text(path: Union[str, Path]) -> Iterator[TextIO]:
    """Open a text file: UTF-8 with or without a mark, UTF-16 or UTF-32; plain, in ``.gz``, ``.bz2`` or
    ``.xz``, or alone in a ``.zip``.

    What it is is told from its first bytes, whatever it is called. The file is not unpacked as a whole.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is none of these, or damaged; also while it is read.
    """
    try:
        with open(path, 'rb') as file, _unpacked(file, path) as content:
            yield io.TextIOWrapper(content, encoding=_encoding(content.peek(4)[:4]))
    except UnicodeDecodeError as error:
        raise ValueError(f'"{path}" is not a text in UTF-8 ({error.reason} at byte {error.start}). Is it damaged, or '
                         'in another encoding? Fetch it again, or turn it into UTF-8, e.g. from Latin-1: '
                         f'iconv -f latin1 -t utf-8 "{path}" > utf8.txt') from error
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f'"{path}" cannot be unpacked ({error}). Is it cut off? Fetch it again.') from error


def read_text(path: Union[str, Path]) -> str:
    """The text of a file that :func:`open_text` opens, with its errors."""
    with open_text(path) as file:
        return file.read()


def split_lines(text: str) -> List[str]:
    """The lines of a text. A line feed ends one, and none of the other characters at which ``str.splitlines`` cuts.

    Example:
        >>> split_lines('a man\\u2028waves\\na dog runs\\n') == ['a man\\u2028waves', 'a dog runs']
        True
    """
    return text.removesuffix('\n').split('\n') if text else []


class _Cells:
    """Rows of cells, and where quotes in them are wrong."""

    def __init__(self, rows: Any, path: Union[str, Path]) -> None:
        self.rows, self.path, self.line_num = rows, path, 0

    def __iter__(self) -> '_Cells':
        return self

    def __next__(self) -> List[str]:
        first = self.line_num + 1
        try:
            cells = next(self.rows)
            self.line_num = self.rows.line_num
            return cells
        except csv.Error as error:
            raise ValueError(f'"{self.path}", line {first}: {error}. A cell with commas, quotes or several lines '
                             'stands in quotes, and a quote within it twice: "He said ""go"", and went."') from error


def read_table(path: Union[str, Path]) -> csv.DictReader:
    """The rows of a table with the names of its columns, in lower case, above it; parted by comma, semicolon or tab.

    Raises:
        ValueError: If two columns have the same name, of which the last alone would be read; or, as its rows are read,
            if a quote is not closed, behind which all others would be one cell.
    """
    text = read_text(path)
    mark = max(',;\t', key=text.partition('\n')[0].count)
    rows = csv.DictReader(())
    rows.reader = _Cells(csv.reader(io.StringIO(text, newline=''), delimiter=mark, strict=True), path)
    rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
    twice = [name for number, name in enumerate(rows.fieldnames) if name and name in rows.fieldnames[:number]]
    if twice:
        raise ValueError(f'"{path}" has two columns called "{twice[0]}", and the last alone would be read. Give one of '
                         'them another name.')
    return rows


def find_column(given: Sequence, known: Iterable[str]) -> Optional[str]:
    """The first of some known names that a table has a column of; None without any."""
    return next((name for name in known if name in given), None)


def read_json(path: Union[str, Path]) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: If it is none, or an object of it has a key twice, of which JSON would keep the last.
    """
    text = read_text(path)
    try:
        return json.loads(text, object_pairs_hook=_object)
    except _RepeatedKeyError as error:
        raise ValueError(f'"{path}": {error}') from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f'"{path}" is not a JSON file ({error}). Is it cut off, or in another format?') from error


def read_json_lines(path: Union[str, Path]) -> List[Any]:
    """Read a file with a JSON value on each line; a JSON file gives a list of one value.

    Raises:
        ValueError: If it is neither, or an object of it has a key twice; the message names the line.
    """
    text = read_text(path)
    lines = [(number, line) for number, line in enumerate(text.split('\n'), start=1) if line.strip()]
    values = []
    for number, line in lines:
        try:
            values.append(json.loads(line, object_pairs_hook=_object))
        except _RepeatedKeyError as error:
            raise ValueError(f'"{path}", line {number}: {error}') from error
        except (ValueError, RecursionError) as error:
            if len(values) > 0 and len(lines) > 1 and isinstance(values[0], (dict, list)):
                raise ValueError(f'"{path}", line {number} is not JSON ({error}). Is it cut off?') from error
            return [read_json(path)]  # one value over several lines
    return values


class _RepeatedKeyError(ValueError):
    pass


def _object(items: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(items)
    if len(found) < len(items):
        key, _ = Counter(key for key, _ in items).most_common(1)[0]
        raise _RepeatedKeyError(f'the key "{key}" stands twice in one object, and JSON would keep the last alone. Put '
                                'together what belongs to it.')
    return found


@contextmanager
def _unpacked(file: BinaryIO, path: Union[str, Path]) -> Iterator[BinaryIO]:
    start = file.peek(4)[:4]
    unpack = next((unpack for mark, unpack in _PACKINGS.items() if start.startswith(mark)), None)
    if unpack is not None:
        with unpack(file) as content:
            yield content
    elif start == b'PK\x03\x04':
        with zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if not name.endswith('/')]
            if len(names) != 1:
                raise ValueError(f'"{path}" holds {len(names)} files: {", ".join(names[:5])}. Unpack the one that is '
                                 'meant.')
            with archive.open(names[0]) as content:
                yield content
    else:
        yield file


def _encoding(start: bytes) -> str:
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    if len(start) > 1 and 0 in start[:2] and start[:2] != b'\0\0':  # text begins with a Latin letter, mark or not
        return 'utf-16-be' if start[0] == 0 else 'utf-16-le'
    return 'utf-8'


class Texts(Sequence):
    """Many texts as two arrays, which processes can share; each is made when it is asked for.

    Attributes:
        letters: uint8, UTF-8.
        ends: (N,) int64.

    Example:
        >>> texts = Texts.of(['a', '', 'bc'])
        >>> texts[2], texts[-2:], texts == ['a', '', 'bc']
        ('bc', ['', 'bc'], True)
    """

    def __init__(self, letters: np.ndarray, ends: np.ndarray) -> None:
        self.letters, self.ends = letters, ends

    @classmethod
    def of(cls, texts: Iterable[str]) -> 'Texts':
        """The same texts, which are gone through once."""
        letters, ends = bytearray(), []
        for text in texts:
            letters += text.encode('utf-8', 'surrogatepass')
            ends.append(len(letters))
        return cls(np.frombuffer(letters, np.uint8), np.array(ends, np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: Union[int, slice]) -> Any:
        if isinstance(index, slice):
            return [self.text(row) for row in range(len(self))[index]]
        return self.text(range(len(self))[index])

    def __iter__(self) -> Iterator[str]:
        return map(self.text, range(len(self)))

    def __eq__(self, other: Any) -> bool:
        return (isinstance(other, Sequence) and not isinstance(other, str) and len(self) == len(other)
                and all(own == text for own, text in zip(self, other)))

    def text(self, row: int) -> str:
        """The text in this place."""
        start = self.ends[row - 1] if row else 0
        return self.letters[start:self.ends[row]].tobytes().decode('utf-8', 'surrogatepass')
