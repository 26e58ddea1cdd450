import torch

from mmvmr.functional.noise import _split_mix, gumbel, pair_noise, split_seeds


def test_numbers_are_those_of_splitmix64():
    """The published test vector of the generator, seed 1234567, as unsigned numbers."""
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431,
                16408922859458223821]
    assert [number % 2**64 for number in _split_mix(torch.tensor([1234567]), 5)[0].tolist()] == expected
    assert [number % 2**64 for number in split_seeds(1234567, 2).tolist()] == expected[:2]


def test_noise_of_a_pair_depends_on_its_seed_and_the_place_alone():
    seeds = torch.tensor([5, -9, 2**62])
    noise = pair_noise(seeds, 7)
    assert torch.equal(pair_noise(seeds[1:], 4), noise[1:, :4])
    assert torch.equal(pair_noise(seeds, 3, skip=4), noise[:, 4:])


def test_noise_is_uniform_between_zero_and_one():
    noise = pair_noise(split_seeds(0, 1000), 1000)
    assert 0 < noise.min() and noise.max() < 1
    shares = noise.histc(10, 0, 1) / noise.numel()
    torch.testing.assert_close(shares, torch.full((10,), 0.1), atol=0.0012, rtol=0)  # four standard deviations
    together = torch.corrcoef(torch.stack([noise[:-1].flatten(), noise[1:].flatten(), noise.roll(1, 1)[1:].flatten()]))
    assert (together - torch.eye(3)).abs().max() < 0.004


def test_gumbel_noise_is_finite_for_the_smallest_and_the_largest_number():
    assert gumbel(torch.tensor([0.5, 2**23 - 0.5]) / 2**23).isfinite().all()
