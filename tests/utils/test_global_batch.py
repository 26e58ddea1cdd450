import pytest
import torch
from mmengine.dataset import DefaultSampler, sampler

from mmvmr.utils import global_batch
from mmvmr.utils.global_batch import gather_padded, gather_pairs, places


@pytest.mark.parametrize('rank', [0, 1, 2])
def test_pairs_lie_in_the_whole_batch_where_the_sampler_takes_them_from(rank, monkeypatch):
    """Three processes with four pairs each, against one with twelve; two batches."""
    whole = list(DefaultSampler(range(24), shuffle=True, seed=3))
    for module in (sampler, global_batch):
        monkeypatch.setattr(module, 'get_dist_info', lambda: (rank, 3))
    own = list(DefaultSampler(range(24), shuffle=True, seed=3))
    assert own[:4] == [whole[place] for place in places(4)]
    assert own[4:] == [whole[12 + place] for place in places(4)]


def test_batch_of_one_process_is_the_whole_batch():
    values = torch.randn(3, 2)
    assert gather_pairs(values) is values and gather_padded(values) is values and places(3).tolist() == [0, 1, 2]
