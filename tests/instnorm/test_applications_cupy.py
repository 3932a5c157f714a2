"""What the applications add to the family, on the GPU: the values are those of the CPU."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from instnorm.contrast import contrast_response, contrast_scores
from instnorm.demodulation import demodulate
from instnorm.divisive import (
    divisive_norm,
    filter_response_norm,
    local_contrast_norm,
    local_response_norm,
    naka_rushton,
)
from instnorm.family import batch_leakage
from instnorm.geometry import instance_norm_jacobian
from instnorm.mixtures import (
    adapt_batch_norm,
    batch_instance_norm,
    ibn,
    mixstyle,
    switchable_norm,
)
from instnorm.photometric import observation_normalise, photometric_stereo, render
from instnorm.series import cmn, cmvn, msc, revin, revin_inverse, snv
from instnorm.style import adain, conditional_instance_norm, gram_matrix
from instnorm.whitening import colour, wct, whiten, whitening_matrix

WHITENERS = ("pca", "zca", "cholesky", "zca-cor")


def images(rng):
    """(N, C, H, W) activations whose planes have moments of their own."""
    return rng.standard_normal((2, 4, 6, 5)) * rng.uniform(1, 2, (2, 4, 1, 1)) + 3


def covariance(rng):
    return np.cov(rng.standard_normal((4, 50)))


def scene(rng):
    """Normals, albedo and lights of a small surface that all lights reach."""
    normals = rng.uniform(-0.2, 0.2, (3, 4, 5))
    normals[2] = 1
    normals /= np.linalg.norm(normals, axis=0)
    lights = np.array([[0.3, 0, 0.95], [-0.3, 0.1, 0.95], [0, 0.3, 0.95], [0.1, -0.3, 0.95]])
    return normals, rng.uniform(0.5, 1, (4, 5)), lights


# Name -> what is called, and with what, given a random generator.
CALLS = {
    "conditional instance norm": lambda rng: (
        conditional_instance_norm,
        [images(rng), *rng.standard_normal((2, 3, 4)), np.array([2, 0])],
    ),
    "AdaIN": lambda rng: (adain, [images(rng), images(rng)]),
    "demodulation": lambda rng: (
        demodulate,
        [rng.standard_normal((3, 4, 3, 3)), rng.uniform(1, 2, (2, 4))],
    ),
    "Gram matrix": lambda rng: (gram_matrix, [images(rng)]),
    **{
        f"whitening, {method}": lambda rng, method=method: (
            lambda x: whiten(x, method)[0],
            [rng.standard_normal((4, 50))],
        )
        for method in WHITENERS
    },
    **{
        f"whitening matrix, {method}": lambda rng, method=method: (
            lambda sigma: whitening_matrix(sigma, method),
            [covariance(rng)],
        )
        for method in WHITENERS
    },
    "colouring": lambda rng: (colour, [rng.standard_normal((4, 50)), covariance(rng)]),
    "WCT": lambda rng: (wct, [images(rng), images(rng)]),
    "divisive norm": lambda rng: (
        lambda drive: divisive_norm(drive, sigma=0.3),
        [rng.uniform(0, 1, (2, 4, 6))],
    ),
    "Naka-Rushton": lambda rng: (lambda c: naka_rushton(c, c50=0.2), [rng.uniform(0, 1, 9)]),
    "local contrast norm": lambda rng: (local_contrast_norm, [images(rng)]),
    "local response norm": lambda rng: (local_response_norm, [images(rng)]),
    "filter response norm": lambda rng: (
        filter_response_norm,
        [images(rng), *rng.standard_normal((3, 4))],
    ),
    "RevIN": lambda rng: (lambda x: revin(x)[0], [rng.standard_normal((3, 2, 20)) + 5]),
    "RevIN and back": lambda rng: (
        lambda x: revin_inverse(*revin(x)),
        [rng.standard_normal((3, 2, 20)) + 5],
    ),
    "SNV": lambda rng: (snv, [rng.standard_normal((3, 20)) + 5]),
    "MSC": lambda rng: (msc, [rng.standard_normal((3, 20)) + 5]),
    "CMN": lambda rng: (cmn, [rng.standard_normal((3, 4, 20)) + 5]),
    "CMVN": lambda rng: (cmvn, [rng.standard_normal((3, 4, 20)) + 5]),
    "switchable norm": lambda rng: (switchable_norm, [images(rng), *rng.standard_normal((2, 3))]),
    "batch-instance norm": lambda rng: (batch_instance_norm, [images(rng), rng.uniform(0, 1, 4)]),
    "MixStyle": lambda rng: (mixstyle, [images(rng), images(rng), rng.uniform(0, 1, 2)]),
    "IBN": lambda rng: (ibn, [images(rng), *rng.standard_normal((2, 4))]),
    "adapted batch norm": lambda rng: (
        lambda *a: adapt_batch_norm(*a, prior=3.0),
        [images(rng), rng.standard_normal(4), rng.uniform(1, 2, 4)],
    ),
    "batch leakage": lambda rng: (
        lambda *a: batch_leakage(*a, "BN"),
        [images(rng), np.stack([images(rng), images(rng)]), rng.standard_normal((4, 6, 5))],
    ),
    "rendering": lambda rng: (render, [*scene(rng)]),
    "photometric stereo": lambda rng: (
        lambda *a: photometric_stereo(*a)[0],
        [render(*scene(rng)), scene(rng)[2]],
    ),
    "observation norm": lambda rng: (observation_normalise, [render(*scene(rng))]),
    "Jacobian": lambda rng: (instance_norm_jacobian, [rng.standard_normal(6)]),
    "contrast scores": lambda rng: (
        lambda *a: contrast_scores(*a)[1],
        [np.array([1.0, -1, 1, -1]), rng.uniform(1, 2, 3), rng.standard_normal((3, 4))],
    ),
    "contrast response": lambda rng: (
        contrast_response,
        [rng.standard_normal(9), rng.standard_normal(9), rng.uniform(0, 1, 5)],
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_on_the_gpu_as_on_the_cpu(name, cp, rng):
    function, arguments = CALLS[name](rng)
    expected = function(*arguments)
    results = function(*(cp.asarray(a) for a in arguments))
    if isinstance(expected, np.ndarray):
        expected, results = (expected,), (results,)
    for result, wanted in zip(results, expected, strict=True):
        assert isinstance(result, cp.ndarray)
        assert result.dtype == wanted.dtype
        assert_allclose(result.get(), wanted, rtol=1e-9, atol=1e-10)
