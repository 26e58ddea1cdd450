import math

import pytest
import torch

from mmvmr.functional.masks import gaussian_mask, mask_spans, resample, span_mask


def test_gaussian_mask_is_one_at_its_center_and_falls_by_the_formula():
    mask = gaussian_mask(torch.tensor([[0.5]]), torch.tensor([[0.25]]), 5)  # points 0, .25, .5, .75, 1
    one, two = math.exp(-0.5), math.exp(-2)  # one and two standard deviations away
    torch.testing.assert_close(mask, torch.tensor([[[two, one, 1, one, two]]]))


def test_peak_normalised_mask_reaches_one_between_grid_points():
    centers, stds = torch.tensor([0.125]), torch.tensor([0.25])
    plain, peaked = (gaussian_mask(centers, stds, 5, normalized) for normalized in (False, True))
    assert plain.max() == pytest.approx(math.exp(-0.125))
    torch.testing.assert_close(peaked, plain / plain.max())
    assert peaked.max() == 1


def test_cnm_mask_is_the_gaussian_with_sigma_sqrt_two_alpha():
    alpha, center, width = 5.5, 0.3, 0.4
    time = torch.linspace(0, 1, 50)
    expected = torch.exp(-alpha * (time - center)**2 / width**2)
    mask = gaussian_mask(torch.tensor([center]), torch.tensor([width / math.sqrt(2 * alpha)]), 50)[0]
    torch.testing.assert_close(mask, expected)


def test_a_tiny_std_far_from_the_grid_still_gives_a_finite_peaked_mask():
    mask = gaussian_mask(torch.tensor([0.51]), torch.tensor([1e-3]), 3, peak_normalized=True)
    assert mask.tolist() == [[0, 1, 0]]


def test_resample_takes_the_integer_part_of_even_positions():
    video = torch.arange(200.0).view(1, 200, 1)
    picked = resample(video, 50).flatten()
    assert picked[:4].tolist() == [0, 4, 8, 12]  # 199/49 = 4.06
    assert picked[-1] == 199 and len(picked) == 50
    assert resample(video, 200) is video


def test_resample_is_exact_where_single_precision_is_not():
    for length, wanted in ((40, 34), (33, 15), (97, 89)):
        picked = resample(torch.arange(float(length)).view(1, length, 1), wanted).flatten()
        assert picked.tolist() == [(length - 1) * place // (wanted - 1) for place in range(wanted)]
    assert resample(torch.arange(5.0).view(1, 5, 1), 1).flatten().tolist() == [0]


def test_span_is_read_where_the_mask_crosses_the_level():
    mask = torch.tensor([0.0, 0.5, 1.0, 0.5, 0.0])
    assert mask_spans(mask, 0.5).tolist() == [0.25, 0.75]
    assert mask_spans(mask, 0.75).tolist() == [0.375, 0.625]


def test_span_keeps_to_the_run_around_the_peak_and_to_the_video():
    masks = torch.tensor([[0.8, 0.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.9, 0.9], [1.0, 1.0, 1.0, 1.0, 1.0]])
    assert mask_spans(masks, 0.5).tolist() == [[0.375, 1.0], [0.0, 0.375], [0.0, 1.0]]


@pytest.mark.parametrize('width', [0.12, 0.3])
def test_level_exp_minus_alpha_over_four_gives_back_the_cnm_span(width):
    alpha = 5.5
    mask = gaussian_mask(torch.tensor([0.45]), torch.tensor([width / math.sqrt(2 * alpha)]), 50)
    start, end = mask_spans(mask, math.exp(-alpha / 4))[0].tolist()
    assert start == pytest.approx(0.45 - width / 2, abs=0.005)
    assert end == pytest.approx(0.45 + width / 2, abs=0.005)


@pytest.mark.parametrize('size, num_clips', [(64, 64), (16, 64), (32, 64), (8, 8), (3, 12), (1, 5)])
def test_mask_of_a_cell_is_its_clips_where_the_cells_fit_the_grid(size, num_clips):
    clips = num_clips // size
    for start in range(size):
        for end in range(start, size):
            mask = span_mask(torch.tensor([start / size, (end + 1) / size]), num_clips)
            assert mask.nonzero().flatten().tolist() == list(range(start * clips, (end + 1) * clips))


@pytest.mark.parametrize('num_clips', [1, 2, 7, 50])
def test_no_mask_of_a_span_is_empty_however_short(num_clips):
    start = torch.linspace(0, 0.99, 100)
    masks = span_mask(torch.stack([start, start + 0.001], dim=-1), num_clips)
    assert masks.shape == (100, num_clips) and (masks.sum(dim=-1) >= 1).all()
    nearest = masks.argmax(dim=-1) / max(num_clips - 1, 1)
    assert (nearest - start).abs().max() <= 0.5 / max(num_clips - 1, 1) + 0.001 or num_clips == 1


def test_mask_of_a_span_is_read_back_within_half_a_step_of_the_grid():
    spans = torch.tensor([[0.1, 0.3], [0.0, 1.0], [0.52, 0.9]])
    torch.testing.assert_close(mask_spans(span_mask(spans, 41), 0.5), spans, atol=0.5 / 40 + 1e-6, rtol=0)
