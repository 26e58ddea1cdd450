"""The base of all data sets: annotations, features and words -> batches."""
import copy
import hashlib
import inspect
import logging
import os
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmvmr.datasets.annotations import Pairs, check_pairs, in_holdout
from mmvmr.datasets.checks import check_choice, check_files, check_protocol, check_store
from mmvmr.datasets.forms import read_pairs
from mmvmr.features.stores.feature_store import Features, feature_paths, open_feature_store
from mmvmr.features.stores.names import describe_names
from mmvmr.registry import DATASETS, TEXT_ENCODERS
from mmvmr.structures import Batch, MomentSample, Query
from mmvmr.text.encoded_queries import EncodedQueries
from mmvmr.text.interface import TextEncoder
from mmvmr.text.vocabulary import Vocabulary
from mmvmr.utils.files import sha256_of_files
from mmvmr.utils.kept_arrays import KEPT, KEPT_FROM, Arrays, kept_arrays

_NOT_PARSED = ('ann_file', 'num_clips', 'max_words', 'missing', 'resident', 'test_mode', 'store', 'vocabulary', 'text',
               'remark', 'data_list', 'encoded')


@DATASETS.register_module()
class MomentDataset(BaseDataset):
    """Video-query pairs from a JSON list ``[[video_id, duration, [start, end], sentence], ...]``, times in seconds.

    This is the form of CNM and CPL, and the one for data of your own; the span may be ``null`` where it is not known,
    or a list of several. JSON lines as those of QVHighlights, and the other forms of :mod:`mmvmr.datasets.forms`, are
    read as well. A span that reaches beyond its video is cut there.

    A batch is made as a whole: ``dataset.__getitems__(indices)``, which PyTorch's loader calls, gives
    ``dict(inputs=Batch, data_samples=[MomentSample, ...])``; ``dataset[i]`` is a batch of one. In training
    (``test_mode=False``) there are no data samples, so no step can see a span.

    Annotations of 4 MB and more, and the word ids of their sentences, are kept as arrays in a folder ``.mmvmr`` beside
    them, which all processes map into their memory; see :func:`~mmvmr.utils.kept_arrays.kept_arrays`.

    Args:
        ann_file: The annotations.
        features: A feature store, or a list of several that are put side by side, see
            :func:`~mmvmr.features.stores.feature_store.open_feature_store`; None gives annotations only.
        vocabulary: A file of :class:`~mmvmr.text.vocabulary.Vocabulary`, the words that can be reconstructed; with
            features it is needed, unless the text encoder does without; else it is not read.
        text: Config of the text encoder, see :class:`~mmvmr.text.interface.TextEncoder`; by default the word vectors of
            the vocabulary, and without a vocabulary the text side that the features tell of.
        data_root: Folder that relative paths start from.
        split: 'train', 'val' or 'test'.
        protocol: Name of a protocol of the data set, whose sizes, and hashes where they are pinned, are checked; None
            checks nothing.
        val_fraction: Share of the *training videos* that is held out: with it, the splits 'train' and 'val' are the two
            parts of one file. Which part a video belongs to depends on its id alone.
        num_clips: T, clips per video. None takes all rows as they are; a batch then holds videos of one length.
        feature_dim: Dv that the features must have; None takes any.
        max_words: Longer queries are cut.
        missing: What to do about pairs without features: 'error'; 'drop' them, in training; 'score_as_wrong', in
            testing, which keeps them with an all-zero video and marks their samples as ``absent``.
        resident: Give row numbers of the packed store instead of features; a hook keeps the store on the device.
        test_mode: Whether samples with ground truth come with the batches.
        indices: Keep these pairs only, see :meth:`get_subset_`.
        lazy_init: Leave the annotations to :meth:`full_init`.

    Attributes:
        data_list: :class:`~mmvmr.datasets.annotations.Pairs`, a dict per pair: ``video_id``, ``duration``, ``query``
            and ``spans``, times in seconds; and ``qid`` where the annotations have one, by which a text encoder may
            look the query up.
        store: The open feature store, or None.
        text: The text encoder, or None.
        encoded: :class:`~mmvmr.text.encoded_queries.EncodedQueries` of all pairs.

    Raises:
        FileNotFoundError: If files are absent; the message says which, and where they come from.
        ValueError: If annotations, features or sizes are not what they should be.
    """
    METAINFO: Dict = dict(dataset='custom')
    PROTOCOLS: Dict[str, Dict[str, int]] = {}  # name -> number of pairs of each split
    HINT = 'Give the path of a JSON list of [video_id, duration, [start, end], sentence].'

    def __init__(self, ann_file: str, features: Optional[Features] = None, vocabulary: Optional[str] = None,
                 data_root: str = '', split: str = 'train', protocol: Optional[str] = None, val_fraction: float = 0.0,
                 num_clips: Optional[int] = 200, feature_dim: Optional[int] = None, max_words: int = 20,
                 missing: str = 'error', resident: bool = False, test_mode: bool = False,
                 indices: Union[int, Sequence[int], None] = None, lazy_init: bool = False,
                 text: Optional[dict] = None) -> None:
        check_choice('split', split, ('train', 'val', 'test'))
        check_choice('missing', missing, ('error', 'score_as_wrong' if test_mode else 'drop'))
        check_choice('protocol', protocol, (None, *self.PROTOCOLS))
        if resident and test_mode:
            raise ValueError('resident=True is for training sets; test sets read their features as usual.')
        self.split, self.protocol, self.val_fraction = split, protocol, val_fraction
        self.num_clips, self.max_words, self.missing, self.resident = num_clips, max_words, missing, resident
        ann_file, self.store, self.vocabulary, self.text = str(Path(data_root, ann_file)), None, None, None
        words = None if vocabulary is None else str(Path(data_root, vocabulary))
        paths = [] if features is None else [*feature_paths(features, data_root), *filter(None, [words])]
        check_files([*self.annotation_files(ann_file), *paths], self.METAINFO['dataset'], self.HINT)
        if paths:
            self.store = open_feature_store(features, data_root)
            self.vocabulary = Vocabulary.load(words) if words else None
            self.text = self._build_text_encoder(text, data_root)
            check_store(self.store, feature_dim, num_clips, resident)
        super().__init__(ann_file=ann_file, data_prefix=dict(), test_mode=test_mode, serialize_data=False,
                         indices=indices, lazy_init=lazy_init)

    def parse_annotations(self) -> List[Dict]:
        """Read the annotation file: ``video_id``, ``duration``, ``query`` and ``spans`` of each pair."""
        return read_pairs(self.ann_file)

    def annotation_files(self, ann_file: str) -> Sequence[str]:
        """All files that :meth:`parse_annotations` reads."""
        return [ann_file]

    def load_data_list(self) -> Pairs:
        """Read, check and, where a part is held out, divide the annotations."""
        pairs = Pairs(self._kept('pairs', {}, self._columns))
        self.remark = ''
        if self.protocol is not None:
            part = 'train' if self.val_fraction and self.split == 'val' else self.split
            expected = self.PROTOCOLS[self.protocol].get(part)
            self.remark = check_protocol(pairs, expected, f'{self.slug()}/{self.protocol}', part,
                                         self.METAINFO['dataset'], self.ann_file)
        pairs, outside = pairs.cut()
        if outside:
            print_log(f'{outside} spans of "{self.ann_file}" end after their video and are cut there. If there are '
                      'many, check the durations.', 'current', logging.WARNING)
        if self.val_fraction and self.split != 'test':
            pairs = pairs.of_videos(lambda video: in_holdout(video, self.val_fraction) == (self.split == 'val'))
        if not len(pairs):
            raise ValueError(f'"{self.ann_file}" gives no pairs for split "{self.split}" with val_fraction='
                             f'{self.val_fraction}. Use a larger file or another fraction.')
        return pairs

    @classmethod
    def slug(cls) -> str:
        """The name of the data set in that of its protocols."""
        return cls.METAINFO['dataset'].lower().replace('-', '_').replace(' ', '_')

    def full_init(self) -> None:
        """Read the annotations, match them with the features, and encode all queries, once."""
        if self._fully_initialized:
            return
        pairs = Pairs.of(self.load_data_list())
        if self.store is not None:
            pairs = self._match_features(pairs)
            pairs = self._encode(pairs)
        self._fully_initialized = True
        self.data_list = pairs
        protocol = f'{self.slug()}/{self.protocol}' if self.protocol else f'custom ({Path(self.ann_file).stem})'
        protocol = self._metainfo.get('protocol') or f'{protocol} {self.remark}'.strip()
        made_up = ' (planted features)' if 'planted' in getattr(self.store, 'manifest', {}) else ''
        self._metainfo.update(protocol=protocol + made_up, split=self.split, num_pairs=len(pairs))
        if self._indices is not None:
            self.get_subset_(self._indices)

    def get_subset_(self, indices: Union[int, Sequence[int]]) -> None:
        """Keep these pairs only: the first n, the last -n, or a list of them."""
        rows = list(range(len(self)))
        rows = [rows[i] for i in indices] if not isinstance(indices, int) else (
            rows[:indices] if indices >= 0 else rows[indices:])
        if len(rows) != len(self) and not self._metainfo['protocol'].endswith('(subset)'):
            self._metainfo['protocol'] += ' (subset)'  # its numbers are not those of the protocol
        self.data_list = self.data_list.take(rows)
        self._metainfo['num_pairs'] = len(rows)
        if self.store is not None:
            self.encoded = self.encoded.take(rows)

    def get_subset(self, indices: Union[int, Sequence[int]]) -> 'MomentDataset':
        """A dataset of these pairs; see :meth:`get_subset_`."""
        subset = copy.copy(self)
        subset._metainfo = dict(self._metainfo)
        subset.get_subset_(indices)
        return subset

    def queries(self, indices: Sequence[int]) -> Query:
        """The encoded queries of these pairs."""
        return self.encoded.batch(indices)

    def videos(self, indices: Sequence[int]) -> torch.Tensor:
        """(B, T, Dv) clip features of these pairs, zeros where a video is absent; row numbers (B,) where resident."""
        ids = [self.data_list.video_id(index) for index in indices]
        if self.resident:
            return torch.from_numpy(self.store.rows(ids))
        present = [video_id in self.store for video_id in ids]
        if self.num_clips is None and len(set(map(self.num_rows, ids))) > 1:
            raise ValueError('num_clips=None takes all rows of a video, and those of this batch have different '
                             'numbers of them: set the batch_size of the data loader to 1, or num_clips to a number.')
        if all(present):
            return torch.from_numpy(self.store.read_clips(ids, self.num_clips))
        video = torch.zeros(len(ids), self.num_clips or 1, self.store.dim)
        found = [video_id for video_id in ids if video_id in self.store]
        if found:
            video[torch.tensor(present)] = torch.from_numpy(self.store.read_clips(found, self.num_clips)).float()
        return video

    def num_rows(self, video_id: str) -> int:
        """Rows of the features of a video, 0 where it is absent."""
        return len(self.store.read(video_id)) if video_id in self.store else 0

    def sample(self, index: int) -> MomentSample:
        """Whom a prediction is for, and its ground truth."""
        pair = self.data_list[index]
        sample = MomentSample(metainfo=dict(
            video_id=pair['video_id'], query=pair['query'], duration=pair['duration'], sample_idx=int(index),
            absent=pair['video_id'] not in self.store))
        sample.gt_spans = torch.tensor(pair['spans'], dtype=torch.float32).reshape(-1, 2)
        return sample

    def __getitems__(self, indices: Sequence[int]) -> Dict:
        """The batch of these pairs."""
        self.full_init()
        if self.store is None:
            raise RuntimeError('This dataset holds annotations only: give it features and a vocabulary to get batches.')
        numbers = torch.tensor([_number(self.data_list.video_id(index)) for index in indices])
        batch = dict(inputs=Batch(video=self.videos(indices), query=self.queries(indices), video_ids=numbers))
        if self.test_mode:
            batch['data_samples'] = [self.sample(index) for index in indices]
        return batch

    def __getitem__(self, index: int) -> Dict:
        """A batch of one."""
        return self.__getitems__([range(len(self))[index]])

    def _build_text_encoder(self, config: Optional[Dict], data_root: str) -> TextEncoder:
        if config is None and self.vocabulary is None:
            config = getattr(self.store, 'manifest', {}).get('text')
            if not TEXT_ENCODERS.holds(config):
                raise ValueError('Features need words: give a vocabulary or a text encoder, or features=None for '
                                 f'annotations only. "{self.store.path}" tells of no text encoder that belongs to its '
                                 f'features (text: {config!r}).')
        config = config or dict(type='WordVectors')
        takes = inspect.signature(TEXT_ENCODERS.get(config['type'])).parameters
        given = dict(data_root=data_root) if 'data_root' in takes else {}  # for paths, as of the data set itself
        return TEXT_ENCODERS.build(dict(given, **config, vocabulary=self.vocabulary))

    def _match_features(self, pairs: Pairs) -> Pairs:
        present, renamed = self._find_features(pairs)
        if renamed:
            print_log(renamed, 'current', logging.INFO)
        absent = len(pairs) - len(present)
        if not absent:
            return pairs
        videos = sorted({*pairs.video_ids()} - {*present.video_ids()})
        found = (f'{len(videos)} videos of "{self.ann_file}" ({absent} of {len(pairs)} pairs) have no features in '
                 f'"{self.store.path}": {", ".join(videos[:5])}{", ..." if len(videos) > 5 else ""}.')
        if self.missing == 'error' or not len(present):
            remedy = ('missing=score_as_wrong to count their queries as wrong' if self.test_mode else
                      'missing=drop to train without them')
            raise ValueError(f'{found} Extract them, or add --cfg-options {self.split}_dataloader.dataset.{remedy}.')
        print_log(f'{found} Their queries {"count as wrong" if self.test_mode else "are left out"}.', 'current',
                  logging.WARNING)
        return pairs if self.test_mode else present

    def _find_features(self, pairs: Pairs) -> Tuple[Pairs, str]:
        """The pairs that have features, and what is to be said of ids that differ."""
        def find() -> Arrays:
            text = describe_names(self.store, pairs.video_ids(), f'"{self.ann_file}"')
            return dict(present=pairs.mask_of_videos(self.store.__contains__),
                        text=np.frombuffer(text.encode('utf-8', 'surrogatepass'), np.uint8))

        manifest = getattr(self.store, 'manifest', {})
        ids = manifest.get('sha256_of_all_ids', manifest.get('sha256_of_ids'))
        depends_on = dict(rows=_sha256_of_rows(pairs), ids=ids, path=str(getattr(self.store, 'path', '')))
        arrays = find() if ids is None else self._kept('features', depends_on, find)
        return pairs.where(arrays['present']), arrays['text'].tobytes().decode('utf-8', 'surrogatepass')

    def _encode(self, pairs: Pairs) -> Pairs:
        queries = self._encoded_queries(pairs)
        known = queries.lengths.nonzero()[0]
        if not len(known):
            raise ValueError(f'No query of "{self.ann_file}" has a word of the vocabulary. Build one for this data set '
                             'with `mmvmr vocabulary`.')
        if len(known) < len(pairs):
            print_log(f'{len(pairs) - len(known)} queries of "{self.ann_file}" have no word of the vocabulary and are '
                      f'{"kept as an empty word" if self.test_mode else "left out of training"}.', 'current',
                      logging.WARNING)
            if not self.test_mode:
                pairs, queries = pairs.take(known), queries.take(known)
        self.encoded = queries
        return pairs

    def _encoded_queries(self, pairs: Pairs) -> EncodedQueries:
        def encode() -> EncodedQueries:
            return self.text.encode(list(pairs.queries()), self.max_words, pairs.keys(), f'"{self.ann_file}"')

        text = getattr(self.text, 'words_depend_on', None)
        if text is None:
            return encode()
        arrays = self._kept('words', dict(rows=_sha256_of_rows(pairs), text=text, max_words=self.max_words),
                            lambda: encode().without_vectors())
        return EncodedQueries(**arrays, vectors=self.vocabulary.vectors)

    def _columns(self) -> Arrays:
        pairs = self.parse_annotations()
        if not isinstance(pairs, Iterable):
            raise TypeError(f'parse_annotations of {type(self).__name__} returned {pairs!r:.100}; expected a list of '
                            'dicts of video_id, duration, query and spans.')
        return Pairs.columns_of(check_pairs(pairs, self.ann_file))

    def _kept(self, name: str, depends_on: Dict, compute: Callable[[], Arrays]) -> Arrays:
        """Arrays that depend on the annotations, and on what else is given."""
        if self._annotations is None:
            return compute()
        path = Path(self.ann_file)
        return kept_arrays(path.parent / KEPT, f'{path.name}.{name}', dict(self._annotations, **depends_on), compute)

    @cached_property
    def _annotations(self) -> Optional[Dict]:
        """What the pairs depend on: files, code, and what the class has been told; None of a small file."""
        files = self.annotation_files(self.ann_file)
        if not all(map(os.path.isfile, files)) or sum(map(os.path.getsize, files)) < KEPT_FROM:
            return None
        code = _sha256_of_code(type(self))
        if code is None:
            return None
        told = {name: str(value) for name, value in vars(self).items()
                if name not in _NOT_PARSED and not name.startswith('_')}
        return dict(files=sha256_of_files(*files), code=code, kind=type(self).__qualname__, told=told)


@lru_cache(None)
def _sha256_of_code(kind: type) -> Optional[str]:
    """Of what reads and encodes annotations; None of a class from elsewhere, which may read anything."""
    package = Path(__file__).parents[1]
    own = kind.__mro__[:kind.__mro__.index(MomentDataset)]
    if any(base.__module__.split('.')[0] != package.name for base in own):
        return None
    return sha256_of_files(*sorted([*(package / 'datasets').glob('*.py'), *(package / 'text').rglob('*.py'),
                                    *(package / 'features' / 'stores').glob('*.py')]))


def _sha256_of_rows(pairs: Pairs) -> Optional[str]:
    return None if pairs.rows is None else hashlib.sha256(pairs.rows.tobytes()).hexdigest()


def _number(video_id: str) -> int:
    """64 bits that stand for a video in all data sets and processes."""
    return int.from_bytes(hashlib.blake2b(video_id.encode(), digest_size=8).digest(), 'little', signed=True)
