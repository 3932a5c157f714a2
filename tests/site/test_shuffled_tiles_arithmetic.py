"""The arithmetic of the explorable "Shuffled tiles", run by Node, against the kernels."""

import numpy as np
import pytest

from instnorm.style import gram_matrix
from instnorm_lab import photos

WIDTH = 96
CAT = photos.photo("chelsea", size=WIDTH)


@pytest.fixture
def js(js):
    return js("shuffled-tiles")


@pytest.mark.parametrize("tile", [48, 8, 1])
def test_the_tiles_are_the_same_in_another_order(js, tile):
    def tiles(picture):
        cut = np.reshape(picture, (WIDTH // tile, tile, WIDTH // tile, tile)).swapaxes(1, 2)
        return sorted(map(tuple, cut.reshape(-1, tile * tile)))

    one, two = (np.array(js("shuffle", CAT, WIDTH, tile, seed)) for seed in (1, 2))
    assert tiles(one) == tiles(two) == tiles(CAT)
    assert (one != CAT.ravel()).any()
    assert (one != two).any()


def test_features_and_gram_matrix_are_those_of_numpy(js):
    inner = CAT[1:-1, 1:-1]
    expected = np.stack(
        [
            inner,
            np.abs(CAT[1:-1, 2:] - CAT[1:-1, :-2]),
            np.abs(CAT[2:, 1:-1] - CAT[:-2, 1:-1]),
            np.abs(CAT[2:, 2:] - CAT[:-2, :-2]),
            np.abs(CAT[:-2, 2:] - CAT[2:, :-2]),
        ]
    )
    found = js("features", CAT, WIDTH)
    np.testing.assert_allclose(found, expected.reshape(5, -1), atol=1e-12)
    assert len(js("FEATURES")) == 5
    np.testing.assert_allclose(js("gram", found), gram_matrix(expected[None])[0], rtol=1e-9)


def test_small_tiles_move_the_gram_matrix_and_large_ones_hardly(js):
    def scaled(maps):
        return np.array(maps) / sizes[:, None]

    original = np.array(js("features", CAT, WIDTH))
    sizes = np.sqrt((original**2).mean(1))
    reference = js("gram", scaled(original).tolist())
    moved = {}
    for tile in (32, 1):
        picture = np.array(js("shuffle", CAT, WIDTH, tile, 1))
        found = js("gram", scaled(js("features", picture, WIDTH)).tolist())
        moved[tile] = js("apart", found, reference)
    assert moved[1] > 5 * moved[32]
    assert js("apart", reference, reference) == 0
