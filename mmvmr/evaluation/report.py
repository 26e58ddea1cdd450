"""The score card: a model's scores, the blind panel beside them, and where the scores come from."""
from typing import List, Optional

import numpy as np
import pandas as pd

from mmvmr.evaluation.blind_panel import blind_scores, fit_windows, score_windows
from mmvmr.evaluation.breakdown import breakdown_table
from mmvmr.evaluation.predictions import relative_truths
from mmvmr.evaluation.protocols import Protocol
from mmvmr.utils.tables import format_table


def score_card(table: pd.DataFrame, scores: pd.DataFrame, protocol: Protocol,
               train_spans: Optional[np.ndarray] = None, form: str = 'text') -> str:
    """Tables of the scores and of what they are made of.

    Args:
        table: Per-query predictions.
        scores: Per-query scores of the same rows.
        train_spans: (M, 2) training spans as fractions, for the fitted windows of the blind panel.
        form: Of the tables, see :func:`~mmvmr.utils.tables.format_table`.
    """
    blind = blind_scores(table, protocol, train_spans)
    panel = pd.DataFrame({name: 100 * one.mean() for name, one in blind.items()}).T.reindex(columns=scores.columns)
    model = 100 * scores.mean()
    head = [key.replace(',', '\n') if form == 'text' else key for key in scores]
    rows = [['', *head], ['model', *map(_number, model)]]
    rows += [[f'blind: {name}', *map(_number, row)] for name, row in panel.iterrows()]
    rows.append(['lift over the best blind', *(_number(value, '+.2f') for value in model - panel.max())])
    title = f'{protocol.name}: {len(table)} queries, {table["video_id"].nunique()} videos'
    notes = _notes(table, protocol, train_spans)
    if form == 'latex':
        notes = [f'% {note}' for note in notes]
    return '\n'.join([format_table(rows, title, form, rule=True), *([''] if form == 'markdown' else []), *notes, '',
                      breakdown_table(table, scores, blind, form)])


def _number(value: float, form: str = '.2f') -> str:
    return '-' if np.isnan(value) else f'{value:{form}}'


def how_hits_count(protocol: Protocol) -> str:
    """What a hit is, as a sentence."""
    return (f'A hit is IoU {">" if protocol.strict else ">="} m; '
            + (f'non-maximum suppression at IoU {protocol.nms:g}' if protocol.nms is not None else 'no suppression')
            + ('.' if protocol.clamped else '; predictions are not cut at the ends of the video.'))


def how_windows_are_fitted(train_spans: Optional[np.ndarray]) -> str:
    """What the rows with a star are, as a sentence."""
    if train_spans is None:
        return 'No training annotations were given that can be read, so no constant window was fitted.'
    return ('* best constant window on the training timestamps: a diagnostic, not a weakly-supervised result.'
            if len(train_spans) else 'The training annotations have no moments, so no constant window was fitted.')


def how_far_from_training(table: pd.DataFrame, protocol: Protocol, train_spans: Optional[np.ndarray]) -> List[str]:
    """In what the pairs of a protocol differ from those of training by design, and what that does to a constant."""
    if not protocol.shift:
        return []
    line = f'Out of distribution: {protocol.shift}.'
    if train_spans is None or not len(train_spans):
        return [line]
    window = np.array([fit_windows(train_spans)['R@1']])
    one = Protocol('', (1,), (0.5,))
    there, here = (100 * score_windows(truths, window, one)['R@1,IoU=0.5'].mean()
                   for truths in (train_spans[:, None].tolist(), relative_truths(table)))
    return [f'{line} The best R@1 window has R@1,IoU=0.5 of {there:.2f} there and {here:.2f} here.']


def _notes(table: pd.DataFrame, protocol: Protocol, train_spans: Optional[np.ndarray]) -> List[str]:
    notes = [f'Per cent. {how_hits_count(protocol)}', how_windows_are_fitted(train_spans),
             *how_far_from_training(table, protocol, train_spans)]
    spans = [np.array(spans, dtype=float) for spans in table['pred_spans']]
    faults = {'no prediction': sum(not len(one) for one in spans),
              'predictions that are not numbers': sum(bool(np.isnan(one).any()) for one in spans),
              'predictions that end before they begin': sum(bool((one[:, 0] > one[:, 1]).any()) for one in spans
                                                            if len(one))}
    if max((one.max() for one in spans if len(one)), default=np.inf) <= 1 < table['duration'].min():
        notes.append('All predictions lie in the first second of their videos. If they are fractions: seconds are '
                     'expected.')
    notes += [f'{number} queries have {fault}, which counts as wrong.' for fault, number in faults.items() if number]
    return notes
