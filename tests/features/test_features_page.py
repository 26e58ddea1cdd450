"""What docs/features.md says is so: from videos, with an extractor of one's own, to a step of training."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from runs import run_command
from videos import grey, write_frames

from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.sizes import fill_sizes
from mmvmr.features.stores.feature_store import open_feature_store
from mmvmr.registry import DATASETS, EXTRACTORS, MODELS
from mmvmr.text.vocabulary import Vocabulary, count_words

REPO = Path(__file__).parents[2]
PAGE = (REPO / 'docs' / 'features.md').read_text(encoding='utf-8')
ONE_FILE, PART, CONFIG, BASES = re.findall(r'```python\n(.*?)```', PAGE, flags=re.DOTALL)
COMMAND = re.search(r'PYTHONPATH=\. mmvmr (extract .*)', PAGE)[1]
PAIRS = [['dark', 2.0, [0.0, 1.0], 'It is dark.'], ['bright', 3.0, None, 'Something bright is to be seen.']]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Where the commands of the page were run on two videos."""
    folder = tmp_path_factory.mktemp('page')
    for name in ('videos', 'my_parts', 'data/custom'):
        (folder / name).mkdir(parents=True)
    write_frames(folder / 'videos' / 'dark.mkv', [grey(number) for number in (1, 2, 3, 4)], fps=2)
    write_frames(folder / 'videos' / 'bright.mkv', [grey(20)] * 6, fps=2)
    (folder / 'my_parts' / '__init__.py').touch()
    (folder / 'my_parts' / 'colors.py').write_text(PART)
    (folder / 'my_extractor.py').write_text(CONFIG)
    run = subprocess.run([sys.executable, '-m', 'mmvmr', *COMMAND.split(), '--workers', '1'],
                         cwd=folder, env=dict(os.environ, PYTHONPATH=f'{REPO}:.'), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return folder


def test_an_extractor_of_ones_own_takes_twenty_lines_and_describes_a_folder(folder):
    assert len(PART.split('import EXTRACTORS')[1].strip().splitlines()) <= 20
    store = open_feature_store(folder / 'data' / 'custom' / 'features')
    np.testing.assert_allclose(store.read('dark'), np.repeat([[10], [20], [30], [40]], 3, axis=1) / 255, atol=1e-6)
    assert store.manifest['extractor'] == dict(type='MeanColor', clip_seconds=0.5)


def test_the_manifest_has_the_keys_of_the_table(folder):
    manifest = open_feature_store(folder / 'data' / 'custom' / 'features').manifest
    table = PAGE.split('## The manifest')[1].split('## ')[0]
    named = [name for row in re.findall(r'^\| (`.*?) \|', table, flags=re.M) for name in re.findall(r'`(\w+)`', row)]
    assert len(named) == 9 and set(named) - set(manifest) == {'text'}, 'this extractor has no text side'


def test_a_config_trains_on_the_features_after_the_data_set_is_changed(folder, monkeypatch, capsys):
    for name in ('train', 'test'):
        (folder / 'data' / 'custom' / f'{name}.json').write_text(json.dumps(PAIRS))
    counts = count_words(sentence for *_, sentence in PAIRS)
    vocabulary = Vocabulary.from_vectors(counts, {word: np.ones(300) for word in counts})
    vocabulary.save(folder / 'data' / 'custom' / 'vocabulary.npz')
    monkeypatch.chdir(folder)
    run_command('configs', *re.search(r'\$\(mmvmr configs (.*)\)', PAGE)[1].split())
    text, replaced = re.subn(r'^_base_ = .*\n', BASES, Path(capsys.readouterr().out.strip()).read_text(), flags=re.M)
    assert replaced == 1
    Path('cpl_custom.py').write_text(text)
    config = read_config('cpl_custom.py')
    fill_sizes(config)
    with DefaultScope.overwrite_default_scope('mmvmr'):
        dataset = DATASETS.build(dict(config.train_dataloader.dataset, val_fraction=0.0))
        model = MODELS.build(config.model)
        losses = model(**model.data_preprocessor(dataset.__getitems__([0, 1]), True), mode='loss')
    assert sum(losses.values()).isfinite()


def test_one_file_is_described_as_shown(tmp_path, monkeypatch):
    (tmp_path / 'videos').mkdir()
    write_frames(tmp_path / 'videos' / 'kitchen.mp4', [grey(3)] * 12, codec='mpeg4', pixels='yuv420p')
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(ONE_FILE, names)
    assert names['features'].shape == (3, 57)


def test_the_table_of_extractors_is_complete():
    EXTRACTORS.import_from_location()
    head = next(line for line in PAGE.splitlines() if 'Extractor` |' in line)
    shipped = {name for name, part in EXTRACTORS.module_dict.items() if part.__module__.startswith('mmvmr.')}
    assert set(re.findall(r'`(\w+)`', head)) == shipped
