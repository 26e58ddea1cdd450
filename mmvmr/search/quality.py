"""What the coarse stage of a search loses, and what it saves."""
from time import perf_counter
from typing import Dict, List, Optional, Sequence

import numpy as np
import pandas as pd
import torch

from mmvmr.evaluation.scoring import is_hit
from mmvmr.functional.spans import temporal_iou
from mmvmr.search.moment_index import MomentIndex
from mmvmr.utils.progress import progress

TOPS = (1, 5, 10)
ALL = 10**9  # moments
IOU = 0.5


def evaluate_search(index: MomentIndex, pairs: Sequence[Dict], counts: Sequence[int],
                    events: Optional[Dict[str, List]] = None) -> Dict[str, pd.DataFrame]:
    """Search for annotated sentences, with the model at all windows, and at those that the coarse stage keeps.

    Args:
        pairs: Dicts of ``video_id``, ``query`` and ``spans`` (seconds), of videos in the index.
        counts: Numbers of windows kept.
        events: Of each video, lists that end with start and end; what comes before says how the event looks. A moment
            is then right, too, if it finds an event that looks like the annotated one, in any video.

    Returns:
        ``recall``, by windows kept, in percent: ``top k``, the best k moments of the exhaustive search that are still
        found; ``video``, queries whose annotated video is kept; ``R@k``, queries with a right moment among the first k
        (IoU >= 0.5). ``seconds``, medians per query by stage.
    """
    counts = sorted({min(count, len(index.windows)) for count in (*counts, len(index.windows))})
    recall, seconds = [], []
    for pair in progress(pairs, 'Queries'):
        sentence = index.read(pair['query'])
        start = perf_counter()
        order = index.shortlist(sentence)
        coarse = perf_counter()
        index.look(sentence, order[:index.num_windows])
        model = perf_counter()
        samples = index.look(sentence, order)  # in the order of the windows
        seconds.append(dict(coarse=coarse - start, model=model - coarse, exhaustive=perf_counter() - model))
        exhaustive, right = index.best_moments(samples, max(TOPS)), right_spans(index, pair, events)
        for count in counts:
            kept = index.best_moments([samples[number] for number in sorted(order[:count])], ALL)
            videos = {index.windows[number][0] for number in order[:count]}
            recall.append(dict(windows=count, **_compare(kept, exhaustive), video=pair['video_id'] in videos,
                               **_hits(kept, right)))
    return dict(recall=pd.DataFrame(recall).groupby('windows').mean() * 100, seconds=pd.DataFrame(seconds).median())


def right_spans(index: MomentIndex, pair: Dict, events: Optional[Dict[str, List]] = None) -> Dict[str, List]:
    """The spans that answer a query, by the name of their video."""
    found = {pair['video_id']: list(pair['spans'])}
    looks = [look for *look, start, end in (events or {}).get(pair['video_id'], ()) if [start, end] in pair['spans']]
    for video_id in index.names if looks else ():
        found.setdefault(video_id, []).extend(
            [start, end] for *look, start, end in events.get(video_id, ()) if look in looks)
    return {index.names[video_id]: spans for video_id, spans in found.items()}


def _compare(kept: List[Dict], exhaustive: List[Dict]) -> Dict[str, float]:
    """The share of the best moments of the exhaustive search that are among the others."""
    found = np.array([moment in kept for moment in exhaustive])
    return {f'top {top}': found[:top].mean() for top in TOPS}


def _hits(moments: List[Dict], right: Dict[str, List]) -> Dict[str, bool]:
    """Whether one of the first moments is right."""
    hits = [_overlaps(moment, right.get(moment['video'])) for moment in moments[:max(TOPS)]]
    return {f'R@{top}': any(hits[:top]) for top in TOPS}


def _overlaps(moment: Dict, spans: Optional[List]) -> bool:
    if not spans:
        return False
    found = torch.tensor([[moment['start'], moment['end']]], dtype=torch.float64)
    return bool(is_hit(temporal_iou(found, torch.tensor(spans, dtype=torch.float64)).numpy(), IOU, strict=False).any())
