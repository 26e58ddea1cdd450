"""The processes that extract features, one video at a time each."""
import inspect
import json
import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache, partial
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

import cv2
import numpy as np
import torch

from mmvmr.features.extract import extract_video
from mmvmr.registry import EXTRACTORS
from mmvmr.utils.files import written_aside
from mmvmr.utils.imports import import_modules
from mmvmr.utils.processes import count_cores, end_with_parent
from mmvmr.utils.progress import progress

_placed: Dict[str, str] = {}  # the device of this process, where it has one of its own


def extract_all(left: Dict[Path, Path], total: int, config: Dict[str, Any], workers: Optional[int],
                imports: Sequence[str]) -> Dict[Path, str]:
    """Write the rows of each video in ``left`` to its file; returns what was wrong with each that failed.

    Args:
        workers: Processes; by default one per GPU that the extractor may use, else one per core.

    Raises:
        ChildProcessError: If a process died.
    """
    # A plain fork could use neither CUDA nor the threads of torch; a fork server imports everything once, for all.
    context = multiprocessing.get_context('forkserver')
    gpus = gpus_of(config)
    begun = (list(imports), context.Value('i', 0), gpus)
    pool = ProcessPoolExecutor(workers or len(gpus) or count_cores(), context, _start_worker, begun)
    work = partial(_extract_to, config=json.dumps(config))
    try:
        futures = {pool.submit(work, video, rows): video for video, rows in left.items()}
        bar = progress(as_completed(futures), 'Extracting features', total, initial=total - len(left), unit='video')
        failures = {futures[future]: future.result() for future in bar}
    except BrokenProcessPool as error:
        raise ChildProcessError('A process died, perhaps because memory ran out. Finished videos are kept: start '
                                'again, with fewer --workers.') from error
    finally:
        pool.shutdown(cancel_futures=True)
    return {video: failures[video] for video in left if failures[video]}


def gpus_of(config: Dict[str, Any]) -> List[str]:
    """The GPUs that an extractor may use: all, if it takes a ``device`` and its config names none."""
    takes = inspect.signature(EXTRACTORS.get(config['type'])).parameters
    return [] if config.get('device') or 'device' not in takes else [
        f'cuda:{number}' for number in range(torch.cuda.device_count())]


def _start_worker(imports: Sequence[str], started: Synchronized, gpus: Sequence[str]) -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches all processes; the parent speaks for all
    cv2.setNumThreads(0)
    torch.set_num_threads(1)  # the sums of several threads differ in their last bits
    import_modules(imports)
    with started:
        number, started.value = started.value, started.value + 1
    if gpus:  # one after the other
        _placed['device'] = gpus[number % len(gpus)]


@lru_cache(maxsize=1)
def _build(config: str) -> Callable:
    return EXTRACTORS.build({**json.loads(config), **_placed})


def _extract_to(video: Path, target: Path, config: str) -> Optional[str]:
    """Write the rows of one video, in one piece; returns what is wrong with the video, if anything."""
    extractor = _build(config)
    try:
        rows = extract_video(video, extractor)
    except (OSError, ValueError) as error:
        return str(error)
    with written_aside(target) as partial, open(partial, 'wb') as file:
        np.save(file, rows)
    return None
