"""What training and testing of many configs cost on a device, in several precisions: one table within a few minutes."""
import csv
import io
import queue
import time
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch.utils._python_dispatch import TorchDispatchMode

from mmvmr.engine.optim.mixed_precision import use_mixed_precision
from mmvmr.reproduction import benchmark
from mmvmr.reproduction.benchmark import GPU
from mmvmr.utils.files import write_text
from mmvmr.utils.tables import format_table

WAITS = ('aten::_local_scalar_dense', 'aten::nonzero', 'aten::masked_select', 'aten::is_nonzero', 'aten::equal',
         'aten::_unique2', 'aten::unique_dim', 'aten::unique_consecutive')  # their result or its size goes to the host
SETTINGS = ('float32', 'TF32', 'bfloat16', 'resident', 'compiled')  # each of the last two on top of bfloat16
WHOLE = 'whole training'


class Row(NamedTuple):
    """What is found of a config in one setting."""
    config: str
    setting: str
    batch: int
    training: Optional[float] = None  # samples/s
    training_memory: Optional[float] = None  # peak, GiB; on a CPU of the process so far
    evaluation: Optional[float] = None
    evaluation_memory: Optional[float] = None
    waits: str = ''  # operations of a training step for which the host waits
    note: str = ''  # why something was not measured


class Waits(TorchDispatchMode):
    """Counts operations that make the host wait for the device, by name; on a CPU the same operations."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Optional[dict] = None) -> Any:
        name = func._schema.name
        out = func(*args, **(kwargs or {}))
        given = args[-1] if name == 'aten::copy_' else args[0] if args else None
        to_host = (name in ('aten::_to_copy', 'aten::copy_') and isinstance(given, torch.Tensor) and given.is_cuda
                   and not out.is_cuda)
        if name in WAITS or to_host or name.startswith('aten::index') and _chooses(args):
            self.found[name] += 1
        return out


def _chooses(args: Sequence[Any]) -> bool:
    """Whether an index is a tensor of bool, so that the size of the result is not known."""
    return any(isinstance(index, torch.Tensor) and index.dtype == torch.bool
               for index in (args[1] if len(args) > 1 and isinstance(args[1], (list, tuple)) else ()))


def waits_of(step: Callable[[], Any]) -> Dict[str, int]:
    """For what the host waits within a step: operations and, on a GPU, what PyTorch warns of."""
    counted = Waits()
    with warnings.catch_warnings(record=True) as caught, counted:
        warnings.simplefilter('always')
        if GPU:
            torch.cuda.set_sync_debug_mode('warn')
        try:
            step()
        finally:
            if GPU:
                torch.cuda.set_sync_debug_mode('default')
    told = sum('synchroniz' in str(warning.message) for warning in caught)
    return dict(counted.found, **({'warnings of PyTorch': told} if told else {}))


def use_setting(config: Config, setting: str) -> None:
    """Change a config to a setting.

    Raises:
        ValueError: If the device has no such setting.
    """
    if setting == 'TF32' and not GPU:
        raise ValueError('TF32 needs a GPU')
    torch.set_float32_matmul_precision('high' if setting == 'TF32' else 'highest')
    torch.backends.cudnn.allow_tf32 = setting == 'TF32'
    if setting not in ('float32', 'TF32'):
        use_mixed_precision(config.optim_wrapper)
    config.train_dataloader.dataset.resident = setting == 'resident'
    config.compile = setting == 'compiled'


def measure_row(config: Config, name: str, setting: str, folder: Path, steps: int) -> Row:
    """Training and evaluation of a config in a setting, in this process."""
    row, part = Row(name, setting, config.train_dataloader.batch_size), ''
    try:
        use_setting(config, setting)
        for part in ('training', 'evaluation'):
            if GPU:
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            dataset = benchmark.build_dataset(folder, config, part)
            half = part == 'evaluation' and setting not in ('float32', 'TF32')  # a step of training does so itself
            with torch.autocast('cuda' if GPU else 'cpu', torch.bfloat16, enabled=half):
                seconds = sorted(benchmark.PARTS[part](dataset, config, steps))
            row = row._replace(**{part: row.batch / seconds[len(seconds) // 2], f'{part}_memory': benchmark.peak()})
        if setting == 'float32':
            part = 'looking for waits'
            row = row._replace(waits=find_waits(benchmark.build_dataset(folder, config, 'training'), config))
    except Exception as error:  # the other rows are of use without this one
        row = row._replace(note=f'{part}: {type(error).__name__}: {error}'.splitlines()[0][:200])
    return row


def find_waits(dataset: Any, config: Config) -> str:
    """For what the host waits in a training step, apart from fetching the batch; 'none' where it never does."""
    step, batches = benchmark.make_step(dataset, config)
    step(next(batches))
    data = next(batches)
    found = waits_of(lambda: step(data))
    return ', '.join(f'{count} x {what}' for what, count in sorted(found.items())) or 'none'


def measure_whole(config: Config, name: str, folder: Path, total: int, most: float) -> Row:
    """A whole training of so many steps in bfloat16, features on the device; after ``most`` seconds it is projected."""
    row = Row(name, WHOLE, config.train_dataloader.batch_size)
    try:
        use_setting(config, 'resident')
        step, batches = benchmark.make_step(benchmark.build_dataset(folder, config, 'training'), config)
        step(next(batches))
        start, done = time.perf_counter(), 0
        while done < total and time.perf_counter() - start < most:
            step(next(batches))
            done += 1
            if GPU and done % 50 == 0:
                torch.cuda.synchronize()
        if GPU:
            torch.cuda.synchronize()
        seconds = (time.perf_counter() - start) / done * total
        told = '' if done == total else f', projected from {done}'
        return row._replace(training=row.batch * total / seconds, training_memory=benchmark.peak(),
                            note=f'{seconds:.1f} s for {total} steps{told}')
    except Exception as error:
        return row._replace(note=f'{type(error).__name__}: {error}'.splitlines()[0][:200])


def work(text: str, name: str, settings: Sequence[str], folder: Path, steps: int, whole: int, most: float,
         rows: Any) -> None:
    """Measure some settings of a config in a process of its own, and hand each row on as it is found."""
    init_default_scope('mmvmr')
    torch.manual_seed(0)
    for setting in settings:
        config = Config.fromstring(text, '.py')
        rows.put(measure_whole(config, name, folder, whole, most) if setting == WHOLE else
                 measure_row(config, name, setting, folder, steps))


def write_table(path: Path, rows: Sequence[Row], device: str) -> None:
    """As Markdown, or CSV by the suffix ``.csv``."""
    cells = [[f'{value:.1f}' if isinstance(value, float) else '' if value is None else str(value) for value in row]
             for row in rows]
    heads = ['config', 'setting', 'batch', 'training, samples/s', 'peak GiB', 'evaluation, samples/s', 'peak GiB',
             'the host waits for', 'note']
    if path.suffix == '.csv':
        text = io.StringIO()
        csv.writer(text, lineterminator='\n').writerows([heads, *cells])
        write_text(path, text.getvalue())
        return
    table = format_table([heads, *([cell.replace('|', '/') for cell in line] for line in cells)], form='markdown')
    write_text(path, f'{device}, PyTorch {torch.__version__}\n\n{table}\n')


def device_table(configs: Sequence[Config], path: Path, folder: Path, steps: int, videos: int,
                 minutes: float = 9.0, settings: Sequence[str] = SETTINGS) -> List[Row]:
    """Measure configs in all settings and write the table anew after each row.

    Cheap settings of all configs come first, then a whole training of the first config (97 steps of 50 epochs, as CNM's
    on Charades-STA), then what has to be compiled. What the time does not suffice for is noted in its row.

    Args:
        configs: With the sizes of their models, see :func:`~mmvmr.reproduction.benchmark.fill_benchmark_sizes`.
        path: Of the table, .md or .csv.
        folder: For generated data.
        minutes: After which nothing more is begun, and what is under way is ended.
    """
    end, rows = time.monotonic() + 60 * minutes, []
    device = torch.cuda.get_device_name() if GPU else f'CPU, {torch.get_num_threads()} threads'
    names = {Path(config.filename).stem: config for config in configs}
    cheap, dear = ([setting for setting in settings if (setting == 'compiled') is late] for late in (False, True))
    plan = [(name, cheap) for name in names] + [(next(iter(names)), [WHOLE])] + [(name, dear) for name in names]
    context = torch.multiprocessing.get_context('spawn')
    for number, (name, chosen) in enumerate(plan):
        config, found = names[name], context.Queue()
        data = folder / '_'.join(map(str, benchmark.generated_sizes(config).values()))
        benchmark.prepare_data(data, config, videos, 'float32', 1)
        share = (end - time.monotonic()) / (len(plan) - number)  # what others leave is there for the later ones
        process = context.Process(target=work, args=(config.pretty_text, name, chosen, data, steps, 97 * 50,
                                                     max(share / 2, 1.0), found))
        process.start()
        stop = min(time.monotonic() + 2 * share, end)
        try:
            for setting in chosen:
                rows.append(_wait_for(found, process, stop) or
                            Row(name, setting, config.train_dataloader.batch_size, note=_why(process)))
                write_table(path, rows, device)
        finally:
            process.kill()
            process.join()
    return rows


def _wait_for(rows: Any, process: Any, stop: float) -> Optional[Row]:
    """The next row, unless the process ends or the time is over before."""
    while True:
        alive = process.is_alive() and time.monotonic() < stop
        with suppress(queue.Empty):
            return rows.get(timeout=0.5 if alive else 0.01)
        if not alive:
            return None


def _why(process: Any) -> str:
    return 'the time was over' if process.is_alive() else f'its process ended with exit code {process.exitcode}'


