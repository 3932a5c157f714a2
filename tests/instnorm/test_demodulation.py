"""Weight demodulation against PyTorch's convolution, and against what it promises."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose

from instnorm.demodulation import demodulate


def convolved(x, weights):
    """Each image by its own weights, without padding."""
    pairs = zip(x, weights, strict=True)
    return np.concatenate(
        [F.conv2d(torch.from_numpy(a[None]), torch.from_numpy(w)).numpy() for a, w in pairs]
    )


def test_scaling_weights_is_scaling_the_input_and_dividing_the_output(rng):
    """The paper's other implementation of the same layer."""
    x, w = rng.standard_normal((2, 3, 7, 6)), rng.standard_normal((4, 3, 3, 3))
    style = rng.uniform(0.1, 5, (2, 3))
    y = convolved(x, demodulate(w, style, eps=0.25))
    wanted = convolved(x * style[:, :, None, None], np.stack([w, w]))
    for n, o in np.ndindex(2, 4):
        power = sum(style[n, i] ** 2 * np.linalg.norm(w[o, i]) ** 2 for i in range(3))
        assert_allclose(y[n, o], wanted[n, o] / np.sqrt(power + 0.25), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", [(), (5,), (3, 3), (2, 2, 2)])
def test_white_noise_comes_out_with_unit_variance(kernel, rng):
    w = demodulate(rng.standard_normal((4, 6, *kernel)), rng.uniform(0.1, 5, (3, 6)), eps=0.0)
    assert w.shape == (3, 4, 6, *kernel)
    patches = rng.standard_normal((20_000, w[0, 0].size))
    assert_allclose((patches @ w.reshape(12, -1).T).std(axis=0), 1, atol=0.03)


def test_the_size_of_the_style_does_not_matter_and_its_proportions_do(rng):
    w, style = rng.standard_normal((4, 3, 3, 3)), rng.uniform(0.1, 5, (2, 3))
    assert_allclose(demodulate(w, 100 * style, eps=0.0), demodulate(w, style, eps=0.0))
    other = style * [1, 2, 1]
    assert np.abs(demodulate(w, other) - demodulate(w, style)).max() > 0.05


def test_dtype_is_that_of_the_weights_and_sums_do_not_overflow():
    w = np.full((1, 2, 3, 3), 1e25, "float32")
    y = demodulate(w, np.ones((1, 2), "float32"))
    assert y.dtype == np.float32
    assert_allclose(y, 1 / np.sqrt(18), rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"weight": np.ones((4, 3, 3), int)}, TypeError, "weight must hold floating-point"),
        ({"weight": np.ones(3)}, ValueError, r"weight must have shape \(O, I, \*kernel\); got"),
        ({"style": np.ones(3)}, ValueError, r"style must have shape \(N, 3\).*got \(3,\)"),
        ({"style": np.ones((2, 4))}, ValueError, r"style must have shape \(N, 3\).*got \(2, 4\)"),
        ({"style": [[1.0, 2.0, 3.0]]}, TypeError, "style must be a NumPy or CuPy array; got list"),
        ({"eps": -1.0}, ValueError, "eps must be finite and not negative"),
    ],
)
def test_bad_input_is_named(change, error, words):
    good = {"weight": np.ones((4, 3, 3, 3)), "style": np.ones((2, 3))}
    demodulate(**good)
    with pytest.raises(error, match=words):
        demodulate(**{**good, **change})


@pytest.mark.parametrize("size", [0.0, 1e-200, 1e200])
def test_weights_of_any_size_are_brought_to_unit_norm(size, rng):
    weight, style = rng.standard_normal((4, 3, 2, 2)), rng.uniform(1, 2, (2, 3))
    result = demodulate(size * weight, style, eps=0)
    wanted = demodulate(weight, style, eps=0) if size else np.zeros(result.shape)
    assert_allclose(result, wanted, rtol=1e-12)
