"""A test: where its results go, and that it leaves the run as it was."""
import hashlib
import json
import re
import sys
from itertools import count
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional, Union

import numpy as np
from mmengine.dist import broadcast_object_list, is_main_process

from mmvmr.engine.checkpoint import find_weights
from mmvmr.engine.distributed import start_processes
from mmvmr.engine.run.check_config import check_config
from mmvmr.engine.run.config import MomentConfig
from mmvmr.engine.run.config_file import read_literals
from mmvmr.engine.run.places import find_run_config
from mmvmr.engine.run.runner import MomentRunner
from mmvmr.engine.run.sizes import check_untrained, fill_sizes
from mmvmr.evaluation.probes import PROBES, apply_probe
from mmvmr.evaluation.scored import find_evaluator, fitted_on
from mmvmr.registry import DATASETS
from mmvmr.utils.files import remove_own_files, sha256_of_files, write_text

PREDICTIONS, FACTS, TESTS, UNTRAINED = 'predictions.jsonl', 'test.json', 'test', 'untrained'


def run_test(config: MomentConfig, checkpoint: Union[str, Path, None], folder: Union[str, Path, None] = None,
             out: Union[str, Path, None] = None, probe: Optional[str] = None,
             options: Optional[Mapping[str, Any]] = None, launcher: str = 'none') -> Path:
    """Test a model on the test split. Nothing of the run is changed.

    Args:
        config: Of :func:`~mmvmr.engine.run.config.read_config`.
        checkpoint: A checkpoint, or the folder of a run, see :func:`~mmvmr.engine.checkpoint.find_weights`. None for a
            model that has nothing to learn, whose tests lie in the work dir of the config.
        folder: Where log, config and predictions of this test go. By default into ``test`` beside the checkpoint, to a
            folder named by checkpoint, config if it is not that of the run, probe and options, and by a number where
            another test has that name.
        out: File of the predictions, ``predictions.jsonl`` in the folder by default.
        probe: Take away what the model should need, see :mod:`~mmvmr.evaluation.probes`.
        options: What was changed in the config on the command line.
        launcher: Who has started this process.

    Returns:
        The file of the predictions.

    Raises:
        FileNotFoundError, KeyError, ValueError: If config, data or checkpoint are not what they should be.
    """
    check_config(config)
    for part in ('test_dataloader', 'test_evaluator', 'test_cfg'):
        if config.get(part) is None:
            raise ValueError(f'The config "{config.filename}" has no {part}, so there is nothing to test on. Runs of '
                             'earlier versions left it out: give the config that the run was trained with.')
    if checkpoint is None:
        check_untrained(config, 'What is to be tested?')
    weights = None if checkpoint is None else find_weights(checkpoint)
    fill_sizes(config)
    facts = dict(weights=weights and Path(weights).name, weights_sha256=weights and sha256_of_files(weights),
                 probe=probe, config_sha256=_sha256_of_config(config))
    start_processes(launcher, config.get('env_cfg', {}))
    tested = Path(weights or Path(config.work_dir, UNTRAINED))
    chosen = [folder or _find_folder(config, tested, facts, options or {}) if is_main_process() else None]
    broadcast_object_list(chosen)  # the others may see what the first has begun to write there
    folder = Path(chosen[0])
    asked, out = out, folder / PREDICTIONS
    for evaluator in config.test_evaluator if isinstance(config.test_evaluator, list) else [config.test_evaluator]:
        if evaluator['type'] == 'MomentRecall':
            out = Path(asked or evaluator.get('out_file') or folder / PREDICTIONS)
            evaluator['out_file'] = str(out)
    new = not folder.exists()
    try:
        runner = MomentRunner.from_cfg(config, without=('train', 'val'), launcher=launcher, load_from=weights,
                                       work_dir=str(folder))
        data = runner.test_dataloader.dataset.metainfo
        if weights:
            runner.load_or_resume()
    except (KeyError, OSError, TypeError, ValueError):
        if new and is_main_process():  # a test that is refused leaves nothing
            remove_own_files(folder, ['*', '*/*', '*/*/*'])
            if folder.parent.name == TESTS and folder.parent.is_dir() and not any(folder.parent.iterdir()):
                folder.parent.rmdir()
        raise
    write_text(folder / FACTS, json.dumps(facts, indent=2) + '\n')
    for line in _describe(data, weights, folder, probe):
        runner.logger.info(line)
    if probe:
        dataset = runner.test_dataloader.dataset
        apply_probe(dataset, probe)
        runner.test_evaluator.dataset_meta = dataset.metainfo
    runner.test()
    return out


def _find_folder(config: MomentConfig, weights: Path, facts: Dict[str, Any], options: Mapping[str, Any]) -> Path:
    """The folder of this test, or of the same one before; never that of another."""
    name = folder_name(weights, Path(config.filename or weights).stem, facts['probe'], options)
    for number in count(1):
        folder = weights.parent / TESTS / (name if number == 1 else f'{name},{number}')
        if not folder.exists() or _facts(folder) == facts:
            return folder
    raise AssertionError


def _facts(folder: Path) -> Dict[str, Any]:
    """What was tested in a folder."""
    try:
        return json.loads((folder / FACTS).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}


def _sha256_of_config(config: MomentConfig) -> str:
    return hashlib.sha256(MomentConfig(config.entries_of_run()).pretty_text.encode()).hexdigest()


def folder_name(weights: Path, config: str, probe: Optional[str], options: Mapping[str, Any]) -> str:
    """What a test is called: the name of the checkpoint, and in what the test differs from that of the run.

    Example:
        >>> folder_name(Path('nowhere/best_mIoU_epoch_3.pth'), 'scan', 'shuffle-query', {'model.span_level': 0.5})
        'best_mIoU_epoch_3,scan,shuffle-query,model.span_level=0.5'
    """
    of_run = [path.stem for path in weights.parent.glob('*.py')]
    if weights.stem == UNTRAINED:  # what was tested is a config, and the folder is called after it
        of_run.append(weights.parent.name)
    parts = [weights.stem, config if config not in (*of_run, weights.stem) else None, probe,
             *(f'{key}={value}' for key, value in options.items())]
    name = re.sub(r'[^\w.,=+@-]+', '_', ','.join(filter(None, parts)))
    return name if len(name) <= 150 else f'{name[:140]},{hashlib.sha256(name.encode()).hexdigest()[:8]}'


def find_predictions(path: Path) -> Path:
    """A file of predictions: the path itself, that in the folder of a test, or that of a run, whose place is printed.

    Of the tests of a run, those of its own config and without probe count; if there is none, those with changes. Of
    several, that of the checkpoint which a test takes by itself goes first, then the newest.

    Raises:
        FileNotFoundError: If there are none.
    """
    if path.suffix and not path.is_dir():
        return path
    own = path / PREDICTIONS
    tests = {file: _facts(file.parent) for file in [own, *path.glob(f'{TESTS}/*/{PREDICTIONS}')] if file.is_file()}
    tests = {file: facts for file, facts in tests.items() if facts.get('probe') is None or file == own}
    if not tests:
        raise FileNotFoundError(f'"{path}" has no {PREDICTIONS}. A test writes them: mmvmr test '
                                f'{path if path.exists() else path.name}')
    weights = Path(find_weights(path)).name if any(path.glob('*.pth')) else None
    found = max(tests, key=lambda file: (
        _is_unchanged(file.parent.name, tests[file]), tests[file].get('weights') == weights, file.stat().st_mtime))
    print(f'Predictions: {found}', file=sys.stderr)  # what is printed else may go into a file
    return found


def windows_of_run(path: Path) -> Optional[np.ndarray]:
    """Training spans of a run as fractions, (M, 2), by the folder of it or of a test of it; None where it has none.

    Its config is read as plain data: nothing in it is run.
    """
    run = path.parent.parent if path.parent.name == TESTS else path
    if not (run / 'inputs.json').is_file():
        return None
    try:
        config = MomentConfig(read_literals(Path(find_run_config(run))))
        train_set = find_evaluator(config).get('train_set')
        if train_set and not DATASETS.holds(train_set):
            raise ValueError(f'{train_set!r:.100} is no data set of mmvmr or of an installed plugin; --config '
                             'runs the config that imports it.')
        return fitted_on(config) if train_set else None
    except Exception as error:  # annotations and parts may be elsewhere by now
        print(f'Without the training annotations of "{run}": {str(error).partition(chr(10))[0]}', file=sys.stderr)
        return None


def _is_unchanged(name: str, facts: Mapping[str, Any]) -> bool:
    """Whether a test, by the name of its folder, was one of the run, or of an untrained model, as it is."""
    weights = Path(facts.get('weights') or UNTRAINED)
    return re.fullmatch(re.escape(folder_name(weights, weights.stem, None, {})) + r'(,\d+)?', name) is not None


def _describe(data: Mapping[str, Any], weights: Optional[str], folder: Path, probe: Optional[str]) -> Iterator[str]:
    what = f'"{weights}"' if weights else 'a model that was not trained'
    yield f'Testing {what} on {data.get("num_pairs", "the")} pairs of {data.get("protocol", "data of your own")}'
    if probe:
        yield f'  probe     {probe}: {PROBES[probe]}'
    yield f'  results   {folder}'
