"""The authors' code of CPL and CNM, timed in turn with ours on the same generated data."""
import importlib
import json
import os
import pickle
import resource
import statistics
import sys
import time
from collections import Counter
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Dict, Iterator, List, Sequence

import h5py
import torch
from mmengine.config import Config
from terminaltables import AsciiTable
from torch import nn

from mmvmr.features.stores.feature_store import open_feature_store
from mmvmr.reproduction.benchmark import (
    GPU,
    WARM_UP,
    Measured,
    fill_benchmark_sizes,
    generated_sizes,
    in_new_processes,
    make_order,
    prepare_data,
    run,
)
from mmvmr.text.vocabulary import Vocabulary
from mmvmr.utils.progress import progress

METHODS = ('cpl', 'cnm')
NEEDED = ('models', 'datasets', 'runners', 'utils.py', 'config')
ROUNDS = 3
_BLOCKS = 97  # videos with features of their own, as ours are generated


def find_method(checkout: Path) -> str:
    """'cpl' or 'cnm', of a folder with the code of one of them.

    Raises:
        ValueError: If it is none; the message says what is not there.
    """
    absent = [name for name in NEEDED if not (checkout / name).exists()]
    methods = [name for name in METHODS if (checkout / 'models' / f'{name}.py').is_file()]
    if absent or len(methods) != 1 or not any(checkout.glob('config/*/*.json')):
        missing = absent or ['models/cpl.py or models/cnm.py' if not methods else 'config/*/*.json']
        raise ValueError(f'"{checkout}" is no checkout of the code of CPL or CNM: there is no {", no ".join(missing)}. '
                         'Give the folder that `git clone https://github.com/minghangz/cpl` or .../cnm has made.')
    return methods[0]


def their_settings(checkout: Path, folder: Path, config: Config) -> Dict[str, Any]:
    """A configuration of theirs, with the sizes and the data of ours."""
    sizes, files = generated_sizes(config), sorted(checkout.glob('config/*/*.json'))
    known = [json.loads(path.read_text(encoding='utf-8')) for path in files]
    settings = next((one for one in known if one['dataset'].get('frame_dim') == sizes['video_dim']), known[0])
    pairs = str(folder / 'pairs.json')
    settings['dataset'].update(
        dataset='CharadesSTA', feature_path=str(folder / 'theirs.hdf5'), vocab_path=str(folder / 'theirs.pkl'),
        train_data=pairs, test_data=pairs, val_data=None, vocab_size=sizes['vocab_size'] - 1,
        word_dim=sizes['word_dim'], frame_dim=sizes['video_dim'], max_num_frames=sizes['num_clips'], max_num_words=20)
    settings['model']['config'].update(frames_input_size=sizes['video_dim'], words_input_size=sizes['word_dim'])
    settings['train']['batch_size'] = config.train_dataloader.batch_size
    return settings


def write_their_data(folder: Path) -> None:
    """The generated data in the files that their code reads; videos of equal features share them."""
    store, vocabulary = open_feature_store(str(folder / 'features')), Vocabulary.load(folder / 'vocabulary.npz')
    with h5py.File(folder / 'theirs.hdf5', 'w') as file:
        for index, video in enumerate(store.video_ids):
            file[video] = store.read(video) if index < _BLOCKS else file[store.video_ids[index % _BLOCKS]]
    words = vocabulary.words
    (folder / 'theirs.pkl').write_bytes(pickle.dumps(dict(
        w2id={word: row for row, word in enumerate(words, start=1)}, id2vec=vocabulary.vectors,
        counter=Counter({word: len(words) - row for row, word in enumerate(words)}))))


def measure_theirs(rank: int, part: str, checkout: Path, settings: Dict, steps: int, results) -> None:
    """Run one part of their code in a process of its own."""
    sys.path.insert(0, str(checkout))
    for name in [name for name in sys.modules if name.split('.')[0] in ('datasets', 'models', 'runners', 'utils')]:
        del sys.modules[name]  # of a package that is installed under one of their names
    if not GPU:
        torch.Tensor.cuda = nn.Module.cuda = lambda self, *_, **__: self
    _stand_in_for_nltk()
    _stand_in_for_fairseq()
    with open(os.devnull, 'w') as nowhere, redirect_stdout(nowhere):
        start = time.perf_counter()
        runner = importlib.import_module('runners').MainRunner(settings)
        start = time.perf_counter() - start
        size = settings['train']['batch_size']
        if part == 'loader':
            seconds = list(_loading(runner.train_set, size, steps))
        else:
            batches = Batches(runner.train_set if part == 'training' else runner.test_set, size, steps)
            if part == 'training':
                runner.train_loader = batches
                runner._train_one_epoch(1)
            else:
                runner.test_loader = batches
                runner.eval()
            seconds = batches.seconds[WARM_UP:]
    memory = (torch.cuda.max_memory_allocated() / 2**30 if GPU else
              resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
    results.put(Measured(start, statistics.median(seconds), min(seconds), max(seconds), memory))


class Batches:
    """What stands in for their loader: notes how long what is done with each batch takes.

    Attributes:
        seconds: Of each step.
    """

    def __init__(self, dataset: Any, size: int, steps: int) -> None:
        self.seconds: List[float] = []
        self._dataset, self._size, self._steps = dataset, size, WARM_UP + steps

    def __iter__(self) -> Iterator[Dict]:
        order = make_order(len(self._dataset), self._size)
        for _ in range(self._steps):
            batch = self._dataset.collate_data([self._dataset[row] for row in next(order)])
            start = time.perf_counter()
            yield batch
            if GPU:
                torch.cuda.synchronize()
            self.seconds.append(time.perf_counter() - start)


def _loading(dataset: Any, size: int, steps: int) -> Iterator[float]:
    order = make_order(len(dataset), size)
    for _ in range(WARM_UP + steps):
        rows, start = next(order), time.perf_counter()
        dataset.collate_data([dataset[row] for row in rows])
        yield time.perf_counter() - start


def _stand_in_for_nltk() -> None:
    """Tokenizer and tagger of ours, where the data that NLTK downloads are not there."""
    import nltk
    try:
        nltk.pos_tag(nltk.tokenize.word_tokenize('a door'))
    except LookupError:
        from textblob.en import tag
        tokenizer = nltk.tokenize.NLTKWordTokenizer()
        nltk.word_tokenize = nltk.tokenize.word_tokenize = tokenizer.tokenize
        nltk.pos_tag = lambda words: tag(' '.join(words), tokenize=False)


def _stand_in_for_fairseq() -> None:
    """The softmax of PyTorch, where fairseq, whose function of that name calls it, is not installed."""
    if find_spec('fairseq') is None:
        sys.modules['fairseq'] = module = ModuleType('fairseq')
        module.utils = SimpleNamespace(softmax=lambda scores, dim, **_: scores.softmax(dim, dtype=torch.float32))


def run_theirs(part: str, checkout: Path, settings: Dict, steps: int) -> Measured:
    """Measure one part of their code in a new process.

    Raises:
        RuntimeError: If it fails; the message ends with the last lines of theirs.
    """
    try:
        return in_new_processes(measure_theirs, (part, checkout, settings, steps))[0]
    except torch.multiprocessing.ProcessRaisedException as error:
        raise RuntimeError(f'The {part} of "{checkout}" failed:\n' + '\n'.join(str(error).splitlines()[-6:])) from error


def compare(config: Config, checkout: Path, parts: Sequence[str], steps: int, folder: Path, videos: int = 6670,
            dtype: str = 'float32', shards: int = 1) -> str:
    """Measure parts of a config and of the authors' code in turn, three times each; gives a table of the medians.

    Args:
        checkout: The folder with their code, which is run.
        parts: 'loader', 'training', 'evaluation'. What loads does nothing else, in one process.
        folder, videos, dtype, shards: See :func:`~mmvmr.reproduction.benchmark.benchmark`.
    """
    method = find_method(checkout)
    fill_benchmark_sizes(config)
    prepare_data(folder, config, videos, dtype, shards)
    write_their_data(folder)
    settings, size, rows = their_settings(checkout, folder, config), config.train_dataloader.batch_size, []
    for part in progress(parts, desc='Measuring'):
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours += run(part, 1, folder, config, steps)
            theirs.append(run_theirs(part, checkout.resolve(), settings, steps))
        rates = [size / statistics.median(one.median for one in found) for found in (ours, theirs)]
        peaks = [statistics.median(one.memory for one in found) for found in (ours, theirs)]
        ratios = [mine.median and other.median / mine.median for mine, other in zip(ours, theirs)]
        rows.append([part, *(f'{rate:.1f}' for rate in rates), f'{rates[0] / rates[1]:.2f}',
                     f'{min(ratios):.2f} .. {max(ratios):.2f}', *(f'{peak:.2f}' for peak in peaks),
                     f'{peaks[0] / peaks[1]:.2f}'])
    head = ['part', 'samples/s', 'theirs', 'times as fast', 'range', 'peak GiB', 'theirs', 'of their memory']
    name = Path(config.filename).stem
    return AsciiTable([head, *rows], f' {name} against {method.upper()}, batch {size} ').table
