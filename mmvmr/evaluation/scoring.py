"""From a table of per-query predictions to recalls; numpy and pandas only, so that no model is needed."""
import json
from pathlib import Path
from typing import Dict, List, Optional, Union

import numpy as np
import pandas as pd
import torch

from mmvmr.evaluation.protocols import Protocol
from mmvmr.functional.spans import temporal_iou, temporal_nms

COLUMNS = ('sample_idx', 'video_id', 'query', 'duration', 'gt_spans', 'pred_spans', 'pred_scores', 'protocol')


def best_iou(spans: np.ndarray, truths: List[List[List[float]]]) -> np.ndarray:
    """IoU of each of C spans with the annotated moment it fits best.

    Args:
        spans: (N, C, 2), or (C, 2) for the same spans for all N queries.
        truths: Annotated spans of each of N queries, at least one.

    Returns:
        (N, C).
    """
    most = max(len(spans_of_query) for spans_of_query in truths)
    padded = np.array([(list(of_query) * most)[:most] for of_query in truths], dtype=np.float64)  # (N, G, 2)
    iou = temporal_iou(torch.from_numpy(padded).unsqueeze(1), torch.from_numpy(np.asarray(spans, np.float64)).unsqueeze(-2))
    return iou.amax(dim=-1).numpy()


def prediction_ious(table: pd.DataFrame, top: int, nms: Optional[float] = None) -> np.ndarray:
    """IoU of the ``top`` best predictions of each query: (N, top); -1 where there are fewer."""
    spans = np.full((len(table), top, 2), np.nan)
    for row, pred in enumerate(table['pred_spans']):
        pred = np.asarray(pred, dtype=np.float64).reshape(-1, 2)
        if nms is not None:
            pred = pred[temporal_nms(torch.from_numpy(pred), nms).numpy()]
        spans[row, :len(pred[:top])] = pred[:top]
    iou = best_iou(spans, table['gt_spans'].tolist())
    return np.where(np.isnan(spans[..., 0]), -1, iou)


def answerable(protocol: Protocol, table: pd.DataFrame) -> Protocol:
    """The protocol without the R@n that no query has n predictions for: one proposal gives no R@5."""
    most = max(table['pred_spans'].str.len().max(), 1)
    return protocol._replace(tops=tuple(top for top in protocol.tops if top <= most) or (1,))


def per_query(table: pd.DataFrame, protocol: Protocol, nms: Optional[float] = None) -> pd.DataFrame:
    """One row per query, one column per metric: hits (0 or 1) and the IoU of the first prediction."""
    iou = prediction_ious(table, max(protocol.tops), nms)
    return hits(iou, protocol).assign(mIoU=np.maximum(iou[:, 0], 0))


def hits(iou: np.ndarray, protocol: Protocol) -> pd.DataFrame:
    """Whether any of the first n candidates hits, for every R@n,IoU=m: IoU (N, C) -> 0 or 1."""
    columns = {}
    for top in protocol.tops:
        best = iou[:, :top].max(axis=1)
        for threshold in protocol.ious:
            columns[f'R@{top},IoU={threshold:g}'] = best > threshold if protocol.strict else best >= threshold
    return pd.DataFrame(columns).astype(float)


def summarize(scores: pd.DataFrame) -> Dict[str, float]:
    """Means over all queries, in per cent."""
    return {key: round(100 * value, 4) for key, value in scores.mean().items()}


def write_predictions(table: pd.DataFrame, path: Union[str, Path]) -> None:
    """Write per-query results as JSON lines, one query per line."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    table.to_json(path, orient='records', lines=True, force_ascii=False)


def read_predictions(path: Union[str, Path]) -> pd.DataFrame:
    """Read per-query results.

    Raises:
        ValueError: If the file is not one that :func:`write_predictions` wrote.
    """
    try:
        rows = [json.loads(line) for line in Path(path).read_text(encoding='utf-8').splitlines() if line.strip()]
        missing = [column for column in COLUMNS if not rows or column not in rows[0]]
    except (ValueError, TypeError) as error:
        raise ValueError(f'"{path}" is not a file of predictions ({error}). tools/test.py writes one, predictions.jsonl, '
                         'into its work dir.') from error
    if missing:
        raise ValueError(f'"{path}" lacks {missing} on its lines. tools/test.py writes such a file into its work dir.')
    return pd.DataFrame(rows)


def breakdown(table: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Means of all metrics by moment length, moment position and query length, with the number of queries."""
    first = np.array([spans[0] for spans in table['gt_spans']], dtype=float) / table['duration'].to_numpy()[:, None]
    groups = dict(
        length=pd.cut(first[:, 1] - first[:, 0], [-np.inf, 0.1, 0.25, 0.5, np.inf],
                      labels=['< 10 % of the video', '10 - 25 %', '25 - 50 %', '> 50 %']),
        position=pd.cut(first.mean(axis=1), [-np.inf, 1 / 3, 2 / 3, np.inf],
                        labels=['centre in the first third', 'in the middle third', 'in the last third']),
        words=pd.cut(table['query'].str.split().str.len(), [0, 5, 8, 12, np.inf],
                     labels=['up to 5 words', '6 - 8', '9 - 12', 'more than 12']))
    parts = []
    for by, labels in groups.items():
        grouped = scores.groupby(np.asarray(labels), observed=True)
        part = (100 * grouped.mean()).assign(queries=grouped.size()).reindex([x for x in labels.categories
                                                                              if x in set(labels)])
        parts.append(part.assign(by=by).set_index('by', append=True).swaplevel())
    return pd.concat(parts)
