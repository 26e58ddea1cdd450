"""Charades-STA (Gao et al., ICCV 2017)."""
import csv
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from mmvmr.datasets.annotations import clamp_span, read_text
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS


@DATASETS.register_module()
class CharadesSTA(MomentDataset):
    """Charades-STA from ``charades_sta_*.txt`` (``id start end##sentence``) or from the JSON lists of CNM and CPL.

    Two test sets circulate, and their numbers must not be compared:

    - protocol 'official': 12,408 training and 3,720 test pairs. Spans are cut at the end of the video, as
      in 2D-TAN.
    - protocol 'filtered': 10,602 and 3,158 pairs, those with start < end <= duration, as in CNM, CPL and PPS.

    Args:
        ann_file: The text file, or a JSON list.
        durations: ``Charades_v1_*.csv``, whose column ``length`` holds the durations; needed for the text file.
    """
    METAINFO = dict(dataset='Charades-STA')
    PROTOCOLS = dict(official=dict(train=12408, test=3720), filtered=dict(train=10602, test=3158))
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
        return [ann_file, self.durations] if self.durations and ann_file.endswith('.txt') else [ann_file]

    def parse_annotations(self) -> List[Dict]:
        if Path(self.ann_file).suffix != '.txt':
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
        durations, pairs = self._read_durations(), []
        for number, line in enumerate(read_text(self.ann_file).splitlines(), start=1):
            head, separator, query = line.partition('##')
            fields = head.split()
            if not separator or len(fields) != 3:
                raise ValueError(f'"{self.ann_file}", line {number}: expected "id start end##sentence", '
                                 f'got {line[:80]!r}.')
            if fields[0] not in durations:
                raise ValueError(f'"{self.durations}" has no length of video "{fields[0]}" (line {number} of '
                                 f'"{self.ann_file}"). Is it the csv of the same split?')
            pairs.append(dict(video_id=fields[0], duration=durations[fields[0]],
                              spans=[[float(fields[1]), float(fields[2])]], query=query))
        return pairs

    def _read_durations(self) -> Dict[str, float]:
        rows = csv.DictReader(read_text(self.durations).splitlines())
        if not {'id', 'length'} <= set(rows.fieldnames or ()):
            raise ValueError(f'"{self.durations}" should have the columns id and length, got {rows.fieldnames}.')
        try:
            return {row['id']: float(row['length']) for row in rows}
        except (TypeError, ValueError) as error:
            raise ValueError(f'"{self.durations}", line {rows.line_num}: the length should be a number of seconds '
                             f'({error}). Is the file damaged?') from error
