"""The score card: a model's scores, the blind panel beside them, and where the scores come from."""
from typing import Optional

import numpy as np
import pandas as pd
from terminaltables import AsciiTable

from mmvmr.evaluation.blind_panel import blind_panel
from mmvmr.evaluation.protocols import Protocol
from mmvmr.evaluation.scoring import breakdown


def score_card(table: pd.DataFrame, scores: pd.DataFrame, protocol: Protocol,
               train_spans: Optional[np.ndarray] = None) -> str:
    """Tables as text.

    Args:
        table: Per-query predictions.
        scores: Per-query scores of the same rows.
        train_spans: (M, 2) training spans as fractions, for the fitted window of the blind panel.
    """
    truths = [(np.asarray(spans) / duration).tolist() for spans, duration in zip(table['gt_spans'], table['duration'])]
    panel = blind_panel(truths, protocol, train_spans)
    model = 100 * scores.mean()
    lift = (model - panel.max()).map('{:+.2f}'.format)
    rows = [['', *panel.columns], ['model', *model.map('{:.2f}'.format)]]
    rows += [[f'blind: {name}', *row.map('{:.2f}'.format)] for name, row in panel.iterrows()]
    rows += [['lift over the best blind', *lift]]
    card = AsciiTable(rows, f' {protocol.name}: {len(table)} queries, {table["video_id"].nunique()} videos ')
    card.inner_footing_row_border = True
    notes = [] if train_spans is not None else ['No training annotations were given, so no window was fitted.']
    return '\n'.join([card.table, *notes, '', breakdown_table(table, scores)])


def breakdown_table(table: pd.DataFrame, scores: pd.DataFrame) -> str:
    """Scores by moment length, moment position and query length."""
    keys = [key for key in ('R@1,IoU=0.3', 'R@1,IoU=0.5', 'R@1,IoU=0.7', 'mIoU') if key in scores]
    rows = [['', 'queries', *keys]]
    for (_, label), row in breakdown(table, scores).iterrows():
        rows.append([label, int(row['queries']), *(f'{row[key]:.2f}' for key in keys)])
    return AsciiTable(rows, ' by moment length, moment position and query length ').table
