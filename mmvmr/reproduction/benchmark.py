"""What loading, training and testing of a config cost, on generated data of its real sizes."""
import json
import os
import resource
import shutil
import socket
import statistics
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import barrier
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from terminaltables import AsciiTable

from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.engine.distributed import end_processes, start_processes
from mmvmr.engine.hooks.resident import copy_to_device
from mmvmr.engine.run.check_config import check_trains
from mmvmr.engine.run.sizes import check_sizes, data_sizes, fill_sizes
from mmvmr.features.stores.feature_store import write_packed_store
from mmvmr.features.stores.shards import DATA, Shard
from mmvmr.registry import MODEL_WRAPPERS, MODELS
from mmvmr.text.vocabulary import Vocabulary
from mmvmr.utils.files import write_text
from mmvmr.utils.progress import progress
from mmvmr.utils.text_files import read_json

WARM_UP = 2  # steps
GPU = torch.cuda.is_available()


class Measured(NamedTuple):
    """What one process has found."""
    start: float  # seconds to open the store, and to read and encode the annotations
    median: float  # seconds per step
    fastest: float
    slowest: float
    memory: float  # peak, GiB; of the GPU if there is one


def generate(folder: Path, config: Config, videos: int, dtype: str = 'float32', shards: int = 1) -> None:
    """Write a packed store, annotations and a vocabulary of the sizes in the config."""
    sizes, rng = generated_sizes(config), np.random.default_rng(0)
    num_clips = sizes['num_clips']
    words = np.array([f'word{index}' for index in range(sizes['vocab_size'] - 1)])
    vectors = rng.normal(0, 0.35, (len(words) + 1, sizes['word_dim'])).astype(np.float32)
    vectors[0] = 0
    Vocabulary(words, vectors, dict(source='generated')).save(folder / 'vocabulary.npz')
    ids = [f'v{index:08d}' for index in range(videos)]
    lengths = rng.normal(7.2, 2.0, 2 * videos).clip(3, 20).astype(int)  # words per query, about those of Charades-STA
    queries = (' '.join(words[rng.integers(len(words), size=length)]) for length in lengths)
    (folder / 'pairs.json').write_text(json.dumps([[video, 30.0, [5.0, 15.0], next(queries)] for video in 2 * ids]))
    block = rng.normal(size=(num_clips + 97, sizes['video_dim'])).astype(dtype)
    bar = progress(total=videos, desc='Generating features')

    def features(taken: List[str]) -> Iterator:
        for index, video in enumerate(taken):
            yield video, block[index % 97:index % 97 + num_clips]
            bar.update()

    for shard in (Shard(index, shards) for index in range(shards)):
        write_packed_store(shard.folder(folder / 'features'), features(shard.take(ids)), num_clips, dtype,
                           shard.entries(ids))
    bar.close()
    os.sync()  # pages that are not written yet cannot be taken out of the page cache


def generated_sizes(config: Config) -> Dict[str, int]:
    """Of the data that go with a config."""
    model = config.model
    known = [part.vocab_size for part in model.get('reconstructors', {}).values()]
    return dict(num_clips=config.train_dataloader.dataset.num_clips, video_dim=model.encoder.video_dim,
                word_dim=model.encoder.word_dim, vocab_size=max(known, default=1112))  # 1112: Charades-STA


def prepare_data(folder: Path, config: Config, videos: int, dtype: str, shards: int) -> None:
    """Generate the data set, if it is not there.

    Raises:
        FileExistsError, ValueError: If the folder holds data of one's own, or another data set.
    """
    file = folder / 'generated.json'
    settings = dict(videos=videos, dtype=dtype, shards=shards, **generated_sizes(config))
    there = read_json(file) if file.is_file() else {}
    others = [name for name in ('features', 'pairs.json', 'vocabulary.npz') if (folder / name).exists()]
    if others and not there:
        raise FileExistsError(f'"{folder}" has "{others[0]}", which this command, as it is now, has not made. Give '
                              'another --folder, or delete that one.')
    if there and there['settings'] != settings:
        raise ValueError(f'The data in "{folder}" were made with {there["settings"]}; wanted are {settings}. Give '
                         'another --folder, or delete that one.')
    if there.get('whole'):
        return
    write_text(file, json.dumps(dict(settings=settings, whole=False)))
    shutil.rmtree(folder / 'features', ignore_errors=True)  # of a run that was stopped
    generate(folder, config, videos, dtype, shards)
    write_text(file, json.dumps(dict(settings=settings, whole=True)))


def build_dataset(folder: Path, config: Config, part: str) -> MomentDataset:
    """The generated data set, for one part."""
    given = config.train_dataloader.dataset
    return MomentDataset(str(folder / 'pairs.json'), str(folder / 'features'), str(folder / 'vocabulary.npz'),
                         num_clips=given.num_clips, test_mode=part == 'evaluation',
                         resident=part != 'evaluation' and given.get('resident', False))


def make_batches(dataset: MomentDataset, size: int) -> Iterator[Dict]:
    """Shuffled batches without end, others in each process."""
    return map(dataset.__getitems__, make_order(len(dataset), size))


def make_order(count: int, size: int) -> Iterator[List[int]]:
    """The numbers of the samples in each batch, without end, others in each process."""
    rng = np.random.default_rng([1, int(os.environ.get('RANK', 0))])
    rounds = -(-size // count)  # more than one where the data set is smaller than a batch
    while True:
        order = rng.permutation(rounds * count) % count
        for start in range(0, len(order) - size + 1, size):
            yield order[start:start + size].tolist()


def loader(dataset: MomentDataset, config: Config, steps: int, prepare: Callable = lambda dataset: None) -> List[float]:
    batches, seconds = make_batches(dataset, config.train_dataloader.batch_size), []
    for _ in range(20 * steps):
        prepare(dataset)
        start = time.perf_counter()
        next(batches)
        seconds.append(time.perf_counter() - start)
    return seconds


def cold(dataset: MomentDataset, config: Config, steps: int) -> List[float]:
    return loader(dataset, config, steps, take_out_of_page_cache)


def take_out_of_page_cache(dataset: MomentDataset) -> None:
    for path in dataset.store.path.rglob(DATA):
        with open(path, 'rb') as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def make_step(dataset: MomentDataset, config: Config) -> Tuple[Callable, Iterator[Dict]]:
    """A new model's training step, and batches for it."""
    model = MODELS.build(config.model)
    check_sizes(model, data_sizes(dataset))
    model = model.to('cuda' if GPU else 'cpu').train()
    if dataset.resident:
        model.data_preprocessor.resident = copy_to_device(dataset.store, next(model.parameters()).device)
    optim_wrapper = build_optim_wrapper(model, config.optim_wrapper)
    if torch.distributed.is_initialized():  # from here on as MMEngine's Runner does it
        model = MODEL_WRAPPERS.build(dict(config.model_wrapper_cfg, module=model,
                                          device_ids=[int(os.environ['LOCAL_RANK'])]))
    if config.get('compile'):
        options = {} if config.compile is True else config.compile
        model.train_step = torch.compile(model.train_step, **options)
    batches = make_batches(dataset, config.train_dataloader.batch_size)
    return lambda data: model.train_step(data, optim_wrapper), batches


def training(dataset: MomentDataset, config: Config, steps: int) -> List[float]:
    return timed(*make_step(dataset, config), steps)


def evaluation(dataset: MomentDataset, config: Config, steps: int) -> List[float]:
    model = MODELS.build(config.model).to('cuda' if GPU else 'cpu').eval()
    with torch.no_grad():
        return timed(model.test_step, make_batches(dataset, config.train_dataloader.batch_size), steps)


def timed(step: Callable, batches: Iterator[Dict], steps: int) -> List[float]:
    seconds = []
    for _ in range(WARM_UP + steps):
        data = next(batches)
        start = time.perf_counter()
        step(data)
        if GPU:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds[WARM_UP:]


PARTS = dict(loader=loader, cold=cold, training=training, evaluation=evaluation)


def measure(rank: int, processes: int, port: int, part: str, folder: Path, text: str, steps: int, results) -> None:
    """Run one part in a process of its own, which may be one of several."""
    init_default_scope('mmvmr')
    if processes > 1:
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(processes), MASTER_ADDR='127.0.0.1',
                          MASTER_PORT=str(port))
        start_processes('pytorch')
    torch.manual_seed(0)
    config, start = Config.fromstring(text, '.py'), time.perf_counter()
    dataset = build_dataset(folder, config, part)
    start = time.perf_counter() - start
    barrier()  # all begin together
    seconds = PARTS[part](dataset, config, steps)
    results.put(Measured(start, statistics.median(seconds), min(seconds), max(seconds), peak()))
    barrier()  # whoever comes last needs the others until then
    end_processes()


def peak() -> float:
    """Of the memory, GiB; of the GPU if there is one."""
    return (torch.cuda.max_memory_allocated() / 2**30 if GPU else
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def run(part: str, processes: int, folder: Path, config: Config, steps: int) -> List[Measured]:
    """Measure one part in new processes."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]  # nobody listens there
    return in_new_processes(measure, (processes, port, part, folder, config.pretty_text, steps), processes)


def in_new_processes(work: Callable, args: tuple, processes: int = 1) -> List[Any]:
    """What ``work(rank, *args, results)`` puts into the queue ``results`` in each process; none outlives this one."""
    results = torch.multiprocessing.get_context('spawn').SimpleQueue()
    started = torch.multiprocessing.spawn(work, (*args, results), processes, join=False)
    try:
        while not started.join():
            pass
    finally:
        for process in started.processes:
            process.kill()
            process.join()
    return [results.get() for _ in range(processes)]


def table_row(part: str, batch: int, found: List[Measured], rate_of_one: float) -> List[str]:
    rate = sum(batch / process.median for process in found)
    fastest, slowest = min(process.fastest for process in found), max(process.slowest for process in found)
    return [part, len(found), f'{rate:.1f}', f'{rate / len(found):.1f}', f'{rate / len(found) / rate_of_one:.2f}',
            f'{1e3 * len(found) / rate:.3f}', f'{1e3 * fastest / batch:.3f} .. {1e3 * slowest / batch:.3f}',
            f'{max(process.start for process in found):.1f}', f'{max(process.memory for process in found):.2f}']


def benchmark(config: Config, parts: Sequence[str], processes: Sequence[int], steps: int, folder: Path,
              videos: int = 6670, dtype: str = 'float32', shards: int = 1) -> str:
    """Measure parts of a config, each with several numbers of processes; gives a table.

    Args:
        config: Its model must have its sizes, see :func:`fill_benchmark_sizes`.
        parts: Names of :data:`PARTS`.
        processes: Numbers of processes.
        steps: To time, after some to warm up; loaders make 20 times as many.
        folder: Where the generated data go; those that are there are used.
        videos: In the generated store, with two queries each.
        dtype, shards: Of the store.
    """
    fill_benchmark_sizes(config)
    batch, rows = config.train_dataloader.batch_size, []
    prepare_data(folder, config, videos, dtype, shards)
    for part in progress(parts, desc='Measuring'):
        found = [run(part, count, folder, config, steps) for count in processes]
        rate_of_one = statistics.mean(batch / process.median for process in found[0])
        rows += [table_row(part, batch, of_count, rate_of_one) for of_count in found]
    init_default_scope('mmvmr')
    parameters = sum(parameter.numel() for parameter in MODELS.build(config.model).parameters())
    threads = os.environ.get('OMP_NUM_THREADS', torch.get_num_threads())
    device = torch.cuda.get_device_name() if GPU else f'{threads} CPU threads per process'
    head = ['part', 'processes', 'samples/s', 'per process', 'efficiency', 'ms/sample', 'range', 'start s', 'peak GiB']
    title = f' {Path(config.filename).stem}, batch {batch}, {device}, {parameters:,} parameters '
    return AsciiTable([head, *rows], title).table


def fill_benchmark_sizes(config: Config) -> None:
    """Sizes that the config leaves to its data: those of Charades-STA, or what it expects of its features."""
    check_trains(config)
    fill_sizes(config, dict(video_dim=config.train_dataloader.dataset.get('feature_dim') or 1024, word_dim=300,
                            vocab_size=1112))
