"""The code in the docs runs, and the site builds without a warning."""
import operator
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.registry import DefaultScope
from parts import METHODS, make_batch
from torch.utils.data import DataLoader

from mmvmr.cli.main import build_parser
from mmvmr.datasets.collate import collate_moments
from mmvmr.engine.run.check_config import check_config
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.sizes import fill_sizes
from mmvmr.registry import DATASETS, HOOKS, MODELS
from mmvmr.structures import MomentSample

REPO = Path(__file__).parents[1]


def code_blocks(page: str):
    """The Python blocks of a page, in order."""
    return re.findall(r'```python\n(.*?)```', (REPO / 'docs' / page).read_text(encoding='utf-8'), flags=re.DOTALL)


def command_lines():
    """All commands that README, docs, commands and the quickstart show."""
    texts = [*(REPO / 'docs').glob('*.md'), REPO / 'README.md', REPO / 'tools' / 'quickstart.sh',
             *(REPO / 'mmvmr' / 'cli').glob('*.py')]
    for path in texts:
        text = re.sub(r'\\\\?\n\s*', ' ', path.read_text(encoding='utf-8'))
        for line in re.findall(r'^ *(?:[A-Z_]+=\S+ )*mmvmr ([a-z-]+ .*|configs|doctor)$', text, flags=re.M):
            if path.suffix != '.py' or line in text.split('"""')[1]:
                yield pytest.param(line, id=f'{path.name}: {line[:60]}')


@pytest.mark.parametrize('line', command_lines())
def test_command_that_is_shown_can_be_typed(line):
    words = shlex.split(line.split('   #')[0].split('  # ')[0].split(' > ')[0].split(' >"')[0])
    build_parser(words[0]).parse_args(words[1:])


def _write(folder: Path, block: str) -> Path:
    """Write a block to the file that its first line names."""
    path = folder / re.match(r'# (\S+\.py)', block).group(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.replace("'configs/", f"'{REPO}/configs/"))
    return path


PARTS = [('EvenSlices', 'proposal_generator'), ('SoftRankingLoss', 'losses.ranking'), ('LocalEncoder', 'encoder')]


@pytest.mark.parametrize('number', range(3), ids=[name for name, _ in PARTS])
def test_part_of_the_page_trains_and_predicts(number, tmp_path, monkeypatch):
    blocks, (name, place) = code_blocks('add_a_part.md'), PARTS[number]
    assert len(blocks) == 2 * len(PARTS) + 2  # tests/text/test_tokenizer.py has the others
    part, config_block = blocks[2 * number:2 * number + 2]
    assert len(part.split('@')[1].strip().splitlines()) <= 22
    _write(tmp_path, part)
    (tmp_path / 'my_parts' / '__init__.py').touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, 'my_parts', raising=False)
    config = read_config(_write(tmp_path, config_block))  # imports the part by custom_imports
    check_config(config)
    fill_sizes(config, dict(video_dim=57, word_dim=300, vocab_size=61))
    with DefaultScope.overwrite_default_scope('mmvmr'):
        model = MODELS.build(config.model)
    assert type(operator.attrgetter(place)(model)).__name__ == name
    data = dict(inputs=make_batch(num_clips=64, video_dim=57, word_dim=300),
                data_samples=[MomentSample(metainfo=dict(video_id='v', query='q', duration=8.0)) for _ in range(3)])
    losses = model(**model.data_preprocessor(data, True), mode='loss')
    sum(losses.values()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.encoder.parameters())
    best = model.eval().test_step(data)[0].pred_spans
    if name == 'EvenSlices':
        assert best.shape == (8, 2) and sorted(best[:, 0].tolist()) == [0, 1, 2, 3, 4, 5, 6, 7]  # seconds


def test_data_set_of_the_page_is_read(tmp_path, monkeypatch):
    reader, config_block = code_blocks('add_a_data_set.md')
    _write(tmp_path, reader)
    (tmp_path / 'my_data' / '__init__.py').touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    config = read_config(_write(tmp_path, config_block))
    check_config(config)
    folder = tmp_path / 'data' / 'csv'
    folder.mkdir(parents=True)
    header, row = 'video,duration,start,end,sentence\n', '{},20.0,2.0,{},a person opens a door\n'
    (folder / 'train.csv').write_text(header + row.format(1, 4) + row.format(6, 5))
    (folder / 'test.csv').write_text(header + row.format(3, 6.5))
    tests = DATASETS.build(dict(config.test_dataloader.dataset, features=None))
    assert tests.data_list == [dict(video_id='3', duration=20, query='a person opens a door', spans=[[2, 6.5]])]
    assert tests.metainfo['protocol'] == 'csv_moments/first'
    parts = [DATASETS.build(dict(config[f'{name}_dataloader'].dataset, features=None)) for name in ('train', 'val')]
    assert sorted(pair['video_id'] for part in parts for pair in part.data_list) == ['1', '6']


def test_config_of_ones_own_changes_one_number(tmp_path):
    block, = code_blocks('configs.md')
    (tmp_path / 'own').mkdir()
    path = tmp_path / 'own' / 'config.py'
    path.write_text(block)
    config = read_config(path)
    assert config.model.proposal_generator.num_proposals == 4
    assert config.model.encoder.dim == config.model.reconstructors.query.dim == 64


def test_page_is_written_from_python(tmp_path, monkeypatch, tiny_dataset):
    block, = code_blocks('page.md')
    model = MODELS.build(dict(METHODS['cpl'], encoder=dict(METHODS['cpl']['encoder'], word_dim=300)))
    loader = DataLoader(DATASETS.build(tiny_dataset.val), batch_size=4, collate_fn=collate_moments)
    monkeypatch.chdir(tmp_path)
    exec(block, dict(model=model, loader=loader))
    page = (tmp_path / 'page.html').read_text()
    assert '<title>my model</title>' in page and 'val_3' in page


def test_timelines_are_drawn_by_the_config_and_the_code_of_their_page(tmp_path, monkeypatch):
    config_block, code_block = code_blocks('plots.md')
    entries = {}
    exec(config_block, entries)
    monkeypatch.chdir(tmp_path)
    hook = entries['default_hooks']['visualization']
    Path(hook['videos']).mkdir(parents=True)
    assert HOOKS.build(hook).interval == 5
    exec(code_block, {})
    assert (tmp_path / 'door.svg').exists()


def test_site_builds_without_warnings(tmp_path):
    built = subprocess.run([sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q', str(REPO / 'docs'),
                            str(tmp_path / 'site')], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / 'site' / 'index.html').exists()


@pytest.mark.parametrize('page', ['README.md', *(f'docs/{path.name}' for path in (REPO / 'docs').glob('*.md'))])
def test_links_between_files_lead_somewhere(page):
    text = (REPO / page).read_text(encoding='utf-8')
    targets = re.findall(r'\]\((?!https?://|#|mailto:)([^)#]+)', text)
    missing = [target for target in targets if not (REPO / page).parent.joinpath(target).exists()]
    assert missing == []
