"""Render Moving Shapes: videos, annotations, features and vocabulary.

    python tools/dataset_converters/moving_shapes.py
    python tools/dataset_converters/moving_shapes.py --difficulty hard --out data/moving_shapes_hard
"""
import argparse
import json
import os
import shutil
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
from tqdm import tqdm

from mmvmr.datasets.feature_store import write_packed_store
from mmvmr.datasets.moving_shapes import DIFFICULTIES, SPLITS, describe, word_vectors, write_script
from mmvmr.datasets.moving_shapes_renderer import FPS, write_video
from mmvmr.datasets.vocabulary import Vocabulary, count_words
from mmvmr.features.descriptor import DescriptorExtractor, extract_video


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path('data/moving_shapes'), help='folder to make')
    parser.add_argument('--difficulty', choices=list(DIFFICULTIES), default='medium')
    parser.add_argument('--scale', type=float, default=1.0, help=f'times as many videos as {SPLITS}')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--num-clips', type=int, default=64, help='clips per video in the feature store')
    parser.add_argument('--workers', type=int, default=os.cpu_count(), help='processes')
    parser.add_argument('--force', action='store_true', help='replace what is in the folder')
    return parser.parse_args()


def make_video(task, folder: Path, seed: int, difficulty: str):
    """Render one video, decode it again and describe it."""
    cv2.setNumThreads(0)  # one process per core is enough
    script = write_script(*task, seed, difficulty)
    path = folder / f'{script.video_id}.mp4'
    write_video(path, script, seed, difficulty)
    return script, extract_video(path, DescriptorExtractor())


def main() -> None:
    args = parse_args()
    settings = dict(difficulty=args.difficulty, scale=args.scale, seed=args.seed, num_clips=args.num_clips,
                    extractor=DescriptorExtractor.name)
    marker = args.out / 'settings.json'
    if marker.exists() and json.loads(marker.read_text()) == settings and not args.force:
        print(f'"{args.out}" is there already, with these settings.')
        return
    if args.out.exists() and not args.force:
        raise SystemExit(f'"{args.out}" exists and was not made with these settings. Choose another --out, or --force.')
    partial_folder = args.out.with_name(f'.{args.out.name}.partial')
    shutil.rmtree(partial_folder, ignore_errors=True)
    (partial_folder / 'videos').mkdir(parents=True)
    tasks = [(split, index) for split, count in SPLITS.items() for index in range(max(round(count * args.scale), 1))]
    work = partial(make_video, folder=partial_folder / 'videos', seed=args.seed, difficulty=args.difficulty)
    with get_context('fork').Pool(args.workers) as pool:
        made = list(tqdm(pool.imap(work, tasks, chunksize=4), total=len(tasks), desc='Rendering and describing videos'))
    write_packed_store(partial_folder / 'features', ((script.video_id, rows) for script, rows in made), args.num_clips,
                       manifest=dict(extractor=DescriptorExtractor.name, fps=FPS))
    pairs = {split: [] for split in SPLITS}
    for (split, _), (script, _) in zip(tasks, made):
        pairs[split] += describe(script, args.seed, args.difficulty)
    for split, entries in pairs.items():
        (partial_folder / f'{split}.json').write_text(json.dumps(entries))
    counts = count_words(entry[3] for entry in pairs['train'])
    Vocabulary.from_vectors(counts, word_vectors(list(counts)), provenance=dict(
        source='a random vector per word')).save(partial_folder / 'vocabulary.npz')
    (partial_folder / 'settings.json').write_text(json.dumps(settings))
    shutil.rmtree(args.out, ignore_errors=True)
    os.replace(partial_folder, args.out)
    print(f'"{args.out}": {len(tasks)} videos, {", ".join(f"{len(v)} {k} queries" for k, v in pairs.items())}, '
          f'{len(counts)} words.')


if __name__ == '__main__':
    main()
