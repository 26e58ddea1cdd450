"""Records of all pairs of a split, for the page."""
from pathlib import Path
from typing import Iterable, Iterator, Optional

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


def beside(records: Iterable[dict], others: Iterable[dict]) -> Iterator[dict]:
    """The records of one run, each with the moment that another run has chosen for the same query.

    Raises:
        ValueError: If they are about different queries.
    """
    for record, other in zip(records, others):
        if [record[key] for key in ('video_id', 'query')] != [other[key] for key in ('video_id', 'query')]:
            raise ValueError(f'The runs have different queries: where one has {record["query"]!r}, the other has '
                             f'{other["query"]!r}. Compare runs on the same data.')
        yield dict(record, other=(other['spans'] or [None])[0])


def explain_all(config: Config, weights: Optional[str], loader: DataLoader, num: int) -> Iterator[dict]:
    """The records of the first ``num`` pairs, batch by batch as in a test.

    Args:
        weights: Path of the checkpoint; None of a model that has nothing to learn.
    """
    model = MODELS.build(config.model)
    if weights is not None:
        load_weights(model, weights)
    model.to(get_device())
    vocabulary, left = loader.dataset.vocabulary, num
    words = vocabulary.words if vocabulary is not None else ()
    with progress(total=num, desc='Explaining queries', unit='query') as bar:
        for batch in loader:
            records = explain(model, batch['inputs'], batch['data_samples'], words)[:left]
            yield from records
            bar.update(len(records))
            left -= len(records)
            if left == 0:
                return
