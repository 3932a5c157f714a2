"""What the explorable "photometric-stereo" computes, against the reference kernels."""

import numpy as np
import pytest

from instnorm import instance_norm
from instnorm.photometric import observation_normalise, photometric_stereo, render

SIDE = 20


@pytest.fixture
def js(js):
    return js("photometric-stereo")


@pytest.fixture
def scene(js):
    """Normals (3, 1, P), albedo (1, P), and the P places in the picture."""
    found = js("ball", SIDE)
    normals = np.array(found["normals"]).reshape(-1, 3).T[:, None]
    return normals, np.array(found["albedo"])[None], np.array(found["places"])


def lamps_of(js, places):
    return np.array([js("lamp", *place) for place in places])


LAMPS = [[200, 25], [0, 30], [120, 30], [240, 30]]


def angles(a, b):
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b, axis=0), axis=0), (a * b).sum(0)))


def test_lamps_are_unit_vectors_at_their_angle(js):
    vectors = lamps_of(js, [[0, 0], [0, 30], [90, 30], [135, 35]])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    np.testing.assert_allclose(np.degrees(np.arccos(vectors[:, 2])), [0, 30, 30, 35], atol=1e-6)
    np.testing.assert_allclose(vectors[1], [0.5, 0, np.sqrt(3) / 2], atol=1e-12)
    np.testing.assert_allclose(vectors[2], [0, 0.5, np.sqrt(3) / 2], atol=1e-12)


def test_the_ball_is_a_ball_and_nowhere_in_shadow(js, scene):
    normals, albedo, places = scene
    np.testing.assert_allclose(np.linalg.norm(normals, axis=0), 1)
    # Rows run downwards and y upwards; the largest tilt is at the rim.
    rows, columns = np.divmod(places, SIDE)
    assert np.corrcoef(rows, normals[1, 0])[0, 1] == pytest.approx(-1)
    assert np.corrcoef(columns, normals[0, 0])[0, 1] == pytest.approx(1)
    assert 44 < np.degrees(np.arccos(normals[2].min())) < 50
    assert set(albedo[0]) == {0.45, 0.9}
    worst = lamps_of(js, [[d, 35] for d in range(0, 360, 5)])
    assert np.tensordot(worst, normals, 1).min() > 0


def test_pictures_are_the_kernels(js, scene):
    normals, albedo, _ = scene
    lamps = lamps_of(js, LAMPS)
    shown = js("pictures", js("ball", SIDE), lamps.tolist())
    np.testing.assert_allclose(np.array(shown)[:, None], render(normals, albedo, lamps), atol=1e-14)


def test_both_ways_to_normalise_are_the_kernels(js, rng):
    images = rng.random((4, 1, 50))
    images[:, 0, 7] = 0
    over_pictures = js("overPictures", list(images[:, 0]))
    expected = instance_norm(images[None], eps=0)[0, :, 0]
    np.testing.assert_allclose(over_pictures, expected, rtol=1e-10, atol=1e-12)
    over_lamps = js("overLamps", list(images[:, 0]))
    np.testing.assert_allclose(over_lamps, observation_normalise(images)[:, 0], rtol=1e-12)


def test_the_fit_is_the_kernels(js, rng):
    images, lamps = rng.standard_normal((5, 1, 40)), rng.standard_normal((5, 3))
    images[:, 0, 3] = 0
    found = js("photometricStereo", images[:, 0].tolist(), lamps.tolist())
    normals, albedo = photometric_stereo(images, lamps)
    np.testing.assert_allclose(found["albedo"], albedo[0], rtol=1e-9)
    np.testing.assert_allclose(
        np.array(found["normals"]).reshape(-1, 3).T, normals[:, 0], rtol=1e-8, atol=1e-12
    )


@pytest.mark.parametrize("over", ["nothing", "pictures", "lamps"])
def test_the_experiment_is_what_the_kernels_say(js, scene, over):
    normals, albedo, _ = scene
    lamps = lamps_of(js, LAMPS)
    images = render(normals, albedo, lamps)
    given = {
        "nothing": lambda: images,
        "pictures": lambda: instance_norm(images[None], eps=0)[0],
        "lamps": lambda: observation_normalise(images),
    }[over]()
    found, found_albedo = photometric_stereo(given, lamps)
    shown = js("experiment", js("ball", SIDE), {"direction": 200, "tilt": 25, "over": over})
    white = albedo == 0.9
    assert shown["error"] == pytest.approx(angles(found, normals).mean(), abs=1e-5)
    assert shown["ratio"] == pytest.approx(found_albedo[white].mean() / found_albedo[~white].mean())
    np.testing.assert_allclose(shown["picture"], given[0, 0], rtol=1e-10, atol=1e-12)
    if over != "pictures":
        assert shown["error"] < 1e-5
    else:
        assert shown["error"] > 20
