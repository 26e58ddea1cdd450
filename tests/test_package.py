"""The built wheel holds every module and the configs."""
import subprocess
import sys
import zipfile

import pytest
from runs import REPO

CHECK = """
import importlib, pathlib, pkgutil, sys
import mmvmr
from mmengine.config import Config
from mmvmr.cli.launch import find_config
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


def test_wheel_holds_all_sources_and_configs(wheel):
    content = set(zipfile.ZipFile(wheel).namelist())
    package = {str(path.relative_to(REPO)) for path in (REPO / 'mmvmr').rglob('*.py')}
    configs = {f'mmvmr/{path.relative_to(REPO)}' for path in (REPO / 'configs').rglob('*.py')}
    assets = {str(path.relative_to(REPO)) for path in (REPO / 'mmvmr/visualization/page_assets').iterdir()}
    assert package | configs | assets | {'mmvmr/py.typed'} <= content
    assert not any(name.startswith(('tests/', 'configs/', 'tools/')) for name in content)


def test_installed_wheel_imports_every_module_and_finds_the_configs(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    done = subprocess.run([sys.executable, '-c', CHECK, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True,
                          env={'PYTHONPATH': str(tmp_path), 'PATH': '/usr/bin:/bin'})
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 30
