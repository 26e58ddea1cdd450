"""Records of all pairs of a split, for the page."""
from pathlib import Path
from typing import Iterator

from mmengine.config import Config
from mmengine.device import get_device
from torch.utils.data import DataLoader

from mmvmr.engine.checkpoint import load_weights
from mmvmr.evaluation.predictions import read_predictions
from mmvmr.registry import MODELS
from mmvmr.utils.progress import progress
from mmvmr.visualization.explanation import explain


def check_same_queries(loader: DataLoader, predictions: Path) -> None:
    """Refuse predictions that are no proof that this test split has been opened."""
    queries = [pair['query'] for pair in loader.dataset.data_list]
    if read_predictions(predictions)['query'].tolist() != queries:
        raise ValueError(f'"{predictions}" is about other queries than the test split of this run.')


def explain_all(config: Config, weights: str, loader: DataLoader, num: int) -> Iterator[dict]:
    """The records of the first ``num`` pairs, batch by batch as in a test."""
    model = MODELS.build(config.model)
    load_weights(model, weights)
    model.to(get_device())
    words, left = loader.dataset.vocabulary.words, num
    with progress(total=num, desc='Explaining queries', unit='query') as bar:
        for batch in loader:
            records = explain(model, batch['inputs'], batch['data_samples'], words)[:left]
            yield from records
            bar.update(len(records))
            left -= len(records)
            if left == 0:
                return
