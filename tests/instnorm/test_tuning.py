"""Orientation tuning against loops, and the invariance that it is there to show."""

import cmath
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from instnorm.tuning import orientation_selectivity, tuning_curves

PREFERRED = np.linspace(0, np.pi, 24, endpoint=False)


def test_drive_and_response_are_their_definitions(rng):
    theta, contrast = rng.uniform(0, 7, (3, 2)), rng.random((3, 2))
    drive, response, _ = tuning_curves(theta, contrast, PREFERRED, 1.5, 0.3, 2.5)
    for s, row in enumerate(drive):
        for j, preferred in enumerate(PREFERRED):
            expected = sum(
                contrast[s, g] * math.exp(1.5 * (math.cos(2 * (theta[s, g] - preferred)) - 1))
                for g in range(2)
            )
            assert_allclose(row[j], expected, rtol=1e-12)
        pool = sum(d**2.5 for d in row) / len(row)
        assert_allclose(response[s], row**2.5 / (0.3**2.5 + pool), rtol=1e-12)


def test_selectivity_is_its_definition_and_lies_between_0_and_1(rng):
    response = rng.random((4, 24))
    selectivity = orientation_selectivity(response, PREFERRED)
    for row, value in zip(response, selectivity, strict=True):
        vector = sum(r * cmath.exp(2j * p) for r, p in zip(row, PREFERRED, strict=True))
        assert_allclose(value, abs(vector) / row.sum(), rtol=1e-12)
    assert_allclose(orientation_selectivity(np.ones((1, 24)), PREFERRED), 0, atol=1e-12)
    assert_allclose(orientation_selectivity(np.eye(24)[:1], PREFERRED), 1, rtol=1e-12)


def test_tuning_does_not_depend_on_contrast_but_its_height_does():
    contrast = np.array([[0.01], [0.1], [1.0]])
    theta = np.full((3, 1), PREFERRED[7])
    _, response, selectivity = tuning_curves(theta, contrast, PREFERRED, 2.0, 0.1)
    assert_allclose(selectivity, selectivity[0], rtol=1e-12)
    peak = response.max(axis=1, keepdims=True)
    assert_allclose(response / peak, (response / peak)[:1].repeat(3, axis=0), rtol=1e-12)
    assert (np.diff(peak[:, 0]) > 0).all()


def test_a_second_grating_suppresses_the_first():
    theta = np.array([[0.0, np.pi / 2]] * 2)
    contrast = np.array([[0.2, 0.0], [0.2, 1.0]])
    _, response, _ = tuning_curves(theta, contrast, PREFERRED, 4.0, 0.1)
    assert response[1, 0] < 0.2 * response[0, 0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"theta": np.zeros(3)}, ValueError, r"theta must have shape \(S, G\).*got \(3,\)"),
        ({"contrast": np.ones((2, 2))}, ValueError, r"contrast must have the shape of theta"),
        ({"preferred": np.zeros((2, 2))}, ValueError, r"preferred must have shape \(J,\)"),
        ({"preferred": [0.0, 1.0]}, TypeError, "preferred must be .* array; got list"),
        ({"sigma": 0.0}, ValueError, "sigma must be a positive number"),
        ({"contrast": np.full((2, 1), -1.0)}, ValueError, "drive must not be negative"),
    ],
)
def test_bad_input_is_refused(change, error, message):
    good = {
        "theta": np.zeros((2, 1)),
        "contrast": np.ones((2, 1)),
        "preferred": PREFERRED,
        "kappa": 1.0,
        "sigma": 0.1,
    }
    tuning_curves(**good)
    with pytest.raises(error, match=message):
        tuning_curves(**{**good, **change})


def test_selectivity_refuses_another_number_of_neurons():
    with pytest.raises(ValueError, match=r"response must have shape \(S, J\), with J = 24"):
        orientation_selectivity(np.ones((2, 23)), PREFERRED)
