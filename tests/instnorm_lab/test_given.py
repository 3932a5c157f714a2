"""What notebooks hand out is right."""

import numpy as np
import pytest

from instnorm import instance_norm
from instnorm.family import MEMBERS
from instnorm.family import normalize as kernel
from instnorm_lab import given


@pytest.mark.parametrize("mode", MEMBERS)
@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_normalize_is_that_of_the_family(mode, eps, rng):
    x = rng.normal(3, 2, (2, 3, 4, 5))
    np.testing.assert_allclose(given.normalize(x, mode, eps), kernel(x, mode, eps), rtol=1e-12)


def test_naive_is_instance_norm(rng):
    x, gamma, beta = rng.normal(3, 2, (2, 3, 4, 5)), rng.normal(size=3), rng.normal(size=3)
    right = instance_norm(x, gamma, beta, eps=0.1)
    np.testing.assert_allclose(given.naive(x, gamma, beta, 0.1), right, rtol=1e-12, atol=1e-14)
