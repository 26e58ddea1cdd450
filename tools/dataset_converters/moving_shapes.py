"""Render Moving Shapes: videos, annotations, features and vocabulary.

    python tools/dataset_converters/moving_shapes.py
    python tools/dataset_converters/moving_shapes.py --difficulty hard --out data/moving_shapes_hard
    python tools/dataset_converters/moving_shapes.py --scale 0.1 --out data/moving_shapes_small

The folder appears under its name only when all of it is there: after a run that was stopped, start it again.
"""
import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import cv2
import numpy as np
from tqdm import tqdm

from mmvmr.datasets.moving_shapes import DIFFICULTIES, SPLITS, Script, describe, word_vectors, write_script
from mmvmr.datasets.moving_shapes_renderer import RENDERER, write_video
from mmvmr.features.extract import extract_video, make_manifest
from mmvmr.features.extractors.descriptor import DescriptorExtractor
from mmvmr.features.stores.feature_store import write_packed_store
from mmvmr.text.vocabulary import Vocabulary, count_words
from mmvmr.utils.files import folder_written_aside

SETTINGS = 'settings.json'
FILES = [SETTINGS, 'events.json', 'vocabulary.npz', 'features/*', 'videos/*.mp4',
         *(f'{split}.json' for split in SPLITS)]
EXTRACTOR = dict(type='DescriptorExtractor')


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path('data/moving_shapes'), help='folder to make')
    parser.add_argument('--difficulty', choices=list(DIFFICULTIES), default='medium')
    parser.add_argument('--scale', type=float, default=1.0, help=f'times as many videos as {SPLITS}')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--num-clips', type=int, default=64, help='clips per video in the feature store')
    parser.add_argument('--workers', type=int, default=os.cpu_count(), help='processes')
    parser.add_argument('--force', action='store_true', help='replace what this tool made in the folder before')
    args = parser.parse_args(argv)
    for name, value, least in (('scale', args.scale, 1e-3), ('seed', args.seed, 0), ('num-clips', args.num_clips, 1),
                               ('workers', args.workers, 1)):
        if not value >= least:
            parser.error(f'--{name} must be at least {least}, got {value}')
    return args


def is_there(folder: Path, settings: Dict, force: bool) -> bool:
    """Whether ``folder`` holds just this; refuses a folder that holds anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    found = folder / SETTINGS
    if not found.is_file():
        raise SystemExit(f'"{folder}" exists and was not made by this tool. Choose another --out.')
    if found.read_text() == json.dumps(settings) and not force:
        return True
    if not force:
        raise SystemExit(f'"{folder}" was made with other settings:\n  there  {found.read_text()}\n  asked  '
                         f'{json.dumps(settings)}\nChoose another --out, or replace it with --force.')
    return False


def make_video(task: Tuple[str, int], folder: Path, seed: int, difficulty: str) -> Tuple[Script, np.ndarray]:
    """Render one video, decode it again and describe it."""
    cv2.setNumThreads(0)  # one process per core is enough
    script = write_script(*task, seed, difficulty)
    path = folder / f'{script.video_id}.mp4'
    write_video(path, script, seed, difficulty)
    return script, extract_video(path, DescriptorExtractor())


def make_vocabulary() -> Vocabulary:
    """The words of the standard training queries, whatever is rendered: models then know the words of all versions."""
    scripts = (write_script('train', index) for index in range(SPLITS['train']))
    counts = count_words(sentence for script in scripts for *_, sentence in describe(script))
    return Vocabulary.from_vectors(counts, word_vectors(list(counts)),
                                   provenance=dict(source='a random vector per word'))


def make_all(folder: Path, args: argparse.Namespace) -> str:
    """Fill ``folder`` and say with what."""
    (folder / 'videos').mkdir()
    tasks = [(split, index) for split, count in SPLITS.items() for index in range(max(round(count * args.scale), 1))]
    work = partial(make_video, folder=folder / 'videos', seed=args.seed, difficulty=args.difficulty)
    with ProcessPoolExecutor(args.workers) as pool:  # says so when a process is killed; a Pool would wait forever
        made = list(tqdm(pool.map(work, tasks, chunksize=4), total=len(tasks), desc='Rendering and describing videos'))
    write_packed_store(folder / 'features', ((script.video_id, rows) for script, rows in made), args.num_clips,
                       manifest=make_manifest(EXTRACTOR, DescriptorExtractor()))
    pairs: Dict[str, List[list]] = {split: [] for split in SPLITS}
    for (split, _), (script, _) in zip(tasks, made):
        pairs[split] += describe(script, args.seed, args.difficulty)
    for split, entries in pairs.items():
        (folder / f'{split}.json').write_text(json.dumps(entries))
    (folder / 'events.json').write_text(json.dumps({script.video_id: script.events for script, _ in made}))
    make_vocabulary().save(folder / 'vocabulary.npz')
    queries = ', '.join(f'{len(entries)} {split} queries' for split, entries in pairs.items())
    return f'{len(tasks)} videos, {queries}'


def main(argv: Optional[Sequence[str]] = None) -> None:
    args = parse_args(argv)
    settings = dict(difficulty=args.difficulty, scale=args.scale, seed=args.seed, num_clips=args.num_clips,
                    renderer=RENDERER, extractor=DescriptorExtractor.name)
    if is_there(args.out, settings, args.force):
        print(f'"{args.out}" is there already, with these settings.')
        return
    with folder_written_aside(args.out, FILES) as folder:
        summary = make_all(folder, args)
        (folder / SETTINGS).write_text(json.dumps(settings))
    print(f'"{args.out}": {summary}.')


if __name__ == '__main__':
    main()
