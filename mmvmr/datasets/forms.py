"""The forms in which annotations of moments are published: one small reader for each, told apart by their fields.

All give pairs of ``video_id``, ``duration``, ``query`` and ``spans`` (seconds); some add what else is known of them.
"""
import json
import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Tuple, Union

from mmvmr.datasets.annotations import check_letters, clamp_span
from mmvmr.utils.text_files import find_column, read_json_lines, read_table, read_text, split_lines

DIDEMO_SEGMENT = 5.0  # seconds
SENTENCE_COLUMNS = ('sentence', 'query', 'text', 'caption', 'description')  # of tables, the first that is there
_TABLES = {'.csv', '.tsv'}  # suffixes
_OWN = '[video_id, duration, [start, end], sentence]'


class Form(NamedTuple):
    """A form of annotations."""
    name: str
    entry: str  # what an entry holds, for messages
    fits: Callable[[Any], bool]  # whether the content of a file has this form
    read: Callable[[str, Any], Iterable[Dict]]  # name and content of an entry -> its pairs
    kind: str = 'entry'  # what an entry is called
    entries: Callable[[Any], Iterable[Tuple[Any, Any]]] = enumerate  # content -> names and entries


def read_pairs(path: Union[str, Path]) -> List[Dict]:
    """Read annotations in any known form.

    Raises:
        ValueError: If the form is not known, or an entry lacks something; the message names it.
    """
    content, form = recognise(path)
    pairs: List[Dict] = []
    for name, entry in form.entries(content):
        try:
            pairs += form.read(name, entry)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            named = f'"{name}"' if isinstance(name, str) else name
            raise ValueError(f'"{path}", {form.kind} {named}: expected {form.entry} ({form.name}), got '
                             f'{str(entry)[:100]} ({type(error).__name__}: {error}).') from error
    return pairs


def recognise(path: Union[str, Path]) -> Tuple[Any, Form]:
    """The content of a file of annotations, and its form.

    Raises:
        ValueError: If it is no form that is known.
    """
    if read_text(path).lstrip()[:1] not in ('[', '{'):
        if '##' in read_text(path)[:1000]:
            raise ValueError(f'"{path}" has the form of Charades-STA, id start end##sentence, which says no durations. '
                             'Read it with type="CharadesSTA" and durations="Charades_v1_train.csv", or turn it into '
                             'JSON lines: mmvmr convert FILE --durations Charades_v1_train.csv')
        if _TABLES & set(Path(path).suffixes):
            raise ValueError(f'"{path}" is a table, expected JSON. This writes JSON of it, with the durations of its '
                             f'videos: mmvmr new VIDEOS FOLDER --sentences {path}')
        raise ValueError(f'"{path}" is not a JSON file and no JSON lines. Is it cut off, or in another format?')
    values = read_json_lines(path)
    whole = values[0] if len(values) == 1 else values
    inside = whole[0] if isinstance(whole, list) and whole else whole
    single = len(values) == 1 and (isinstance(whole, dict) or not isinstance(inside, (dict, list)))
    for content in [whole, *([values] if single else [])]:  # a single line may be the file or its only entry
        for form in FORMS:
            if form.fits(content):
                return content, form
    raise ValueError(f'"{path}" is in a form that is not known: {_describe(whole)}. Known are {_known()}. Write '
                     f'it as a list of {_OWN}, or a class that reads the file (docs/add_a_data_set.md).')


def read_queries(path: Union[str, Path]) -> List[str]:
    """The sentences in a text file, one per line, or in the lines of Charades-STA; in a table, under
    :data:`SENTENCE_COLUMNS`; in a JSON list, or under ``query`` on JSON lines; in annotations.

    Raises:
        ValueError: If it holds JSON, or a table, without sentences.
    """
    if _TABLES & set(Path(path).suffixes):
        return _of_table(path)
    text = read_text(path)
    if not re.match(r'\s*(\[\s*[\[{"\]\d-]|\{\s*["}])', text) and not _is_quoted(text):  # '[door opens]' is a sentence
        lines = [line.strip() for line in split_lines(text) if line.strip()]
        charades = [re.fullmatch(r'\S+ +[\d.]+ +[\d.]+ *##(.*)', line) for line in lines]
        return [line[1].strip() for line in charades] if all(charades) else lines
    values = read_json_lines(path)
    entries = values[0] if len(values) == 1 and isinstance(values[0], list) else values
    queries = [entry.get('query') if isinstance(entry, dict) else entry for entry in entries]
    if not all(isinstance(query, str) for query in queries):
        queries = [pair['query'] for pair in read_pairs(path)]
    for number, query in enumerate(queries):
        check_letters(query, f'"{path}", entry {number}')
    return [query.strip() for query in queries if query.strip()]


def _of_table(path: Union[str, Path]) -> List[str]:
    rows = read_table(path)
    name = find_column(rows.fieldnames, SENTENCE_COLUMNS)
    if name is None:
        raise ValueError(f'"{path}" should begin with the names of its columns, one of them '
                         f'{", ".join(SENTENCE_COLUMNS)}; got {rows.fieldnames}. A file with a sentence on each line '
                         'and nothing else is a .txt.')
    return [row[name].strip() for row in rows if (row[name] or '').strip()]


def _is_quoted(text: str) -> bool:
    """Whether every line is a JSON string."""
    try:
        return all(isinstance(json.loads(line), str) for line in split_lines(text) if line.strip())
    except (ValueError, RecursionError):
        return False


def as_json_line(pair: Dict) -> Dict:
    """A pair as a line of QVHighlights has it; a qid, by which other files find a query, only where it has one."""
    own = {key: pair[key] for key in ('qid',) if key in pair}
    known = {key: pair[key] for key in ('relevant_clip_ids', 'saliency_scores') if key in pair}
    return dict(own, query=pair['query'], vid=pair['video_id'], duration=pair['duration'],
                relevant_windows=pair['spans'], **known)


def read_charades_text(path: Union[str, Path], durations: Dict[str, float], table: str) -> List[Dict]:
    """Read ``id start end##sentence``; spans are as they are in the file.

    Args:
        durations: Seconds of each video.
        table: Where they are from, for messages.

    Raises:
        ValueError: If a line has another form, or a video no duration; the message names it.
    """
    pairs = []
    for number, line in enumerate(split_lines(read_text(path)), start=1):
        head, separator, query = line.partition('##')
        fields = head.split()
        if not separator or len(fields) != 3:
            raise ValueError(f'"{path}", line {number}: expected "id start end##sentence", got {line[:80]!r}.')
        if fields[0] not in durations:
            raise ValueError(f'"{table}" has no length of video "{fields[0]}" (line {number} of "{path}"). Is it the '
                             'csv of the same split?')
        pairs.append(dict(video_id=fields[0], duration=durations[fields[0]],
                          spans=[[float(fields[1]), float(fields[2])]], query=query))
    return pairs


# ------------------------------------------------------------------------------------------------------------- readers
def _own_list(_: int, entry: Any) -> Iterator[Dict]:
    video_id, duration, span, query = entry
    yield dict(video_id=video_id, duration=duration, spans=_spans(span), query=query)


def _spans(value: Any) -> Any:
    """The moments of a query, of which there may be none, one or several."""
    if value is None:
        return []
    return value if isinstance(value, list) and value and isinstance(value[0], list) else [value]


def _qvhighlights(_: int, entry: Dict) -> Iterator[Dict]:
    known = {key: entry[key] for key in ('qid', 'relevant_clip_ids', 'saliency_scores') if key in entry}
    yield dict(known, video_id=entry['vid'], duration=entry['duration'], query=entry['query'],
               spans=_spans(entry.get('relevant_windows') or None))


def _tvr(_: int, entry: Dict) -> Iterator[Dict]:
    span = entry.get('ts')  # the test split has none
    yield dict(video_id=entry['vid_name'], duration=entry['duration'], query=entry['desc'],
               spans=[] if span is None else [clamp_span(span, entry['duration'])],
               **({'qid': entry['desc_id']} if 'desc_id' in entry else {}))


def _didemo(_: int, entry: Dict) -> Iterator[Dict]:
    """Segments of 5 s, the last of a moment included; each annotator's moment is one."""
    spans = [[first * DIDEMO_SEGMENT, (last + 1) * DIDEMO_SEGMENT] for first, last in entry['times']]
    yield dict(video_id=entry['video'], duration=entry['num_segments'] * DIDEMO_SEGMENT, query=entry['description'],
               spans=spans, qid=entry['annotation_id'])


def _ego4d_nlq(name: str, clip: Dict) -> Iterator[Dict]:
    """Times count from the start of the clip; queries without words, which the files hold, are left out."""
    duration = clip['video_end_sec'] - clip['video_start_sec']
    for annotation in clip.get('annotations', []):
        for query in annotation['language_queries']:
            if query.get('query'):
                known = 'clip_start_sec' in query  # not in the test split
                span = [query['clip_start_sec'], query['clip_end_sec']] if known else []
                yield dict(video_id=name, duration=duration, query=query['query'],
                           spans=[clamp_span(span, duration)] if known else [])


def _clips(content: Dict) -> Iterator[Tuple[str, Dict]]:
    for video in content['videos']:
        yield from ((clip['clip_uid'], clip) for clip in video['clips'])


def _hirest(prompt: str, videos: Dict) -> Iterator[Dict]:
    """Moment retrieval: the part of a video that answers the prompt, where there is one."""
    for video_id, video in videos.items():
        if video.get('relevant', True) and video.get('clip', True) and video.get('bounds'):
            yield dict(video_id=video_id, duration=video['v_duration'], query=prompt,
                       spans=[clamp_span(video['bounds'], video['v_duration'])])


def _youcook2(video_id: str, video: Dict) -> Iterator[Dict]:
    for moment in video.get('annotations', []):
        yield dict(video_id=video_id, duration=video['duration'], query=moment['sentence'],
                   spans=[clamp_span(moment['segment'], video['duration'])], subset=video['subset'])


def _mad(name: str, entry: Dict) -> Iterator[Dict]:
    yield dict(video_id=entry['movie'], duration=entry['movie_duration'], query=entry['sentence'], qid=name,
               spans=[clamp_span(entry['timestamps'], entry['movie_duration'])])


def _video(duration: str) -> Callable[[str, Dict], Iterator[Dict]]:
    def read(video_id: str, video: Dict) -> Iterator[Dict]:
        seconds = float(video[duration])
        yield from _moments(video_id, video, seconds, 1.0)
    return read


def _video_in_frames(video_id: str, video: Dict) -> Iterator[Dict]:
    fps = float(video['fps'])
    yield from _moments(video_id, video, float(video['num_frames']) / fps, fps)


def _moments(video_id: str, video: Dict, duration: float, per_second: float) -> Iterator[Dict]:
    timestamps, sentences = video['timestamps'], video['sentences']
    if duration <= 0:
        raise ValueError(f'its duration is {duration}, expected positive numbers')
    if len(timestamps) != len(sentences):
        raise ValueError(f'{len(timestamps)} timestamps, {len(sentences)} sentences')
    for (start, end), query in zip(timestamps, sentences):
        span = clamp_span([float(start) / per_second, float(end) / per_second], duration)
        yield dict(video_id=video_id, duration=duration, query=query, spans=[span])


def _records(*fields: str) -> Callable[[Any], bool]:
    """Fits a list whose first entry has these fields."""
    return lambda content: (isinstance(content, list) and len(content) > 0 and isinstance(content[0], dict)
                            and set(fields) <= set(content[0]))


def _named(*fields: str, deep: int = 1) -> Callable[[Any], bool]:
    """Fits a dict whose first value, or its first value, has these fields."""
    def fits(content: Any) -> bool:
        for _ in range(deep):
            if not isinstance(content, dict) or not content:
                return False
            content = next(iter(content.values()))
        return isinstance(content, dict) and set(fields) <= set(content)
    return fits


def _has(field: str, kind: type) -> Callable[[Any], bool]:
    return lambda content: isinstance(content, dict) and isinstance(content.get(field), kind)


def _is_own_list(content: Any) -> bool:
    return isinstance(content, list) and (not content or isinstance(content[0], list))


FORMS = (
    Form('a list of mmvmr, CNM and CPL', _OWN, _is_own_list, _own_list),
    Form('QVHighlights', 'vid, duration, query and relevant_windows', _records('query', 'vid'), _qvhighlights),
    Form('TVR', 'vid_name, duration, desc and ts', _records('vid_name', 'desc'), _tvr),
    Form('DiDeMo', 'video, description, num_segments and times', _records('video', 'description', 'times'), _didemo),
    Form('Ego4D-NLQ', 'video_start_sec, video_end_sec and language_queries', _has('videos', list), _ego4d_nlq, 'clip',
         _clips),
    Form('YouCook2', 'duration, subset and annotations with segment and sentence', _has('database', dict), _youcook2,
         'video', lambda content: content['database'].items()),
    Form('MAD', 'movie, movie_duration, sentence and timestamps', _named('movie', 'sentence'), _mad, 'entry',
         dict.items),
    Form('Charades-CD', 'positive video_duration, timestamps and as many sentences',
         _named('timestamps', 'sentences', 'video_duration'), _video('video_duration'), 'video', dict.items),
    Form('TACoS of 2D-TAN and VSLNet', 'positive fps, num_frames, timestamps and as many sentences',
         _named('timestamps', 'sentences', 'num_frames'), _video_in_frames, 'video', dict.items),
    Form('ActivityNet Captions', 'positive duration, timestamps and as many sentences',
         _named('timestamps', 'sentences'), _video('duration'), 'video', dict.items),
    Form('HiREST', 'videos with v_duration and bounds', _named('relevant', deep=2), _hirest, 'prompt', dict.items),
)


def _known() -> str:
    return ', '.join(form.name for form in FORMS)


def _describe(content: Any) -> str:
    if isinstance(content, list) and content:
        return f'a list of {len(content)}, the first {_describe(content[0])}'
    if isinstance(content, dict):
        return f'a dict with {", ".join(map(str, list(content)[:5]))}{", ..." if len(content) > 5 else ""}'
    return f'{type(content).__name__} {str(content)[:60]!r}'
