"""Find the moments of many videos that sentences describe: make an index once, then search it.

    mmvmr search index work_dirs/mmvmr_best_moving_shapes videos/ videos.index
    mmvmr search query videos.index "a red square spins" "a blue star grows"
    mmvmr search evaluate test.index data/moving_shapes/test.json --queries 50

The same `index` command adds videos that have come since. A feature store can be indexed instead of video files:

    mmvmr search index work_dirs/mmvmr_best_moving_shapes data/moving_shapes/features test.index \\
        --annotations data/moving_shapes/test.json

An index names the folder of its run, which holds a config. A config is Python and is run: read one from a stranger
before you use it.
"""
import argparse
import json
import os
import sys
from pathlib import Path

from mmvmr.cli.main import Parser


def positive(text: str) -> int:
    """A number of things, at least one."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def add_arguments(parser: Parser) -> None:
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    index = commands.add_parser('index', help='make an index, or add new videos to it')
    index.add_argument('run', help='folder of a run')
    index.add_argument('videos', help='folder of video files; with --annotations, a feature store')
    index.add_argument('index', type=Path, help='folder to write')
    index.add_argument('--annotations', metavar='FILE', help='what videos of the store, and how long they are')
    index.add_argument('--workers', type=positive, default=os.cpu_count(), help='processes that extract features')
    index.set_defaults(command=run_index)
    query = commands.add_parser('query', help='find the best moments over all videos')
    query.add_argument('index', type=Path, help='folder of the index')
    query.add_argument('sentences', nargs='+', metavar='sentence', help='what to look for')
    query.add_argument('--top-k', type=positive, default=10, metavar='K', help='moments per sentence (10)')
    query.add_argument('--candidates', type=positive, default=argparse.SUPPRESS, metavar='N',
                       help='windows that the model looks at (20)')
    query.add_argument('--exhaustive', action='store_const', dest='candidates', const=None, help='look at all windows')
    query.add_argument('--json', type=Path, metavar='FILE', help='write all answers as JSON')
    query.add_argument('--force', action='store_true', help='replace the JSON file if it is there')
    query.set_defaults(command=run_query)
    evaluate = commands.add_parser('evaluate', help='what the coarse stage loses and saves')
    evaluate.add_argument('index', type=Path, help='folder of the index')
    evaluate.add_argument('annotations', help='file in the format of the training annotations')
    evaluate.add_argument('--queries', type=positive, metavar='N', help='take N of them, evenly chosen')
    evaluate.add_argument('--windows', type=positive, nargs='+', default=[5, 10, 20, 40], metavar='N',
                          help='numbers of windows kept (5 10 20 40)')
    evaluate.add_argument('--events', type=Path, metavar='FILE', help='events.json of Moving Shapes: any event that '
                          'looks as the annotated one is right')
    evaluate.set_defaults(command=run_evaluate)
    for command in (query, evaluate):
        command.add_argument('--run', help='folder of the run, if it has moved')
    for command in (index, query, evaluate):
        command.add_argument('--device', help='e.g. cpu or cuda:0; by default a GPU if there is one')


def run_index(args: argparse.Namespace) -> int:
    from mmvmr.search.build_index import build_index
    from mmvmr.search.index_files import read_index
    failures = build_index(args.run, args.videos, args.index, args.annotations, args.workers, args.device)
    for path, reason in failures.items():
        print(f'left out: {path}\n  {reason}', file=sys.stderr)
    if not args.index.exists():
        raise ValueError(f'No video of "{args.videos}" can be decoded: there is nothing to index.')
    files = read_index(args.index)
    print(f'{args.index}: {len(files.videos)} videos, {files.coarse.shape[1]} windows.')
    return int(bool(failures))


def run_query(args: argparse.Namespace) -> int:
    from terminaltables import AsciiTable

    from mmvmr.apis.outputs import clock
    from mmvmr.search.moment_index import MomentIndex
    from mmvmr.utils.files import write_text
    if args.json and args.json.exists() and not args.force:
        raise FileExistsError(f'"{args.json}" exists. Choose another name, or replace it with --force.')
    index = MomentIndex(args.index, args.run, args.device)
    candidates = {'candidates': args.candidates} if 'candidates' in args else {}
    answers, errors = [], []
    for sentence in args.sentences:
        try:
            moments = index.search(sentence, args.top_k, **candidates)
        except ValueError as error:
            errors.append(dict(query=sentence, error=str(error)))
            print(f'\nNot answered: {error}', file=sys.stderr)
            continue
        answers.append(dict(query=sentence, moments=moments))
        rows = [[rank, moment['video'], clock(moment['start']), clock(moment['end']), f'{moment["match"]:.3f}']
                for rank, moment in enumerate(moments, start=1)]
        print(f'\n"{sentence}"\n{AsciiTable([["rank", "video", "start", "end", "match"], *rows]).table}')
    if args.json:
        text = json.dumps(dict(predictions=answers, errors=errors), indent=2, ensure_ascii=False) + '\n'
        write_text(args.json, text)
        print(f'Written: {args.json}')
    return int(bool(errors))


def run_evaluate(args: argparse.Namespace) -> int:
    import numpy as np

    from mmvmr.search.build_index import read_pairs
    from mmvmr.search.moment_index import MomentIndex
    from mmvmr.search.quality import evaluate_search
    index = MomentIndex(args.index, args.run, args.device, show_progress=False)
    pairs = [pair for pair in read_pairs(index.inferencer.cfg, args.annotations)
             if pair['video_id'] in index.files.videos]
    if not pairs:
        raise ValueError(f'No video of "{args.annotations}" is in the index "{args.index}".')
    chosen = np.linspace(0, len(pairs) - 1, min(args.queries or len(pairs), len(pairs))).round().astype(int)
    events = json.loads(args.events.read_text(encoding='utf-8')) if args.events else None
    result = evaluate_search(index, [pairs[number] for number in chosen], args.windows, events)
    print(f'\n{len(chosen)} queries, {len(index.files.videos)} videos, {len(index.windows)} windows\n')
    print(result['recall'].round(1).to_string())
    print('\nMedian milliseconds per query: ' + ', '.join(
        f'{stage} {1000 * value:.1f}' for stage, value in result['seconds'].items()))
    return 0


def run(args: argparse.Namespace) -> int:
    return args.command(args)
