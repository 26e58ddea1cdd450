from types import SimpleNamespace

import pytest

from mmvmr.datasets import samplers


@pytest.mark.parametrize('world_size', [1, 2, 3, 5])
def test_whole_batches_are_dealt_out_in_turn(world_size, monkeypatch):
    batches = [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    for rank in range(world_size):
        monkeypatch.setattr(samplers, 'get_dist_info', lambda rank=rank: (rank, world_size))
        dealt = samplers.BatchesInTurn(SimpleNamespace(dataset=range(10)), batch_size=3)
        assert list(dealt) == batches[rank::world_size] and len(dealt) == len(list(dealt))
