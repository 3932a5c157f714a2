"""What "Depth by layer" computes, against the reference and NumPy."""

import numpy as np
import pytest

from instnorm.depth import MODES, deep_stats


@pytest.fixture
def js(js):
    return js("depth-by-layer")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("gain", [0.5, 2])
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_layers_are_the_references(js, rng, mode, gain, eps):
    x = 3 + 2 * rng.normal(size=(5, 17))
    weights = rng.normal(size=(4, 5, 5))
    ours = np.array(js("layers", x, weights, 5, gain, mode, eps)).reshape(4, 5, 17)
    means, stds, a = deep_stats(x, gain * weights, np.zeros((4, 5)), mode, eps)
    np.testing.assert_allclose(ours[-1], a, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.mean((1, 2)), means, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.std((1, 2)), stds, rtol=1e-9, atol=1e-9)


def test_draws_are_normal_and_depend_on_the_seed_alone(js):
    one, again, two = (np.array(js("normals", seed, 20_000)) for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != two).any()
    assert abs(one.mean()) < 0.03
    assert one.std() == pytest.approx(1, abs=0.03)
    assert np.mean(np.abs(one) < 1) == pytest.approx(0.6827, abs=0.015)
    assert np.corrcoef(one[1:], one[:-1])[0, 1] == pytest.approx(0, abs=0.03)
