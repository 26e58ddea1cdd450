"""Start a data set of your own from a folder of videos: annotations, a config, and the commands that come next.

    mmvmr new videos
    mmvmr new videos data/kitchen --sentences sentences.csv

Without a table the annotations have a line per video, with its duration, to be filled with sentences. A table has the
columns video and sentence and, where moments are known, start and end, in seconds or as m:ss or h:mm:ss; a fifth of
the videos with known moments become the test. The config is CPL's, with a number of clips that suits the videos; all of
it may be changed.
"""
import argparse
import json
import shlex
from pathlib import Path
from typing import Dict, List, Sequence

from mmvmr.cli.main import Parser

_BASE = "_base_ = ['_base_/datasets/charades_sta.py', '_base_/schedules/inverse_sqrt.py', '_base_/default_runtime.py']"


def add_arguments(parser: Parser) -> None:
    parser.add_argument('videos', type=Path, help='folder with videos, also in subfolders')
    parser.add_argument('target', type=Path, nargs='?', default=Path('data/custom'), help='folder to make')
    parser.add_argument('--sentences', type=Path, help='CSV with the columns video, sentence and, if known, start, end')


def write_config(data_root: Path, durations: List[float], val_fraction: float, name: str) -> str:
    """CPL's config for these data, as text."""
    from mmvmr.engine.run.config_file import shipped_configs
    text = (shipped_configs() / 'cpl_charades.py').read_text(encoding='utf-8')
    median = sorted(durations)[len(durations) // 2]
    num_clips = min(max(2 ** (int(median) - 1).bit_length(), 32), 200)  # about a second each
    unwatched = '' if val_fraction else 'val_dataloader = val_cfg = val_evaluator = None  # too few videos for both\n'
    head = f'''"""CPL (Zheng et al., CVPR 2022) on {name}: {len(durations)} videos, most of about {median:.0f} s."""
_base_ = ['mmvmr::_base_/datasets/json_list.py', 'mmvmr::_base_/schedules/inverse_sqrt.py',
          'mmvmr::_base_/default_runtime.py']

dataset = dict(data_root={str(data_root)!r}, num_clips={num_clips})  # T, a clip is about a second
training_files = dict(val_fraction={val_fraction})  # share of the training videos held out to watch the training
{unwatched}'''
    body = text.split(_BASE)[1]
    return head + body.replace('num_clips=50', f'num_clips={min(num_clips, 50)}')  # T'


def count(entries: Sequence[Sequence]) -> str:
    """How many there are, as text."""
    return f'{len(entries)} entries of {len({entry[0] for entry in entries})} videos'


def run(args: argparse.Namespace) -> None:
    from mmvmr.datasets.annotations import in_holdout
    from mmvmr.datasets.skeleton import validation_share, write_skeleton
    from mmvmr.features.folder import find_videos
    from mmvmr.features.video import probe_video
    from mmvmr.utils.files import write_text
    from mmvmr.utils.progress import progress
    name = args.target.name
    config, train, test = args.target / f'cpl_{name}.py', args.target / 'train.json', args.target / 'test.json'
    there = [str(path) for path in (config, train, test) if path.exists()]
    if there:
        raise FileExistsError(f'{", ".join(there)} would be written over. Choose another folder.')
    durations: Dict[str, float] = {}
    for video_id, path in progress(find_videos(args.videos).items(), desc='Reading videos', unit='video'):
        try:
            durations[video_id] = round(probe_video(path).duration, 3)
        except ValueError as error:
            print(f'left out: {path}\n  {error}')
    if not durations:
        raise ValueError(f'None of the videos in "{args.videos}" can be read.')
    skeleton = write_skeleton(durations, args.sentences)
    if not skeleton.train:
        raise ValueError(f'"{args.sentences}" has sentences of one video alone, expected at least two: one to train on '
                         'and one to test on.')
    if skeleton.ignored:
        print(f'Not read of {args.sentences}: {", ".join(skeleton.ignored)}')
    args.target.mkdir(parents=True, exist_ok=True)
    for path, entries in ((train, skeleton.train), (test, skeleton.test)):
        if entries:
            lines = ',\n '.join(json.dumps(entry, ensure_ascii=False) for entry in entries)
            write_text(path, f'[{lines}]\n')
    share = validation_share([entry[0] for entry in skeleton.train])
    held_out = [entry for entry in skeleton.train if in_holdout(entry[0], share)]
    trained = [entry for entry in skeleton.train if not in_holdout(entry[0], share)]
    print(f'{train}: {count(trained)} to train on, {count(held_out)} to validate on')
    if skeleton.test:
        print(f'{test}: {count(skeleton.test)} to test on')
    if skeleton.left_out:
        print(f'Left out: {skeleton.left_out} entries of test videos whose moments are not known')
    used = [durations[video_id] for video_id in sorted({entry[0] for entry in skeleton.train})]
    write_text(config, write_config(args.target, used, share, name))
    print(f'{config}: CPL\n')
    if args.sentences is None:
        print(f'First write a sentence into each line of {train}; copy a line for a second one, delete it for none.')
    if not skeleton.test:
        print(f'There is no {test}: to measure, it needs lines with moments, as [start, end] in place of null.')
    print('Then:', *map(shlex.join, (
        ['mmvmr', 'extract', str(args.videos), str(args.target / 'features'), '--extractor', 'ClipExtractor',
         '--cfg-options', 'weights=clip-vit-base-patch32'],
        ['mmvmr', 'vocabulary', str(args.target / 'vocabulary.npz'), '--vectors', 'random', '--sentences', str(train)],
        ['mmvmr', 'train', str(config)])), sep='\n  ')
