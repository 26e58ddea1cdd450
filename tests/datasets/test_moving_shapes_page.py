"""What docs/moving_shapes.md says is so."""
import re
from pathlib import Path

from mmvmr.datasets.moving_shapes import DIFFICULTIES, MovingShapes, Script
from mmvmr.datasets.moving_shapes_renderer import write_video
from mmvmr.engine.run.config import read_config

REPO = Path(__file__).parents[2]
PAGE = (REPO / 'docs' / 'moving_shapes.md').read_text(encoding='utf-8')
BLOCKS = re.findall(r'```python\n(.*?)```', PAGE, flags=re.DOTALL)


def row(name):
    cells = next(line for line in PAGE.splitlines() if line.startswith(f'| {name}')).split('|')[2:-1]
    return [cell.strip() for cell in cells]


def test_the_table_of_difficulties_is_right():
    assert row('events per video') == ['{}-{}'.format(*each['events']) for each in DIFFICULTIES.values()]
    assert row('grey shapes') == [str(each['drifters']) for each in DIFFICULTIES.values()]
    assert row('coloured shapes') == [str(each['bystanders']) for each in DIFFICULTIES.values()]
    assert row('pixel noise') == [f'{each["noise"]:g}' for each in DIFFICULTIES.values()]
    assert row('neighbouring events') == [f'{100 * each["compound"]:.0f} %' for each in DIFFICULTIES.values()]
    assert row('train / val / test pairs') == [
        '{train:,} / {val:,} / {test:,}'.format(**MovingShapes.PROTOCOLS[name]) for name in DIFFICULTIES]


def test_a_config_for_another_difficulty_changes_where_all_splits_look(tmp_path):
    path = tmp_path / 'hard.py'
    path.write_text(BLOCKS[0])
    config = read_config(path)
    parts = [config[f'{split}_dataloader'].dataset for split in ('train', 'val', 'test')]
    for part in [*parts, config.test_evaluator.train_set]:
        assert (part.type, part.data_root, part.protocol) == ('MovingShapes', 'data/moving_shapes_hard', 'hard')
    assert config.test_evaluator.train_set.features is None


def test_the_descriptor_is_used_as_shown(tmp_path, monkeypatch):
    folder = tmp_path / 'data' / 'moving_shapes' / 'videos'
    folder.mkdir(parents=True)
    write_video(folder / 'test_0000.mp4', Script('test_0000', 2.0, []))
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(BLOCKS[1], names)
    assert names['features'].shape == (4, 57)
