import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / 'docs' / 'metrics.md'


def test_the_examples_of_the_page_on_metrics_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r'```python\n(.*?)```', PAGE.read_text(encoding='utf-8'), flags=re.DOTALL)
    assert len(blocks) == 5
    names = {}
    for block in blocks:
        exec(block, names)
