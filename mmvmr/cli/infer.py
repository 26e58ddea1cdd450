"""Find the moments of a video, or of all videos of a folder, that sentences describe.

    mmvmr infer work_dirs/mmvmr_best_moving_shapes video.mp4 "a red square spins" "a blue star grows"
    mmvmr infer work_dirs/mmvmr_best_moving_shapes videos/ --queries sentences.txt --json answers.json
    mmvmr infer work_dirs/mmvmr_best_moving_shapes video.mp4
    mmvmr infer work_dirs/cpl_charades features.h5 --video-id 3MSZA --duration 30.96 "person opens the door"
    mmvmr infer --zero-shot clip-vit-base-patch32 video.mp4 "a dog runs"  # by a CLIP alone, nothing is trained

Without a sentence it asks for one after the other, and answers each at once: the model stays in memory.
The folder of a run holds its config. A config is Python and is run: read one from a stranger before you use it, or give
your own config as RUN, and their checkpoint with --checkpoint.
"""
import argparse
import json
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

from mmvmr.cli.main import CHOSEN, Parser, at_least
from mmvmr.engine.run.places import find_model, no_run
from mmvmr.utils.files import check_output, check_writable


def add_arguments(parser: Parser) -> None:
    parser.add_argument('run', help='folder of a run, or a checkpoint in it; or a config, with --checkpoint; not with '
                                    '--zero-shot')
    parser.add_argument('video', nargs='?', help='video file, folder of videos, file with features (.npy, .npz, .pt), '
                                                 'or feature store')
    parser.add_argument('sentences', nargs='*', metavar='sentence', help='what to look for; without any, you '
                        'are asked')
    parser.add_argument('--zero-shot', metavar='MODEL', help='instead of a run: folder of a model of pictures and text '
                        'in the format of transformers, such as CLIP; a file with an extractor; or features that one '
                        'has made')
    parser.add_argument('--queries', type=Path, metavar='FILE',
                        help='more sentences: one per line, in a CSV, or annotations')
    parser.add_argument('--checkpoint', type=Path, help=f'of the run, by default {CHOSEN}')
    parser.add_argument('--video-id', metavar='ID', help='which video, if VIDEO is a feature store')
    parser.add_argument('--duration', type=at_least(1e-3, float), metavar='SECONDS',
                        help='length of the video, if features are given')
    parser.add_argument('--top-k', type=at_least(1), default=5, metavar='K', help='moments per sentence (5)')
    parser.add_argument('--min-confidence', type=at_least(0, float, most=1), default=0, metavar='C', help='no moment '
                        'where the confidence that the video holds it is below, 0 to 1; see `mmvmr calibrate`')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all answers as JSON')
    parser.add_argument('--srt', type=Path, metavar='FILE', help='write the best moment of each sentence as subtitles')
    parser.add_argument('--clips', type=Path, metavar='FOLDER', help='cut the best moment of each sentence out, of '
                        'all videos')
    parser.add_argument('--html', type=Path, metavar='FILE', help='write a page that shows what the model saw')
    parser.add_argument('--force', action='store_true', help='replace output files that are there')
    parser.add_argument('--device', help='e.g. cpu or cuda:0; by default a GPU if there is one')


def without_run(args: argparse.Namespace) -> argparse.Namespace:
    """With --zero-shot there is no run, and the first word is the video."""
    if args.zero_shot is not None:
        if args.checkpoint:
            raise ValueError('--checkpoint belongs to a run, and with --zero-shot there is none.')
        args.sentences = ([] if args.video is None else [args.video]) + args.sentences
        args.run, args.video = None, args.run
    if args.video is None:
        raise ValueError('There is no video to look at; write it behind the run.')
    return args


def check_outputs(args: argparse.Namespace, features: bool) -> None:
    """Refuse what cannot be written before anything is computed."""
    check_targets([args.json, args.srt, args.html], [args.clips], args.force)
    if args.srt and Path(args.video).is_dir() and not features:
        raise ValueError('--srt is for one video, as times of several cannot stand in one file. Use --json.')
    if args.duration and not features:
        raise ValueError('--duration is for features, which do not tell how long their video is; a video file does.')
    if args.clips and features:
        raise ValueError('--clips needs the video file; there are no pictures in features.')


def check_targets(files: Sequence[Optional[Path]], folders: Sequence[Optional[Path]], force: bool) -> None:
    """Refuse files and folders, of which some may be None, that are there or cannot be written."""
    given = [path for path in (*files, *folders) if path]
    for path in filter(None, files):
        check_output(path, force)
    if len(set(given)) < len(given):
        raise ValueError(f'Several answers are to be written to one file: {", ".join(map(str, given))}.')
    for folder in filter(None, folders):
        check_writable(folder)
        if folder.is_dir() and any(folder.iterdir()) and not force:
            raise FileExistsError(f'"{folder}" exists. Choose another name, or replace what is in it with --force.')


def show(result: Dict, top_k: int) -> None:
    """Print a table per sentence; what could not be answered comes last."""
    from mmvmr.apis.outputs import answer_table, by_query, clock
    videos = {prediction['video']: prediction['duration'] for prediction in result['predictions']}
    if len(videos) == 1:
        print('\n' + ''.join(f'{video} ({clock(duration)})' for video, duration in videos.items()))
    for predictions in by_query(result['predictions']):
        print(f'\n{answer_table(predictions, top_k)}')
    for error in result['errors']:
        print(f'\nNot answered: {error["error"]}', file=sys.stderr)


def ask(inferencer: Any, video: Any, args: argparse.Namespace) -> int:
    """Answer what is typed, line by line, until an empty line, Ctrl-D or Ctrl-C; the video is read once."""
    from mmvmr.apis.outputs import legend
    videos = inferencer.read_all(video)
    print(legend(inferencer.confidence is not None), flush=True)
    invite()
    for sentence in typed_lines():
        try:
            show(inferencer(videos, sentence, args.top_k, min_confidence=args.min_confidence), args.top_k)
        except ValueError as error:  # nothing of it is known: the next one may be
            print(f'\nNot answered: {error}', file=sys.stderr)
    return 0


def invite() -> None:
    """Say that sentences may be typed, where there is somebody to type."""
    if sys.stdin is not None and sys.stdin.isatty():
        print('A sentence, or an empty line to end.', flush=True)


def typed_lines() -> Iterator[str]:
    """What is typed, up to the first empty line; or all that comes through a pipe."""
    if sys.stdin is None:
        raise ValueError('There is no sentence, and no terminal or pipe to read one from. Write one behind the video.')
    if not sys.stdin.isatty():
        yield from filter(None, map(str.strip, sys.stdin))
        return
    try:
        while line := input('\n> ').strip():
            yield line
    except (EOFError, KeyboardInterrupt):
        print()


def cut_clips(predictions: List[Dict], folder: Path) -> None:
    """Cut the best moment of each sentence out of its video."""
    from mmvmr.apis.clips import clip_name, cut_clip
    from mmvmr.apis.outputs import by_query, ranked
    from mmvmr.utils.progress import progress
    folder.mkdir(parents=True, exist_ok=True)
    answers = enumerate(map(ranked, by_query(predictions)), start=1)
    found = [(number, *moments[0]) for number, moments in answers if moments]
    for number, prediction, best in progress(found, 'Cutting clips'):
        video = prediction['video']
        cut_clip(video, best['start'], best['end'], folder / clip_name(video, number, prediction['query']))


def write_answers_page(path: Path, records: List[Dict], title: str, note: str, problems: List[Dict],
                       with_files: bool) -> None:
    """The page of records whose videos are named by their paths, or by ids of features, which have no files."""
    from mmvmr.visualization.page import write_page
    videos = {Path(record['video_id']).name: record['video_id'] for record in records} if with_files else {}
    named = [dict(record, video_id=Path(record['video_id']).name) for record in records]
    write_page(path, named, title=title, note=note, videos=videos, problems=problems)


def run(args: argparse.Namespace) -> int:
    args = without_run(args)
    outputs = [path for path in (args.json, args.srt, args.clips, args.html) if path]
    if outputs and not args.sentences and not args.queries:
        raise ValueError('There is no sentence whose answer could be written; write one behind the video, or give a '
                         'file with --queries.')
    if args.zero_shot is None:
        find_model(args.run, args.checkpoint)
    if args.checkpoint and not args.checkpoint.exists():
        raise no_run(args.checkpoint, 'checkpoint')
    from mmvmr.features.stores.arrays import SUFFIXES
    features = args.video_id is not None or args.video.lower().endswith(SUFFIXES)
    check_outputs(args, features)
    if not Path(args.video).exists():
        raise FileNotFoundError(f'There is no video, folder or file of features "{args.video}".')
    from mmvmr.datasets.forms import read_queries
    queries = list(dict.fromkeys(args.sentences + (read_queries(args.queries) if args.queries else [])))
    from mmvmr.apis import MomentRetrievalInferencer, VideoFeatures
    from mmvmr.utils.files import write_text
    inferencer = (MomentRetrievalInferencer(args.run, args.checkpoint, args.device) if args.zero_shot is None else
                  MomentRetrievalInferencer.zero_shot(args.zero_shot, args.device))
    video = args.video if not features else VideoFeatures.from_file(
        args.video, args.video_id, args.duration, inferencer.recipe.features.get('clip_seconds'))
    if not args.sentences and not args.queries:
        return ask(inferencer, video, args)
    from mmvmr.apis.outputs import legend, subtitles
    records = []

    def keep(features: VideoFeatures, found: List[Dict]) -> None:
        from mmvmr.apis.page_records import page_records
        records.extend(page_records(inferencer, features, found))

    result = inferencer(video, queries, args.top_k, min_confidence=args.min_confidence,
                        on_video=keep if args.html else None)
    try:  # first, as whoever reads what is printed may have had enough
        if args.json:
            write_text(args.json, json.dumps(result, indent=2, ensure_ascii=False) + '\n')
        if args.srt:
            write_text(args.srt, subtitles(result['predictions']))
        if args.html:
            write_answers_page(args.html, records, Path(args.run or args.zero_shot).name, Path(args.video).name,
                               result['errors'], with_files=not features)
        if args.clips:
            cut_clips(result['predictions'], args.clips)
    finally:
        show(result, args.top_k)
        sure = any(prediction['confidence'] is not None for prediction in result['predictions'])
        print(f'\n{legend(sure)}')
    for path in outputs:
        print(f'Written: {path}')
    return 1 if result['errors'] else 0
