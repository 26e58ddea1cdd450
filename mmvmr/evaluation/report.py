"""The score card: a model's scores, the blind panel beside them, and where the scores come from."""
from typing import List, Optional

import numpy as np
import pandas as pd
from terminaltables import AsciiTable

from mmvmr.evaluation.blind_panel import blind_panel
from mmvmr.evaluation.breakdown import breakdown_table
from mmvmr.evaluation.predictions import relative_truths
from mmvmr.evaluation.protocols import Protocol


def score_card(table: pd.DataFrame, scores: pd.DataFrame, protocol: Protocol,
               train_spans: Optional[np.ndarray] = None) -> str:
    """Tables as text.

    Args:
        table: Per-query predictions.
        scores: Per-query scores of the same rows.
        train_spans: (M, 2) training spans as fractions, for the fitted windows of the blind panel.
    """
    panel = blind_panel(relative_truths(table), protocol, train_spans)
    model = 100 * scores.mean()
    rows = [['', *(key.replace(',', '\n') for key in panel)], ['model', *model.map('{:.2f}'.format)]]
    rows += [[f'blind: {name}', *row.map('{:.2f}'.format)] for name, row in panel.iterrows()]
    rows.append(['lift over the best blind', *(model - panel.max()).map('{:+.2f}'.format)])
    card = AsciiTable(rows, f' {protocol.name}: {len(table)} queries, {table["video_id"].nunique()} videos ')
    card.inner_footing_row_border = True
    return '\n'.join([card.table, *_notes(table, protocol, train_spans), '', breakdown_table(table, scores)])


def how_hits_count(protocol: Protocol) -> str:
    """What a hit is, as a sentence."""
    return f'A hit is IoU {">" if protocol.strict else ">="} m; ' + (
        f'non-maximum suppression at IoU {protocol.nms:g}.' if protocol.nms is not None else 'no suppression.')


def how_windows_are_fitted(train_spans: Optional[np.ndarray]) -> str:
    """What the rows with a star are, as a sentence."""
    return ('No training annotations were given, so no constant window was fitted.' if train_spans is None else
            '* best constant window on the training timestamps: a diagnostic, not a weakly-supervised result.')


def _notes(table: pd.DataFrame, protocol: Protocol, train_spans: Optional[np.ndarray]) -> List[str]:
    notes = [f'Per cent. {how_hits_count(protocol)}', how_windows_are_fitted(train_spans)]
    spans = [np.array(spans, dtype=float) for spans in table['pred_spans']]
    faults = {'no prediction': sum(not len(one) for one in spans),
              'predictions that are not numbers': sum(bool(np.isnan(one).any()) for one in spans)}
    notes += [f'{number} queries have {fault}, which counts as wrong.' for fault, number in faults.items() if number]
    return notes
