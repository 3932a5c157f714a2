"""The arithmetic of the explorable "Contrast response", run by Node, against the kernels."""

import math

import numpy as np
import pytest

from instnorm.contrast import contrast_response
from instnorm.divisive import divisive_norm, naka_rushton

CONTRASTS = np.logspace(-3, 0, 13)


@pytest.fixture
def js(js):
    return js("contrast-response")


@pytest.mark.parametrize("mask", [0.0, 0.02, 0.7])
@pytest.mark.parametrize(("sigma", "exponent"), [(0.15, 2.0), (0.01, 1.3), (0.5, 4.0)])
def test_neuron_is_heegers_with_the_mask_in_its_pool(js, mask, sigma, exponent):
    setting = {"mask": mask, "sigma": sigma, "exponent": exponent}
    pool = np.stack([CONTRASTS, np.full_like(CONTRASTS, mask)], axis=1)
    expected = divisive_norm(pool, sigma=sigma, n=exponent)[:, 0]
    responses = [js("neuron", c, setting) for c in CONTRASTS]
    np.testing.assert_allclose(responses, expected, rtol=1e-10)
    half, _ = js("halves", setting)
    np.testing.assert_allclose(naka_rushton(CONTRASTS, c50=half, n=exponent), expected, rtol=1e-10)


@pytest.mark.parametrize("mask", [0.0, 0.02, 0.7])
def test_norm_is_the_response_of_instance_norm_to_the_stimulus_on_the_screen(js, mask):
    side = 96
    grating = np.array(js("stimulus", 1, 0, side))
    across = np.array(js("stimulus", 0, 1, side))
    np.testing.assert_allclose([grating.mean(), grating.var()], [0, 1], atol=1e-12)
    np.testing.assert_allclose([across.mean(), across.var()], [0, 1], atol=1e-12)
    assert abs(grating @ across) < 1e-9
    expected, (_, c50, _) = contrast_response(grating, mask * across, CONTRASTS)
    responses = [js("norm", c, {"mask": mask}) for c in CONTRASTS]
    np.testing.assert_allclose(responses, expected, rtol=1e-9)
    _, half = js("halves", {"mask": mask, "sigma": 0.1, "exponent": 2})
    assert math.isclose(half, c50, rel_tol=1e-9)


def test_the_screen_shows_the_sum_of_both_gratings(js):
    contrasts = (0.3, 0), (0, 0.8), (0.3, 0.8)
    one, two, both = np.array([js("stimulus", *pair, 32) for pair in contrasts])
    np.testing.assert_allclose(both, one + two, atol=1e-14)
    picture = one.reshape(32, 32)
    assert (picture == picture[:1]).all()  # upright: every row is the same
    assert picture[0].std() > 0.1
