import pytest
import torch
import torch.nn.functional as F

from mmvmr.functional.maps import max_pool_moments, moment_index, neighbour_weights, valid_cells


def _cells_by_pooling_layers(size, counts):
    """2D-TAN's sparse map as a stack of pooling layers: ``counts`` lengths, one, two, four, ... clips apart."""
    cells, length = {(start, start) for start in range(size)}, 1
    for layer, count in enumerate(counts):
        stride = 2**layer
        for _ in range(count):
            length += stride
            cells |= {(start, start + length - 1) for start in range(0, size - length + 1, stride)}
    return cells


@pytest.mark.parametrize('size, counts', [(16, [15]), (32, [15, 8]), (64, [15, 8, 8])])
def test_sparse_cells_are_those_of_2d_tan(size, counts):
    assert {tuple(cell) for cell in valid_cells(size).nonzero().tolist()} == _cells_by_pooling_layers(size, counts)


@pytest.mark.parametrize('size', [1, 2, 5, 31])
def test_small_maps_have_all_cells(size):
    assert torch.equal(valid_cells(size), torch.ones(size, size).triu().bool())


def test_a_cell_is_the_maximum_of_its_clips():
    torch.manual_seed(0)
    clips, cells = torch.randn(2, 7, 3), valid_cells(7).nonzero()
    pooled = max_pool_moments(clips)
    assert pooled.shape == (2, 28, 3)
    expected = torch.stack([clips[:, start:end + 1].amax(dim=1) for start, end in cells.tolist()], dim=1)
    assert torch.equal(pooled[:, moment_index(cells, 7)], expected)


@pytest.mark.parametrize('kernel_size', [3, 5])
def test_average_over_the_valid_cells_in_sight_of_a_constant_map_is_the_constant(kernel_size):
    valid, window = valid_cells(32), torch.full((1, 1, kernel_size, kernel_size), 1 / kernel_size**2)
    cells = 3.0 * valid[None, None]
    for weight in neighbour_weights(valid, kernel_size, num_layers=3):
        cells = F.conv2d(cells, window, padding=kernel_size // 2) * weight
        torch.testing.assert_close(cells[cells > 0], torch.full_like(cells[cells > 0], 3.0))
        assert (cells[0, 0][valid] > 0).all()


def test_weights_are_zero_where_no_valid_cell_is_in_sight():
    valid = torch.zeros(5, 5, dtype=torch.bool)
    valid[0, 4] = True
    first, second = neighbour_weights(valid, kernel_size=3, num_layers=2)
    assert (first > 0).nonzero().tolist() == [[0, 3], [0, 4], [1, 3], [1, 4]]
    assert (second > 0).nonzero().tolist() == [[x, y] for x in range(3) for y in range(2, 5)]
