"""R@n,IoU=m and mIoU, with everything that is needed to judge them printed beside them."""
import logging
from typing import Dict, List, Optional, Sequence

import numpy as np
import pandas as pd
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmvmr.evaluation.average_precision import AVERAGES
from mmvmr.evaluation.predictions import write_predictions
from mmvmr.evaluation.protocols import Protocol, find_protocol
from mmvmr.evaluation.report import score_card
from mmvmr.evaluation.scoring import answerable, per_query, summarize
from mmvmr.evaluation.segments import RANK_KEYS
from mmvmr.registry import DATASETS, EVALUATORS


@EVALUATORS.register_module()
class MomentRecall(BaseMetric):
    """R@n,IoU=m: share of queries with an annotated moment that one of the first n predictions overlaps with IoU >= m.

    mIoU is the mean IoU of the first prediction. Both are in per cent. R@n is left out where no query has n
    predictions. See ``docs/metrics.md``.

    Args:
        tops: The n; by default those of the data set's protocol.
        ious: The m; by default those of the protocol.
        nms: IoU above which a worse prediction is dropped before counting; by default that of the protocol.
        report: Print the score card with the blind panel and the breakdown, as tests do.
        train_set: Config of the training annotations, a dataset without features; the blind panel then has the best
            constant windows as a diagnostic, if it can be read and has moments.
        out_file: Write per-query predictions to this file (JSON lines), to be scored again by
            ``mmvmr score``.
    """
    default_prefix = ''  # the names of the metrics say enough

    def __init__(self, tops: Optional[Sequence[int]] = None, ious: Optional[Sequence[float]] = None,
                 nms: Optional[float] = None, report: bool = False, train_set: Optional[dict] = None,
                 out_file: Optional[str] = None) -> None:
        super().__init__(collect_device='gpu')  # by messages between the processes; 'cpu' needs a folder they share
        self.changes = dict(tops=tops, ious=ious, nms=nms)
        find_protocol('', **self.changes)  # a mistake in them shows now, not after the test
        self.report = report
        self.train_set = train_set
        self.out_file = out_file

    def keys(self) -> Sequence[str]:
        """The names that it gives where queries have enough predictions."""
        protocol = self._protocol()
        return (*protocol.keys(), *(RANK_KEYS if protocol.segment else ()), 'mIoU',
                *(AVERAGES if protocol.all_moments else ()))

    def _protocol(self) -> Protocol:
        return find_protocol((self.dataset_meta or {}).get('protocol', 'custom'), **self.changes)

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Keep what is scored and written: one row per query, times rounded to a tenth of a millisecond."""
        for sample in data_samples:
            absent = sample.get('absent', False)
            self.results.append(dict(
                sample_idx=sample['sample_idx'], video_id=sample['video_id'], query=sample['query'],
                duration=sample['duration'], gt_spans=_rounded(sample['gt_spans']),
                pred_spans=[] if absent else _rounded(sample['pred_spans']),
                pred_scores=[] if absent else sample['pred_scores'].tolist()))

    def compute_metrics(self, results: List[dict]) -> Dict[str, float]:
        """Score each query once, however many processes have seen it."""
        meta = self.dataset_meta or {}
        protocol = self._protocol()
        table = pd.DataFrame(results).drop_duplicates('sample_idx').sort_values('sample_idx', ignore_index=True)
        if len(table) != meta.get('num_pairs', len(table)):
            print_log(f'{len(table)} of {meta["num_pairs"]} pairs of {protocol.name} were tested: these scores are not '
                      'those of the protocol.', 'current', logging.WARNING)
        if self.out_file:
            write_predictions(table.assign(protocol=protocol.name), self.out_file)
            print_log(f'Predictions written to {self.out_file}', 'current')
        table = table[table['gt_spans'].str.len() > 0].reset_index(drop=True)
        if table.empty:
            print_log('None of the queries has an annotated moment, so there is nothing to measure.', 'current',
                      logging.WARNING)
            return {}
        protocol = answerable(protocol, table)
        scores = per_query(table, protocol)
        if self.report:
            print_log('\n' + score_card(table, scores, protocol, spans_of_training(self.train_set)), 'current')
        return summarize(scores)


def spans_of_training(train_set: Optional[dict]) -> Optional[np.ndarray]:
    """The annotated fractions of a training set for the blind panel; None, with a warning, where it cannot be read."""
    if train_set is None:
        return None
    try:
        return annotated_fractions(train_set)
    except (FileNotFoundError, ValueError) as error:
        hint = getattr(DATASETS.get(train_set['type']), 'HINT', '')  # how to get what a test does not need
        print_log(f'The blind panel has no fitted windows: {str(error).partition(chr(10) + hint)[0]}', 'current',
                  logging.WARNING)
        return None


def annotated_fractions(dataset: dict) -> np.ndarray:
    """All annotated spans of a dataset config as fractions of their videos: (M, 2). Features are not opened."""
    return DATASETS.build(dict(dataset, features=None)).data_list.fractions()


def _rounded(spans) -> List[List[float]]:
    return spans.double().round(decimals=4).tolist()
