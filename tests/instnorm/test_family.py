"""The family by name, and black boxes told apart."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from instnorm import batch_norm, instance_norm, layer_norm
from instnorm.family import MEMBERS, normalize, which_norm


def activations(rng, *shape):
    """Every plane with moments of its own."""
    return (
        rng.standard_normal(shape) * (1 + rng.random((*shape[:2], 1, 1)))
        + rng.random(shape[:2])[..., None, None]
    )


@pytest.mark.parametrize(
    ("mode", "member"), [("BN", batch_norm), ("LN", layer_norm), ("IN", instance_norm)]
)
def test_a_mode_names_a_member(mode, member, rng):
    x = activations(rng, 2, 3, 4, 5)
    assert_array_equal(normalize(x, mode, eps=0.1), member(x, eps=0.1))


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        ((2, 3, 4, 5), {"BN": [1, 0, 0], "LN": [0, 1, 0], "IN": [0, 0, 1]}),
        ((1, 3, 4, 5), {"BN": [1, 0, 1], "LN": [0, 1, 0], "IN": [1, 0, 1]}),
        ((2, 1, 4, 5), {"BN": [1, 0, 0], "LN": [0, 1, 1], "IN": [0, 1, 1]}),
        ((1, 1, 4, 5), {"BN": [1, 1, 1], "LN": [1, 1, 1], "IN": [1, 1, 1]}),
    ],
    ids=str,
)
@pytest.mark.parametrize("mode", MEMBERS)
def test_a_black_box_is_known_by_its_output(shape, fits, mode, rng):
    x = activations(rng, *shape)
    y = normalize(x, mode, eps=0.1)
    assert_array_equal(which_norm(x, y, eps=0.1), fits[mode])
    assert_array_equal(which_norm(x, y, eps=0.2), [0, 0, 0])
    assert_array_equal(which_norm(x, x, eps=0.1), [0, 0, 0])


def test_rounding_is_forgiven(rng):
    x = activations(rng, 2, 3, 4, 5)
    y = normalize(x.astype(np.float32), "LN").astype(float)
    assert_array_equal(which_norm(x, y, tolerance=1e-5), [0, 1, 0])
    assert_array_equal(which_norm(x, y + 1e-3), [0, 0, 0])


def test_bad_input_is_refused(rng):
    x = activations(rng, 2, 3, 4, 5)
    with pytest.raises(ValueError, match="mode must be one of BN, LN, IN; got 'GN'"):
        normalize(x, "GN")
    with pytest.raises(ValueError, match=r"y must have the shape of x, \(2, 3, 4, 5\); got \(2, 3"):
        which_norm(x, x[..., :3])
    with pytest.raises(TypeError, match="y must hold floating-point numbers"):
        which_norm(x, x.astype(int))
