"""What a person reads: answers as tables and as subtitles."""
from typing import Dict, List, Optional, Sequence, Tuple

from terminaltables import AsciiTable

CONFIDENCE = ('confidence: how sure it is that the video holds what the sentence describes, the same for all of its '
              'moments in a video.')
MATCH = 'match: how well a moment fits the sentence, 0 to 1, comparable between videos; not how likely it is right.'


def legend(sure: bool) -> str:
    """What the numbers in a table of answers are; ``sure``: it has confidences."""
    order = f"{MATCH} Within one video the order is the model's own."
    return f'{order}\n{CONFIDENCE}' if sure else order


def clock(seconds: float) -> str:
    """Seconds as minutes, seconds and tenths.

    Example:
        >>> clock(83.26), clock(3599.96)
        ('1:23.3', '60:00.0')
    """
    tenths = round(seconds * 10)
    return f'{tenths // 600}:{tenths % 600 / 10:04.1f}'


def answer_table(predictions: Sequence[Dict], top_k: int) -> str:
    """The best moments for one sentence, one line each; those of several videos in one order, by their match.

    Args:
        predictions: Of the inferencer for one sentence, one per video.
        top_k: Lines, at most.
    """
    several, sure = _several(predictions), any(prediction['confidence'] is not None for prediction in predictions)
    first = predictions[0]
    lines = [f'"{first["query"]}"']
    if first['unknown_words']:
        lines.append(f'read without {", ".join(map(repr, first["unknown_words"]))}, which the model does not know')
    rows = [[rank, *([prediction['video']] if several else []), clock(moment['start']), clock(moment['end']),
             f'{moment["match"]:.3f}', *([_share(prediction['confidence'])] if sure else [])]
            for rank, (prediction, moment) in enumerate(ranked(predictions)[:top_k], start=1)]
    if rows:
        head = ['rank', *(['video'] if several else []), 'start', 'end', 'match', *(['confidence'] if sure else [])]
        table = AsciiTable([head, *rows], title=None)
        table.justify_columns = {place: 'left' if name == 'video' else 'right' for place, name in enumerate(head)}
        lines.append(table.table)
    absent = [prediction for prediction in predictions if not prediction['moments']]
    if absent and not several:
        lines.append(f'{unanswered(first).capitalize()}.')
    elif absent:
        lines.append(f'Probably not in {len(absent)} of {len(predictions)} videos.')
    return '\n'.join(lines)


def ranked(predictions: Sequence[Dict]) -> List[Tuple[Dict, Dict]]:
    """Moments of one sentence and their predictions, best first: by the model in one video, by match in several."""
    found = [(prediction, moment) for prediction in predictions for moment in prediction['moments']]
    return sorted(found, key=lambda pair: -pair[1]['match']) if _several(predictions) else found


def _several(predictions: Sequence[Dict]) -> bool:
    """Whether they are of several videos, and not of a sentence that was asked twice."""
    return len({prediction['video'] for prediction in predictions}) > 1


def unanswered(prediction: Dict) -> str:
    """Why a prediction has no moment."""
    return f'probably not in this video (confidence {_share(prediction["confidence"])})'


def _share(confidence: Optional[float]) -> str:
    return '-' if confidence is None else f'{confidence:.2f}'


def by_query(predictions: Sequence[Dict]) -> List[List[Dict]]:
    """The predictions of each sentence, in the order in which the sentences come."""
    found: Dict[str, List[Dict]] = {}
    for prediction in predictions:
        found.setdefault(prediction['query'], []).append(prediction)
    return list(found.values())


def subtitles(predictions: Sequence[Dict]) -> str:
    """The best moment of each sentence as a subtitle (SubRip), in the order of time; none where there is no moment.

    A line break inside a sentence would end its subtitle, so it becomes a space. A second line names the words that the
    model does not know.
    """
    best = sorted((prediction['moments'][0]['start'], prediction['moments'][0]['end'], _text(prediction))
                  for prediction in predictions if prediction['moments'])
    return '\n'.join(f'{number}\n{_timestamp(start)} --> {_timestamp(end)}\n{text}\n'
                     for number, (start, end, text) in enumerate(best, start=1))


def _text(prediction: Dict) -> str:
    unknown = ', '.join(prediction['unknown_words'])
    return ' '.join(prediction['query'].split()) + (f'\n(read without: {unknown})' if unknown else '')


def _timestamp(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f'{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02},{rest % 1000:03}'
