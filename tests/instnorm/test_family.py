"""The family by name, black boxes told apart, and what leaks from neighbours."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from instnorm import batch_norm, instance_norm, layer_norm
from instnorm.family import MEMBERS, batch_leakage, normalize, which_norm


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


# --- What leaks from neighbours -------------------------------------------------------------------


def judged(rng, images=2, company=(3, 4)):
    return {
        "x": activations(rng, images, 3, 4, 5),
        "others": np.stack([activations(rng, company[1], 3, 4, 5) for _ in range(company[0])]),
        "weight": rng.standard_normal((3, 4, 5)),
    }


def test_the_leak_is_the_range_of_the_scores(rng):
    given = judged(rng)
    for image, leak in zip(given["x"], batch_leakage(**given, mode="BN", eps=0.1), strict=True):
        scores = []
        for company in given["others"]:
            batch = np.concatenate([image[None], company])
            mean, var = batch.mean((0, 2, 3)), batch.var((0, 2, 3))
            normed = (image - mean[:, None, None]) / np.sqrt(var + 0.1)[:, None, None]
            scores.append(np.sum(given["weight"] * normed))
        assert_allclose(leak, max(scores) - min(scores), rtol=1e-12)
        assert leak > 0.1


def test_only_batch_norm_leaks(rng):
    given = judged(rng)
    for mode in ("IN", "LN"):
        assert_array_equal(batch_leakage(**given, mode=mode), [0, 0])
    assert_array_equal(batch_leakage(**judged(rng, company=(1, 4)), mode="BN"), [0, 0])
    assert_array_equal(batch_leakage(**judged(rng, company=(3, 0)), mode="BN"), [0, 0])


def test_the_more_others_the_less_leaks(rng):
    few, many = (
        batch_leakage(**judged(rng, images=20, company=(5, size)), mode="BN").mean()
        for size in (2, 60)
    )
    assert few > 2 * many


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            {"others": np.ones((2, 3, 4, 5))},
            ValueError,
            r"\(K, B, 3, 4, 5\), .* got \(2, 3, 4, 5\)",
        ),
        ({"others": np.ones((0, 1, 3, 4, 5))}, ValueError, "K of 1 or more"),
        ({"others": np.ones((2, 1, 3, 4, 5), int)}, TypeError, "others must hold floating"),
        ({"weight": np.ones((3, 1, 1))}, ValueError, r"weight must have .* \(3, 4, 5\); got"),
        ({"mode": "GN"}, ValueError, "mode must be one of BN, LN, IN"),
        ({"x": np.ones((2, 3))}, ValueError, "x must have shape"),
        ({"eps": -1}, ValueError, "eps must be finite"),
    ],
)
def test_leaks_of_bad_input_are_refused(change, error, words, rng):
    with pytest.raises(error, match=words):
        batch_leakage(**{**judged(rng), "mode": "BN", **change})
