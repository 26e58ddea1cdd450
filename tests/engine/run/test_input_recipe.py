import json

import numpy as np
import pytest
from runs import make_runner, write_config

from mmvmr.engine.run.input_recipe import InputRecipe
from mmvmr.registry import DATASETS
from mmvmr.text.vocabulary import Vocabulary


def test_training_leaves_the_recipe_in_its_folder(tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=1))
    make_runner(file, tmp_path / 'run').train()
    assert json.loads((tmp_path / 'run' / 'inputs.json').read_text()) == dict(
        features=dict(dim=8), num_clips=16, max_words=20, median_duration=20.0, longest_duration=20.0)
    kept = Vocabulary.load(tmp_path / 'run' / 'vocabulary.npz')
    given = Vocabulary.load(tiny_dataset.vocabulary)
    assert kept.words == given.words and np.array_equal(kept.vectors, given.vectors)
    assert not list((tmp_path / 'run').glob('.*'))


def test_durations_count_each_video_once(tmp_path, tiny_dataset):
    pairs = [['train_0', 10.0, None, 'a red ball moves.']] * 5 + [
        ['train_1', 30.0, None, 'a red ball spins.'], ['train_2', 50.0, None, 'a blue ball spins.']]
    (tmp_path / 'pairs.json').write_text(json.dumps(pairs))
    recipe = InputRecipe.from_dataset(DATASETS.build(dict(tiny_dataset.train, ann_file=str(tmp_path / 'pairs.json'))))
    assert (recipe.median_duration, recipe.longest_duration) == (30.0, 50.0)


def test_what_a_store_knows_of_its_extractor_is_kept(tiny_dataset):
    dataset = DATASETS.build(tiny_dataset.train)
    dataset.store.manifest = dict(extractor=dict(type='X'), weights_sha256='ab', clip_seconds=0.5, num_videos=3)
    assert InputRecipe.from_dataset(dataset).features == dict(
        dim=8, extractor=dict(type='X'), weights_sha256='ab', clip_seconds=0.5)


def test_a_recipe_is_read_as_it_was_written(tmp_path, tiny_dataset):
    recipe = InputRecipe.from_dataset(DATASETS.build(tiny_dataset.train))
    recipe.save(tmp_path / 'run')
    loaded = InputRecipe.load(tmp_path / 'run')
    assert loaded[1:] == recipe[1:] and loaded.vocabulary.words == recipe.vocabulary.words


@pytest.mark.parametrize('text', ['{"features"', '{"num_clips": 3}', '[]'])
def test_a_damaged_recipe_is_named(tmp_path, tiny_dataset, text):
    InputRecipe.from_dataset(DATASETS.build(tiny_dataset.train)).save(tmp_path)
    (tmp_path / 'inputs.json').write_text(text)
    with pytest.raises(ValueError, match='inputs.json" cannot be read'):
        InputRecipe.load(tmp_path)
