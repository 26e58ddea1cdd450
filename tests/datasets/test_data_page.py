"""The page about data says what is true."""
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / 'docs' / 'data.md'


def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = '\n'.join(re.findall(r'^```python\n(.*?)^```', PAGE.read_text(encoding='utf-8'), flags=re.M | re.S))
    assert 'MomentDataset' in code
    exec(compile(code, str(PAGE), 'exec'), {})


def test_the_files_that_the_page_names_exist():
    root = PAGE.parents[1]
    named = re.findall(r'(?:tools|configs)/[\w/]+\.py', PAGE.read_text(encoding='utf-8'))
    assert len(named) > 5
    assert [name for name in named if not (root / name).exists()] == []
