"""The built wheel holds every module and the configs."""
import ast
import re
import subprocess
import sys
import zipfile

import pytest
import yaml
from packaging.requirements import Requirement
from runs import REPO

CHECK = """
import importlib, pathlib, pkgutil, sys
import mmvmr
from mmengine.config import Config
from mmvmr.engine.run.config import find_config
assert str(pathlib.Path(mmvmr.__file__)).startswith(sys.argv[1]), mmvmr.__file__
names = [module.name for module in pkgutil.walk_packages(mmvmr.__path__, 'mmvmr.')]
for name in names:
    importlib.import_module(name)
path = find_config('mcmt_charades')
assert path.startswith(sys.argv[1]), path
assert Config.fromfile(path).model.type == 'MomentRetriever'
print(len(names))
"""


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'
    # a copy of what is tracked, as a build writes into its folder
    files = subprocess.run(['git', 'ls-files', '-z'], cwd=REPO, capture_output=True, text=True)
    if files.returncode:
        pytest.skip('the sources are not a git checkout')
    for name in filter(None, files.stdout.split('\0')):
        if (REPO / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((REPO / name).read_bytes())
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation', '-w', folder,
                    source], check=True)
    return next(folder.glob('mmvmr-*.whl'))


def _requirements(name):
    """The requirements of a file, by the name of the package."""
    lines = [line.split('#')[0].strip() for line in (REPO / 'requirements' / f'{name}.txt').read_text().splitlines()]
    return {requirement.name: requirement.specifier for requirement in map(Requirement, filter(None, lines))}


@pytest.mark.parametrize('name', ['runtime', 'mmcv', 'clip', 'serve'])
def test_the_floors_that_were_tested_are_those_that_are_declared(name):
    floors = _requirements('floors')
    for package, declared in _requirements(name).items():
        if package != 'torch':
            lowest, = [item.version for item in declared if item.operator == '>=']
            tested, = [item.version for item in floors[package]]
            assert tested == lowest or tested.startswith(f'{lowest}.'), package


def test_every_package_that_is_imported_is_declared():
    declared = {name for file in ('runtime', 'mmcv', 'clip', 'video', 'serve', 'onnx') for name in _requirements(file)}
    modules = {'cv2': 'opencv-python', 'mmcv': 'mmcv-lite', 'python_multipart': 'python-multipart', 'mmvmr': None,
               'packaging': None}  # of mmengine
    for path in (REPO / 'mmvmr').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            names = ([alias.name for alias in node.names] if isinstance(node, ast.Import) else
                     [node.module] if isinstance(node, ast.ImportFrom) else [])
            for name in {name.split('.')[0] for name in names} - sys.stdlib_module_names:
                assert modules.get(name, name) in {None, *declared}, f'{path} imports {name}'


def test_metadata_say_what_can_be_installed_and_bring_the_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        read = {name.split('/')[1]: archive.read(name).decode() for name in archive.namelist() if '.dist-info/' in name}
    extras = re.findall(r'^Provides-Extra: (.*)$', read['METADATA'], flags=re.M)
    assert extras == ['mmcv', 'clip', 'video', 'serve', 'onnx', 'tests', 'docs', 'all']
    assert re.search(r'^Requires-Dist: torch>=', read['METADATA'], flags=re.M) and '# mmvmr' in read['METADATA']
    assert not re.search(r'^Requires-Dist: mmcv-lite(?!.*extra ==)', read['METADATA'], flags=re.M)
    assert 'mmvmr = mmvmr.cli:main' in read['entry_points.txt']


def test_wheel_holds_all_sources_and_configs(wheel):
    content = set(zipfile.ZipFile(wheel).namelist())
    package = {str(path.relative_to(REPO)) for path in (REPO / 'mmvmr').rglob('*.py')}
    configs = {f'mmvmr/{path.relative_to(REPO)}' for path in (REPO / 'configs').rglob('*.*')
               if path.suffix in ('.py', '.yml')}
    assets = {str(path.relative_to(REPO)) for path in (REPO / 'mmvmr/visualization/page_assets').iterdir()}
    assert package | configs | assets | {'mmvmr/py.typed'} <= content
    assert not any(name.startswith(('tests/', 'configs/', 'tools/')) for name in content)


def test_installed_wheel_imports_every_module_and_finds_the_configs(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    done = subprocess.run([sys.executable, '-c', CHECK, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True,
                          env={'PYTHONPATH': str(tmp_path), 'PATH': '/usr/bin:/bin'})
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 30


def test_model_index_lists_every_config_with_the_scores_of_the_readme():
    index = [yaml.safe_load((REPO / name).read_text())
             for name in yaml.safe_load((REPO / 'model-index.yml').read_text())['Import']]
    models = [model for file in index for model in file['Models']]
    assert [model['Config'] for model in models] == [f'configs/{path.name}' for path in sorted(
        (REPO / 'configs').glob('*.py'))]
    named = {item['Name'] for file in index for item in file['Collections']}
    assert {model['In Collection'] for model in models} <= named
    listed = {model['Name'].removesuffix('_moving_shapes'): result['Metrics'] for model in models
              for result in model.get('Results', []) if result['Dataset'].startswith('Moving Shapes')}
    rows = re.findall(r'^\| (\w+) \| ([\d.]+) ± [\d.]+ \| ([\d.]+) ±', (REPO / 'README.md').read_text(), flags=re.M)
    assert len(listed) == 10 and sorted(rows) == sorted(
        (name, f'{metrics["R@1,IoU=0.5"]:.2f}', f'{metrics["mIoU"]:.2f}') for name, metrics in listed.items())
    page = (REPO / 'docs' / 'reproduction.md').read_text()
    for name, metrics in listed.items():  # all four, of the table that has other IoU as well
        row, = re.findall(rf'^\| {name} \| 3 \| (.+) \|$', page, flags=re.M)
        cells = [cell.split(' ± ')[0] for cell in row.split(' | ')]
        assert [*cells[:3], cells[-1]] == [f'{value:.2f}' for value in metrics.values()], name
    page = (REPO / 'docs' / 'zero_shot.md').read_text()
    for model in models:
        if model['In Collection'] == 'Training-free' and 'Results' in model:
            cells = ' | '.join(f'{value:.2f}' for value in model['Results'][0]['Metrics'].values())
            assert re.search(rf'^\| `{model["Name"]}` \|[^|]*\| {re.escape(cells)} \|$', page, flags=re.M)
