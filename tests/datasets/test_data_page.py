"""The page about data says what is true."""
import re
from pathlib import Path

from mmvmr.cli.main import COMMANDS

PAGE = Path(__file__).parents[2] / 'docs' / 'data.md'


def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = '\n'.join(re.findall(r'^```python\n(.*?)^```', PAGE.read_text(encoding='utf-8'), flags=re.M | re.S))
    assert 'MomentDataset' in code
    exec(compile(code, str(PAGE), 'exec'), {})


def test_the_files_that_the_page_names_exist():
    root = PAGE.parents[1]
    named = re.findall(r'configs/[\w/]+\.py', PAGE.read_text(encoding='utf-8'))
    assert named and [name for name in named if not (root / name).exists()] == []


def test_the_commands_that_the_page_names_exist():
    known = {name for group in COMMANDS.values() for name in group}
    named = re.findall(r'\bmmvmr ([a-z-]+)', PAGE.read_text(encoding='utf-8'))
    assert len(named) > 5 and set(named) <= known
