"""Find the moments of many videos that sentences describe: make an index once, then search it.

    mmvmr search index work_dirs/mmvmr_best_moving_shapes videos/ videos.index
    mmvmr search query videos.index "a red square spins" "a blue star grows" --html page.html --clips clips/
    mmvmr search query videos.index  # asks for one sentence after the other
    mmvmr search evaluate test.index data/moving_shapes/test.json --queries 50

The same `index` command adds videos that have come since, and reads those again that have changed. A feature store can
be indexed instead of video files:

    mmvmr search index work_dirs/mmvmr_best_moving_shapes data/moving_shapes/features test.index \\
        --annotations data/moving_shapes/test.json

Without a run, by a model of pictures and text alone, such as CLIP:

    mmvmr search index --zero-shot clip-vit-base-patch32 videos/ videos.index
    mmvmr search query videos.index "a dog runs"

An index names the folder of its run, which holds a config. A config is Python and is run: read one from a stranger
before you use it.
"""
import argparse
import json
import sys
from pathlib import Path
from typing import Any, Dict, List

from mmvmr.cli.infer import check_targets, cut_clips, invite, typed_lines, write_answers_page
from mmvmr.cli.main import Parser, at_least, counted
from mmvmr.engine.run.places import find_run
from mmvmr.utils.files import check_writable


def add_arguments(parser: Parser) -> None:
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    index = commands.add_parser('index', help='make an index, or add new videos to it')
    index.add_argument('run', nargs='?', help='folder of a run, or a checkpoint in it; not with --zero-shot')
    index.add_argument('videos', help='folder of video files, or one; with --annotations, a feature store')
    index.add_argument('index', type=Path, help='folder to write')
    index.add_argument('--zero-shot', metavar='MODEL', help='instead of a run: folder of a model of pictures and text '
                       'in the format of transformers, such as CLIP; a file with an extractor; or features that one '
                       'has made')
    index.add_argument('--annotations', metavar='FILE', help='what videos of the store, and how long they are')
    index.add_argument('--workers', type=at_least(1), help='processes that extract features; as those of extract')
    index.add_argument('--prune', action='store_true', help='drop the videos that are gone from the index')
    index.set_defaults(command=run_index)
    query = commands.add_parser('query', help='find the best moments over all videos')
    query.add_argument('index', type=Path, help='folder of the index')
    query.add_argument('sentences', nargs='*', metavar='sentence', help='what to look for; without any, you are asked')
    query.add_argument('--top-k', type=at_least(1), default=10, metavar='K', help='moments per sentence (10)')
    looks = query.add_mutually_exclusive_group()
    looks.add_argument('--windows', type=at_least(1), metavar='N',
                       help='how many windows the model looks at (20; 500 without training)')
    looks.add_argument('--exhaustive', action='store_true', help='look at all windows')
    query.add_argument('--json', type=Path, metavar='FILE', help='write all answers as JSON')
    query.add_argument('--srt', type=Path, metavar='FOLDER', help='write the moments as subtitles, a file per video')
    query.add_argument('--clips', type=Path, metavar='FOLDER', help='cut the best moment of each sentence out')
    query.add_argument('--html', type=Path, metavar='FILE', help='write a page that shows what the model saw')
    query.add_argument('--force', action='store_true', help='replace output files that are there')
    query.set_defaults(command=run_query)
    evaluate = commands.add_parser('evaluate', help='what the coarse stage loses and saves')
    evaluate.add_argument('index', type=Path, help='folder of the index')
    evaluate.add_argument('annotations', help='file in the format of the training annotations')
    evaluate.add_argument('--queries', type=at_least(1), metavar='N', help='take N of them, evenly chosen')
    evaluate.add_argument('--windows', type=at_least(1), nargs='+', default=[5, 10, 20, 40], metavar='N',
                          help='numbers of windows kept (5 10 20 40)')
    evaluate.add_argument('--events', type=Path, metavar='FILE', help='events.json of Moving Shapes: any event that '
                          'looks as the annotated one is right')
    evaluate.set_defaults(command=run_evaluate)
    for command in (query, evaluate):
        command.add_argument('--run', help='folder of the run, or of the model, if it has moved')
    for command in (index, query, evaluate):
        command.add_argument('--device', help='e.g. cpu or cuda:0; by default a GPU if there is one')


def run_index(args: argparse.Namespace) -> int:
    if (args.run is None) == (args.zero_shot is None):
        raise ValueError('An index is made with a run, mmvmr search index RUN VIDEOS INDEX, or without, mmvmr search '
                         'index --zero-shot MODEL VIDEOS INDEX.')
    if args.run is not None:
        find_run(args.run, ' An index without training is made with --zero-shot MODEL in the place of the run.')
    check_writable(args.index)
    from mmvmr.search.build_index import build_index
    from mmvmr.search.index_files import GONE, read_index
    before = read_index(args.index).videos if (args.index / 'index.json').is_file() else {}
    try:
        failures = build_index(args.run or args.zero_shot, args.videos, args.index, args.annotations, args.workers,
                               args.device, args.prune, zero_shot=args.run is None)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f'Stopped. {what_is_kept(args.index)}') from None
    for path, reason in failures.items():
        print(f'left out: {path}\n  {reason}', file=sys.stderr)
    if not args.index.exists():
        raise ValueError(f'No video of "{args.videos}" can be decoded: there is nothing to index.')
    files = read_index(args.index)
    gone = [files.find(video_id)[0] for video_id in files.videos if files.find(video_id)[1] == GONE]
    print(f'{args.index}: {counted(len(files.videos), "video")}, {counted(files.coarse.shape[1], "window")}'
          f'{changes(before, files.videos)}.')
    if gone:
        print(f'Gone, and not searched: {counted(len(gone), "video")}, such as "{gone[0]}". --prune drops what is '
              'gone.')
    return int(bool(failures))


def changes(before: Dict[str, Dict], now: Dict[str, Dict]) -> str:
    """What was done to an index that was there, as a part of a sentence."""
    both = before.keys() & now.keys()
    facts = [(before[video_id].get('file') or {}, now[video_id].get('file') or {}) for video_id in both]
    again = sum(one.get('modified') != other.get('modified') or one.get('size') != other.get('size')
                for one, other in facts)
    again += sum(any(before[video_id].get(key, now[video_id][key]) != now[video_id][key]
                     for key in ('sha256', 'duration')) for video_id in both if 'file' not in now[video_id])
    moved = sum(one.get('relative') != other.get('relative') for one, other in facts)
    done = [f'{count} {what}' for count, what in (
        (len(now.keys() - before.keys()), 'added'), (again, 'read again'), (moved, 'found elsewhere'),
        (len(before.keys() - now.keys()), 'dropped')) if count]
    return f' ({", ".join(done) or "nothing has changed"})' if before else ''


def what_is_kept(index: Path) -> str:
    """Which videos need not be read again when an indexing that was stopped is started again."""
    from mmvmr.features.folder import unfinished_beside
    from mmvmr.search.build_index import extracted_beside
    extracted = extracted_beside(index)
    finished = sorted(path.stem for path in unfinished_beside(extracted).glob('*.npy'))
    if (extracted / 'index.json').is_file():
        finished = json.loads((extracted / 'index.json').read_text(encoding='utf-8'))['video_ids']
    was = 'The index is as it was. ' if index.exists() else ''
    if not finished:
        return f'{was}No video was finished.'
    more = f' and {len(finished) - 20} more' if len(finished) > 20 else ''
    return (f'{was}The features of {counted(len(finished), "video")} are kept: {", ".join(finished[:20])}{more}. '
            'The same command goes on from there.')


def check_index(args: argparse.Namespace) -> None:
    """Refuse what is no index, and a run that is not there, before anything is loaded."""
    if args.run and not Path(args.run).is_dir():  # a folder may also be a model without a run
        find_run(args.run)
    if not (args.index / 'index.json').is_file():
        raise FileNotFoundError(f'There is no index in "{args.index}". Make one: mmvmr search index RUN VIDEOS '
                                f'{args.index}')


def run_query(args: argparse.Namespace) -> int:
    check_index(args)
    outputs = [path for path in (args.json, args.srt, args.clips, args.html) if path]
    check_targets([args.json, args.html], [args.srt, args.clips], args.force)
    if outputs and not args.sentences:
        raise ValueError('There is no sentence whose answer could be written; write one behind the index.')
    from mmvmr.apis.outputs import MATCH
    from mmvmr.search.index_files import read_index
    from mmvmr.search.moment_index import MomentIndex
    if args.clips and not has_files(read_index(args.index)):
        raise ValueError(f'--clips needs video files; "{args.index}" was made of features, in which are no pictures.')
    index = MomentIndex(args.index, args.run, args.device)
    answers, errors = [], []
    if not args.sentences:
        invite()
    for sentence in dict.fromkeys(args.sentences) or typed_lines():
        answer(index, sentence, args, answers, errors)
    if any(found['moments'] for found in answers):
        print(f'\n{MATCH}')
        tell_coverage(index, args)
    write_answers(index, args, answers, errors)
    for path in outputs:
        print(f'Written: {path}')
    return int(bool(errors) and bool(args.sentences))


def tell_coverage(index: Any, args: argparse.Namespace) -> None:
    """Say how many windows were looked at, if not all."""
    count = args.windows or index.num_windows
    if not args.exhaustive and count < len(index.windows):
        print(f'Looked at the {count} of {len(index.windows)} windows that are most like each sentence; --exhaustive '
              'looks at all.')


def has_files(files: Any) -> bool:
    """Whether an index is one of video files; else it is one of features."""
    return all(entry.get('file') is not None for entry in files.videos.values())


def answer(index: Any, sentence: str, args: argparse.Namespace, answers: List[Dict], errors: List[Dict]) -> None:
    """Search and print; the answer, or what is wrong, joins the others."""
    from terminaltables import AsciiTable

    from mmvmr.apis.outputs import clock
    try:
        moments = index.search(sentence, args.top_k, len(index.windows) if args.exhaustive else args.windows)
    except ValueError as error:
        errors.append(dict(query=sentence, error=str(error)))
        print(f'\nNot answered: {error}', file=sys.stderr)
        return
    answers.append(dict(query=sentence, moments=moments))
    rows = [[rank, moment['video'], clock(moment['start']), clock(moment['end']), f'{moment["match"]:.3f}']
            for rank, moment in enumerate(moments, start=1)]
    print(f'\n"{sentence}"\n{AsciiTable([["rank", "video", "start", "end", "match"], *rows]).table}')


def write_answers(index: Any, args: argparse.Namespace, answers: List[Dict], errors: List[Dict]) -> None:
    """Write what is asked for: JSON, subtitles, clips, a page."""
    from mmvmr.search.answers import as_predictions, records, subtitles_by_video
    from mmvmr.utils.files import write_text
    if args.json:
        found = dict(predictions=answers, errors=errors, left_out=index.left_out)
        write_text(args.json, json.dumps(found, indent=2, ensure_ascii=False) + '\n')
    if not (args.srt or args.clips or args.html):
        return
    predictions = [as_predictions(index, found['query'], found['moments']) for found in answers]
    together = [prediction for found in predictions for prediction in found]
    if args.srt:
        args.srt.mkdir(parents=True, exist_ok=True)
        for name, text in subtitles_by_video(together).items():
            write_text(args.srt / f'{name}.srt', text)
    if args.clips:
        cut_clips([found[0] for found in predictions if found], args.clips)
    if args.html:
        write_answers_page(args.html, list(records(index, together)), args.index.name,
                           counted(len(index.names), 'video'), errors, with_files=has_files(index.files))


def read_events(path: Path) -> Dict[str, List]:
    """Events of Moving Shapes by video: lists that end with start and end.

    Raises:
        ValueError: If the file has another form.
    """
    from mmvmr.utils.text_files import read_json
    events = read_json(path)
    if not isinstance(events, dict) or not all(
            isinstance(one, list) and len(one) > 2 for found in events.values()
            for one in (found if isinstance(found, list) else [None])):
        raise ValueError(f'"{path}" should hold {{video: [[..., start, end], ...]}}, as events.json of Moving Shapes.')
    return events


def run_evaluate(args: argparse.Namespace) -> int:
    check_index(args)
    import numpy as np

    from mmvmr.search.build_index import read_pairs
    from mmvmr.search.moment_index import MomentIndex
    from mmvmr.search.quality import evaluate_search
    index = MomentIndex(args.index, args.run, args.device, show_progress=False)
    there = {video_id for video_id, _ in index.windows}
    pairs = [pair for pair in read_pairs(index.inferencer.cfg, args.annotations) if pair['video_id'] in there]
    if not pairs:
        raise ValueError(f'No video of "{args.annotations}" is searched by the index "{args.index}".')
    chosen = np.linspace(0, len(pairs) - 1, min(args.queries or len(pairs), len(pairs))).round().astype(int)
    events = read_events(args.events) if args.events else None
    result = evaluate_search(index, [pairs[number] for number in chosen], args.windows, events)
    sizes = dict(query=chosen, video=there, window=index.windows)
    print(f'\n{", ".join(counted(len(found), what) for what, found in sizes.items())}\n')
    print(result['recall'].round(1).to_string())
    print('\nMedian milliseconds per query: ' + ', '.join(
        f'{stage} {1000 * value:.1f}' for stage, value in result['seconds'].items()))
    return 0


def run(args: argparse.Namespace) -> int:
    return args.command(args)
