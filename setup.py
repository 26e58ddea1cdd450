"""Packaging of mmvmr; settings of the tools are in ``pyproject.toml``."""
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def requirements(name: str) -> list:
    """The lines of ``requirements/<name>.txt`` without comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line.split('#')[0].strip() for line in lines if line.split('#')[0].strip()]


version = {}
exec((ROOT / 'mmvmr' / 'version.py').read_text(), version)

setup(
    name='mmvmr',
    version=version['__version__'],
    description='A modular toolbox for weakly-supervised video moment retrieval',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8') if (ROOT / 'README.md').exists() else '',
    long_description_content_type='text/markdown',
    author='the mmvmr authors',
    license='Apache-2.0',
    python_requires='>=3.10',
    # The configs stay at the top of the repository and travel in the wheel as data of the package.
    packages=[*find_packages(include=['mmvmr', 'mmvmr.*']), 'mmvmr.configs'],
    package_dir={'mmvmr.configs': 'configs'},
    package_data={'mmvmr': ['py.typed', 'visualization/page_assets/*'], 'mmvmr.configs': ['**/*.py']},
    install_requires=requirements('runtime'),
    extras_require={name: requirements(name) for name in ('optional', 'tests', 'docs')},
    classifiers=[
        'Development Status :: 4 - Beta',
        'License :: OSI Approved :: Apache Software License',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    zip_safe=False)
