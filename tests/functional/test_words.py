import math

import pytest
import torch

from mmvmr.functional.words import hide_words, mean_words, query_nll, reverse_words
from mmvmr.structures import EncodedQuery, Query


def _mask(*lengths):
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def test_a_third_of_the_words_is_hidden_and_at_least_one():
    mask = _mask(1, 2, 3, 5, 6, 9, 20)
    hidden = hide_words(mask.float(), mask, seeds=torch.arange(7))
    assert hidden.sum(dim=1).tolist() == [1, 1, 1, 1, 2, 3, 6]
    assert not (hidden & ~mask).any()


def test_content_words_are_hidden_e_times_as_often():
    mask = torch.ones(40000, 3, dtype=torch.bool)
    weights = torch.tensor([2.0, 1.0, 1.0]).expand(40000, 3)
    share = hide_words(weights, mask, seeds=torch.arange(40000)).float().mean(dim=0)
    expected = torch.tensor([math.e, 1, 1]) / (math.e + 2)
    torch.testing.assert_close(share, expected, atol=0.01, rtol=0)


@pytest.mark.parametrize('seeds', [None, torch.tensor([3, 8])])
def test_hiding_depends_on_the_query_and_its_seed_alone(seeds):
    mask = _mask(7, 4)
    weights = torch.tensor([[1, 2, 1, 2, 1, 1, 2], [2, 1, 1, 1, 0, 0, 0]]).float()
    both = hide_words(weights, mask, seeds=seeds)
    alone = hide_words(weights[1:, :4], mask[1:, :4], seeds=None if seeds is None else seeds[1:])
    assert torch.equal(both[1:, :4], alone)


def test_reversing_keeps_the_start_token_and_the_padding_in_place():
    mask = _mask(3, 2)
    words = Query(
        features=torch.tensor([[1, 2, 3], [4, 5, 0]]).unsqueeze(-1), mask=mask,
        word_ids=torch.tensor([[1, 2, 3], [4, 5, 0]]), word_weights=torch.tensor([[1, 2, 2], [2, 1, 0]]),
        hidden=torch.tensor([[True, False, False], [False, True, False]]))
    query = EncodedQuery(torch.tensor([[9, 1, 2, 3], [9, 4, 5, 0]]).unsqueeze(-1).float(), _mask(4, 3), words)
    inverse = reverse_words(query)
    assert inverse.features.squeeze(-1).tolist() == [[9, 3, 2, 1], [9, 5, 4, 0]]
    assert inverse.words.features.squeeze(-1).tolist() == [[3, 2, 1], [5, 4, 0]]
    assert inverse.words.word_ids.tolist() == [[3, 2, 1], [5, 4, 0]]
    assert inverse.words.word_weights.tolist() == [[2, 2, 1], [1, 2, 0]]
    assert inverse.words.hidden.tolist() == [[False, False, True], [True, False, False]]
    torch.testing.assert_close(reverse_words(inverse).features, query.features)


def test_nll_is_the_smoothed_cross_entropy_averaged_over_the_words():
    logits = torch.tensor([[[[2.0, 0.0, 1.0], [0.0, 0.0, 0.0]]]])  # (1, 1, 2, 3)
    log_p = logits.log_softmax(-1)[0, 0]
    first = 0.9 * -log_p[0, 2] + 0.1 / 3 * -log_p[0].sum()
    second = math.log(3)  # uniform: smoothing changes nothing
    both = query_nll(logits, torch.tensor([[2, 1]]), torch.tensor([[True, True]]), label_smoothing=0.1)
    assert both.item() == pytest.approx((first.item() + second) / 2)
    one = query_nll(logits, torch.tensor([[2, 1]]), torch.tensor([[True, False]]), label_smoothing=0.1)
    assert one.item() == pytest.approx(first.item())


def test_mean_of_words_leaves_out_start_token_and_padding():
    features = torch.tensor([[[100.0], [1.0], [3.0], [50.0]]])
    query = EncodedQuery(features, _mask(3, 4)[:1], Query(None, torch.tensor([[True, True, False]]), None, None))
    assert mean_words(query).tolist() == [[2.0]]
