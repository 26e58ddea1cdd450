"""Charades-STA (Gao et al., ICCV 2017)."""
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from mmvmr.datasets.annotations import clamp_span
from mmvmr.datasets.forms import read_charades_text
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS
from mmvmr.utils.text_files import open_text, read_json, read_table, read_text


@DATASETS.register_module()
class CharadesSTA(MomentDataset):
    """Charades-STA from ``charades_sta_*.txt`` (``id start end##sentence``) or from the JSON lists of CNM and CPL.

    Two test sets circulate, and their numbers must not be compared:

    - protocol 'official': 12,408 training and 3,720 test pairs. Spans are cut at the end of the video, as
      in 2D-TAN.
    - protocol 'filtered': 10,602 and 3,158 pairs, those with start < end <= duration, as in CNM, CPL and PPS.

    Its pairs were divided anew, to test out of distribution; these files are JSON and need no ``durations``:

    - protocols 'cd_test_iid' and 'cd_test_ood': Charades-CD (Yuan et al., 2021), whose moments lie elsewhere.
    - protocols 'cg_test_trivial', 'cg_novel_composition' and 'cg_novel_word': Charades-CG (Li et al., CVPR 2022), whose
      queries have other words; the number of pairs is not checked.

    Args:
        ann_file: The text file, or a JSON list.
        durations: ``Charades_v1_*.csv``, whose column ``length`` holds the durations; needed for the text file.
    """
    METAINFO = dict(dataset='Charades-STA')
    PROTOCOLS = dict(official=dict(train=12408, test=3720), filtered=dict(train=10602, test=3158),
                     cd_test_iid={}, cd_test_ood={},
                     cg_test_trivial={}, cg_novel_composition={}, cg_novel_word={})
    HINT = (
        'Annotations: charades_sta_{train,test}.txt of Charades-STA (also in github.com/microsoft/2D-TAN) and\n'
        '  Charades_v1_{train,test}.csv of Charades. The JSON lists of CNM and CPL are read as well.\n'
        'Features: I3D of 1024 dimensions, as published with github.com/JonghwanMun/LGI4temporalgrounding, then\n'
        '  mmvmr pack SOURCE data/charades_sta/features\n'
        'Words: glove.pkl of github.com/minghangz/cpl, or GloVe text with --sentences (see --help), then\n'
        '  mmvmr vocabulary data/charades_sta/vocabulary.npz \\\n'
        '    --vectors glove.pkl --size 1111')

    def __init__(self, ann_file: str, durations: Optional[str] = None, data_root: str = '', **kwargs) -> None:
        self.durations = None if durations is None else str(Path(data_root, durations))
        super().__init__(ann_file, data_root=data_root, **kwargs)

    def annotation_files(self, ann_file: str) -> Sequence[str]:
        return [ann_file, self.durations] if self.durations and '.json' not in Path(ann_file).name else [ann_file]

    def parse_annotations(self) -> List[Dict]:
        if not _is_text(self.ann_file):
            return super().parse_annotations()
        pairs = self._parse_text()
        if self.protocol == 'filtered':
            return [pair for pair in pairs if pair['spans'][0][0] < pair['spans'][0][1] <= pair['duration']]
        for pair in pairs:  # 2,367 spans end after the video, four training spans are the wrong way round
            pair['spans'] = [clamp_span(span, pair['duration']) for span in pair['spans']]
        return pairs

    def _parse_text(self) -> List[Dict]:
        if self.durations is None:
            raise ValueError(f'"{self.ann_file}" gives no durations: set `durations` to Charades_v1_train.csv or '
                             'Charades_v1_test.csv.')
        return read_charades_text(self.ann_file, read_durations(self.durations), self.durations)


def read_durations(path: str) -> Dict[str, float]:
    """Seconds of each video: from a CSV file of Charades, columns ``id`` and ``length``, or from VSLNet's JSON.

    Raises:
        ValueError: If it is neither.
    """
    text = read_text(path)
    try:
        if text.lstrip().startswith('{'):
            return {video_id: float(video['duration']) for video_id, video in read_json(path).items()}
        rows = read_table(path)
        if not {'id', 'length'} <= set(rows.fieldnames or ()):
            raise ValueError(f'"{path}" should have the columns id and length, got {rows.fieldnames}.')
    except (TypeError, KeyError) as error:
        raise ValueError(f'"{path}" should hold {{id: {{"duration": seconds}}}} ({type(error).__name__}: '
                         f'{error}).') from None
    try:
        durations: Dict[str, float] = {}
        for row in rows:
            if durations.setdefault(row['id'], float(row['length'])) != float(row['length']):
                raise ValueError(f'{row["id"]} has another length above, {durations[row["id"]]}')
        return durations
    except (TypeError, ValueError) as error:
        raise ValueError(f'"{path}", line {rows.line_num}: the length should be a number of seconds ({error}). Is the '
                         'file damaged?') from error


def _is_text(path: str) -> bool:
    """Whether a file has lines such as ``AO8RW 0.0 6.9##a person sits.``."""
    with open_text(path) as lines:
        return lines.read(100).lstrip()[:1] not in ('[', '{')
