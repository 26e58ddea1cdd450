"""Sizes that a config leaves out are those of its data."""
import pytest
from runs import write_config

from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.sizes import check_sizes, fill_sizes
from mmvmr.registry import MODELS

LEFT_OUT = {'model.encoder.video_dim': None, 'model.encoder.word_dim': None,
            'model.reconstructors.query.vocab_size': None}
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


@pytest.mark.parametrize('loader', LOADERS)
def test_sizes_that_are_left_out_are_those_of_the_first_loader_that_there_is(tmp_path, tiny_dataset, loader):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm')
    others = {name: None for name in LOADERS[:LOADERS.index(loader)]}
    config = read_config(file, {**LEFT_OUT, **others})
    fill_sizes(config)
    sizes = dict(video_dim=8, word_dim=300, vocab_size=tiny_dataset.vocab_size)
    assert (config.model.encoder.video_dim, config.model.encoder.word_dim) == (8, 300)
    assert config.model.reconstructors.query.vocab_size == tiny_dataset.vocab_size
    model = MODELS.build(config.model)
    check_sizes(model, sizes)
    for size, number in sizes.items():
        with pytest.raises(ValueError, match=rf'{size} is {number}, the data have {number + 1}.*={number + 1}'):
            check_sizes(model, {**sizes, size: number + 1})


def test_sizes_that_are_given_stay_and_the_data_are_not_opened_for_them(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm')
    config = read_config(file, {'model.encoder.video_dim': 9, 'train_dataloader.dataset.ann_file': '/absent.json'})
    fill_sizes(config)
    assert config.model.encoder.video_dim == 9


def test_sizes_are_read_through_what_wraps_a_data_set(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm')
    for wrapper in (dict(type='RepeatDataset', times=2, dataset=tiny_dataset.train),
                    dict(type='ConcatDataset', datasets=[tiny_dataset.train, tiny_dataset.test])):
        config = read_config(file, {**LEFT_OUT, 'train_dataloader.dataset': dict(wrapper, _delete_=True)})
        fill_sizes(config)
        assert config.model.encoder.video_dim == 8


def test_sizes_are_read_without_the_annotations(tmp_path, tiny_dataset):
    (tmp_path / 'millions.json').write_text('not read')
    config = read_config(write_config(tmp_path / 'config.py', tiny_dataset, 'cnm'), {
        **LEFT_OUT, 'train_dataloader.dataset.ann_file': str(tmp_path / 'millions.json')})
    fill_sizes(config)
    assert config.model.encoder.video_dim == 8


def test_sizes_that_nothing_tells_are_asked_for(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm')
    with pytest.raises(ValueError, match='model.encoder.video_dim is not given, and no data set of the config tells'):
        fill_sizes(read_config(file, {**LEFT_OUT, **dict.fromkeys(LOADERS)}))
