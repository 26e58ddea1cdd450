"""What lies on disk of a packed store: one folder, or a folder of shards that were packed side by side."""
import argparse
import hashlib
import json
import re
from pathlib import Path
from typing import Any, Dict, Iterable, List, NamedTuple

import numpy as np

FORMAT = 'mmvmr-packed-1'
MANIFEST, INDEX, DATA = 'manifest.json', 'index.json', 'features.bin'
OWN = ('shard', 'num_videos', 'sha256_of_ids')  # in what the manifests of a store's shards differ
STORE_FILES = [f'{folder}{name}' for folder in ('', 'shard_*_of_*/') for name in (MANIFEST, INDEX, DATA)]
AGAIN = 'Pack the features again with `mmvmr pack`'


class Shard(NamedTuple):
    """One of ``count`` shares of a set of videos, as equal as can be; it depends on their ids alone.

    Example:
        >>> Shard.parse('1/3').take(['d', 'b', 'a', 'c'])
        ['b']
    """
    index: int  # counts from 0, as the ranks of processes do
    count: int

    @classmethod
    def parse(cls, text: str) -> 'Shard':
        """Read ``'3/16'``, the fourth of 16 shards; for command lines."""
        match = re.fullmatch(r'(\d+)/(\d+)', text, re.ASCII)
        if not match or int(match[1]) >= int(match[2]):
            raise argparse.ArgumentTypeError(f'expected INDEX/COUNT with INDEX from 0 to COUNT - 1, such as 3/16 for '
                                             f'the fourth of 16 shards, got {text!r}')
        return cls(int(match[1]), int(match[2]))

    def take(self, video_ids: Iterable[str]) -> List[str]:
        """The ids of this share, sorted: those after another in the sorted list of all ids.

        Raises:
            ValueError: If there are fewer videos than shards.
        """
        ordered = sorted(video_ids)
        if len(ordered) < self.count:
            raise ValueError(f'{len(ordered)} videos cannot be divided into {self.count} shards. Take fewer shards.')
        return ordered[self.index * len(ordered) // self.count:(self.index + 1) * len(ordered) // self.count]

    def folder(self, store: Path) -> Path:
        """Where this shard of a store lies.

        Raises:
            FileExistsError: If there is something else in its place.
        """
        found = {shard.count for shard in find_shards(store)}
        if found - {self.count} or any((store / name).exists() for name in (MANIFEST, INDEX, DATA)):
            what = f'shards of {min(found - {self.count})}' if found - {self.count} else 'a store in one piece'
            raise FileExistsError(f'{store} holds {what}, where one of {self.count} shards shall be. Choose another '
                                  'folder, or remove it.')
        return store / f'shard_{self.index:0{len(str(self.count))}}_of_{self.count}'

    def entries(self, video_ids: Iterable[str]) -> Dict[str, Any]:
        """What the manifest says of this shard of a store with these videos."""
        return dict(shard=self.index, num_shards=self.count, sha256_of_all_ids=sha256_of_ids(sorted(video_ids)))


class Head(NamedTuple):
    """What manifest and index of one folder say."""
    folder: Path
    manifest: Dict[str, Any]
    video_ids: List[str]
    num_rows: np.ndarray  # (V,) int64, of the source, before resampling

    def rows_of_videos(self) -> np.ndarray:
        """(V,) int64, rows of each video as they are stored."""
        num_clips = self.manifest['num_clips']
        return self.num_rows if num_clips is None else np.full(len(self.video_ids), num_clips)


def find_shards(store: Path) -> Dict[Shard, Path]:
    """The folders of shards in a folder, in their order."""
    names = {path: re.fullmatch(r'shard_(\d+)_of_(\d+)', path.name) for path in store.glob('shard_*_of_*')}
    return dict(sorted((Shard(*map(int, name.groups())), path) for path, name in names.items() if name))


def read_heads(store: Path) -> List[Head]:
    """Read manifest and index of a store, or of all its shards. The features are not touched.

    Raises:
        ValueError: If one is damaged, a shard is missing, or they do not belong together.
    """
    shards = find_shards(store)
    if not shards or (store / MANIFEST).exists():
        return [_read_head(store)]
    counts = sorted({shard.count for shard in shards})
    if len(counts) > 1:
        raise ValueError(f'{store} holds shards of {" and of ".join(map(str, counts))}. Remove those that are not '
                         'wanted.')
    missing = [f'{index}/{counts[0]}' for index in range(counts[0]) if Shard(index, counts[0]) not in shards]
    if missing:
        raise ValueError(f'{store} lacks {len(missing)} of {counts[0]} shards: {", ".join(missing[:5])}'
                         f'{", ..." if len(missing) > 5 else ""}. Pack each of them as the others, with --shard '
                         f'{missing[0]} and so on, or wait until that is done.')
    heads = [_read_head(path) for path in shards.values()]
    for shard, head in zip(shards, heads):
        _check_alike(shard, head, heads[0])
    return heads


def _check_alike(shard: Shard, head: Head, first: Head) -> None:
    if (head.manifest.get('shard'), head.manifest.get('num_shards')) != shard:
        raise ValueError(f'{head.folder} was packed as shard {head.manifest.get("shard")}/'
                         f'{head.manifest.get("num_shards")}. Give the folder its name back, or pack it again with '
                         f'--shard {shard.index}/{shard.count}.')
    for key in sorted({*first.manifest, *head.manifest}.difference(OWN)):
        one, other = first.manifest.get(key), head.manifest.get(key)
        if one != other:
            raise ValueError(f'{first.folder} has {key}={one!r}, {head.folder} has {key}={other!r}: they are no shards '
                             'of one store. Pack the one that is wrong again, from the same videos and with the same '
                             'options as the others.')


def is_head(path: Path) -> bool:
    """Whether a file is the manifest of a packed store, be it whole or not."""
    try:
        return path.is_file() and read_json(path).get('format') == FORMAT
    except ValueError:
        return False


def _read_head(folder: Path) -> Head:
    manifest, index = read_json(folder / MANIFEST), read_json(folder / INDEX)
    if manifest.get('format') != FORMAT:
        raise ValueError(f'{folder / MANIFEST} has format {manifest.get("format")!r}, expected {FORMAT!r}. {AGAIN}.')
    try:
        head = Head(folder, manifest, index['video_ids'], np.asarray(index['num_rows']))
        belongs = sha256_of_ids(head.video_ids) == manifest['sha256_of_ids']
        dtype, sizes = np.dtype(manifest['dtype']), (manifest['dim'], manifest['num_clips'] or 1)
        if (dtype.kind != 'f' or not all(type(size) is int and size > 0 for size in sizes) or
                head.num_rows.dtype.kind != 'i' or head.num_rows.shape != (len(head.video_ids),) or
                (head.num_rows < 1).any()):
            raise TypeError(f'dtype={dtype}, dim={sizes[0]!r}, num_clips={manifest["num_clips"]!r}')
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f'{folder} has no complete {MANIFEST} and {INDEX} ({type(error).__name__}: {error}). '
                         f'{AGAIN}.') from error
    if not belongs:
        raise ValueError(f'{folder / INDEX} does not belong to its manifest: pack the features again.')
    expected = int(head.rows_of_videos().sum()) * sizes[0] * dtype.itemsize
    found = (folder / DATA).stat().st_size if (folder / DATA).exists() else 0
    if expected != found:
        raise ValueError(f'{folder / DATA} has {found} bytes, its manifest promises {expected}: the copy is '
                         'incomplete. Copy it again, or pack the features again.')
    return head


def sha256_of_ids(video_ids: Iterable[str]) -> str:
    """By which lists of videos are told apart."""
    return hashlib.sha256('\n'.join(video_ids).encode('utf-8', 'surrogatepass')).hexdigest()


def read_json(path: Path) -> Dict:
    """A manifest or an index; a ValueError where it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        if not isinstance(content, dict):
            raise ValueError(f'it holds a {type(content).__name__}')
        return content
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f'{path} cannot be read ({error}): the packed store is incomplete. {AGAIN}.') from error
