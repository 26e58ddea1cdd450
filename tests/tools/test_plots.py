"""The tools that draw, run as a user runs them."""
import json

import pytest
from runs import make_runner, run_tool, write_config

PAIR = dict(sample_idx=0, video_id='v', query='a red ball', duration=20.0, gt_spans=[[3.0, 6.0]],
            pred_spans=[[2.0, 5.0]], pred_scores=[0.5], protocol='custom')


@pytest.fixture
def predictions(tmp_path):
    """``predictions(name, **changes)`` writes those of one query into a folder of this name."""
    def write(name, **changes):
        path = tmp_path / name / 'predictions.jsonl'
        path.parent.mkdir()
        path.write_text(json.dumps({**PAIR, **changes}))
        return path
    return write


def test_results_of_two_methods_give_three_pictures(tmp_path, predictions):
    files = [predictions('cpl_custom'), predictions('mcmt_custom', pred_spans=[[3.0, 6.0]])]
    run_tool(['tools/visualization/plot_results.py', *files, '--out', tmp_path / 'figures', '--format', 'svg'])
    pictures = {path.name: path.read_text() for path in (tmp_path / 'figures').iterdir()}
    assert sorted(pictures) == ['blind.svg', 'breakdown.svg', 'recall.svg']
    assert '<!-- cpl -->' in pictures['recall.svg'] and '<!-- mcmt -->' in pictures['recall.svg']


def test_results_of_different_queries_are_not_drawn_together(tmp_path, predictions):
    files = [predictions('one'), predictions('other', query='a blue ball')]
    output = run_tool(['tools/visualization/plot_results.py', *files, '--out', tmp_path / 'figures'], 1)
    assert 'different queries' in output and 'Traceback' not in output
    assert not (tmp_path / 'figures').exists()
    output = run_tool(['tools/visualization/plot_results.py', *files, '--labels', 'one', '--out', tmp_path], 1)
    assert '--labels needs one name per file: 2, got 1' in output
    output = run_tool(['tools/visualization/plot_results.py', files[0], '--out', tmp_path / 'figures', '--config',
                       'configs/_base_/default_runtime.py'], 1)
    assert 'has no `test_evaluator`' in output and 'Traceback' not in output


def test_training_is_drawn_into_its_folder(tmp_path, tiny_dataset):
    make_runner(write_config(tmp_path / 'config.py', tiny_dataset), tmp_path / 'run').train()
    run_tool(['tools/visualization/plot_training.py', tmp_path / 'run'])
    assert (tmp_path / 'run' / 'training.png').read_bytes().startswith(b'\x89PNG')
    output = run_tool(['tools/visualization/plot_training.py', tmp_path / 'run', '--keys', 'mIou'], 1)
    assert 'None of the runs has logged "mIou". Did you mean mIoU' in output and 'Traceback' not in output


def test_timelines_of_a_column(tmp_path, predictions):
    run_tool(['tools/visualization/draw_timelines.py', predictions('one'), '--out', tmp_path / 'timelines',
              '--format', 'svg', '--width', '8.5'])
    picture, = (tmp_path / 'timelines').iterdir()
    assert picture.name == '00000_v.svg'
    assert 'width="240.944882pt"' in picture.read_text()  # 8.5 cm at 72 points per inch


def test_test_draws_where_it_is_asked_to(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, train_cfg=dict(max_epochs=1))
    make_runner(file, tmp_path / 'run').train()
    run_tool(['tools/test.py', file, tmp_path / 'run', '--work-dir', tmp_path / 'test', '--cfg-options',
              'default_hooks.visualization.type=MomentVisualizationHook', 'default_hooks.visualization.num=2'])
    assert sorted(path.name for path in (tmp_path / 'test').rglob('*.png')) == [
        'test_00000_test_0_0.png', 'test_00007_test_3_0.png']
