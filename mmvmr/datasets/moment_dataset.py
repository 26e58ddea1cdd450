"""The base of all data sets: annotations, features and words -> batches."""
import hashlib
import json
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Union

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmvmr.datasets.feature_store import open_feature_store
from mmvmr.datasets.vocabulary import Vocabulary
from mmvmr.registry import DATASETS, FUNCTIONS
from mmvmr.structures import Batch, MomentSample, Query

ROUNDING = 1.0  # seconds by which an annotated end may pass the video's: annotators and durations are rounded


def in_holdout(video_id: str, fraction: float) -> bool:
    """Whether a training video belongs to the held-out part: by a hash of its id, so it never changes sides."""
    return int(hashlib.md5(video_id.encode()).hexdigest()[:8], 16) < fraction * 2**32


@DATASETS.register_module()
class MomentDataset(BaseDataset):
    """Video-query pairs from a JSON list ``[[video_id, duration, [start, end], sentence], ...]``, times in seconds.

    This is the format of CNM and CPL, and the one for data of your own; the span may be ``null`` where it is not known.
    The subclasses read the formats of the benchmarks and check the sizes of their protocols.

    A batch is made as a whole: ``dataset.__getitems__(indices)``, which PyTorch's loader calls, gives
    ``dict(inputs=Batch, data_samples=[MomentSample, ...])``; ``dataset[i]`` is a batch of one. In training
    (``test_mode=False``) there are no data samples, so no step can see a span.

    Args:
        ann_file: The annotations.
        features: Path of a feature store, see :func:`~mmvmr.datasets.feature_store.open_feature_store`; None gives
            annotations only.
        vocabulary: Path of a :class:`~mmvmr.datasets.vocabulary.Vocabulary`; needed with features.
        split: 'train', 'val' or 'test'. 'train' and 'val' share a file where ``val_fraction`` is set: the held-out part
            of its videos is 'val'.
        protocol: Name of a protocol of the data set, whose sizes are checked; None checks nothing.
        num_clips: T.
        max_words: Longer queries are cut.
        val_fraction: Share of the training videos that is held out for model selection.
        missing: What to do about pairs without features: 'error'; 'drop' them, in training; 'score_as_wrong', in
            testing, which keeps them with an all-zero video and marks them as absent.
    """
    METAINFO = dict(dataset='custom')
    PROTOCOLS: Dict[str, Dict[str, int]] = {}
    HINT = 'Give the path of a JSON list of [video_id, duration, [start, end], sentence].'

    def __init__(self, ann_file: str, features: Optional[str] = None, vocabulary: Optional[str] = None,
                 split: str = 'train', protocol: Optional[str] = None, num_clips: int = 200, max_words: int = 20,
                 val_fraction: float = 0.0, missing: str = 'error', test_mode: bool = False, **kwargs) -> None:
        if missing not in ('error', 'drop', 'score_as_wrong'):
            raise ValueError(f"missing must be 'error', 'drop' or 'score_as_wrong', got {missing!r}.")
        if protocol is not None and protocol not in self.PROTOCOLS:
            raise ValueError(f'{type(self).__name__} has the protocols {list(self.PROTOCOLS)}, not {protocol!r}.')
        if features is not None and vocabulary is None:
            raise ValueError('A dataset with features needs a vocabulary as well.')
        self.split = split
        self.protocol = protocol
        self.num_clips = num_clips
        self.max_words = max_words
        self.val_fraction = val_fraction
        self.missing = missing
        self._require(ann_file, features, vocabulary)
        self.store = None if features is None else open_feature_store(features)
        self.vocabulary = None if vocabulary is None else Vocabulary.load(vocabulary)
        super().__init__(ann_file=ann_file, data_prefix=dict(), test_mode=test_mode, serialize_data=False, **kwargs)

    # ------------------------------------------------------------------------------------------------- annotations
    def parse_annotations(self) -> List[dict]:
        """Read the annotation file: one dict of video_id, duration, query and spans per pair."""
        pairs = []
        for number, entry in enumerate(self.read_json(self.ann_file)):
            if not (isinstance(entry, (list, tuple)) and len(entry) == 4):
                raise ValueError(f'"{self.ann_file}", entry {number}: expected [video_id, duration, [start, end], '
                                 f'sentence], got {str(entry)[:100]}.')
            video_id, duration, span, query = entry
            pairs.append(dict(video_id=video_id, duration=duration, spans=[] if span is None else [span], query=query))
        return pairs

    @staticmethod
    def read_json(path: Union[str, Path]):
        """Read a JSON file, or say that it is none."""
        try:
            return json.loads(Path(path).read_text(encoding='utf-8'))
        except ValueError as error:
            raise ValueError(f'"{path}" is not a JSON file ({error}). Is it cut off, or in another format?') from error

    def load_data_list(self) -> List[dict]:
        pairs = self.parse_annotations()
        for number, pair in enumerate(pairs):
            self._check_pair(pair, number)
        if self.protocol is not None:
            self._check_sizes(pairs)
        if self.val_fraction and self.split in ('train', 'val'):
            wanted = self.split == 'val'
            pairs = [pair for pair in pairs if in_holdout(pair['video_id'], self.val_fraction) == wanted]
        if not pairs:
            raise ValueError(f'"{self.ann_file}" gives no pairs for split "{self.split}" (val_fraction '
                             f'{self.val_fraction}).')
        name = self.METAINFO['dataset']
        protocol = f'{self.slug()}/{self.protocol}' if self.protocol else f'custom ({Path(self.ann_file).stem})'
        self._metainfo.update(dataset=name, protocol=protocol, split=self.split, num_pairs=len(pairs))
        return pairs

    @classmethod
    def slug(cls) -> str:
        """Name of the data set as protocols spell it, e.g. ``charades_sta``."""
        return cls.METAINFO['dataset'].lower().replace('-', '_').replace(' ', '_')

    def _check_pair(self, pair: dict, number: int) -> None:
        where = f'"{self.ann_file}", entry {number} (video {pair["video_id"]!r})'
        if not isinstance(pair['video_id'], str) or Path(pair['video_id']).name != pair['video_id']:
            raise ValueError(f'{where}: a video id must be text without a path.')
        if not isinstance(pair['query'], str) or not pair['query'].strip():
            raise ValueError(f'{where}: the sentence is empty. Write one or take the entry out.')
        try:
            pair['duration'] = float(pair['duration'])
            pair['spans'] = [[float(start), float(end)] for start, end in pair['spans']]
        except (TypeError, ValueError):
            raise ValueError(f'{where}: duration and span must be numbers of seconds, got {pair["duration"]!r} and '
                             f'{pair["spans"]!r}.') from None
        if not 0 < pair['duration'] < float('inf'):
            raise ValueError(f'{where}: the duration must be positive, got {pair["duration"]}.')
        for span in pair['spans']:
            start, end = span
            if not 0 <= start <= end <= pair['duration'] + ROUNDING:
                raise ValueError(f'{where}: the span [{start}, {end}] does not lie in a video of {pair["duration"]} s. '
                                 'Correct it, or use null where the moment is not known.')
            span[1] = min(end, pair['duration'])

    def _check_sizes(self, pairs: List[dict]) -> None:
        expected = self.PROTOCOLS[self.protocol].get(self.split)
        if expected is not None and len(pairs) != expected:
            raise ValueError(f'Protocol "{self.protocol}" of {self.METAINFO["dataset"]} has {expected} pairs in split '
                             f'"{self.split}", but "{self.ann_file}" gives {len(pairs)}. Use the complete file, or '
                             '`protocol=None` for data of your own; its numbers may not be compared with published ones.')

    def _require(self, ann_file: str, features: Optional[str], vocabulary: Optional[str]) -> None:
        absent = [str(path) for path in (*self._annotation_files(ann_file), features, vocabulary)
                  if path is not None and not Path(path).exists()]
        if absent:
            files = '\n  '.join(absent)
            raise FileNotFoundError(
                f'{self.METAINFO["dataset"]} needs these files, which are not there (from {Path.cwd()}):\n  {files}\n'
                f'{self.HINT}\nWithout any download, `bash tools/quickstart.sh` renders data and trains '
                'configs/mcmt_moving_shapes.py.')

    def _annotation_files(self, ann_file: str) -> Sequence[str]:
        return [ann_file]

    # -------------------------------------------------------------------------------------------- words and features
    def full_init(self) -> None:
        """Read the annotations, match them with the features, and encode all queries once."""
        if self._fully_initialized:
            return
        self.data_list = self.load_data_list()
        if self.store is not None:
            self._match_features()
        if self.vocabulary is not None:
            self._encode_queries()
        self._metainfo['num_pairs'] = len(self.data_list)
        self._fully_initialized = True

    def _match_features(self) -> None:
        absent = [pair for pair in self.data_list if pair['video_id'] not in self.store]
        if not absent:
            return
        videos = sorted({pair['video_id'] for pair in absent})
        found = (f'{len(videos)} videos of "{self.ann_file}" ({len(absent)} of {len(self.data_list)} pairs) have no '
                 f'features in "{self.store.path}": {", ".join(videos[:5])}{", ..." if len(videos) > 5 else ""}.')
        if self.missing == 'error' or (self.missing == 'drop') == self.test_mode:
            remedy = ("`missing='score_as_wrong'` counts them as wrong" if self.test_mode else
                      "`missing='drop'` trains without them")
            raise ValueError(f'{found} Extract them; or, in the config, {remedy}.')
        print_log(f'{found} They are {"counted as wrong" if self.test_mode else "left out"}.', 'current', level=30)
        if self.missing == 'drop':
            self.data_list = [pair for pair in self.data_list if pair['video_id'] in self.store]
        for pair in absent:
            pair['absent'] = True

    def _encode_queries(self) -> None:
        encoded = {query: self.vocabulary.encode(query) for query in {pair['query'] for pair in self.data_list}}
        lost = sum(not encoded[pair['query']][0] for pair in self.data_list)
        unknown = {word for _, _, words in encoded.values() for word in words if any(map(str.isalnum, word))}
        if unknown:
            print_log(f'{len(unknown)} distinct words of "{self.ann_file}" are not in the vocabulary and are left out, e.g. '
                      f'{", ".join(sorted(unknown)[:5])}.', 'current')
        if lost:
            print_log(f'{lost} queries of "{self.ann_file}" have no known word. They are '
                      f'{"kept, with an empty word" if self.test_mode else "left out of training"}.', 'current', level=30)
            if not self.test_mode:
                self.data_list = [pair for pair in self.data_list if encoded[pair['query']][0]]
        if not self.data_list:
            raise ValueError(f'No query of "{self.ann_file}" has a word of the vocabulary. Is it for another data set?')
        lengths = np.array([max(min(len(encoded[p['query']][0]), self.max_words), 1) for p in self.data_list])
        self._word_ids = np.zeros((len(lengths), lengths.max()), np.int64)
        self._word_weights = np.zeros(self._word_ids.shape, np.float32)
        for row, pair in enumerate(self.data_list):
            ids, weights, _ = encoded[pair['query']]
            self._word_ids[row, :len(ids[:self.max_words])] = ids[:self.max_words]
            self._word_weights[row, :len(ids[:self.max_words])] = weights[:self.max_words]
        self._lengths = lengths

    def queries(self, indices: Sequence[int]) -> Query:
        """The encoded queries of these pairs."""
        indices = np.asarray(indices)
        lengths = self._lengths[indices]
        longest = lengths.max()
        ids = self._word_ids[indices, :longest]
        return Query(features=torch.from_numpy(self.vocabulary.vectors[ids]),
                     mask=torch.from_numpy(np.arange(longest) < lengths[:, None]), word_ids=torch.from_numpy(ids),
                     word_weights=torch.from_numpy(self._word_weights[indices, :longest]))

    def videos(self, indices: Sequence[int]) -> torch.Tensor:
        """The clip features of these pairs, (B, T, Dv); zeros where the video is absent."""
        ids = [self.data_list[index]['video_id'] for index in indices]
        present = [video_id in self.store for video_id in ids]
        if all(present):
            return torch.from_numpy(self.store.read_clips(ids, self.num_clips))
        video = torch.zeros(len(ids), self.num_clips, self.store.dim)
        if any(present):
            kept = [video_id for video_id, here in zip(ids, present) if here]
            video[torch.tensor(present)] = torch.from_numpy(self.store.read_clips(kept, self.num_clips)).float()
        return video

    def sample(self, index: int) -> MomentSample:
        """Who a prediction is for, and its ground truth."""
        pair = self.data_list[index]
        sample = MomentSample(metainfo=dict(video_id=pair['video_id'], query=pair['query'], duration=pair['duration'],
                                            sample_idx=int(index), absent=pair.get('absent', False)))
        sample.gt_spans = torch.tensor(pair['spans'], dtype=torch.float32).reshape(-1, 2)
        return sample

    def __getitems__(self, indices: Sequence[int]) -> Dict:
        self.full_init()
        batch = dict(inputs=Batch(video=self.videos(indices), query=self.queries(indices)))
        if self.test_mode:
            batch['data_samples'] = [self.sample(index) for index in indices]
        return batch

    def __getitem__(self, index: int) -> Dict:
        return self.__getitems__([index])


@FUNCTIONS.register_module()
def collate_moments(batch: Union[Dict, List[Dict]]) -> Dict:
    """Pass on a batch that a :class:`MomentDataset` made as a whole, or join batches of one from a dataset wrapper."""
    if isinstance(batch, dict):
        return batch
    inputs = [item['inputs'] for item in batch]
    longest = max(item.query.mask.size(1) for item in inputs)

    def pad(tensor: torch.Tensor) -> torch.Tensor:
        missing = longest - tensor.size(1)
        return torch.nn.functional.pad(tensor, (0, 0) * (tensor.dim() - 2) + (0, missing))

    query = Query(*(torch.cat([pad(getattr(item.query, field)) for item in inputs])
                    for field in ('features', 'mask', 'word_ids', 'word_weights')))
    joined = dict(inputs=Batch(video=torch.cat([item.video for item in inputs]), query=query))
    if 'data_samples' in batch[0]:
        joined['data_samples'] = [sample for item in batch for sample in item['data_samples']]
    return joined
