import json

import pytest
from runs import ALTERNATING, make_runner, write_config

from mmvmr.visualization.training_log import TrainingLog, read_training_log
from mmvmr.visualization.training_plot import choose_scalars, draw_training


@pytest.fixture
def write_log(tmp_path):
    """``write_log(time, rows)`` writes what a start of the training at that time has logged."""
    def write(time, rows):
        path = tmp_path / 'run' / time / 'vis_data' / 'scalars.json'
        path.parent.mkdir(parents=True)
        path.write_text('\n'.join(row if isinstance(row, str) else json.dumps(row) for row in rows))
        return tmp_path / 'run'
    return write


def _train(iteration, loss, **more):  # 20 iterations an epoch, of which 10 and 20 are logged
    return dict(loss=loss, data_time=0.1, time=1.0, epoch=(iteration - 1) // 20 + 1, iter=iteration, step=iteration,
                **more)


def _val(epoch, score):
    return {'mIoU': score, 'R@1,IoU=0.5': score, 'R@5,IoU=0.5': score, 'time': 1.0, 'step': epoch}


def test_resumed_run_goes_on_where_it_was_taken_up(write_log):
    write_log('20260101_000000', [_train(10, 9), _train(20, 8), _val(1, 30), _train(30, 7), _train(40, 6), _val(2, 40)])
    run = write_log('20260101_010000', [_train(30, 7.5), _train(40, 6.5), _val(2, 45), _train(50, 5.5)])
    log = read_training_log(run)
    assert log.train['loss'].to_dict() == {10: 9, 20: 8, 30: 7.5, 40: 6.5, 50: 5.5}
    assert log.val['mIoU'].to_dict() == {1: 30, 2: 45}
    assert list(log.train) == ['loss'] and log.val.index.name == 'epoch'


def test_run_taken_up_within_an_epoch_keeps_its_first_half(write_log):
    write_log('20260101_000000', [_train(10, 9), _train(20, 8), _val(1, 30), _train(30, 7)])
    run = write_log('20260101_010000', [_train(40, 6), _val(2, 40)])
    assert read_training_log(run).train['loss'].to_dict() == {10: 9, 20: 8, 30: 7, 40: 6}
    assert read_training_log(run).val['mIoU'].to_dict() == {1: 30, 2: 40}


def test_run_begun_anew_leaves_nothing_of_the_old_one(write_log):
    write_log('20260101_000000', [_train(10, 9), _train(20, 8), _val(1, 30), _train(30, 7)])
    write_log('20260101_010000', [_train(10, 1)])
    run = write_log('20260101_020000', [])  # killed before it logged anything
    log = read_training_log(run)
    assert log.train['loss'].to_dict() == {10: 1} and log.val.empty


def test_training_counted_by_iterations_has_its_scores_there(write_log):
    rows = [dict(loss=2.0, iter=10, step=10), dict(mIoU=30.0, step=10), dict(loss=1.0, iter=20, step=20)]
    log = read_training_log(write_log('20260101_000000', rows))
    assert log.val.index.name == 'iteration' and log.val['mIoU'].to_dict() == {10: 30}


def test_line_cut_off_by_a_kill_is_left_out(write_log):
    run = write_log('20260101_000000', [_train(10, 9), '{"loss": 8, "it'])
    assert read_training_log(run).train['loss'].to_dict() == {10: 9}


@pytest.mark.parametrize('rows, message', [
    (['{"loss": 8, "it', _train(20, 8)], 'scalars.json", line 1 is no entry of a training log'),
    (['[3]', _train(20, 8)], 'line 1 is no entry'), (['{"loss": 8}', _train(20, 8)], "line 1 is no entry.*'step'"),
    ([], 'has logged nothing yet'), ([_val(1, 30)], 'has logged nothing yet')])
def test_what_is_no_log_is_named(write_log, rows, message):
    with pytest.raises(ValueError, match=message):
        read_training_log(write_log('20260101_000000', rows))


def test_folder_without_a_training_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no training log .* in ".*". Give the folder of a training'):
        read_training_log(tmp_path)


@pytest.fixture
def logs(write_log):
    rows = [_train(10, 9, **{'ranking.lr': 0.2, 'grad_norm': 1}), _train(20, 8, **{'ranking.lr': 0.1}), _val(1, 30)]
    log = read_training_log(write_log('20260101_000000', rows))
    return dict(ours=[log, TrainingLog(log.train + 1, log.val)], theirs=[log])


def test_losses_learning_rates_and_first_answers_are_drawn(logs):
    assert choose_scalars(logs) == ['loss', 'ranking.lr', 'mIoU', 'R@1,IoU=0.5']
    assert choose_scalars(logs, ['grad_norm', 'R@5,IoU=0.5']) == ['grad_norm', 'R@5,IoU=0.5']
    with pytest.raises(ValueError, match='logged "mIou". Did you mean mIoU'):
        choose_scalars(logs, ['mIou'])


def test_each_run_is_a_line_in_the_colour_of_its_method(logs):
    loss, score = draw_training(logs, ['loss', 'mIoU']).axes
    assert [line.get_ydata().tolist() for line in loss.lines] == [[9, 8], [10, 9], [9, 8]]
    assert loss.lines[0].get_xdata().tolist() == [10, 20]
    colors = [line.get_color() for line in loss.lines]
    assert colors[0] == colors[1] != colors[2]
    assert loss.get_xlabel() == 'iteration' and score.get_xlabel() == 'epoch'
    legend, = loss.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ['ours', 'theirs']


def test_real_run_that_was_resumed_is_read_from_its_first_to_its_last_epoch(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, optim_wrapper=ALTERNATING)
    make_runner(file, tmp_path / 'run').train()
    make_runner(file, tmp_path / 'other', {'train_cfg.max_epochs': 3}, str(tmp_path / 'run' / 'epoch_1.pth')).train()
    resumed, = (tmp_path / 'other').glob('2*')
    resumed.rename(tmp_path / 'run' / '29991231_000000')  # as if resumed in place, some time later
    log = read_training_log(tmp_path / 'run')
    assert log.train.index.tolist() == [4, 8, 12] and log.val.index.tolist() == [1, 2, 3]
    assert {'loss_ranking', 'reconstruction.lr', 'ranking.lr'} <= set(log.train)
    assert {'reconstruction_margin', 'mIoU'} <= set(log.val)
