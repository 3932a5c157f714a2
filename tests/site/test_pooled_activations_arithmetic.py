"""What "Pooled activations" computes, against the reference kernels."""

import numpy as np
import pytest

from instnorm import batch_norm, group_norm, instance_norm, layer_norm

KERNELS = {
    ("IN", 1): instance_norm,
    ("LN", 1): layer_norm,
    ("BN", 1): batch_norm,
    ("GN", 1): layer_norm,
    ("GN", 2): lambda x, eps: group_norm(x, 2, eps=eps),
    ("GN", 3): lambda x, eps: group_norm(x, 3, eps=eps),
    ("GN", 6): instance_norm,
}
SHAPE = (3, 6, 2, 5)


@pytest.fixture
def js(js):
    return js("pooled-activations")


@pytest.mark.parametrize("method", KERNELS, ids=str)
@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_normalise_is_the_kernel(js, rng, method, eps):
    x = rng.normal(size=SHAPE) * rng.uniform(0.1, 3, (3, 6, 1, 1)) + rng.normal(size=(3, 6, 1, 1))
    y = js("normalise", x.ravel().tolist(), SHAPE, *method, eps)
    np.testing.assert_allclose(y, KERNELS[method](x, eps=eps).ravel(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("method", KERNELS, ids=str)
def test_the_set_is_what_moves_an_output(js, rng, method):
    """Plane (n, c) is in the set of plane (1, 4) when a push there is felt by an output here."""
    x = rng.normal(size=SHAPE)
    at = {"n": 1, "c": 4}
    before = KERNELS[method](x, eps=1e-5)[1, 4]
    members = 0
    for n in range(3):
        for c in range(6):
            pushed = x.copy()
            pushed[n, c, 0, 0] += 1
            felt = bool(np.abs(KERNELS[method](pushed, eps=1e-5)[1, 4] - before).max() > 1e-9)
            assert js("shares", [n, c], at, *method, 6) == felt
            members += felt
    assert js("count", SHAPE, *method) == {"sets": 18 // members, "size": members * 10}
    assert js("setMoments", x.ravel().tolist(), SHAPE, at, *method)["size"] == members * 10
