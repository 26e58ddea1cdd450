"""R@n,IoU=m and mIoU, with everything that is needed to judge them printed beside them."""
from typing import Dict, List, Optional, Sequence

import numpy as np
import pandas as pd
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmvmr.evaluation.protocols import find_protocol
from mmvmr.evaluation.report import score_card
from mmvmr.evaluation.scoring import answerable, per_query, summarize, write_predictions
from mmvmr.registry import DATASETS, EVALUATORS


@EVALUATORS.register_module()
class MomentRecall(BaseMetric):
    """R@n,IoU=m: share of queries with an annotated moment that one of the first n predictions overlaps with IoU >= m.

    mIoU is the mean IoU of the first prediction. Both are in per cent. R@n is left out where no query has n predictions.
    See ``docs/metrics.md``.

    Args:
        tops: The n; by default those of the data set's protocol.
        ious: The m.
        nms: IoU above which a worse prediction is dropped before counting; None keeps all.
        report: Print the score card with the blind panel and the breakdown, as tests do.
        train_set: Config of the training annotations, a dataset without features; the blind panel then has the best
            constant window as a diagnostic.
        out_file: Write per-query predictions to this file (JSON lines), to be scored again by
            ``tools/analysis_tools/eval_results.py``.
    """

    default_prefix = ''  # the names of the metrics say enough

    def __init__(self, tops: Optional[Sequence[int]] = None, ious: Optional[Sequence[float]] = None,
                 nms: Optional[float] = None, report: bool = False, train_set: Optional[dict] = None,
                 out_file: Optional[str] = None) -> None:
        super().__init__(collect_device='gpu')  # by messages between the processes; 'cpu' needs a folder they share
        self.tops = tops
        self.ious = ious
        self.nms = nms
        self.report = report
        self.train_set = train_set
        self.out_file = out_file

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            absent = sample.get('absent', False)
            self.results.append(dict(
                sample_idx=sample['sample_idx'], video_id=sample['video_id'], query=sample['query'],
                duration=sample['duration'], gt_spans=sample['gt_spans'].tolist(),
                pred_spans=[] if absent else sample['pred_spans'].tolist(),
                pred_scores=[] if absent else sample['pred_scores'].tolist()))

    def compute_metrics(self, results: List[dict]) -> Dict[str, float]:
        name = (self.dataset_meta or {}).get('protocol', 'custom')
        protocol = find_protocol(name)
        protocol = protocol._replace(tops=tuple(self.tops or protocol.tops), ious=tuple(self.ious or protocol.ious))
        table = pd.DataFrame(results).drop_duplicates('sample_idx').sort_values('sample_idx').assign(protocol=name)
        if self.out_file:
            write_predictions(table, self.out_file)
            print_log(f'Predictions written to {self.out_file}', 'current')
        table = table[table['gt_spans'].str.len() > 0].reset_index(drop=True)
        if table.empty:
            print_log('None of the queries has an annotated moment, so there is nothing to measure.', 'current', level=30)
            return {}
        protocol = answerable(protocol, table)
        scores = per_query(table, protocol, self.nms)
        if self.report:
            print_log('\n' + score_card(table, scores, protocol, self._train_spans()), 'current')
        return summarize(scores)

    def _train_spans(self) -> Optional[np.ndarray]:
        if self.train_set is None:
            return None
        pairs = DATASETS.build(dict(self.train_set, features=None)).data_list
        return np.array([np.array(span) / pair['duration'] for pair in pairs for span in pair['spans']])
