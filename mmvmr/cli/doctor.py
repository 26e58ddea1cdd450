"""What is installed, what is missing for what, and whether videos can be decoded. Put it into bug reports."""
import argparse
import importlib
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from typing import Dict, Iterator, List, Tuple

from mmvmr.cli.main import Parser
from mmvmr.version import __version__

# what is imported -> what it is for, and what pip is to install
NEEDED = ('torch', 'mmengine', 'cv2', 'numpy', 'h5py', 'pandas', 'scipy', 'matplotlib', 'nltk', 'textblob',
          'terminaltables', 'tqdm', 'av')
OPTIONAL: Dict[str, Tuple[str, str]] = {
    'mmcv': ('MS-2D-RL', '-c requirements/constraints.txt -e ".[mmcv]"'),
    'transformers': ('features and words by CLIP, BERT and others', '-c requirements/constraints.txt -e ".[clip]"'),
    'torchvision': ('features by R3D, MViT, Swin and others', '-c requirements/constraints.txt -e ".[video]"'),
    'starlette': ('`mmvmr serve`', '-c requirements/constraints.txt -e ".[serve]"'),
    'onnxruntime': ('`mmvmr export --onnx`', '-c requirements/constraints.txt -e ".[onnx]"'),
    'tensorboard': ('training curves in TensorBoard', 'tensorboard'),
}


def add_arguments(parser: Parser) -> None:
    del parser


def run(args: argparse.Namespace) -> int:
    print('\n'.join(f'{name:<16} {value}' for name, value in system()))
    problems: List[str] = []
    for name in NEEDED:
        _report(name, problems)
    for name, (purpose, wanted) in OPTIONAL.items():
        _report(name, None, f'for {purpose}: pip install {wanted}')
    problems += [*conflicts(), *broken_plugins()]
    print('\n' + ('Nothing that is needed is missing.' if not problems else '\n'.join(problems)))
    return 1 if problems else 0


def system() -> Iterator[Tuple[str, str]]:
    """Names and values of what is not a package."""
    yield 'mmvmr', __version__
    yield 'Python', f'{platform.python_version()} ({sys.executable})'
    yield 'system', f'{platform.platform()}, {os.cpu_count()} cores'
    try:
        import torch
    except ImportError:
        return
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    yield 'GPUs', ', '.join(names) or f'none that PyTorch can use (CUDA of its build: {torch.version.cuda or "none"})'


def _report(name: str, problems: List[str] = None, hint: str = '') -> None:
    """Print the version of a package; what is wrong with one that is needed goes to ``problems``."""
    try:
        module = importlib.import_module(name)
        found = ', '.join(f'{dist} {version(dist)}' for dist in sorted(set(packages_distributions().get(name, ()))))
        print(f'{name:<16} {found or getattr(module, "__version__", "?")}')
    except Exception as error:  # a package that is half installed can fail in any way
        print(f'{name:<16} {"missing" if isinstance(error, ModuleNotFoundError) else "broken"} {hint}'.rstrip())
        if problems is not None:
            system_library = ' On Debian or Ubuntu: apt-get install libgl1 libglib2.0-0.' if name == 'cv2' else ''
            problems.append(f'{name} cannot be imported ({error}).{system_library} `pip install -c '
                            'requirements/constraints.txt -e .` brings all that is needed.')


def broken_plugins() -> List[str]:
    """What keeps installed plugins from being used."""
    try:
        from mmvmr.registry import load_plugins
        load_plugins()
    except ModuleNotFoundError as error:  # told above
        return [] if error.name in NEEDED else [str(error)]
    except ImportError as error:
        return [str(error)]
    return []


def conflicts() -> List[str]:
    """Packages whose versions are not those that mmvmr declares, and several that are installed over each other."""
    found = []
    for name in ('mmcv', 'cv2'):
        several = sorted(set(packages_distributions().get(name, ())))
        if len(several) > 1:
            found.append(f'{" and ".join(several)} are installed over each other: both bring `{name}`. Uninstall both, '
                         f'then install one.')
    try:
        from packaging.requirements import Requirement
        wanted = [Requirement(text) for text in requires('mmvmr') or ()]
    except (ImportError, PackageNotFoundError):
        return found
    for requirement in wanted:
        if requirement.marker and not requirement.marker.evaluate(dict(extra='')):
            continue
        try:
            if not requirement.specifier.contains(version(requirement.name), prereleases=True):
                found.append(f'{requirement.name} {version(requirement.name)} is installed, mmvmr needs '
                             f'{requirement.specifier}.')
        except PackageNotFoundError:
            continue  # told above
    return found
