"""Decoders against moments found by hand, and what holds for all of them."""
import math

import pytest
import torch
from mmengine.registry import DefaultScope

from mmvmr.models.checks import check_part
from mmvmr.models.decoders.choosing import best_spans
from mmvmr.models.interface import Decoder
from mmvmr.registry import MODELS

DECODERS = dict(
    otsu=dict(type='OtsuRuns', num_proposals=4),
    nested=dict(type='OtsuRuns', num_proposals=4, nested=0.25),
    histogram=dict(type='HistogramRuns', num_proposals=4, least=3, gap=1),
    anchor=dict(type='AnchorRuns', num_proposals=4),
    subarray=dict(type='MaximumSubarray', num_proposals=4),
    windows=dict(type='ContrastWindows', num_proposals=4),
    transitions=dict(type='ContrastWindows', num_proposals=4, stride=2, floor=0.3, rise=5e-4),
    mixture=dict(type='GaussianMixture', num_proposals=4))
every_decoder = pytest.mark.parametrize('name', DECODERS)


def build(name, **changes):
    with DefaultScope.overwrite_default_scope('mmvmr'):
        return MODELS.build(dict(DECODERS[name], **changes))


def decode(name, curve, mask=None, **changes):
    curve = torch.tensor([curve], dtype=torch.float64)
    mask = torch.ones_like(curve).bool() if mask is None else torch.tensor([mask])
    return build(name, **changes)(curve, mask)


def clips(proposals, num_clips):
    """Spans of the only curve, in clips."""
    return [tuple(span) for span in (proposals.spans[0] * num_clips).round(decimals=6).tolist()]


def curves(batch=6, num_clips=20):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, num_clips, generator=generator, dtype=torch.float64)


@every_decoder
def test_decoder_gives_what_is_asked_of_decoders(name):
    check_part(build(name), Decoder, name)
    found = build(name)(curves().float(), torch.ones(6, 20).bool())
    assert found.spans.shape == (6, 4, 2) and found.masks.shape == (6, 4, 20) and found.scores.shape == (6, 4)
    assert {part.dtype for part in found[:3]} == {torch.float32}
    assert (found.scores.diff(dim=1) <= 0).all()  # best first
    assert found.masks.min() >= 0 and found.masks.max() <= 1
    assert (found.spans[..., 0] < found.spans[..., 1]).all()


@pytest.mark.parametrize('name, changes', [*((name, {}) for name in DECODERS), ('transitions', dict(stride=8))])
@pytest.mark.parametrize('num_clips', [1, 2, 3])
def test_a_video_of_few_clips_has_moments_too(name, num_clips, changes):
    found = build(name, **changes)(curves(3, num_clips), torch.ones(3, num_clips).bool())
    assert found.spans.shape == (3, 4, 2) and found.scores.isfinite().all()
    assert (found.spans[..., 0] < found.spans[..., 1]).all()


@every_decoder
@pytest.mark.parametrize('filler', [-5.0, 0.0, 7.0, math.inf])
def test_what_stands_on_clips_that_do_not_count_changes_nothing(name, filler):
    curve, mask = curves(), torch.ones(6, 20).bool()
    padded = torch.cat([curve, torch.full((6, 8), filler, dtype=curve.dtype)], dim=1)
    known = torch.cat([mask, torch.zeros(6, 8).bool()], dim=1)
    plain, found = build(name)(curve, mask), build(name)(padded, known)
    torch.testing.assert_close(found.spans * 28, plain.spans * 20)
    torch.testing.assert_close(found.scores, plain.scores)
    if name != 'mixture':  # whose masks have tails
        assert not found.masks[..., 20:].any()


@every_decoder
def test_a_curve_is_decoded_as_it_is_alone(name):
    curve, mask = curves(), torch.arange(20) < torch.tensor([20, 5, 1, 19, 2, 20])[:, None]
    together = build(name)(curve, mask)
    for row in range(6):
        alone = build(name)(curve[row:row + 1], mask[row:row + 1])
        for one, other in zip(alone[:3], together[:3]):
            torch.testing.assert_close(one[0], other[row])


@every_decoder
def test_flat_curves_and_absent_videos_have_an_answer(name):
    flat = build(name)(torch.full((2, 8), 0.4), torch.tensor([[True] * 8, [False] * 8]))
    assert all(part.isfinite().all() for part in flat[:3])
    assert (flat.spans[..., 1] > flat.spans[..., 0]).all()


@pytest.mark.parametrize('height', [0.27, 0.3, -0.3, 1.0])
@pytest.mark.parametrize('name', ['otsu', 'mixture'])
def test_a_flat_curve_is_one_moment_or_even_ones_whatever_rounding_makes_of_it(name, height):
    for num_clips in (64, 75):
        noise = 1e-8 * torch.rand(1, num_clips, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        mask = torch.ones(1, num_clips).bool()
        found = build(name)(noise + height, mask)
        even = build(name)(torch.zeros(1, num_clips, dtype=torch.float64), mask)
        torch.testing.assert_close(found.spans, even.spans)
        if name == 'otsu':
            assert found.spans[0, 0].tolist() == [0, 1]


@pytest.mark.parametrize('name', sorted(DECODERS.keys() - {'transitions'}))  # a rise has a direction
def test_the_end_of_the_video_is_as_good_as_its_beginning(name):
    curve = [0.1, 0.12, 0.1, 0.9, 0.8, 0.95, 0.11, 0.1, 0.1, 0.13]
    ahead, back = decode(name, curve), decode(name, curve[::-1])
    start, end = ahead.spans[0, 0].tolist()
    assert back.spans[0, 0].tolist() == pytest.approx([1 - end, 1 - start])


def test_otsu_runs_by_hand():
    """Almost no smoothing: the classes are {0.1, 0.2, 0.3} and {0.7, 0.8, 0.9}, and three runs lie above."""
    curve = [0.1, 0.8, 0.9, 0.2, 0.7, 0.3, 0.2]
    found = decode('otsu', curve, smoothing=1e-3, num_proposals=3)
    assert clips(found, 7) == [(1, 3), (4, 5), (1, 3)]  # the best is repeated
    contrast = 0.85 - 1.5 / 5, 0.7 - 2.5 / 6
    assert found.scores[0].tolist() == pytest.approx([*contrast, contrast[1] - 1])


def test_runs_in_runs_by_hand():
    """Among .5, .9, .9, .5, .9, the clips above Otsu's first threshold, .9 are above the second."""
    curve = [0.0, 0.5, 0.9, 0.9, 0.5, 0.0, 0.9, 0.0, 0.0]
    found = decode('otsu', curve, smoothing=1e-3, nested=0.25)
    assert clips(found, 9) == [(6, 7), (1, 5), (2, 4), (6, 7)]  # the run of one clip is repeated
    outer, whole, inner = 0.9 - 2.8 / 8, 0.7 - 0.9 / 5, 0.9 - 1.9 / 7
    assert found.scores[0].tolist() == pytest.approx([outer, whole, 0.25 * inner, 0.25 * inner - 1])
    assert clips(decode('otsu', curve, smoothing=1e-3), 9)[:2] == [(6, 7), (1, 5)]


def test_smoothing_closes_a_gap_of_a_clip():
    curve = [0.0, 0.0, 0.0, 0.0, 0.9, 0.9, 0.3, 0.9, 0.9, 0.0, 0.0, 0.0, 0.0]
    assert clips(decode('otsu', curve, smoothing=1e-3), 13)[:2] == [(4, 6), (7, 9)]
    assert clips(decode('otsu', curve, smoothing=1.0), 13)[0] == (4, 9)


def test_histogram_runs_by_hand():
    """Stretched: 0, .25, .85, 1, .1, .95, .2, 0. Three clips reach .8, so clips 2, 3 and 5; the gap of one is closed.

    Mean of the run (.85 + 1 + .1 + .95) / 4, length 4 of 8.
    """
    curve = [0.2 + 0.4 * value for value in (0, 0.25, 0.85, 1, 0.1, 0.95, 0.2, 0)]
    found = decode('histogram', curve)
    assert clips(found, 8)[0] == (2, 6)
    assert found.scores[0, 0].item() == pytest.approx((2.9 / 4 + 4 / 8) / 2)
    assert clips(decode('histogram', curve, gap=0), 8)[:2] == [(2, 4), (5, 6)]


def test_histogram_lowers_its_border_until_enough_clips_lie_above():
    curve = [0.0, 0.25, 0.85, 1.0, 0.1, 0.95, 0.2, 0.0]
    assert clips(decode('histogram', curve, least=4), 8)[0] == (1, 7)  # the fourth is .25, in the bin from .2 on
    assert clips(decode('histogram', curve, least=9), 8)[0] == (0, 8)  # the video has no nine clips


def test_anchor_runs_by_hand():
    """From the median 0.3 the threshold goes to (0.1 + 0.8) / 2 = 0.45, which parts the same clips and stays."""
    curve = [0.1, 0.8, 0.9, 0.3, 0.7, 0.1, 0.1]
    found = decode('anchor', curve, num_proposals=2)
    assert clips(found, 7) == [(1, 3), (4, 5)]
    assert found.scores[0].tolist() == pytest.approx([0.9, 0.7])


def test_maximum_subarrays_by_hand():
    """The mean is 0.4: gains -.4, .5, -.2, .4, -.4, .3, -.2. The largest sum is .5 - .2 + .4, that of the rest .3."""
    curve = [0.0, 0.9, 0.2, 0.8, 0.0, 0.7, 0.2]
    found = decode('subarray', curve, num_proposals=3)
    assert clips(found, 7) == [(1, 4), (5, 6), (1, 4)]
    assert found.scores[0].tolist() == pytest.approx([0.7, 0.3, -0.7])


def test_maximum_subarray_is_the_best_of_all_spans():
    for row in curves(batch=10):
        gains = row - row.mean()
        spans = [(gains[start:end].sum().item(), start, end) for start in range(20) for end in range(start + 1, 21)]
        best = max(spans)
        found = decode('subarray', row.tolist(), num_proposals=1)
        assert clips(found, 20) == [best[1:]]
        assert found.scores[0, 0].item() == pytest.approx(best[0])


def test_contrast_windows_are_the_best_of_all_windows():
    for row in curves(batch=5, num_clips=12):
        windows = [((row[start:end].mean() - torch.cat([row[:start], row[end:]]).mean()).item(), start, end)
                   for start in range(12) for end in range(start + 1, min(start + 6, 12) + 1)]
        best = max(windows)
        found = decode('windows', row.tolist())
        assert clips(found, 12)[0] == best[1:]
        assert found.scores[0, 0].item() == pytest.approx(best[0])


def test_windows_much_like_a_better_one_are_suppressed():
    """(1, 3) has 0.95 - 0.8 / 6, (1, 2) 1 - 1.7 / 7, (5, 6) 0.8 - 1.9 / 7; the second shares half of the first."""
    curve = [0.0, 1.0, 0.9, 0.0, 0.0, 0.8, 0.0, 0.0]
    assert clips(decode('windows', curve, nms=1.0), 8)[:2] == [(1, 3), (1, 2)]
    assert clips(decode('windows', curve, nms=0.3), 8)[:2] == [(1, 3), (5, 6)]


def test_static_score_and_moved_start_by_hand():
    """Clips 2, 3, 4 and 6 are above 0.3; the others count as 0 inside of a window, and not at all outside.

    (3, 5) has 0.9 - (0.4 + 0.5) / 2, (2, 6) has 2.2 / 4 - 0.5 / 1. The smoothed curve rises from the first clip on.
    """
    curve = [0.2, 0.1, 0.4, 0.9, 0.9, 0.2, 0.5, 0.1]
    still, moved = (decode('transitions', curve, nms=1.0, num_proposals=20, rise=rise) for rise in (None, 5e-4))
    scores = dict(zip(clips(still, 8)[::-1], still.scores[0].tolist()[::-1]))
    assert scores[3, 5] == pytest.approx(0.9 - 0.45) and scores[2, 6] == pytest.approx(0.55 - 0.5)
    assert clips(still, 8)[0] == (3, 5) and clips(moved, 8)[0] == (0, 5)
    torch.testing.assert_close(moved.scores, still.scores)


def test_windows_of_no_length_are_refused():
    with pytest.raises(ValueError, match='stride=0 and longest=0.5'):
        build('windows', stride=0)


@pytest.mark.parametrize('changes', [dict(smoothing=0), dict(smoothing=-1), dict(nested=-0.5)])
def test_runs_without_a_smoothing_are_refused(changes):
    with pytest.raises(ValueError, match='smoothing above 0'):
        build('otsu', **changes)


def test_mixture_finds_the_gaussians_that_a_curve_was_made_of():
    time = torch.arange(40) + 0.5
    curve = 2 * torch.exp(-(time - 10).square() / 8) + torch.exp(-(time - 30).square() / 18)
    found = decode('mixture', curve.tolist(), num_proposals=2, num_steps=100)
    weights = torch.tensor([2 * 2.0, 1 * 3.0])  # areas: height times deviation
    half = math.sqrt(3) * torch.tensor([2.0, 3.0])
    expected = torch.stack([torch.tensor([10.0, 30.0]) - half, torch.tensor([10.0, 30.0]) + half], dim=-1) / 40
    torch.testing.assert_close(found.spans[0], expected.double(), atol=2e-3, rtol=0)
    torch.testing.assert_close(found.scores[0], (weights / weights.sum()).double(), atol=2e-3, rtol=0)
    assert found.masks.amax(dim=-1)[0].tolist() == [1, 1]


def test_mixture_takes_one_step_as_written_in_the_paper():
    """Weights w = 0, 1/4, 1/2, 1/4 at times 0.5 .. 3.5: one Gaussian has their mean 2.5 and variance 1/2."""
    found = decode('mixture', [0.1, 0.3, 0.5, 0.3], num_proposals=1, num_steps=1)
    deviation = math.sqrt(0.5)
    assert (found.spans[0, 0] * 4).tolist() == pytest.approx([2.5 - math.sqrt(3) * deviation,
                                                               2.5 + math.sqrt(3) * deviation])


def test_whole_video_stands_where_nothing_was_found():
    found = best_spans(torch.zeros(1, 3, 2, dtype=torch.long), torch.rand(1, 3), torch.zeros(1, 3).bool(), 2, 5)
    assert found.spans[0].tolist() == [[0, 1], [0, 1]] and found.scores[0].tolist() == [0, -1]
