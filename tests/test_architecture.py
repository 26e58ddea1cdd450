"""What docs/architecture.md says of the tree is true."""
import ast
import re
import sys
from pathlib import Path

from runs import ALTERNATING, REPO, make_runner, write_config

import mmvmr
from mmvmr.registry import DATASETS, TEXT_ENCODERS

PACKAGE = Path(mmvmr.__file__).parent
PAGE = (REPO / 'docs' / 'architecture.md').read_text(encoding='utf-8')
ROOMS = re.findall(r'^([a-z]+)(?:/|\.py)\s', PAGE.split('## Layout')[1].split('```')[1], flags=re.M)


def _imports(path: Path):
    """The rooms that a file imports, at its top or inside functions, and their lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] == 'mmvmr':
            parts = node.module.split('.')
            yield from ((room, node.lineno) for room in (
                parts[1:2] or [alias.name for alias in node.names]))


def test_every_room_of_the_package_is_on_the_page():
    found = {path.name.removesuffix('.py') for path in PACKAGE.iterdir() if path.suffix == '.py' or path.is_dir()}
    assert set(ROOMS) == {name for name in found if not name.startswith('_')} - {'version', 'py.typed'}


def test_files_that_the_page_names_are_there():
    named = set(re.findall(r'`(\w+/[\w/]+\.py)`', PAGE))
    assert len(named) >= 10
    roots = REPO, PACKAGE, REPO / 'configs'
    assert not [name for name in named if not any((root / name).is_file() for root in roots)]


def test_no_room_uses_one_above_it():
    upwards = []
    for path in PACKAGE.rglob('*.py'):
        room = path.relative_to(PACKAGE).parts[0].removesuffix('.py')
        if room in ROOMS:
            upwards += [f'{path.name}:{line} -> {other}' for other, line in _imports(path)
                        if other in ROOMS and ROOMS.index(other) < ROOMS.index(room)]
    assert upwards == []


def test_models_know_neither_data_nor_engine():
    used = {room for path in (PACKAGE / 'models').rglob('*.py') for room, _ in _imports(path)}
    assert used == {'models', 'functional', 'utils', 'structures', 'registry'}


def test_as_many_files_as_the_page_says_lie_between_annotations_and_gradient(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', optim_wrapper=ALTERNATING)
    runner = make_runner(file, tmp_path / 'run')
    optimizers = runner.build_optim_wrapper(runner.optim_wrapper)
    TEXT_ENCODERS.import_from_location()  # a registry imports its rooms when it is first asked
    used = set()

    def note(frame, event, _):
        path = Path(frame.f_code.co_filename)
        if event == 'call' and PACKAGE in path.parents:
            used.add(path.stem)

    sys.setprofile(note)
    try:
        dataset = DATASETS.build(dict(runner.cfg.train_dataloader.dataset, lazy_init=True))
        dataset.full_init()
        runner.model.train_step(dataset.__getitems__([0, 1, 2, 3]), optimizers)
    finally:
        sys.setprofile(None)
    used -= {'arrays', 'hdf5', 'hdf5_store', 'quantized_store'}  # of the tiny data set; that of the config is packed
    section = PAGE.split('## From an annotation to a loss')[1].split('## ')[0]
    assert len(used) == int(re.search(r'(\d+) files of mmvmr take part', section).group(1)) < 30
    used = {'packed_store' if name == 'feature_store' else name for name in used}
    named = set(re.findall(r'`(?:mmvmr/[\w/]+/|mmvmr/)?(\w+)(?:\.py)?`', section))
    assert {'packed_store' if name == 'feature_store' else name for name in named} >= used
