"""What is typed reaches all that it should, or is refused."""
from pathlib import Path

import pytest
from runs import REPO, write_config

from mmvmr.engine.run.check_config import check_config
from mmvmr.engine.run.config import differences, find_config, parse_options, read_config
from mmvmr.engine.run.training import use_seed

SMALL = """
width = 4
layer = dict(type='Layer', width=width)
model = dict(first=layer, second=dict(layer, bias=True), sizes=[width, 2 * width])
train_cfg = dict(max_epochs=3)
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def read(path, *options):
    return read_config(path, parse_options(options))


def test_config_is_found_by_path_and_by_name():
    path = str(REPO / 'configs' / 'mcmt_charades.py')
    assert find_config(path) == path
    assert Path(find_config('mcmt_charades')).samefile(path)
    with pytest.raises(FileNotFoundError, match='There is no config "mcmt_charade". Did you mean mcmt_charades'):
        find_config('mcmt_charade')
    with pytest.raises(FileNotFoundError, match='There is no config "zzz". `mmvmr configs` lists'):
        find_config('zzz')


def test_change_of_a_variable_reaches_all_that_is_made_of_it(tmp_path):
    model = read(write(tmp_path / 'a.py', SMALL), 'width=5', 'layer.dropout=0.5').model
    assert model == dict(first=dict(type='Layer', width=5, dropout=0.5), sizes=[5, 10],
                         second=dict(type='Layer', width=5, dropout=0.5, bias=True))


def test_change_of_what_is_made_changes_that_alone(tmp_path):
    model = read(write(tmp_path / 'a.py', SMALL), 'model.first.width=5', 'model.sizes.1=7').model
    assert (model.first.width, model.second.width, model.sizes) == (5, 4, [4, 7])


def test_inheriting_file_changes_variables_of_its_bases_in_the_same_way(tmp_path):
    write(tmp_path / 'base.py', SMALL)
    write(tmp_path / 'child.py', "_base_ = 'base.py'\nwidth = 5\nmodel = dict(second=dict(bias=False))\n")
    grandchild = write(tmp_path / 'deep' / 'grandchild.py', "_base_ = ['../child.py']\nlayer = dict(dropout=0.5)\n")
    assert read(tmp_path / 'child.py').model.first == dict(type='Layer', width=5)
    assert read(grandchild).model.second == dict(type='Layer', width=5, dropout=0.5, bias=False)
    assert read(grandchild, 'width=6').model.sizes == [6, 12]


def test_base_is_at_hand_in_the_inheriting_file(tmp_path):
    write(tmp_path / 'base.py', SMALL)
    path = write(tmp_path / 'child.py', "_base_ = ['base.py']\ntrain_cfg = dict(max_epochs=_base_.width * 10)\n")
    assert read(path).train_cfg.max_epochs == 40
    assert read(path, 'width=7').train_cfg.max_epochs == 70


@pytest.mark.parametrize('line', ['train_cfg = dict(max_epochs=_base_.train_cfg.max_epochs * 2)',
                                  'train_cfg = _base_.train_cfg\ntrain_cfg.max_epochs *= 2'])
def test_what_a_file_makes_of_its_base_is_made_once(tmp_path, line):
    write(tmp_path / 'base.py', SMALL.replace('=3', '=6') + '\nhooks = [1]\ncustom_hooks = hooks\n')
    path = write(tmp_path / 'child.py', f"_base_ = 'base.py'\n{line}\nhooks = _base_.hooks + [2]\n"
                                        'width = _base_.width // 2\nlayer = dict(bias=width)\n')
    grandchild = write(tmp_path / 'grandchild.py', "_base_ = 'child.py'\nwidth = _base_.width * 10\n")
    config = read(path)
    assert (config.train_cfg.max_epochs, config.custom_hooks) == (12, [1, 2])
    assert (config.model.sizes, config.model.first.bias) == ([2, 4], 2)
    assert read(path, 'width=8').model.sizes == [8, 16], 'what is typed counts'
    assert read(path, 'train_cfg.max_epochs=5').train_cfg.max_epochs == 5
    assert read(grandchild).model.sizes == [20, 40]


def test_files_that_inherit_in_a_circle_are_refused(tmp_path):
    for name, base in (('a', 'b'), ('b', 'c'), ('c', 'b')):
        write(tmp_path / f'{name}.py', f"_base_ = '{base}.py'\n{SMALL}")
    with pytest.raises(ValueError, match='c.py" inherits from ".*b.py", which inherits from it. Take one _base_ out'):
        read(tmp_path / 'a.py')


def test_dict_of_an_inheriting_file_replaces_that_of_its_base_if_it_says_so(tmp_path):
    write(tmp_path / 'base.py', SMALL)
    path = write(tmp_path / 'child.py', "_base_ = ['base.py']\nlayer = dict(_delete_=True, type='Other')\n")
    assert read(path).model == dict(first=dict(type='Other'), second=dict(type='Other', bias=True), sizes=[4, 8])


@pytest.mark.parametrize('options, message', [
    (['widht=5'], '"widht" is read by nothing in ".*a.py". Did you mean width'),
    (['max_epochs=5'], '"max_epochs" is read by nothing .* Did you mean train_cfg.max_epochs'),
    (['modle.first.width=5'], 'Did you mean model'),
    (['width.x=5'], '"width.x" does not fit: x is to be set in 4'),
    (['model.sizes.2=5'], '"model.sizes.2" does not fit: 2 is to be set in .4, 8.'),
    (['width'], '"width" should be KEY=VALUE'), (['=5'], '"=5" should be KEY=VALUE'),
    (['width=5', 'layer.dropout=0.5', 'width=6'], 'width is given twice, as 5 and 6'),
    (['width', '=', '5'], '"width" should be KEY=VALUE.*without blanks')])
def test_change_that_nothing_reads_is_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        read(write(tmp_path / 'a.py', SMALL), *options)


def test_variable_that_nothing_reads_is_refused_in_the_file_too(tmp_path):
    write(tmp_path / 'base.py', SMALL)
    path = write(tmp_path / 'child.py', "_base_ = 'base.py'\nbatch_size = 8\nmodel = dict(first=dict(batch_size=2))\n")
    with pytest.raises(ValueError, match='"batch_size" is read by nothing .* Did you mean model.first.batch_size'):
        read(path)
    write(tmp_path / 'inputs.json', '{}')  # now it is the config of a run, in which earlier versions left variables
    assert read_config(path).model.first.batch_size == 2
    with pytest.raises(ValueError, match='"batchsize" is read by nothing'):
        read(path, 'batchsize=8')


def test_change_without_effect_is_refused(tmp_path):
    write(tmp_path / 'base.py', SMALL)
    path = write(tmp_path / 'child.py', "_base_ = ['base.py']\nmodel = dict(_delete_=True, type='Mine')\n")
    with pytest.raises(ValueError, match='width=5 changes nothing: .* make nothing of it that is used'):
        read(path, 'width=5')
    assert read(path, 'width=4').model.type == 'Mine'  # it is 4


def test_entries_that_the_file_leaves_out_can_be_given(tmp_path):
    config = read(write(tmp_path / 'a.py', SMALL), 'compile=true', 'randomness.seed=3', 'load_from=x.pth')
    assert config.compile is True and config.randomness.seed == 3 and config.load_from == 'x.pth'


def test_text_with_commas_stays_text_where_text_was(tmp_path):
    path = write(tmp_path / 'a.py', """model = dict(tasks=['a'])
default_hooks = dict(checkpoint=dict(save_best='mIoU'))""")
    config = read(path, 'default_hooks.checkpoint.save_best=R@1,IoU=0.5', 'model.tasks=a,b')
    assert config.default_hooks.checkpoint.save_best == 'R@1,IoU=0.5' and config.model.tasks == ['a', 'b']
    assert read(path, 'default_hooks.checkpoint.save_best=None').default_hooks.checkpoint.save_best is None


def test_helper_variables_are_no_entries_of_the_config(tmp_path):
    config = read(write(tmp_path / 'a.py', SMALL))
    assert list(config) == ['model', 'train_cfg', 'work_dir']


def test_work_dir_is_named_after_the_config_unless_it_is_given(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'mine.py', tiny_dataset)
    assert Path(read_config(file).work_dir) == Path('work_dirs/mine')
    assert read_config(file, dict(work_dir='there')).work_dir == 'there'
    assert read_config(file, dict(work_dir='there'), 'here').work_dir == 'here'
    (tmp_path / 'inputs.json').touch()
    assert Path(read_config(file).work_dir) == tmp_path, 'a config in the folder of a run belongs to it'


def test_learning_rate_belongs_to_the_batch_size_of_the_file(tmp_path, tiny_dataset):
    config = read_config(write_config(tmp_path / 'mine.py', tiny_dataset), {'train_dataloader.batch_size': 64})
    assert config.train_dataloader.batch_size == 64
    assert config.auto_scale_lr == dict(base_batch_size=4, enable=False)
    config = read_config(write_config(tmp_path / 'mine.py', tiny_dataset, auto_scale_lr=None, randomness=None))
    use_seed(config, 3)
    assert config.auto_scale_lr == dict(base_batch_size=4, enable=False) and config.randomness == dict(seed=3)


@pytest.mark.parametrize('text, error, message', [
    (b'model = dict(', ValueError, "mine.py\" is no Python .SyntaxError: '.' was never closed"),
    (b'_base_ = ["absent.py"]', FileNotFoundError, 'mine.py" inherits from ".*absent.py", which is not there'),
    (b'_base_ = 3', ValueError, 'line 1: _base_ should be a path'),
    (b'\xff', ValueError, 'mine.py" is no Python .UnicodeDecodeError'),
    (b'x = 1\nmodel = undefined + 1', ValueError, "mine.py\", line 2 cannot be run .NameError: name 'undefined'"),
    (b'with read_base():\n    from mmengine.config import read_base', ValueError, 'has a form that is not read here'),
    (b'model = dict(dim="{{_base_.dim}}")', ValueError, 'has a form that is not read here'),
    (b'', ValueError, 'describes no model.* got None'),
    (b'model = 3', ValueError, 'describes no model.* got 3')])
def test_config_that_is_none_is_explained(tmp_path, text, error, message):
    (tmp_path / 'mine.py').write_bytes(text)
    with pytest.raises(error, match=message):
        check_config(read_config(tmp_path / 'mine.py'))


def test_text_of_a_config_follows_its_changes_and_keeps_its_order(tmp_path, tiny_dataset):
    config = read_config(write_config(tmp_path / 'mine.py', tiny_dataset))
    assert "'max_epochs': 2" in config.pretty_text
    config.train_cfg.max_epochs = 7
    assert "'max_epochs': 7" in config.pretty_text
    config.dump(tmp_path / 'again.py')
    again = read_config(tmp_path / 'again.py')
    assert differences(config.entries_of_run(), again.entries_of_run()) == []
    assert list(again.model.reconstructors) == list(config.model.reconstructors) == ['query', 'inverse']


@pytest.mark.parametrize('option, error, message', [
    ('model.encoder.dimm=3', ValueError, 'encoder.dimm is read by nothing. Did you mean dim.*LinearEncoder takes'),
    ('model.losses.ranking.type=RankingLos', KeyError, 'model.losses.ranking: .* Did you mean RankingLoss'),
    ('model.proposal_generator.num_proposal=3', ValueError, 'Did you mean num_proposals'),
    ('model.proposal_generator.transformer.layers=3', ValueError, 'transformer.layers is read by nothing'),
    ('train_cfg.max_epoch=2', ValueError, 'Did you mean max_epochs'),
    ('train_cfg.max_epochs=abc', ValueError, "train_cfg.max_epochs should be a number, got 'abc'. .*epochs=2"),
    ('train_cfg.max_epochs=0', ValueError, 'train_cfg.max_epochs must be at least 1, got 0'),
    ('train_dataloader.batchsize=3', ValueError, 'train_dataloader.batchsize .* Did you mean batch_size'),
    ('train_dataloader.batch_size=0', ValueError, 'train_dataloader.batch_size must be at least 1, got 0'),
    ('train_dataloader.dataset.pipeline=[]', ValueError, 'dataset.pipeline is read by nothing. .*MomentDataset takes'),
    ('train_dataloader.sampler.shufle=False', ValueError, 'Did you mean shuffle'),
    ('optim_wrapper.clip_grads.max_norm=1', ValueError, 'Did you mean clip_grad'),
    ('optim_wrapper.optimizer.learning_rate=1', ValueError, 'optim_wrapper.optimizer.learning_rate is read by nothing'),
    ('param_scheduler.0.warm_up=3', ValueError, 'Did you mean warmup'),
    ('default_hooks.logger.intervall=2', ValueError, 'Did you mean interval'),
    ('default_hooks.checkpoint.save_bset=mIoU', ValueError, 'Did you mean save_best'),
    ('env_cfg.cudnn=True', ValueError, 'env_cfg.cudnn is read by nothing. .*cudnn_benchmark'),
    ('randomness.seeds=2', ValueError, 'Did you mean seed'),
    ('auto_scale_lr.enabled=True', ValueError, 'Did you mean enable'),
    ('val_evaluator.1.top=3', ValueError, 'Did you mean tops'),
    ('visualizer.vis_backends.0.folder=x', ValueError, 'LocalVisBackend takes'),
    ('log_processor.windowsize=3', ValueError, 'Did you mean window_size'),
    ('model.encoder.readout=2', ValueError, 'model.encoder.readout should be True or False, got 2')])
def test_argument_that_no_part_takes_is_refused_with_those_that_exist(tmp_path, tiny_dataset, option, error, message):
    file = write_config(tmp_path / 'mine.py', tiny_dataset)
    check_config(read_config(file))
    with pytest.raises(error, match=message):
        check_config(read(file, option))


@pytest.mark.parametrize('option, message', [
    ('optim_wrapper.optimizer.lr=abc', "lr should be a number, got 'abc'. For example: .*optimizer.lr=0.001"),
    ('optim_wrapper.optimizer.betas=0.9', 'betas should be a list of 2 numbers, got 0.9. .*betas=.0.9,0.999.'),
    ('optim_wrapper.optimizer.betas=[0.9,2]', 'optim_wrapper.optimizer: Invalid beta parameter'),
    ('optim_wrapper.optimizer.lr=-1', 'optim_wrapper.optimizer.lr must be at least 0, got -1'),
    ('optim_wrapper.clip_grad.max_norm=abc', 'clip_grad.max_norm should be a number'),
    ('optim_wrapper.paramwise_cfg.custom_key=3', 'Did you mean custom_keys'),
    ('optim_wrapper.paramwise_cfg.custom_keys.encoder.lr_mult=x', 'encoder.lr_mult should be a number'),
    ('train_dataloader.num_workers=abc', "train_dataloader.num_workers should be a number, got 'abc'"),
    ('train_dataloader.shuffle=True', 'shuffle is True, .* Set train_dataloader.sampler.shuffle instead'),
    ('train_dataloader.persistent_workers=true', 'train_dataloader: persistent_workers option needs num_workers'),
    ('train_dataloader.dataset.indices=abc', 'indices should be a whole number or a list of whole numbers or None'),
    ('train_dataloader.dataset=x', "train_dataloader.dataset should be a dict.*, got 'x'. .*dataset.ann_file="),
    ('randomness.seed=abc', 'randomness.seed should be a number'),
    ('randomness.seed=1.5', 'randomness.seed should be a whole number or None, got 1.5'),
    ('randomness.seed=-1', 'randomness.seed must be from 0 to 4294967295, got -1'),
    ('randomness.seed=4294967296', 'randomness.seed must be from 0 to'),
    ('train_dataloader.dataset.type=', 'train_dataloader.dataset says of no part what it is'),
    ('default_hooks.checkpoint.out_dir=x', 'default_hooks.checkpoint.out_dir cannot be set.*--work-dir'),
    ('default_hooks.checkpoint.filename_tmpl=e{}.pth', 'filename_tmpl cannot be set'),
    ('train_cfg.by_epoch=False', 'counts iterations, .* nothing would be saved. Set .*checkpoint.by_epoch=False'),
    ("train_cfg={'_delete_': True, 'type': 'IterBasedTrainLoop', 'max_iters': 8}", 'counts iterations'),
    ('log_level=BOGUS', "log_level must be one of DEBUG, INFO, .* got 'BOGUS'"),
    ('resume=yes', "resume should be True or False, got 'yes'"),
    ('model.encoder=None', r'model.encoder should be dict\(type=...\), got None'),
    ('model.losses=None', 'model.losses should be a dict of one or more losses'),
    ('model.losses.ranking.margins=0.1', 'margins should be a dict or .*ranking.margins.hard=0.1'),
    ('model.losses.ranking.tasks=query', r"tasks should be a list of texts, got 'query'. .*tasks=\[query,inverse\]"),
    ('model.encoder.dropout=2', r'model.encoder.dropout must be in \[0, 1\], got 2'),
    ('model.encoder.dim=16.5', 'model.encoder.dim should be a whole number, got 16.5'),
    ('model.combiner.temperature=0', 'model.combiner.temperature must be above 0, got 0'),
    ('model.span_level=1.5', r'model.span_level must be in \(0, 1\], got 1.5'),
    ('optim_wrapper=None', 'optim_wrapper should be given, since the config has train_dataloader and train_cfg'),
    ('val_evaluator=None', 'val_evaluator should be given, since .* --no-validate'),
    ('batchsize=4', 'Did you mean train_dataloader.batch_size or'),
    ('warm_up=4', 'Did you mean param_scheduler.0.warmup'),
    ('optim_wrapper.lr=4', 'Did you mean optim_wrapper.optimizer.lr'),
    ('train_dataloader.numclips=4', 'Did you mean train_dataloader.dataset.num_clips')])
def test_value_that_makes_no_sense_is_refused_by_its_key(tmp_path, tiny_dataset, option, message):
    file = write_config(tmp_path / 'mine.py', tiny_dataset)
    with pytest.raises(ValueError, match=message):
        check_config(read(file, option))


def test_other_kinds_are_taken_where_they_mean_the_same(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'mine.py', tiny_dataset)
    check_config(read(
        file, 'optim_wrapper.optimizer.lr=1', 'optim_wrapper.optimizer.betas=[0.9,0.99]', 'custom_hooks=[]',
        'load_from=a.pth', 'model.span_level=None', 'default_hooks.timer=None',
        'default_hooks.checkpoint.save_best=[mIoU,"R@1,IoU=0.5"]',
        'train_dataloader.dataset.indices=[1,2]'))


def test_text_that_is_typed_is_plain_text_where_it_is_read(tmp_path, tiny_dataset):
    config = read(write_config(tmp_path / 'mine.py', tiny_dataset), 'default_hooks.checkpoint.save_best=mIoU',
                  'load_from=a.pth', 'work_dir=here')
    assert {type(text) for text in (config.default_hooks.checkpoint.save_best, config.load_from, config.work_dir)} == {
        str}


def test_argument_that_a_class_hands_on_by_name_is_one_of_its_parent(tmp_path, tiny_dataset):
    config = read('cpl_charades', 'dataset.indices=abc')
    with pytest.raises(ValueError, match='dataset.indices should be'):
        check_config(config)


def test_entries_of_optimizers_in_turn_are_checked_as_well(tmp_path, tiny_dataset):
    from runs import ALTERNATING
    file = write_config(tmp_path / 'mine.py', tiny_dataset, optim_wrapper=ALTERNATING)
    check_config(read(file, 'optim_wrapper.ranking.accumulative_counts=2'))
    with pytest.raises(ValueError, match='optim_wrapper.ranking.clip is read by nothing. Did you mean clip_grad'):
        check_config(read(file, 'optim_wrapper.ranking.clip=2'))
    with pytest.raises(ValueError, match='optim_wrapper.lr is read by nothing'):
        check_config(read(file, 'optim_wrapper.lr=2'))


def test_part_that_lacks_an_argument_is_told_so(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'mine.py', tiny_dataset)
    with pytest.raises(ValueError, match='model.losses.x: DiversityLoss needs width'):
        check_config(read_config(file, {'model.losses.x': dict(type='DiversityLoss')}))
    with pytest.raises(ValueError, match='model.ranker is .*|says of no part what it is'):
        check_config(read_config(file, {'default_hooks.mine': dict(interval=3)}))
