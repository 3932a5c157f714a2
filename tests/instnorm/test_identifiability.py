"""Identifiability against its definition, pair by pair, and on boxes whose answer is known."""

import itertools

import numpy as np
import pytest

from instnorm import instance_norm
from instnorm.identifiability import identifiable
from instnorm.photometric import observation_normalise

EXPOSURES = np.array([0.25, 1.0, 3.0])


def by_pairs(outputs):
    found = []
    for box in outputs.tolist():
        size = max(abs(v) for run in box for v in run)
        pairs = itertools.combinations(box, 2)
        changes = [abs(p - q) for a, b in pairs for p, q in zip(a, b, strict=True)]
        found.append(float(max(changes) > 1e-6 * size))
    return np.array(found)


def test_it_is_its_definition(rng):
    scale = 10.0 ** rng.uniform(-12, 12, (200, 1, 1))
    change = 10.0 ** rng.uniform(-9, -3, (200, 1, 1))
    outputs = scale * (rng.standard_normal((200, 1, 5)) + change * rng.standard_normal((200, 4, 5)))
    found = identifiable(outputs)
    np.testing.assert_array_equal(found, by_pairs(outputs))
    assert 50 < found.sum() < 150


@pytest.mark.parametrize(
    ("box", "found"),
    [
        (lambda x: x, 1),
        (lambda x: np.log(x), 1),
        (lambda x: x / x.max(), 0),
        (lambda x: np.minimum(x, 1.0), 1),
        (observation_normalise, 0),
        (lambda x: instance_norm(x[None], eps=0.0)[0], 0),
        (lambda x: instance_norm(x[None], eps=1.0)[0], 1),
        # gamma and beta are the same at every exposure.
        (lambda x: instance_norm(x[None], np.full(3, 5.0), np.full(3, 7.0), eps=0.0)[0], 0),
    ],
)
def test_boxes_whose_answer_is_known(box, found, rng):
    images = 0.1 + rng.random((3, 5, 6))
    outputs = np.stack([box(t * images).ravel() for t in EXPOSURES])
    np.testing.assert_array_equal(identifiable(outputs[None]), [found])


def test_a_box_that_says_nothing_says_nothing_of_the_exposure():
    np.testing.assert_array_equal(identifiable(np.zeros((2, 3, 4))), [0, 0])


@pytest.mark.parametrize("shape", [(3, 4), (2, 1, 4), (2, 3, 0)])
def test_bad_shapes_are_named(shape):
    with pytest.raises(ValueError, match=r"outputs must have shape \(B, E, D\).* got "):
        identifiable(np.ones(shape))


def test_integers_are_refused():
    with pytest.raises(TypeError, match="outputs"):
        identifiable(np.ones((2, 3, 4), int))
