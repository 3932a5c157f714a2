"""The Jacobian of instance norm and the constraints on its output."""

import numpy as np
import pytest
import torch

from instnorm import instance_norm
from instnorm.geometry import instance_norm_jacobian, output_constraints

each_eps = pytest.mark.parametrize("eps", [0.0, 1e-5, 0.3])


def plane(rng, m):
    return rng.uniform(-1, 1) + rng.uniform(0.5, 2) * rng.standard_normal(m)


def normalise(x, eps):
    return instance_norm(x[None, None], eps=eps)[0, 0]


@each_eps
@pytest.mark.parametrize("m", [2, 3, 8])
def test_the_jacobian_is_the_limit_of_differences(rng, m, eps):
    x, h = plane(rng, m), 1e-5
    differences = [
        (normalise(x + h * e, eps) - normalise(x - h * e, eps)) / (2 * h) for e in np.eye(m)
    ]
    np.testing.assert_allclose(
        instance_norm_jacobian(x, eps), np.stack(differences, 1), rtol=1e-7, atol=1e-7
    )


@each_eps
def test_the_jacobian_is_that_of_torch(rng, eps):
    x = plane(rng, 6)
    expected = torch.autograd.functional.jacobian(
        lambda t: (t - t.mean()) / torch.sqrt(t.var(correction=0) + eps), torch.from_numpy(x)
    )
    np.testing.assert_allclose(instance_norm_jacobian(x, eps), expected.numpy(), atol=1e-13)


@each_eps
def test_the_two_special_directions(rng, eps):
    x = plane(rng, 7)
    jacobian, deviations = instance_norm_jacobian(x, eps), x - x.mean()
    np.testing.assert_allclose(jacobian, jacobian.T, atol=1e-14)
    np.testing.assert_allclose(jacobian.sum(1), 0, atol=1e-14)
    kept = eps / np.sqrt(x.var() + eps) ** 3
    np.testing.assert_allclose(jacobian @ deviations, kept * deviations, atol=1e-14)


@pytest.mark.parametrize("eps", [0.0, 0.3])
@pytest.mark.parametrize("m", [2, 3, 8])
def test_constraints_are_those_of_the_outputs(rng, m, eps):
    x = np.stack([plane(rng, m) for _ in range(4)])
    total, sqnorm, rank = output_constraints(x, eps)
    np.testing.assert_allclose(total, 0, atol=1e-13)
    np.testing.assert_allclose(sqnorm, m * x.var(1) / (x.var(1) + eps), rtol=1e-13)
    # A singular value counts as 0 when it is small beside 1/s, the largest that there can be.
    for row, its_rank in zip(x, rank, strict=True):
        values = np.linalg.svdvals(instance_norm_jacobian(row, eps)) * np.sqrt(row.var() + eps)
        assert its_rank == np.sum(values > 1e-9)


def test_a_constant_plane_has_a_derivative_where_eps_is_positive():
    x = np.full(4, 7.0)
    expected = (np.eye(4) - 0.25) / np.sqrt(0.01)
    np.testing.assert_allclose(instance_norm_jacobian(x, 0.01), expected, rtol=1e-13)
    assert [part.tolist() for part in output_constraints(x[None], 0.01)] == [[0], [0], [3]]
    with pytest.raises(ValueError, match=r"x must not hold a constant plane when eps is 0.*\(4,\)"):
        instance_norm_jacobian(x, 0.0)
    with pytest.raises(ValueError, match="x must not hold a constant plane"):
        output_constraints(np.stack([np.arange(4.0), x]), 0)


def test_the_dtype_is_that_of_x():
    x = np.array([1.0, 2.0, 4.0], np.float32)
    assert instance_norm_jacobian(x).dtype == np.float32
    assert {part.dtype for part in output_constraints(x[None])} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("function", "x", "eps", "error", "message"),
    [
        (instance_norm_jacobian, np.ones((1, 3)), 1.0, ValueError, r"x must have shape \(m,\)"),
        (instance_norm_jacobian, np.ones(1), 1.0, ValueError, r"at least 2; got \(1,\)"),
        (instance_norm_jacobian, np.arange(3), 1.0, TypeError, "x must hold floating-point numb"),
        (instance_norm_jacobian, np.ones(3), -1.0, ValueError, "eps must be finite and not neg"),
        (output_constraints, np.ones(3), 1.0, ValueError, r"x must have shape \(B, m\).*\(3,\)"),
        (output_constraints, np.ones((3, 1)), 1.0, ValueError, r"at least 2; got \(3, 1\)"),
        (output_constraints, [[1.0]], 1.0, TypeError, "x must be a NumPy or CuPy array; got list"),
        (output_constraints, np.ones((1, 3)), None, TypeError, "eps must be a number"),
    ],
)
def test_bad_input_is_refused(function, x, eps, error, message):
    with pytest.raises(error, match=message):
        function(x, eps)
