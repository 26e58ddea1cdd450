"""Moving Shapes on disk: videos, annotations, features and vocabulary."""
import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import cv2
import numpy as np

from mmvmr.datasets.moving_shapes import SPLITS, Script, describe, write_script
from mmvmr.datasets.moving_shapes_renderer import RENDERER, write_video
from mmvmr.features.extract import extract_video, make_manifest
from mmvmr.features.extractors.descriptor import DescriptorExtractor
from mmvmr.features.stores.feature_store import write_packed_store
from mmvmr.text.vocabulary import Vocabulary, count_words
from mmvmr.text.word_vectors import random_vectors
from mmvmr.utils.files import folder_written_aside
from mmvmr.utils.processes import end_with_parent
from mmvmr.utils.progress import progress

SETTINGS = 'settings.json'
FILES = [SETTINGS, 'events.json', 'vocabulary.npz', 'features/*', 'videos/*.mp4',
         *(f'{split}.json' for split in SPLITS)]
EXTRACTOR = dict(type='DescriptorExtractor')


def write_moving_shapes(folder: Path, difficulty: str = 'medium', scale: float = 1.0, seed: int = 0,
                        num_clips: int = 64, workers: int = 1, overwrite: bool = False) -> Optional[str]:
    """Render Moving Shapes into a folder, which appears under its name only when all of it is there.

    Args:
        folder: A folder that is not there, is empty, or was made by this function.
        difficulty: 'easy', 'medium' or 'hard'.
        scale: Times as many videos as the benchmark has.
        seed: Of the videos.
        num_clips: T of the feature store.
        workers: Processes.
        overwrite: Make it anew, whatever settings it was made with.

    Returns:
        What was made, as a sentence; None if it was there, with these settings.

    Raises:
        FileExistsError: If the folder holds anything else.
    """
    settings = dict(difficulty=difficulty, scale=scale, seed=seed, num_clips=num_clips, renderer=RENDERER,
                    extractor=DescriptorExtractor.name)
    if _is_there(folder, settings, overwrite):
        return None
    with folder_written_aside(folder, FILES) as partial_folder:
        made = _make_all(partial_folder, settings, workers)
        (partial_folder / SETTINGS).write_text(json.dumps(settings))
    return made


def _is_there(folder: Path, settings: Dict[str, Any], overwrite: bool) -> bool:
    """Whether ``folder`` holds just this; refuses a folder that holds anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    found = folder / SETTINGS
    if not found.is_file():
        raise FileExistsError(f'"{folder}" exists and was not made by this tool. Choose another --out.')
    if found.read_text() == json.dumps(settings) and not overwrite:
        return True
    if not overwrite:
        raise FileExistsError(f'"{folder}" was made with other settings:\n  there  {found.read_text()}\n  asked  '
                              f'{json.dumps(settings)}\nChoose another --out, or replace it with --force.')
    return False


def _make_video(task: Tuple[str, int], folder: Path, seed: int, difficulty: str) -> Tuple[Script, np.ndarray]:
    """Render one video, decode it again and describe it."""
    cv2.setNumThreads(0)  # one process per core is enough
    script = write_script(*task, seed, difficulty)
    path = folder / f'{script.video_id}.mp4'
    write_video(path, script, seed, difficulty)
    return script, extract_video(path, DescriptorExtractor())


def _make_vocabulary() -> Vocabulary:
    """The words of the standard training queries, whatever is rendered: models then know the words of all versions."""
    scripts = (write_script('train', index) for index in range(SPLITS['train']))
    counts = count_words(sentence for script in scripts for *_, sentence in describe(script))
    return Vocabulary.from_vectors(counts, random_vectors(counts),
                                   provenance=dict(source='a random vector per word'))


def _make_all(folder: Path, settings: Dict[str, Any], workers: int) -> str:
    """Fill ``folder`` and say with what."""
    (folder / 'videos').mkdir()
    seed, difficulty = settings['seed'], settings['difficulty']
    tasks = [(split, index) for split, count in SPLITS.items()
             for index in range(max(round(count * settings['scale']), 1))]
    work = partial(_make_video, folder=folder / 'videos', seed=seed, difficulty=difficulty)
    # an executor says so when a process is killed; a Pool would wait forever
    with ProcessPoolExecutor(workers, initializer=end_with_parent) as pool:
        made = list(progress(pool.map(work, tasks, chunksize=4), total=len(tasks), desc='Rendering videos'))
    write_packed_store(folder / 'features', ((script.video_id, rows) for script, rows in made), settings['num_clips'],
                       manifest=make_manifest(EXTRACTOR, DescriptorExtractor()))
    pairs: Dict[str, List[list]] = {split: [] for split in SPLITS}
    for (split, _), (script, _) in zip(tasks, made):
        pairs[split] += describe(script, seed, difficulty)
    for split, entries in pairs.items():
        (folder / f'{split}.json').write_text(json.dumps(entries))
    (folder / 'events.json').write_text(json.dumps({script.video_id: script.events for script, _ in made}))
    _make_vocabulary().save(folder / 'vocabulary.npz')
    queries = ', '.join(f'{len(entries)} {split} queries' for split, entries in pairs.items())
    return f'{len(tasks)} videos, {queries}'
