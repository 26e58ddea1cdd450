"""The tool that makes the page of a run."""
import json
import re
import runpy
import shutil
import sys

import pytest
from runs import REPO, make_runner, run_tool, write_config

from mmvmr.engine.run.testing import find_predictions
from mmvmr.evaluation.predictions import read_predictions, write_predictions

TOOL = 'tools/visualization/browse_results.py'


@pytest.fixture
def run(tmp_path, tiny_dataset):
    """The folder of a run of one epoch, with several candidates per query."""
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cpl', train_cfg=dict(max_epochs=1))
    make_runner(file, tmp_path / 'run').train()
    return tmp_path / 'run'


def _data(page, name):
    block = re.search(f'<script type="application/json" id="{name}">(.*?)</script>', page.read_text(), re.DOTALL)[1]
    return [json.loads(line) for line in block.split('\n')]


@pytest.fixture
def refuse(monkeypatch, capsys):
    """``refuse(ARGUMENTS)`` runs the tool, which must end with an error, and gives its message."""
    def refuse(*arguments):
        monkeypatch.setattr(sys, 'argv', [TOOL, *map(str, arguments)])
        with pytest.raises(SystemExit, match='1'):
            runpy.run_path(str(REPO / TOOL), run_name='__main__')
        return capsys.readouterr().err
    return refuse


def test_page_shows_the_validation_split_and_is_not_overwritten(run, refuse):
    output = run_tool([TOOL, run, '--num', 6])
    assert 'The page of 6 queries' in output and 'Explaining queries: 100%' in output
    index, = _data(run / 'page_val.html', 'index')
    assert [row['video_id'] for row in index] == ['val_0', 'val_0', 'val_1', 'val_1', 'val_2', 'val_2']
    assert 'val split' in (run / 'page_val.html').read_text()
    assert 'exists. Choose another name' in refuse(run)
    run_tool([TOOL, run, '--force'])
    assert len(_data(run / 'page_val.html', 'index')[0]) == 8


def test_page_of_the_test_split_needs_a_test_and_shows_its_predictions(tmp_path, run, refuse):
    assert 'A test writes them: mmvmr test' in refuse(run, '--split', 'test')
    run_tool(['tools/test.py', run])
    run_tool([TOOL, run, '--split', 'test'])
    tested = read_predictions(find_predictions(run))
    index, = _data(run / 'page_test.html', 'index')
    assert [row['query'] for row in index] == tested['query'].tolist()
    assert [row['truth'] for row in index] == tested['gt_spans'].tolist()
    assert [detail['spans'] for detail in _data(run / 'page_test.html', 'details')] == tested['pred_spans'].tolist()
    other = tmp_path / 'other.jsonl'
    write_predictions(tested.assign(query='another'), other)
    assert 'is about other queries' in refuse(run, '--split', 'test', '--predictions', other, '--force')


def test_another_run_stands_beside(tmp_path, run):
    other = tmp_path / 'other'
    shutil.copytree(run, other)
    run_tool([TOOL, run, '--against', other, '--num', 4])
    index, = _data(run / 'page_val.html', 'index')
    assert [row['other'] for row in index] == [row['chosen'] for row in index]
    assert [row['other_iou'] for row in index] == [row['iou'] for row in index]
    assert 'beside other' in (run / 'page_val.html').read_text()


def test_folder_that_is_no_run_is_refused(tmp_path, run, refuse):
    assert 'There is no run' in refuse(tmp_path / 'absent')
    assert 'There is no folder' in refuse(run, '--videos', tmp_path / 'absent')
    (run / 'config.py').unlink()
    assert 'holds no config' in refuse(run)
