"""What is drawn in a training step depends on the seed, the iteration and the process, and on nothing else."""
import pytest
import torch
from mmengine.hooks import Hook
from runs import make_runner, write_config

from mmvmr.registry import HOOKS


@HOOKS.register_module()
class NoteSeeds(Hook):
    """Writes down the seeds of PyTorch, and of the data preprocessor, with which epochs and iterations begin."""
    epochs, iterations, words = [], [], []

    def before_train(self, runner):
        for noted in (self.epochs, self.iterations, self.words):
            noted.clear()

    def before_train_epoch(self, runner):
        self.epochs.append(torch.initial_seed())

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.iterations.append(torch.initial_seed())
        self.words.append(runner.model.data_preprocessor.seed)


@pytest.fixture
def noted(tmp_path, tiny_dataset):
    """``noted(options)`` trains for two epochs of four iterations; gives the seeds of epochs, iterations and words."""
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', custom_hooks=[dict(type='NoteSeeds')])

    def train(options=None):
        make_runner(file, tmp_path / 'run', options).train()
        return list(NoteSeeds.epochs), list(NoteSeeds.iterations), list(NoteSeeds.words)
    return train


def test_each_iteration_has_seeds_of_its_own_which_a_second_run_has_too(noted):
    first = noted()
    epochs, iterations, words = first
    assert (len(epochs), len(set(iterations)), len(set(words))) == (2, 8, 8)
    assert epochs == [iterations[0], iterations[4]]
    assert noted() == first
    other = noted({'randomness.seed': 1})
    assert not any(set(one) & set(another) for one, another in zip(first, other))


def test_another_process_drops_other_units_and_hides_words_by_the_same_seed(noted, monkeypatch):
    epochs, iterations, words = noted()
    monkeypatch.setattr('mmvmr.engine.hooks.reseed.get_rank', lambda: 1)
    others = noted()
    assert not set(epochs + iterations) & set(others[0] + others[1]) and others[2] == words
