"""The packages; all else about them is in ``pyproject.toml``."""
from setuptools import find_packages, setup

# The configs stay at the top of the repository and travel in the wheel as data of the package.
setup(packages=[*find_packages(include=['mmvmr', 'mmvmr.*']), 'mmvmr.configs'],
      package_dir={'mmvmr.configs': 'configs'},
      package_data={'mmvmr': ['py.typed', 'visualization/page_assets/*', 'datasets/pinned.json', 'apis/demo_files/**'],
                    'mmvmr.configs': ['**/*.py', 'metafile.yml']})
