"""Generator, negatives, combiners, rankers and reconstructor on their own."""
import math

import pytest
import torch
from parts import config, make_batch

from mmvmr.functional.masks import gaussian_mask
from mmvmr.functional.words import hide_words
from mmvmr.models.combiners.merging import AttentionWeighted, EquallyWeighted, ReconstructionWeighted, Union, merge
from mmvmr.models.encoders.linear import LinearEncoder
from mmvmr.models.negatives import Complement, Side, WholeVideo
from mmvmr.models.rankers import ReconstructionRanker, VoteRanker
from mmvmr.registry import PROPOSAL_GENERATORS, RECONSTRUCTORS
from mmvmr.structures import Outputs, Proposals

COMPONENTS = Proposals(
    spans=torch.tensor([[[0.0, 0.2], [0.5, 0.9]]]), masks=torch.tensor([[[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]]))


def _encoded(batch):
    torch.manual_seed(0)
    hidden = hide_words(batch.query.word_weights, batch.query.mask)
    encoder = LinearEncoder(8, 6, 16).eval()
    return encoder(batch.video, batch.query._replace(hidden=hidden))


def test_generator_reads_center_and_width_in_turn_from_its_head():
    generator = PROPOSAL_GENERATORS.build(dict(config('cnm')['proposal_generator'], num_proposals=2)).eval()
    with torch.no_grad():
        generator.head.weight.zero_()
        generator.head.bias.copy_(torch.tensor([0.0, 0.0, math.log(3), 0.0]))  # sigmoid: .5 .5 | .75 .5
    proposals = generator(*_encoded(make_batch()))
    width = 0.5 * 0.45
    expected = torch.tensor([[0.5 - width / 2, 0.5 + width / 2], [0.75 - width / 2, 0.75 + width / 2]])
    torch.testing.assert_close(proposals.spans, expected.expand(3, 2, 2))
    torch.testing.assert_close(proposals.masks[0], gaussian_mask(
        torch.tensor([0.5, 0.75]), torch.full((2,), width / 11**0.5), 10))


def test_narrow_mask_is_drawn_wider_but_its_span_stays():
    generator = PROPOSAL_GENERATORS.build(config('cnm')['proposal_generator']).eval()
    with torch.no_grad():
        generator.head.weight.zero_()
        generator.head.bias.copy_(torch.tensor([0.0, -10.0]))
    proposals = generator(*_encoded(make_batch()))
    expected = gaussian_mask(torch.tensor([0.5]), torch.tensor([0.1 / 11**0.5]), 10)
    torch.testing.assert_close(proposals.masks[0], expected)
    assert (proposals.spans[..., 1] - proposals.spans[..., 0]).max() < 1e-4


def test_spread_centers_start_evenly_over_the_video():
    generator = PROPOSAL_GENERATORS.build(dict(config('mcmt')['proposal_generator'], num_proposals=4))
    torch.testing.assert_close(generator.head.bias[0::2].sigmoid(), torch.tensor([0.125, 0.375, 0.625, 0.875]))


def test_bidirectional_generator_sees_the_order_of_words_from_both_ends():
    torch.manual_seed(0)
    generator = PROPOSAL_GENERATORS.build(config('mcmt')['proposal_generator']).eval()
    video, query = _encoded(make_batch())
    forward, inverse = generator._read(video, query), generator.head.weight.size(1)
    assert inverse == 2 * forward.size(1)


def test_complement_and_whole_video():
    torch.testing.assert_close(Complement()(COMPONENTS, None, None), torch.tensor([[[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]]]))
    assert WholeVideo()(COMPONENTS, None, None).tolist() == [[[1.0, 1.0, 1.0]]]


@pytest.mark.parametrize('progress, gamma, rho', [(1.0, 0.5, 0.5), (0.25, 0.5, 0.25), (0.0, 0.5, 0.0), (0.0, 0.0, 0.5)])
def test_side_negatives_move_inwards_with_training(progress, gamma, rho):
    proposals = Proposals(torch.tensor([[[0.4, 0.7]]]), torch.zeros(1, 1, 50))
    left, right = (Side(side, sigma=9, gamma=gamma) for side in ('left', 'right'))
    for negative in (left, right):
        negative.set_progress(progress)
    for negative, gap, center in ((left, 0.4, rho * 0.4), (right, 0.3, 1 - rho * 0.3)):
        std = max(rho * gap, 0.01) / 4.5
        torch.testing.assert_close(negative(proposals, None, None)[0], gaussian_mask(
            torch.tensor([center]), torch.tensor([std]), 50, peak_normalized=True))


def test_side_negative_of_a_proposal_beyond_the_video_is_a_sliver_at_its_end():
    proposals = Proposals(torch.tensor([[[-0.2, 1.3]]]), torch.zeros(1, 1, 50))
    negative = Side('right')
    negative.set_progress(1.0)
    mask = negative(proposals, None, None)[0, 0]
    assert mask[-1] == 1 and mask[:-1].max() < 1e-3


def test_reconstruction_weights_are_a_softmax_of_the_nll():
    def explain(masks):
        return torch.tensor([[1.0, 1.0 + 0.1 * math.log(3)]]), None  # weights 3/4 and 1/4 at temperature 0.1

    combined = ReconstructionWeighted(0.1, peak_normalized=False)(COMPONENTS, None, None, explain)
    torch.testing.assert_close(combined.masks, torch.tensor([[[0.75, 0.5, 0.25]]]))
    torch.testing.assert_close(combined.spans, torch.tensor([[[0.125, 0.375]]]))
    peaked = ReconstructionWeighted(0.1)(COMPONENTS, None, None, explain)
    torch.testing.assert_close(peaked.masks, torch.tensor([[[1.0, 2 / 3, 1 / 3]]]))


def test_equal_weights_and_union():
    torch.testing.assert_close(EquallyWeighted(False)(COMPONENTS, None, None, None).masks, torch.full((1, 1, 3), 0.5))
    union = Union()(COMPONENTS, None, None, None)
    assert union.masks.tolist() == [[[1.0, 0.5, 1.0]]]
    torch.testing.assert_close(union.spans, torch.tensor([[[0.0, 0.9]]]))


def test_attention_weights_follow_the_video_inside_each_component():
    torch.manual_seed(0)
    combiner = AttentionWeighted(dim=16, peak_normalized=False)
    video, query = _encoded(make_batch())
    masks = torch.eye(20).view(1, 20, 20)[:, [2, 7]].expand(3, -1, -1)  # component k is a single clip
    components = Proposals(torch.zeros(3, 2, 2), masks)
    combined = combiner(components, video, query, None)
    words = torch.stack([query.features[b, 1:1 + n].mean(0) for b, n in enumerate((5, 3, 4))])
    logits = combiner.score(torch.tanh(combiner.clip_projection(video[:, [2, 7]])
                                       + combiner.word_projection(words)[:, None])).squeeze(-1)
    torch.testing.assert_close(combined.masks[:, 0, [2, 7]], logits.softmax(dim=1))


def _outputs(nll, spans):
    proposals = Proposals(torch.tensor([spans]), torch.zeros(1, len(spans), 5))
    return Outputs(None, None, None, proposals, proposals, nll)


def test_reconstruction_ranker_prefers_the_lowest_average_nll():
    nll = dict(query=dict(positive=torch.tensor([[3.0, 1.0]])), inverse=dict(positive=torch.tensor([[1.0, 2.0]])))
    assert ReconstructionRanker()(_outputs(nll, [[0.0, 1.0]] * 2)).tolist() == [[-2.0, -1.5]]


def test_combined_proposal_comes_before_its_components():
    outputs = _outputs(dict(query=dict(positive=torch.tensor([[5.0, 3.0, 2.0]]))), [[0.0, 1.0]] * 3)
    scores = ReconstructionRanker()(outputs._replace(num_combined=1))
    assert scores.argsort(dim=1, descending=True, stable=True).tolist() == [[0, 2, 1]]


def test_vote_elects_the_proposal_that_overlaps_most_with_the_others():
    # by NLL: 0, 1, 2; proposal 1 overlaps with both others, 0 and 2 are apart
    nll = dict(query=dict(positive=torch.tensor([[1.0, 2.0, 3.0]])))
    spans = [[0.0, 0.4], [0.2, 0.6], [0.4, 0.8]]
    order = VoteRanker()(_outputs(nll, spans)).argsort(dim=1, descending=True)
    assert order.tolist() == [[1, 0, 2]]


def test_votes_weighted_by_the_overlap_with_the_best_ignore_those_far_from_it():
    # 0 is best; 1, 2, 3 agree with each other but are far from it
    nll = dict(query=dict(positive=torch.tensor([[1.0, 2.0, 3.0, 4.0]])))
    spans = [[0.0, 0.3], [0.5, 0.9], [0.5, 0.9], [0.5, 0.9]]
    assert VoteRanker()(_outputs(nll, spans)).argmax().item() == 1
    assert VoteRanker('best')(_outputs(nll, spans)).argmax().item() == 0


def _reconstructor(**changes):
    torch.manual_seed(1)
    return RECONSTRUCTORS.build(dict(config('cnm')['reconstructors']['query'], **changes)).eval()


def test_nll_follows_from_the_word_log_probs():
    batch, masks = make_batch(), torch.rand(3, 2, 10)
    video, query = _encoded(batch)
    reconstructor = _reconstructor(label_smoothing=0.0)
    nll, log_p = reconstructor(video, query, masks), reconstructor.word_log_probs(video, query, masks)
    assert log_p.shape == (3, 2, 6, 12)
    words = batch.query.word_ids[1, :3].tolist() + [0]  # the second query has three words and an end
    expected = -sum(log_p[1, 0, i, word] for i, word in enumerate(words)) / 4
    torch.testing.assert_close(nll[1, 0], expected)


def test_authors_leave_out_the_end_of_the_longest_query():
    batch, masks = make_batch(), torch.rand(3, 1, 10)
    video, query = _encoded(batch)
    always, padded = (_reconstructor(label_smoothing=0.0, end_token=end) for end in ('always', 'if_padded'))
    log_p = always.word_log_probs(video, query, masks)
    longest = -sum(log_p[0, 0, i, word] for i, word in enumerate(batch.query.word_ids[0].tolist())) / 5
    torch.testing.assert_close(padded(video, query, masks)[0, 0], longest)
    torch.testing.assert_close(padded(video, query, masks)[1], always(video, query, masks)[1])


def test_inverse_reconstruction_is_that_of_the_reversed_query():
    batch, masks = make_batch(lengths=(4, 4)), torch.rand(2, 1, 10)
    flipped = batch.query._replace(features=batch.query.features.flip(1), word_ids=batch.query.word_ids.flip(1),
                                   hidden=None)
    hidden = hide_words(batch.query.word_weights, batch.query.mask)
    torch.manual_seed(0)
    encoder = LinearEncoder(8, 6, 16).eval()
    plain = encoder(batch.video, batch.query._replace(hidden=hidden))
    turned = encoder(batch.video, flipped._replace(hidden=hidden.flip(1)))
    torch.testing.assert_close(_reconstructor(inverse=True)(*plain, masks), _reconstructor()(*turned, masks))


def test_encoder_without_a_stand_in_for_hidden_words_is_refused():
    video, query = _encoded(make_batch())
    with pytest.raises(ValueError, match='Set `blank=True` in the encoder'):
        _reconstructor()(video, query._replace(blank=None), torch.rand(3, 1, 10))


def test_unknown_end_token_is_refused():
    with pytest.raises(ValueError, match="'always' or 'if_padded', got 'never'"):
        _reconstructor(end_token='never')


def test_average_of_equal_masks_does_not_exceed_one_by_rounding():
    torch.manual_seed(0)
    weights = torch.randn(500, 3).softmax(dim=1)
    assert weights.sum(dim=1).max() > 1
    components = Proposals(torch.zeros(500, 3, 2), torch.ones(500, 3, 4))
    assert merge(components, weights, peak_normalized=False).masks.max() <= 1
