from types import SimpleNamespace

import numpy as np
import pytest
from parts import config

from mmvmr.engine.hooks.fit import check_fit
from mmvmr.registry import MODELS
from mmvmr.text.vocabulary import Vocabulary


def _dataset(words=11, word_dim=6, video_dim=8):
    vocabulary = Vocabulary([f'w{i}' for i in range(words)], np.zeros((words + 1, word_dim)))
    return SimpleNamespace(store=SimpleNamespace(dim=video_dim), vocabulary=vocabulary)


def test_model_that_fits_its_data_passes():
    check_fit(MODELS.build(config('mcmt')), _dataset())
    check_fit(MODELS.build(config('mcmt')), SimpleNamespace())  # a dataset of another kind is not asked


def test_every_size_that_differs_is_named_with_the_option_that_repairs_it():
    with pytest.raises(ValueError, match='model.encoder.word_dim is 6, the data have 300') as error:
        check_fit(MODELS.build(config('mcmt')), _dataset(words=20, word_dim=300, video_dim=9))
    assert ('--cfg-options model.encoder.video_dim=9 model.encoder.word_dim=300 '
            'model.reconstructors.query.vocab_size=21 model.reconstructors.inverse.vocab_size=21') in str(error.value)
