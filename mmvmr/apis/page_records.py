"""What a model saw in a video, as records for the page."""
from typing import Dict, Iterator, List, Sequence

from mmvmr.apis.inferencer import MomentRetrievalInferencer
from mmvmr.apis.outputs import unanswered
from mmvmr.apis.windows import Window, cut_windows
from mmvmr.features.video_features import VideoFeatures
from mmvmr.text.sentences import read_sentences
from mmvmr.visualization.explanation import explain

_SAME = 2e-3  # seconds; predictions are rounded
_EMPTY = dict(sample_idx=None, gt_spans=[], spans=[], scores=[], scored_by='match', masks=[], components=None,
              negatives={}, words=[], reconstruction={}, frame_scores=None, maps=[])


def page_records(inferencer: MomentRetrievalInferencer, video: VideoFeatures,
                 predictions: Sequence[Dict]) -> Iterator[Dict]:
    """The record of :func:`~mmvmr.visualization.explanation.explain` for each prediction of one video.

    In a long video it tells of the window in which the best moment was found, on the clock of the whole video.
    """
    windows = list(cut_windows(video, inferencer.recipe))
    for prediction in predictions:
        reading = {key: prediction[key] for key in ('unknown_words', 'confidence')}
        if not prediction['moments']:
            yield dict(_EMPTY, video_id=video.name, query=prediction['query'], duration=video.duration,
                       unanswered=unanswered(prediction).capitalize() + '.', **reading)
            continue
        best = prediction['moments'][0]
        around = [window for window in windows if window.start <= best['start'] + _SAME
                  and best['end'] <= window.start + window.duration + _SAME]
        found = [_placed(_explain(inferencer, video, window, prediction['query']), window, video) for window in around]
        record = min(found, key=lambda record: min(_distance(span, best) for span in record['spans']))
        yield dict(record, **_candidates(record, prediction['moments'], video.duration), **reading)


def _explain(inferencer: MomentRetrievalInferencer, video: VideoFeatures, window: Window, query: str) -> Dict:
    recipe = inferencer.recipe
    sentences = read_sentences([query], inferencer.text, recipe.max_words)
    pair = inferencer.pair(video.name, inferencer.clips(window.rows), window, 0, sentences)
    return explain(inferencer.model, pair['inputs'], pair['data_samples'],
                   recipe.vocabulary.words if recipe.vocabulary else ())[0]


def _distance(span: Sequence[float], moment: Dict) -> float:
    return max(abs(span[0] - moment['start']), abs(span[1] - moment['end']))


def _placed(record: Dict, window: Window, video: VideoFeatures) -> Dict:
    """The record of a window on the clock of the video: times are moved, what goes by clips is 0 elsewhere."""
    if window.duration == video.duration:
        return record

    def move(spans: List) -> List:
        return [[start + window.start, end + window.start] for start, end in spans]

    def widen(values: List[float]) -> List[float]:
        clip = window.duration / len(values)
        before = round(window.start / clip)
        return [0.0] * before + values + [0.0] * (round(video.duration / clip) - before - len(values))

    components = record['components']
    return dict(
        record, duration=video.duration, window=[window.start, window.start + window.duration],
        spans=move(record['spans']), masks=list(map(widen, record['masks'])), maps=[],
        components=components and dict(spans=move(components['spans']), masks=list(map(widen, components['masks']))),
        negatives={name: widen(mask) for name, mask in record['negatives'].items()},
        frame_scores=record['frame_scores'] and widen(record['frame_scores']))


def _candidates(record: Dict, moments: Sequence[Dict], duration: float) -> Dict:
    """The moments of a prediction as candidates; one of another window has its span as mask."""
    num_clips = len(record['masks'][0])

    def mask(moment: Dict) -> List[float]:
        for span, values in zip(record['spans'], record['masks']):
            if _distance(span, moment) < _SAME:
                return values
        middles = [(place + 0.5) / num_clips * duration for place in range(num_clips)]
        return [float(moment['start'] <= second < moment['end']) for second in middles]

    return dict(spans=[[moment['start'], moment['end']] for moment in moments],
                scores=[moment['match'] for moment in moments], scored_by='match', masks=list(map(mask, moments)))
