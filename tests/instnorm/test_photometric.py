"""Photometric stereo on a sphere of known normals, and two ways to normalise its pictures."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from instnorm import instance_norm
from instnorm.photometric import observation_normalise, photometric_stereo, render

LIGHTS = np.array([[0.0, 0.0, 1.0], [0.5, 0.1, 0.9], [-0.4, 0.3, 0.8], [0.1, -0.5, 1.1]])


@pytest.fixture
def sphere(rng):
    """Normals of the front of a sphere, all lit by every light, and an albedo without order."""
    y, x = np.mgrid[-0.5:0.5:17j, -0.5:0.5:13j]
    return np.stack([x, y, np.sqrt(1 - x**2 - y**2)]), 0.2 + rng.random((17, 13))


def angles(a, b):
    """Angle between two fields of vectors (3, H, W), in radians, exact near 0 as well."""
    return np.arctan2(np.linalg.norm(np.cross(a, b, axis=0), axis=0), (a * b).sum(axis=0))


def test_render_is_lamberts_law(sphere):
    normals, albedo = sphere
    lights = np.vstack([LIGHTS, [1.0, 0.0, -0.2]])  # the last one leaves some pixels in shadow
    images = render(normals, albedo, lights)
    for k, i, j in np.ndindex(images.shape):
        shading = max(0.0, sum(lights[k, d] * normals[d, i, j] for d in range(3)))
        assert_allclose(images[k, i, j], albedo[i, j] * shading, atol=1e-14)
    assert (images[-1] == 0).any()
    assert (images[-1] > 0).any()


@pytest.mark.parametrize("lights", [3, 4])
def test_normals_and_albedo_are_recovered(sphere, lights):
    normals, albedo = sphere
    found, found_albedo = photometric_stereo(render(*sphere, LIGHTS[:lights]), LIGHTS[:lights])
    assert angles(found, normals).max() < 1e-12
    assert_allclose(found_albedo, albedo, rtol=1e-12)


def test_with_noise_it_is_the_least_squares_fit(sphere, rng):
    images = render(*sphere, LIGHTS) + 0.1 * rng.standard_normal((4, 17, 13))
    normals, albedo = photometric_stereo(images, LIGHTS)
    for i, j in np.ndindex(17, 13):
        g = np.linalg.lstsq(LIGHTS, images[:, i, j])[0]
        assert_allclose(albedo[i, j] * normals[:, i, j], g, atol=1e-12)
    assert_allclose(np.linalg.norm(normals, axis=0), 1, rtol=1e-12)


def test_a_shadow_bends_the_normals(sphere):
    """What the linear model leaves out: pixels that one light does not reach come out wrong."""
    lights = np.vstack([LIGHTS[:3], [1.0, 0.0, -0.2]])
    images = render(*sphere, lights)
    found, _ = photometric_stereo(images, lights)
    dark = images[-1] == 0
    wrong = angles(found, sphere[0])
    assert wrong[~dark].max() < 1e-12
    assert wrong[dark].max() > 0.1


def test_a_black_pixel_has_no_normal(sphere):
    normals, albedo = sphere
    albedo[3, 4] = 0
    images = render(normals, albedo, LIGHTS)
    found, found_albedo = photometric_stereo(images, LIGHTS)
    assert_array_equal(found[:, 3, 4], 0)
    assert found_albedo[3, 4] == 0
    assert_array_equal(observation_normalise(images)[:, 3, 4], 0)
    assert np.isfinite(found).all()


# --- which way to normalise ----------------------------------------------------------------------


def test_observation_normalisation_is_its_definition(rng):
    images = rng.random((4, 5, 6))
    for i, j in np.ndindex(5, 6):
        expected = images[:, i, j] / np.linalg.norm(images[:, i, j])
        assert_allclose(observation_normalise(images)[:, i, j], expected, rtol=1e-13)


def test_per_pixel_the_albedo_goes_and_the_normals_stay(sphere):
    normals, albedo = sphere
    images = render(normals, albedo, LIGHTS)
    normalised = observation_normalise(images)
    without_albedo = observation_normalise(render(normals, np.ones_like(albedo), LIGHTS))
    assert_allclose(normalised, without_albedo, atol=1e-13)
    found, found_albedo = photometric_stereo(normalised, LIGHTS)
    assert angles(found, normals).max() < 1e-12
    shading = render(normals, np.ones_like(albedo), LIGHTS)
    assert_allclose(found_albedo, 1 / np.linalg.norm(shading, axis=0), rtol=1e-12)


def test_per_picture_the_normals_go_as_well(sphere):
    images = render(*sphere, LIGHTS)
    found, _ = photometric_stereo(instance_norm(images[None])[0], LIGHTS)
    assert np.degrees(angles(found, sphere[0])).mean() > 10


def test_after_either_the_exposure_is_gone(sphere):
    images = render(*sphere, LIGHTS)
    assert_allclose(observation_normalise(7 * images), observation_normalise(images), atol=1e-13)
    assert_allclose(
        instance_norm(7 * images[None], eps=0), instance_norm(images[None], eps=0), atol=1e-12
    )


# --- dtypes and bad input ------------------------------------------------------------------------


def test_the_dtype_is_kept_and_the_input_too(sphere):
    normals, albedo = (a.astype(np.float32) for a in sphere)
    lights = LIGHTS.astype(np.float32)
    images = render(normals, albedo, lights)
    kept = images.copy()
    found, found_albedo = photometric_stereo(images, lights)
    normalised = observation_normalise(images)
    for a in (images, found, found_albedo, normalised):
        assert a.dtype == np.float32
    assert angles(found.astype(float), sphere[0]).max() < 1e-5
    assert_array_equal(images, kept)


IMAGES, NORMALS = np.ones((4, 5, 6)), np.ones((3, 5, 6))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: render(NORMALS[:2], IMAGES[0], LIGHTS), ValueError, r"normals must .*\(2, 5, 6\)"),
        (
            lambda: render(NORMALS, IMAGES, LIGHTS),
            ValueError,
            r"albedo must have shape \(5, 6\), .*",
        ),
        (lambda: render(NORMALS, IMAGES[0], LIGHTS.T), ValueError, r"lights must .* got \(3, 4\)"),
        (lambda: render(NORMALS, 1.0, LIGHTS), TypeError, "albedo must be a .* got float"),
        (lambda: photometric_stereo(IMAGES[0], LIGHTS), ValueError, r"images must .* got \(5, 6\)"),
        (
            lambda: photometric_stereo(IMAGES, LIGHTS[:3]),
            ValueError,
            r"lights must have shape \(4, 3\), one per picture; got \(3, 3\)",
        ),
        (
            lambda: photometric_stereo(IMAGES[:2], LIGHTS[:2]),
            ValueError,
            "these 2 span only 2, so the normals are not determined",
        ),
        (
            lambda: photometric_stereo(IMAGES, LIGHTS * [1.0, 0.0, 1.0]),
            ValueError,
            "these 4 span only 2",
        ),
        (lambda: photometric_stereo(IMAGES.astype(int), LIGHTS), TypeError, "images must hold"),
        (lambda: observation_normalise(IMAGES[0]), ValueError, r"images must .* got \(5, 6\)"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_lights_must_be_finite():
    lights = np.eye(3)
    lights[1, 1] = np.nan
    with pytest.raises(ValueError, match="lights must be finite"):
        photometric_stereo(np.ones((3, 2, 2)), lights)
