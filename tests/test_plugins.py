"""Parts from outside the package: by ``custom_imports`` and by the entry point of an installed package."""
import copy
import re
import shutil
import sys

import pytest
from parts import METHODS
from runs import REPO, make_runner, run_command, run_tool, weights, write_config

from mmvmr.engine.run.config import read_config
from mmvmr.utils.imports import import_modules

PLUGIN = REPO / 'tests' / 'plugin_example'


@pytest.fixture
def config(tmp_path, tiny_dataset):
    """``config(**changes)`` writes a config whose proposals are those of the example plugin."""
    model = copy.deepcopy(METHODS['cnm'])
    model['encoder']['word_dim'] = 300
    model['reconstructors']['query']['vocab_size'] = tiny_dataset.vocab_size
    model.update(proposal_generator=dict(type='EvenWindows', num_proposals=4), tie_transformers=False,
                 ranker=dict(type='ReconstructionRanker'))
    return lambda **changes: write_config(
        tmp_path / 'config.py', tiny_dataset, model=model, train_cfg=dict(max_epochs=1), **changes)


def _has_windows(folder):
    return 'proposal_generator.masks' in weights(folder / 'epoch_1.pth')


def test_installed_plugin_is_found_by_its_entry_point(tmp_path, config):
    target = tmp_path / 'site'
    pip = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-build-isolation']
    shutil.copytree(PLUGIN, tmp_path / 'plugin')  # a build writes into its folder
    run_tool([*pip, '--target', target, tmp_path / 'plugin'])
    run_tool(['tools/train.py', config(), '--work-dir', tmp_path / 'run'], PYTHONPATH=f'{REPO}:{target}')
    assert _has_windows(tmp_path / 'run')


def test_custom_import_brings_a_part(tmp_path, config, monkeypatch):
    monkeypatch.syspath_prepend(PLUGIN)
    file = config(custom_imports=dict(imports=['mmvmr_windows.even_windows']))
    make_runner(file, tmp_path / 'run').train()
    assert _has_windows(tmp_path / 'run')


@pytest.mark.parametrize('text, message', [
    ('nosuch.name', r'cannot be imported: NameError: .* \(raised at .*mine\.py:1'),
    ('a b', 'cannot be imported: SyntaxError')])
def test_custom_import_that_fails_is_named(tmp_path, monkeypatch, text, message):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'mine', raising=False)
    (tmp_path / 'mine.py').write_text(text)
    with pytest.raises(ImportError, match=message):
        import_modules(['mine'])


def test_custom_imports_of_another_form_are_refused(config):
    for given in (['mine'], dict(import_=['mine'])):
        with pytest.raises(ValueError, match=r'custom_imports should be dict\(imports=\[...\]\), of names'):
            read_config(config(custom_imports=given))


@pytest.mark.parametrize('text, message', [
    ('parts = leaves', r'The plugin "parts" \(leaves\) of the installed package "broken" failed to import: SystemExit'),
    ('parts leaves', 'The entry_points.txt of an installed package cannot be read')])
def test_plugin_that_ends_or_is_announced_wrongly_is_told_by_the_doctor(tmp_path, monkeypatch, capsys, text, message):
    (tmp_path / 'broken-1.0.dist-info').mkdir()
    (tmp_path / 'broken-1.0.dist-info' / 'METADATA').write_text('Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n')
    (tmp_path / 'broken-1.0.dist-info' / 'entry_points.txt').write_text(f'[mmvmr.plugins]\n{text}\n')
    (tmp_path / 'leaves.py').write_text('raise SystemExit(3)')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr('mmvmr.registry._plugins_loaded', False)
    assert run_command('doctor') == 1
    assert re.search(message, capsys.readouterr().out)


def test_broken_plugin_is_named(tmp_path, config):
    site = tmp_path / 'site'
    (site / 'broken-1.0.dist-info').mkdir(parents=True)
    (site / 'broken-1.0.dist-info' / 'METADATA').write_text('Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n')
    (site / 'broken-1.0.dist-info' / 'entry_points.txt').write_text('[mmvmr.plugins]\nparts = absent_module\n')
    output = run_tool(['tools/train.py', config(), '--work-dir', tmp_path / 'run'], 1, PYTHONPATH=f'{REPO}:{site}')
    assert 'ImportError: The plugin "parts" (absent_module) of the installed package "broken" failed' in output
