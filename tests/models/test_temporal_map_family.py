"""MS-2D-RL: the generator and the captioner on their own."""
import pytest
import torch
import torch.nn.functional as F
from parts import config, make_batch

from mmvmr.functional.masks import span_mask
from mmvmr.functional.words import hide_words
from mmvmr.models.encoders.linear import LinearEncoder
from mmvmr.models.proposal_generators.temporal_map import MapScale
from mmvmr.registry import PROPOSAL_GENERATORS, RECONSTRUCTORS


def _encoded(batch):
    torch.manual_seed(0)
    hidden = hide_words(batch.query.word_weights, batch.query.mask)
    return LinearEncoder(8, 6, 16, blank=False).eval()(batch.video, batch.query._replace(hidden=hidden))


def _generator(**changes):
    torch.manual_seed(1)
    return PROPOSAL_GENERATORS.build(dict(config('ms2d')['proposal_generator'], **changes)).eval()


def _captioner():
    torch.manual_seed(1)
    return RECONSTRUCTORS.build(config('ms2d')['reconstructors']['query']).eval()


def test_fused_cells_are_the_normalised_product_of_projected_moments_and_query():
    generator = _generator(scales=[5])
    clips, code = torch.rand(2, 5, 12), torch.randn(2, 12)
    fused = generator._fuse(clips, code, generator.scales[0])
    cells = [(start, end) for start in range(5) for end in range(start, 5)]
    assert fused.shape == (2, len(cells), 12)
    for column, (start, end) in enumerate(cells):
        moment = clips[:, start:end + 1].amax(dim=1) @ generator.map_projection.weight.T
        torch.testing.assert_close(fused[:, column], F.normalize(code * moment, dim=1))


def test_score_is_the_convolutions_over_the_map_of_fused_cells():
    generator = _generator(scales=[4], num_layers=2, kernel_size=3)
    scale, clips, code = generator.scales[0], torch.rand(2, 8, 12), torch.randn(2, 12)
    halves = clips.unflatten(1, (4, 2)).mean(dim=2)  # 8 clips at scale 4
    fused, cells = generator._fuse(halves, code, scale), torch.zeros(2, 12, 4, 4)
    upper = torch.ones(4, 4).triu()
    cells[..., upper.bool()] = fused.transpose(1, 2)
    valid = upper[None, None]
    for layer in generator.layers:
        in_sight = F.conv2d(valid, torch.ones(1, 1, 3, 3), padding=1)
        cells = F.conv2d(cells, layer.conv.weight, layer.conv.bias, padding=1).relu()
        cells = torch.where(in_sight > 0, cells * 9 / in_sight.clamp(min=1), 0)
        valid = (in_sight > 0).float()
    logits = torch.einsum('bexy,e->bxy', cells, generator.score.weight[0]) + generator.score.bias
    torch.testing.assert_close(generator._score(clips, code, scale), logits.sigmoid()[:, upper.bool()])


def test_query_code_is_the_state_at_the_last_word_whatever_the_padding():
    generator, batch = _generator(), make_batch(lengths=(5, 3))
    query = _encoded(batch)[1]
    states = generator.words(query.features[1:, 1:4])[0]  # the second query alone, without start token and padding
    torch.testing.assert_close(generator._read(query)[1:], generator.word_projection(states[:, -1]))


def test_proposals_of_a_map_are_its_best_cells_after_suppression():
    generator = _generator(scales=[4], num_proposals=3)
    # cells in order 00 01 02 03 11 12 13 22 23 33
    scores = torch.tensor([[0.1, 0.7, 0.9, 0.8, 0.2, 0.3, 0.4, 0.6, 0.5, 0.05]])
    spans, masks, chosen = generator._choose(scores, generator.scales[0])
    # 02 is best; 03 and 01 overlap it by 3/4 and 2/3; 22 by 1/3; of what is left 23 overlaps 22 by 1/2, which may stay
    torch.testing.assert_close(chosen, torch.tensor([[0.9, 0.6, 0.5]]))
    torch.testing.assert_close(spans[0], torch.tensor([[0.0, 0.75], [0.5, 0.75], [0.5, 1.0]]))
    torch.testing.assert_close(masks, span_mask(spans, 10))


def test_suppressed_cells_fill_up_what_suppression_left_too_small():
    generator = _generator(scales=[3], num_proposals=4, nms=0.0)
    # cells 00 01 02 11 12 22: the whole suppresses everything else
    scores = torch.tensor([[0.1, 0.2, 0.9, 0.3, 0.5, 0.4]])
    torch.testing.assert_close(generator._choose(scores, generator.scales[0])[2], torch.tensor([[0.9, 0.5, 0.4, 0.3]]))


def test_map_with_fewer_cells_than_proposals_repeats_them():
    generator = _generator(scales=[2], num_proposals=5)
    for noise in (None, torch.rand(1, 3)):
        spans, masks, scores = generator._choose(torch.tensor([[0.3, 0.9, 0.5]]), generator.scales[0], noise)
        assert spans.shape == (1, 5, 2) and masks.shape == (1, 5, 10)
        assert set(scores[0].tolist()) == set(torch.tensor([0.3, 0.9, 0.5]).tolist())


def test_half_of_the_training_proposals_are_drawn_by_their_score():
    generator = _generator(scales=[2], num_proposals=2)
    scores = torch.tensor([[0.5, 0.9, 0.6]]).expand(4000, -1)  # the best, and two that are drawn with odds 1 to e
    chosen = generator._choose(scores, generator.scales[0], *generator._noise(torch.arange(4000)))[2]
    assert (chosen == 0.9).sum(dim=1).tolist() == [1] * 4000
    share = (chosen == 0.6).any(dim=1).float().mean().item()
    assert share == pytest.approx(torch.tensor(1.0).sigmoid().item(), abs=0.03)  # four standard deviations


@pytest.mark.parametrize('num_clips', [3, 10, 64])
@pytest.mark.parametrize('length', [1, 5, 20])
def test_maps_fit_videos_and_masks_of_any_length(num_clips, length):
    generator = _generator(scales=(4, 8, 32), num_proposals=4, num_clips=num_clips)
    video, query = _encoded(make_batch(num_clips=length))
    proposals = generator(video, query)
    assert proposals.spans.shape == (3, 12, 2) and proposals.masks.shape == (3, 12, num_clips)
    assert (proposals.masks.sum(dim=-1) >= 1).all() and proposals.masks.unique().tolist() in ([0, 1], [1])
    torch.testing.assert_close(proposals.masks, span_mask(proposals.spans, num_clips))
    assert ((proposals.scores > 0) & (proposals.scores < 1)).all()


def test_nll_is_that_of_a_caption_written_word_by_word():
    batch, captioner = make_batch(), _captioner()
    video, query = _encoded(batch)
    masks = torch.rand(3, 5, 10)
    positions = torch.linspace(0, 19, 10).long()  # of 20 clips
    moment = (masks[1, 3, :, None] * video[1, positions].clamp(min=0)).amax(dim=0)
    targets, log_p, first, second = batch.query.word_ids[1, :3].tolist() + [0], 0, None, None
    for step, word in enumerate(targets):
        states, first = captioner.first(torch.cat([query.features[1, step], moment])[None], first)
        states, second = captioner.second(torch.cat([states[0], moment])[None], second)
        log_p = log_p + captioner.classifier(states[0]).log_softmax(dim=-1)[word]
    torch.testing.assert_close(captioner(video, query, masks)[1, 3], -log_p / 4)


def test_caption_depends_on_clips_under_the_mask_alone():
    captioner, masks = _captioner(), span_mask(torch.tensor([[[0.25, 0.5]]]), 20).expand(3, -1, -1)
    video, query = _encoded(make_batch())
    inside = masks[:, 0, :, None].bool()
    nll = captioner(video, query, masks)
    torch.testing.assert_close(captioner(torch.where(inside, video, 9.0), query, masks), nll)
    assert (captioner(torch.where(inside, video + 9.0, video), query, masks) - nll).abs().min() > 1e-4


def test_caption_does_not_depend_on_which_words_are_hidden():
    captioner, masks = _captioner(), torch.rand(3, 2, 10)
    video, query = _encoded(make_batch())
    other = query._replace(words=query.words._replace(hidden=~query.words.hidden))
    torch.testing.assert_close(captioner(video, other, masks), captioner(video, query, masks))


def test_no_word_is_seen_before_it_is_written():
    captioner, masks = _captioner(), torch.rand(3, 2, 10)
    video, query = _encoded(make_batch())
    features = query.features.clone()
    features[:, 3] += 1  # the third word behind the start token
    changed = captioner._caption(video, query._replace(features=features), masks)
    states = captioner._caption(video, query, masks)
    torch.testing.assert_close(changed[:, :, :3], states[:, :, :3])
    assert (changed[:, :, 3:] - states[:, :, 3:]).abs().amax(dim=-1).min() > 1e-5


def test_masks_are_captioned_independently_of_each_other():
    captioner, masks = _captioner(), torch.rand(3, 5, 10)
    video, query = _encoded(make_batch())
    nll, states = captioner.explain(video, query, masks)
    assert nll.shape == (3, 5) and states.shape == (3, 5, 16)
    for index in range(5):
        torch.testing.assert_close(captioner(video, query, masks[:, index:index + 1])[:, 0], nll[:, index])


def test_scale_knows_where_its_cells_are():
    scale = MapScale(32, num_clips=64, kernel_size=3, num_layers=1)
    widths = (scale.spans[:, 1] - scale.spans[:, 0]) * 32
    torch.testing.assert_close(scale.masks.sum(dim=1), 2 * widths)  # two points of the mask per clip
    start = scale.places // 32
    torch.testing.assert_close(scale.spans[:, 0], start / 32)
    torch.testing.assert_close(widths, (scale.places % 32 - start + 1).float())


def test_the_query_is_read_by_as_many_layers_as_are_asked_for():
    assert _generator(word_layers=3).words.num_layers == 3 and _generator().words.num_layers == 1
