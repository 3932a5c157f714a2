"""What "Epsilon" computes, against the reference kernel and NumPy."""

import numpy as np
import pytest

from instnorm import instance_norm


@pytest.fixture
def js(js):
    return js("epsilon")


@pytest.mark.parametrize("c", [1e-4, 0.02, 1.0])
@pytest.mark.parametrize("eps", [0, 1e-10, 1e-5, 1.0])
def test_amplitude_and_gain_are_the_kernels(js, rng, c, eps):
    pattern = instance_norm(rng.normal(size=(1, 1, 500)), eps=0)
    out = instance_norm(c * pattern, eps=eps).std()
    assert js("amplitude", c, eps) == pytest.approx(out, rel=1e-9)
    assert js("gain", c, eps) == pytest.approx(out / c, rel=1e-9)


def test_expose_sets_the_contrast_and_counts_levels(js, rng):
    pattern = instance_norm(rng.normal(size=(1, 1, 800)), eps=0)[0, 0]
    x = np.array(js("expose", pattern, 0.1, False))
    np.testing.assert_allclose(x, 0.5 + 0.1 * pattern, rtol=1e-12)
    saved = np.array(js("expose", pattern, 0.3, True))
    np.testing.assert_allclose(saved * 255, np.round(saved * 255), atol=1e-9)
    np.testing.assert_allclose(saved, np.clip(0.5 + 0.3 * pattern, 0, 1), atol=0.5 / 255 + 1e-12)
