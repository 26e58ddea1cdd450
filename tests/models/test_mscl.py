"""Co-attention, frame scores, and the losses that judge clips."""
import copy
import math

import pytest
import torch
import torch.nn.functional as F
from parts import config, make_batch

from mmvmr.models.layers.co_attention import CoAttention
from mmvmr.models.losses.matching import MatchingLoss
from mmvmr.models.losses.self_contrastive import SelfContrastiveLoss, closest, info_nce, pool
from mmvmr.models.match_score import match_scores
from mmvmr.registry import MODELS
from mmvmr.structures import Clips, Outputs, Proposals


def _outputs(scores, mismatched=None, video_ids=None, features=None):
    clips = Clips(scores, features, mismatched)
    return Outputs(torch.zeros(len(scores), 1, 1), None, video_ids, Proposals(None, None, None, clips), None, {})


def _co_attention():
    torch.manual_seed(0)
    return CoAttention(16, 2).eval()


def _words(batch=3, length=4):
    return torch.randn(batch, length, 16), torch.ones(batch, length, dtype=torch.bool)


def _proposals(training, **generator):
    torch.manual_seed(0)
    given = config('mscl')
    given['proposal_generator'].update(generator)
    model = MODELS.build(given).train(training)
    inputs = model.data_preprocessor(dict(inputs=make_batch()), training)['inputs']
    return model.proposal_generator(*model.encoder(inputs.video, inputs.query))


def test_query_m_of_a_video_is_that_of_the_mth_next_pair():
    module, video, (words, mask) = _co_attention(), torch.randn(3, 7, 16), _words()
    states = module(video, words, mask, num_queries=5)
    for shift in range(5):
        own = module(video, words.roll(-shift, 0), mask.roll(-shift, 0))[:, 0]
        torch.testing.assert_close(states[:, shift], own)


def test_padding_of_a_query_leaves_no_trace_in_the_clips():
    module, video, (words, mask) = _co_attention(), torch.randn(3, 7, 16), _words()
    mask[1, 2:] = False
    changed = torch.where(mask.unsqueeze(-1), words, torch.randn_like(words))
    torch.testing.assert_close(module(video, words, mask), module(video, changed, mask))


def test_clips_know_what_comes_before_and_after_them():
    module, video, (words, mask) = _co_attention(), torch.randn(1, 6, 16), _words(1)
    forwards, backwards = module(video, words, mask), module(video.flip(1), words, mask).flip(2)
    assert (forwards - backwards).abs().amax(dim=(0, 1, 3)).min() > 1e-3


def test_mask_is_the_score_curve_inside_the_span_and_zero_outside():
    proposals = _proposals(training=False)
    time = (torch.arange(20) + 0.5) / 20
    inside = (time > proposals.spans[..., :1]) & (time < proposals.spans[..., 1:])  # (B, K, T)
    assert torch.equal(proposals.masks > 0, inside)
    assert proposals.masks.amax(dim=(1, 2)).tolist() == [1.0] * 3
    assert (proposals.scores.diff(dim=1) <= 0).all()


def test_clips_have_scores_between_zero_and_one_and_features_of_unit_length():
    clips = _proposals(training=True).clips
    assert clips.scores.shape == (3, 20) and clips.mismatched.shape == (3, 2, 20)
    assert ((clips.scores > 0) & (clips.scores < 1)).all()
    torch.testing.assert_close(clips.features.norm(dim=-1), torch.ones(3, 20))


def test_runs_are_read_behind_the_feedback_in_prediction_alone_and_scores_stay():
    plain, fed = (_proposals(training=False, feedback=width) for width in (None, 0.1))
    assert torch.equal(plain.clips.scores, fed.clips.scores) and not torch.equal(plain.masks, fed.masks)
    plain, fed = (_proposals(training=True, feedback=width) for width in (None, 0.1))
    assert torch.equal(plain.masks, fed.masks)


def test_other_queries_are_read_in_training_only():
    assert _proposals(training=False).clips.mismatched is None


def test_matching_is_focal_cross_entropy_of_the_mean_of_the_highest_scores():
    scores = torch.tensor([[0.9, 0.1, 0.7, 0.2], [0.3, 0.3, 0.5, 0.1]])  # top half: .8 and .4
    mismatched = torch.tensor([[[0.1, 0.5, 0.1, 0.1]], [[0.2, 0.2, 0.2, 0.2]]])  # .3 and .2
    positive = -(0.2**2 * math.log(0.8) + 0.6**2 * math.log(0.4)) / 2
    negative = -(0.3**2 * math.log(0.7) + 0.2**2 * math.log(0.8)) / 2
    loss = MatchingLoss(share=0.5)
    assert loss(_outputs(scores)).item() == pytest.approx(positive)
    assert loss(_outputs(scores, mismatched)).item() == pytest.approx(positive + negative)


def test_query_of_the_same_video_is_no_negative():
    scores, mismatched = torch.full((3, 4), 0.5), torch.rand(3, 2, 4)
    videos = torch.tensor([7, 7, 5])  # pairs 0 and 1 are of one video
    r = mismatched.amax(dim=-1)  # the highest of four
    others = torch.stack([r[0, 1], r[1, 0], r[2, 0], r[2, 1]])  # queries 2 | 2 | 0, 1
    expected = -0.25 * math.log(0.5) - (others.square() * (1 - others).log()).mean()
    loss = MatchingLoss(share=0.25)(_outputs(scores, mismatched, videos))
    assert loss.item() == pytest.approx(expected.item())


def test_one_pair_has_nothing_to_be_told_from():
    scores = torch.full((1, 4), 0.5)
    alone = MatchingLoss()(_outputs(scores)).item()
    for videos in (None, torch.tensor([3])):
        assert MatchingLoss()(_outputs(scores, torch.rand(1, 2, 4), videos)).item() == pytest.approx(alone)


def test_matching_is_finite_where_scores_are_zero_or_one():
    scores = torch.tensor([[0.0, 0.0]], requires_grad=True)
    mismatched = torch.tensor([[[1.0, 1.0]], [[1.0, 1.0]]])
    loss = MatchingLoss()(_outputs(scores.expand(2, 2), mismatched))
    loss.backward()
    assert loss.isfinite() and scores.grad.isfinite().all()


def test_info_nce_by_hand():
    features = F.normalize(torch.tensor([[[1.0, 0.2], [1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8]]]), dim=-1)
    weights = torch.tensor([[1.0, 0.5, 0.8, 0.0, 0.0]])
    hard = torch.tensor([[False, False, False, False, True]])
    losses = []
    for i in range(3):
        prototype = F.normalize(sum(weights[0, j] * features[0, j] for j in range(3) if j != i), dim=0)
        attraction = math.exp(features[0, i] @ prototype / 0.5)
        repulsion = math.exp(features[0, i] @ features[0, 4] / 0.5)
        losses.append(-math.log(attraction / (attraction + repulsion)))
    assert info_nce(features, weights, hard, 0.5).item() == pytest.approx(sum(losses) / 3, rel=1e-5)


def test_positive_without_company_adds_nothing():
    features = F.normalize(torch.randn(1, 4, 3), dim=-1).requires_grad_()
    loss = info_nce(features, torch.tensor([[0.0, 1.0, 0.0, 0.0]]), torch.tensor([[True, False, False, True]]), 0.07)
    loss.backward()
    assert loss.item() == 0 and features.grad.abs().sum() == 0


def _hard(closeness, positives, negatives, progress, share=1.0, reach=0):
    loss = SelfContrastiveLoss()
    loss.set_progress(progress)
    picked = loss._hard(*(torch.tensor([row]) for row in (closeness, positives, negatives)), share, reach)
    return picked[0].nonzero().flatten().tolist()


def test_band_of_hard_negatives_tightens_with_training():
    closeness, negatives = [1.0, 0.95, 0.8, 0.6, 0.4, 0.1], [False] + [True] * 5
    positives = [True] + [False] * 5
    assert _hard(closeness, positives, negatives, progress=0.0) == [1, 2, 3, 4]
    assert _hard(closeness, positives, negatives, progress=1 / 3) == [2, 3]
    assert _hard(closeness, positives, negatives, progress=1.0) == [2, 3]
    assert _hard(closeness, positives, negatives, progress=1.0, share=0.5) == [2]


def test_clips_next_to_the_run_are_hard_negatives_however_they_look():
    closeness = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    positives, negatives = [False] * 8, [True] * 8
    positives[2:4], negatives[2:5] = [True] * 2, [False] * 3  # clip 4 is neither
    assert _hard(closeness, positives, negatives, progress=0.0, reach=2) == [0, 1, 5]


def test_closest_negatives_step_in_where_none_is_hard():
    closeness = [1.0, 0.05, 0.2, 0.1, 0.25, 0.15, 0.9]
    negatives = [False, True, True, True, True, True, False]
    assert _hard(closeness, [True] + [False] * 6, negatives, progress=0.0) == [2, 3, 4, 5]


def test_closest_of_none_are_none():
    assert not closest(torch.rand(2, 5), torch.zeros(2, 5, dtype=torch.bool), 4).any()


def test_windows_overlap_by_half():
    assert pool(torch.arange(6.0).view(1, 6, 1), 4).flatten().tolist() == [1.5, 3.5]
    assert pool(torch.arange(3.0).view(1, 3, 1), 1).flatten().tolist() == [0, 1, 2]


def _contrast(features, scores, **options):
    return SelfContrastiveLoss(start=0, **options)(_outputs(scores, features=F.normalize(features, dim=-1)))


def test_contrast_falls_when_the_moment_looks_alike_and_the_rest_different():
    scores = torch.full((1, 16), 0.1)
    scores[:, 4:8] = 0.9
    axis = torch.eye(2)
    separated = torch.where((scores > 0.5).unsqueeze(-1), axis[0], axis[1])
    mixed = axis[torch.arange(16) % 2].unsqueeze(0)
    options = dict(windows=[2, 1], shares=[1, 1])
    assert _contrast(separated, scores, **options) < 0.1 * _contrast(mixed, scores, **options)


def test_score_of_a_look_alike_rises_from_one_scale_to_the_next():
    # clip 12, at cos 0.8 from the moment, is a hard negative first; its score 0.375, stretched, then becomes
    # ((0.375 + 0.9) / 2 - 0.25) / 0.75 = 0.52, too high for a negative
    scores = torch.full((1, 16), 0.1)
    scores[:, 4:8], scores[:, 12] = 0.9, 0.4
    features = torch.tensor([0.0, 1.0]).repeat(1, 16, 1)
    features[:, 4:8], features[:, 12] = torch.tensor([1.0, 0.0]), torch.tensor([0.8, 0.6])
    once = math.log(1 + math.exp((0.8 - 1) / 0.07))
    assert _contrast(features, scores, windows=[1], shares=[1]).item() == pytest.approx(once, rel=1e-3)
    assert _contrast(features, scores, windows=[1, 1], shares=[1, 1]).item() == pytest.approx(once, rel=1e-3)


def test_scores_get_no_gradient_from_the_contrast():
    scores = torch.rand(2, 16, requires_grad=True)
    features = torch.randn(2, 16, 4, requires_grad=True)
    _contrast(features, scores, windows=[4, 1], shares=[1, 1]).backward()
    assert scores.grad is None and features.grad.abs().sum() > 0


def test_contrast_waits_for_the_scores_to_mean_something():
    loss = SelfContrastiveLoss(windows=[1], shares=[1], start=0.5)
    scores = torch.tensor([0.0] * 6 + [1.0] * 4 + [0.0] * 6).expand(2, -1)  # a run of one clip has none to be close to
    outputs = _outputs(scores, features=F.normalize(torch.randn(2, 16, 4), dim=-1))
    values = []
    for progress in (0.4, 0.5):
        loss.set_progress(progress)
        values.append(loss(outputs).item())
    assert values[0] == 0 and values[1] > 0


def test_every_scale_needs_a_share():
    with pytest.raises(ValueError, match='Every scale needs a window and a share'):
        SelfContrastiveLoss(windows=[4, 1], shares=[1.0])


def test_contrast_works_on_the_best_mask_of_a_generator_that_scores_no_clips():
    torch.manual_seed(0)
    cpl = config('cpl')
    cpl['losses'] = dict(contrast=dict(type='SelfContrastiveLoss', windows=[2, 1], shares=[1.0, 0.5], start=0.0))
    model = MODELS.build(cpl).eval()
    outputs = model(model.data_preprocessor(dict(inputs=make_batch()), False)['inputs'])
    best = outputs.nll['query']['positive'].argmin(dim=1)
    masks = outputs.proposals.masks[torch.arange(3), best]
    clips = Clips(masks, F.normalize(outputs.video[:, torch.linspace(0, 19, 10).long()], dim=-1), None)
    scored = outputs._replace(components=outputs.components._replace(clips=clips))
    value = model.losses['contrast'](outputs)
    assert value.item() == pytest.approx(model.losses['contrast'](scored).item())
    value.backward()
    assert model.encoder.video_projection.weight.grad.abs().sum() > 0


def test_match_is_the_mean_score_of_the_clips_in_the_moment():
    scores = torch.tensor([[0.1, 0.5, 0.9, 0.3]])
    masks = torch.tensor([[[0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.2]]])
    proposals = Proposals(torch.zeros(1, 2, 2), masks)
    outputs = Outputs(None, None, None, proposals._replace(clips=Clips(scores, None, None)), proposals, {})
    torch.testing.assert_close(match_scores(outputs, {}), torch.tensor([[0.7, 0.3]]))


def test_a_window_longer_than_the_video_is_refused():
    clips = Clips(torch.rand(2, 4), F.normalize(torch.rand(2, 4, 3), dim=-1), None)
    outputs = Outputs(None, None, None, Proposals(None, None, None, clips), Proposals(None, None), {})
    with pytest.raises(ValueError, match='has a window of 8 clips, but there are 4. Set `windows` of at most 4'):
        SelfContrastiveLoss(windows=[8], shares=[1.0])(outputs)


def test_contrast_without_scores_of_clips_or_reconstruction_says_what_is_missing():
    outputs = Outputs(torch.zeros(1, 4, 2), None, None, Proposals(None, None), Proposals(None, None), {})
    with pytest.raises(ValueError, match='a generator that scores clips or a reconstructor named "query"'):
        SelfContrastiveLoss()(outputs)


def test_frame_scores_are_trained_by_masked_query_reconstruction_as_well():
    torch.manual_seed(0)
    mixture = config('mscl')
    mixture['encoder'].pop('blank')
    mixture['proposal_generator']['num_clips'] = 10
    mixture['reconstructors'] = copy.deepcopy(config('cnm')['reconstructors'])
    mixture['losses'] = dict(reconstruction=dict(type='ReconstructionLoss'))
    model = MODELS.build(mixture)
    inputs = model.data_preprocessor(dict(inputs=make_batch()), True)['inputs']
    model(inputs, mode='loss')['loss_reconstruction'].backward()
    assert model.proposal_generator.score[-1].weight.grad.abs().sum() > 0
