"""What "Two degrees of freedom" computes, against the reference kernels."""

import numpy as np
import pytest

from instnorm import instance_norm, instance_norm_backward

POINTS = ([2.6, 0.7, 1.5], [1.0, 1.0, 1.0], [-2.0, 4.0, 0.25], [0.5, 0.5, 0.51])


@pytest.fixture
def js(js):
    return js("two-degrees-of-freedom")


@pytest.mark.parametrize("x", POINTS)
@pytest.mark.parametrize("eps", [0, 0.04, 1])
def test_outputs_and_gradients_are_the_kernels(js, x, eps):
    plane = np.array(x)[None, None]
    result = js("normalise", x, eps)
    assert result["mean"] == pytest.approx(np.mean(x))
    assert result["variance"] == pytest.approx(np.var(x), abs=1e-15)
    expected = instance_norm(plane, eps=eps)[0, 0]
    np.testing.assert_allclose(result["xHat"], expected, rtol=1e-12, atol=1e-12)
    if eps == 0 and np.ptp(x) == 0:
        assert js("gradient", x, [1, 2, 3], eps) == [0, 0, 0]  # by convention: there is none
        return
    dy = np.array([0.3, -2.0, 0.9])
    dx, _, _ = instance_norm_backward(dy[None, None], plane, eps=eps)
    np.testing.assert_allclose(js("gradient", x, dy.tolist(), eps), dx[0, 0], atol=1e-10)


def test_the_loss_pulls_towards_its_target(js):
    x, target, eps = np.array([2.6, 0.7, 1.5]), np.array([0, -np.sqrt(1.5), np.sqrt(1.5)]), 0.1
    dx = js("lossGradient", x.tolist(), target.tolist(), eps)

    def loss(x):
        return ((instance_norm(x[None, None], eps=eps)[0, 0] - target) ** 2).sum() / 2

    h = 1e-6
    differences = [(loss(x + h * e) - loss(x - h * e)) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(dx, differences, atol=1e-8)


@pytest.mark.parametrize("x", POINTS)
def test_the_frame_is_orthonormal(js, x):
    u, v, h = js("toFrame", x)
    assert h == pytest.approx(np.sum(x) / np.sqrt(3))
    assert u**2 + v**2 == pytest.approx(3 * np.var(x), abs=1e-12)
    np.testing.assert_allclose(js("fromFrame", [u, v, h]), x, atol=1e-12)
