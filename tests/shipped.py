"""The configs that come with mmvmr, in the sizes of the data that they are for."""
from pathlib import Path
from typing import Dict

from mmengine.config import Config

from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.sizes import fill_sizes

SHIPPED = sorted((Path(__file__).parents[1] / 'configs').glob('*.py'))
ZERO_SHOT = [path for path in SHIPPED if path.stem.startswith('zero_shot_')]  # nothing to train
CONFIGS = [path for path in SHIPPED if path not in ZERO_SHOT]
VOCAB_SIZES = dict(CharadesSTA=1112, ActivityNetCaptions=8001, MovingShapes=62, QVHighlightsCaptions=685,
                   QVHighlights=3000)
WORD_DIMS = dict(QVHighlightsCaptions=384)  # in the space of the clips; else GloVe


def data_sizes(config: Config) -> Dict[str, int]:
    """The sizes that data of the kind of a config have."""
    dataset = config.train_dataloader.dataset
    return dict(video_dim=dataset.feature_dim, word_dim=WORD_DIMS.get(dataset.type, 300),
                vocab_size=VOCAB_SIZES[dataset.type])


def read_shipped(path: Path, **options) -> Config:
    """A shipped config, with changes, and with all sizes."""
    config = read_config(path, options)
    fill_sizes(config, data_sizes(config))
    return config
