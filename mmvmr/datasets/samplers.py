"""Which pairs make a batch, and which process gets it."""
from typing import Iterator, List

from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from mmvmr.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class BatchesInTurn:
    """Whole batches in the order of the data set, dealt out to the processes in turn, for validation and testing.

    A batch is the same whatever the number of processes, and no pair is tested twice; so the scores are the same bit
    for bit, which they would not be in batches of other pairs: those are padded and summed in another way.

    Args:
        sampler: What the loader is configured with; its data set is used, its order is not.
    """

    def __init__(self, sampler: Sampler, batch_size: int) -> None:
        self.num_pairs = len(sampler.dataset)
        self.batch_size = batch_size

    def _starts(self) -> range:
        rank, world_size = get_dist_info()
        return range(rank * self.batch_size, self.num_pairs, world_size * self.batch_size)

    def __len__(self) -> int:
        return len(self._starts())

    def __iter__(self) -> Iterator[List[int]]:
        for start in self._starts():
            yield list(range(start, min(start + self.batch_size, self.num_pairs)))
