"""Measure the loader, the training step and the evaluation of a config on its real sizes, with generated data.

    python tools/analysis_tools/benchmark.py configs/cnm_charades.py
    python tools/analysis_tools/benchmark.py configs/cpl_charades.py --amp --steps 10

No data set is needed: features, annotations and words are drawn at random, in the sizes that the config gives. Each
part runs in a process of its own, so that its peak memory is its own. Figures are medians over the steps.
"""
import argparse
import json
import resource
import statistics
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Dict, Iterator

import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from terminaltables import AsciiTable
from tqdm import tqdm

from mmvmr.datasets.feature_store import write_packed_store
from mmvmr.datasets.vocabulary import Vocabulary
from mmvmr.engine.launch import friendly_errors, read_config, use_mixed_precision
from mmvmr.registry import DATASETS, MODELS


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--videos', type=int, default=6670, help='videos in the generated store (Charades-STA: 6,670)')
    parser.add_argument('--steps', type=int, default=5, help='steps to time, after two to warm up')
    parser.add_argument('--dtype', choices=['float32', 'float16'], default='float32', help='of the packed store')
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    parser.add_argument('--parts', nargs='+', choices=list(PARTS), default=list(PARTS))
    parser.add_argument('--folder', help='where the generated data go; kept there. A temporary folder by default')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='change the config')
    return parser.parse_args()


def generate(folder: Path, config: Config, videos: int, dtype: str) -> None:
    """Write a packed store, annotations and a vocabulary of the sizes in the config."""
    dataset, model = config.train_dataloader.dataset, config.model
    rng = np.random.default_rng(0)
    words = [f'word{index}' for index in range(model.reconstructors.query.vocab_size - 1)]
    vectors = rng.normal(0, 0.35, (len(words) + 1, model.encoder.word_dim)).astype(np.float32)
    vectors[0] = 0
    Vocabulary(words, vectors, dict(source='generated')).save(folder / 'vocabulary.npz')
    pairs = []
    for index in range(2 * videos):
        length = int(np.clip(rng.normal(7.2, 2.0), 3, 20))  # words per query, about those of Charades-STA
        pairs.append([f'v{index % videos}', 30.0, [5.0, 15.0], ' '.join(rng.choice(words, length))])
    (folder / 'pairs.json').write_text(json.dumps(pairs))

    def features() -> Iterator:
        block = rng.normal(size=(dataset.num_clips + 97, config.model.encoder.video_dim)).astype(dtype)
        for index in tqdm(range(videos), desc='Generating features'):
            yield f'v{index}', block[index % 97:index % 97 + dataset.num_clips]

    write_packed_store(folder / 'features', features(), dataset.num_clips, dtype)


def make_batches(folder: Path, config: Config, test_mode: bool) -> Iterator[Dict]:
    """Shuffled batches of the generated data set, without end."""
    dataset = DATASETS.build(dict(type='MomentDataset', ann_file=str(folder / 'pairs.json'),
                                  features=str(folder / 'features'), vocabulary=str(folder / 'vocabulary.npz'),
                                  num_clips=config.train_dataloader.dataset.num_clips, test_mode=test_mode))
    rng, size = np.random.default_rng(1), config.train_dataloader.batch_size
    while True:
        order = rng.permutation(len(dataset))
        for start in range(0, len(order) - size + 1, size):
            yield dataset.__getitems__(order[start:start + size].tolist())


def loader(folder: Path, config: Config, steps: int, device: str) -> Iterator[float]:
    batches = make_batches(folder, config, test_mode=False)
    for _ in range(20 * steps):
        start = time.perf_counter()
        next(batches)
        yield time.perf_counter() - start


def training(folder: Path, config: Config, steps: int, device: str) -> Iterator[float]:
    model = MODELS.build(config.model).to(device).train()
    optim_wrapper = build_optim_wrapper(model, config.optim_wrapper)
    batches = make_batches(folder, config, False)
    yield from timed(lambda data: model.train_step(data, optim_wrapper), batches, steps, device)


def evaluation(folder: Path, config: Config, steps: int, device: str) -> Iterator[float]:
    model = MODELS.build(config.model).to(device).eval()
    with torch.no_grad():
        yield from timed(model.test_step, make_batches(folder, config, True), steps, device)


def timed(step, batches: Iterator[Dict], steps: int, device: str) -> Iterator[float]:
    for number in range(steps + 2):
        data = next(batches)
        start = time.perf_counter()
        step(data)
        if device != 'cpu':
            torch.cuda.synchronize()
        if number >= 2:
            yield time.perf_counter() - start


PARTS = dict(loader=loader, training=training, evaluation=evaluation)


def measure(part: str, folder: Path, config_text: str, steps: int, queue) -> None:
    """Run one part and report seconds per step and peak memory; in a process of its own."""
    init_default_scope('mmvmr')
    torch.manual_seed(0)
    config, device = Config.fromstring(config_text, '.py'), 'cuda' if torch.cuda.is_available() else 'cpu'
    seconds = list(PARTS[part](folder, config, steps, device))
    memory = (torch.cuda.max_memory_allocated() / 2**30 if device == 'cuda' else
              resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
    queue.put((statistics.median(seconds), min(seconds), max(seconds), memory))


@friendly_errors
def main() -> None:
    args = parse_args()
    config = read_config(args.config, args.cfg_options)
    if args.amp:
        use_mixed_precision(config.optim_wrapper)
    batch, rows, context = config.train_dataloader.batch_size, [], get_context('spawn')
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / 'features').exists():
            generate(folder, config, args.videos, args.dtype)
        for part in tqdm(args.parts, desc='Measuring'):
            queue = context.Queue()
            process = context.Process(target=measure, args=(part, folder, config.pretty_text, args.steps, queue))
            process.start()
            process.join()
            if process.exitcode:
                raise SystemExit(f'The part "{part}" failed; its message is above.')
            median, fastest, slowest, memory = queue.get()
            rows.append([part, f'{batch / median:.1f}', f'{1e3 * median / batch:.3f}',
                         f'{1e3 * fastest / batch:.3f} .. {1e3 * slowest / batch:.3f}', f'{memory:.2f}'])
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f'{torch.get_num_threads()} CPU threads'
    print(AsciiTable([['part', 'samples/s', 'ms/sample', 'range', 'peak GB'], *rows],
                     f' {args.config}, batch {batch}, {device} ').table)


if __name__ == '__main__':
    main()
