"""From a table of per-query predictions to recalls; no model is needed."""
from typing import Dict, List, Optional, Sequence

import numpy as np
import pandas as pd
import torch

from mmvmr.evaluation.average_precision import average_precisions, by_length
from mmvmr.evaluation.highlights import highlight_scores
from mmvmr.evaluation.predictions import relative_truths
from mmvmr.evaluation.protocols import Protocol
from mmvmr.evaluation.segments import segment_scores
from mmvmr.functional.spans import temporal_iou, temporal_nms

_TIE = 1e-9  # closer to the threshold than this counts as equal: the same moment in other units must score the same
_MOST = 10  # predictions of a query that average precision looks at (QVHighlights)


def ious_with_all(spans: np.ndarray, truths: List[List[List[float]]]) -> np.ndarray:
    """IoU of each of C spans with all annotated moments of a query.

    Args:
        spans: (N, C, 2), or (C, 2) for the same spans for all N queries.
        truths: Annotated spans of each of N queries, at least one.

    Returns:
        (N, C, G), -1 where a query has fewer than G moments.
    """
    padded = _pad(truths, None)  # (N, G, 2)
    candidates = torch.from_numpy(np.asarray(spans, np.float64)).unsqueeze(-2)  # (N or 1, C, 1, 2)
    ious = temporal_iou(torch.from_numpy(np.nan_to_num(padded)).unsqueeze(1), candidates).numpy()
    return np.where(np.isnan(padded[:, None, :, 0]), -1, ious)


def prediction_ious(table: pd.DataFrame, top: int, nms: Optional[float] = None, clamped: bool = True) -> np.ndarray:
    """IoU of the ``top`` best predictions of each query: (N, top); -1 where there are fewer, or not a number."""
    spans = predicted_spans(table, top, nms, clamped)
    return np.where(np.isnan(spans).any(axis=-1), -1, ious_with_all(spans, table['gt_spans'].tolist()).max(axis=-1))


def predicted_spans(table: pd.DataFrame, top: Optional[int], nms: Optional[float] = None,
                    clamped: bool = True) -> np.ndarray:
    """The ``top`` best predictions of each query, or all: (N, K, 2), NaN where there are fewer.

    Args:
        nms: IoU above which a worse prediction is dropped.
        clamped: Predictions are cut at both ends of the video first.
    """
    spans = _pad(table['pred_spans'], top if nms is None else None)
    if clamped:
        spans = spans.clip(0, table['duration'].to_numpy(np.float64)[:, None, None])
    if nms is not None:
        spans = _suppress(spans, nms, top)
    return spans[:, :top]


def _pad(predictions: Sequence, most: Optional[int]) -> np.ndarray:
    """Lists of spans as (N, K, 2), NaN where a query has fewer."""
    if most is None:
        most = max(1, max(len(spans) for spans in predictions))
    padded = np.full((len(predictions), most, 2), np.nan)
    for row, spans in enumerate(predictions):
        if len(spans):
            padded[row, :len(spans)] = np.array(spans[:most], dtype=np.float64)
    return padded


def _suppress(spans: np.ndarray, threshold: float, top: Optional[int]) -> np.ndarray:
    """Non-maximum suppression: (N, K, 2) with the kept spans, ``top`` at most, first and NaN behind them."""
    kept = temporal_nms(torch.from_numpy(spans), threshold, top).numpy()
    order = np.argsort(~kept, axis=1, kind='stable')
    return np.take_along_axis(np.where(kept[..., None], spans, np.nan), order[..., None], axis=1)


def answerable(protocol: Protocol, table: pd.DataFrame) -> Protocol:
    """The protocol without the R@n that no query has n predictions for: one proposal gives no R@5."""
    most = max(table['pred_spans'].str.len().max(), 1)
    return protocol._replace(tops=tuple(top for top in protocol.tops if top <= most) or (1,))


def per_query(table: pd.DataFrame, protocol: Protocol) -> pd.DataFrame:
    """One row per query, one column per metric: hits (0 or 1), the IoU of the first prediction, average precision.

    Average precision and ranks are measured where the protocol asks for them, NaN where a query has no moment of a
    length; average precision of highlights, where the table has saliency.
    """
    iou = prediction_ious(table, max(protocol.tops), protocol.nms, protocol.clamped)
    columns = {f'R@{top},IoU={threshold:g}': is_hit(iou[:, :top].max(axis=1), threshold, protocol.strict)
               for top in protocol.tops for threshold in protocol.ious}
    parts = [pd.DataFrame(columns).astype(float)]
    if protocol.discounted:
        spans = predicted_spans(table, max(protocol.tops), protocol.nms, protocol.clamped)
        spans, truths = spans / table['duration'].to_numpy(np.float64)[:, None, None], relative_truths(table)
        hits = discounted_hits(spans, truths, protocol)
        parts.append(pd.DataFrame({f'dR@{top},IoU={threshold:g}': hits[threshold][:, :top].max(axis=1)
                                   for top in protocol.tops for threshold in protocol.ious}))
    if protocol.segment is None:
        parts.append(pd.DataFrame(dict(mIoU=iou[:, 0].clip(min=0))))
    else:
        parts.append(segment_scores(predicted_spans(table, None, protocol.nms, protocol.clamped), table['gt_spans'],
                                    protocol.segment))
    if protocol.all_moments:
        spans = predicted_spans(table, _MOST, protocol.nms, protocol.clamped)
        parts += [average_precisions(spans, table['gt_spans']), by_length(spans, table['gt_spans'])]
    if 'pred_saliency' in table and 'gt_saliency' in table:
        parts.append(highlight_scores(table['pred_saliency'], table['gt_saliency']))
    return pd.concat(parts, axis=1).dropna(axis=1, how='all')


def is_hit(iou: np.ndarray, threshold: float, strict: bool) -> np.ndarray:
    """Whether an IoU reaches the threshold or, where ``strict``, is above it."""
    return iou > threshold + _TIE if strict else iou >= threshold - _TIE


def discounted_hits(spans: np.ndarray, truths: List[List[List[float]]],
                    protocol: Protocol) -> Dict[float, np.ndarray]:
    """What each of C spans is worth at each IoU of the protocol.

    A hit counts the less, the farther its borders are from those of the moment: [s', e'] of [s, e], in fractions of the
    video, is worth (1 - |s - s'|) (1 - |e - e'|) (Yuan et al., "A Closer Look at Temporal Sentence Grounding in
    Videos", 2021, section "Evaluation metrics").

    Args:
        spans: (N, C, 2), or (C, 2) for the same spans for all N queries; fractions of the video, as ``truths``.

    Returns:
        (N, C), in [0, 1], by IoU.
    """
    ious = ious_with_all(spans, truths)
    moments = _pad(truths, None)[:, None]  # (N, 1, G, 2)
    apart = np.abs(np.asarray(spans, np.float64)[..., None, :] - moments).clip(max=1)
    worth = (1 - apart).prod(axis=-1)  # (N, C, G)
    return {threshold: np.where(is_hit(ious, threshold, protocol.strict), worth, 0).max(axis=-1)
            for threshold in protocol.ious}


def summarize(scores: pd.DataFrame) -> Dict[str, float]:
    """Means over all queries, in per cent."""
    return {key: round(100 * value, 4) for key, value in scores.mean().items()}
