"""Answers of a search in the form of those of inference, for pages, clips and subtitles."""
from pathlib import Path
from typing import Dict, Iterator, List, Sequence

from mmvmr.apis.outputs import subtitles
from mmvmr.apis.page_records import page_records
from mmvmr.features.stores.names import without_suffix
from mmvmr.search.moment_index import MomentIndex


def as_predictions(index: MomentIndex, query: str, moments: Sequence[Dict]) -> List[Dict]:
    """The moments of one search, one prediction per video, the video of the best moment first."""
    found: Dict[str, List[Dict]] = {}
    for moment in moments:
        found.setdefault(moment['video'], []).append(moment)
    unknown = index.inferencer.text.unknown_words(query)
    return [dict(video=video, query=query, moments=own, unknown_words=unknown, confidence=None)
            for video, own in found.items()]


def records(index: MomentIndex, predictions: Sequence[Dict]) -> Iterator[Dict]:
    """The records of a page, see :func:`~mmvmr.apis.page_records.page_records`."""
    ids = {name: video_id for video_id, name in index.names.items()}
    for prediction in predictions:
        video = index.files.video(ids[prediction['video']])._replace(name=prediction['video'])
        yield from page_records(index.inferencer, video, [prediction])


def subtitles_by_video(predictions: Sequence[Dict]) -> Dict[str, str]:
    """The moments found in each video as subtitles, by the video."""
    found: Dict[str, List[Dict]] = {}
    for prediction in predictions:
        found.setdefault(prediction['video'], []).extend(
            dict(prediction, moments=[moment]) for moment in prediction['moments'])
    return {without_suffix(Path(video).name): subtitles(own) for video, own in found.items()}
