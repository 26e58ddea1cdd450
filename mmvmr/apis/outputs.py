"""What a person reads: answers as a table and as subtitles."""
from typing import Dict, Sequence

from terminaltables import AsciiTable


def clock(seconds: float) -> str:
    """Seconds as minutes, seconds and tenths.

    Example:
        >>> clock(83.26), clock(3599.96)
        ('1:23.3', '60:00.0')
    """
    tenths = round(seconds * 10)
    return f'{tenths // 600}:{tenths % 600 / 10:04.1f}'


def answer_table(prediction: Dict) -> str:
    """The moments of one prediction of the inferencer as a table."""
    rows = [[rank, clock(moment['start']), clock(moment['end']), f'{moment["match"]:.3f}']
            for rank, moment in enumerate(prediction['moments'], start=1)]
    table = AsciiTable([['rank', 'start', 'end', 'match'], *rows], title=None)
    table.justify_columns = dict.fromkeys(range(4), 'right')
    return f'"{prediction["query"]}"\n{table.table}'


def subtitles(predictions: Sequence[Dict]) -> str:
    """The best moment of each sentence as a subtitle (SubRip), in the order of time.

    A line break inside a sentence would end its subtitle, so it becomes a space.
    """
    best = sorted((prediction['moments'][0]['start'], prediction['moments'][0]['end'], prediction['query'])
                  for prediction in predictions)
    return '\n'.join(f'{number}\n{_timestamp(start)} --> {_timestamp(end)}\n{" ".join(query.split())}\n'
                     for number, (start, end, query) in enumerate(best, start=1))


def _timestamp(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f'{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02},{rest % 1000:03}'
