"""Wrong answers to "Invariance", written without sight of the checks."""

import numpy as np

WRONG = {}


def wrong(exercise):
    def put(function):
        WRONG.setdefault(exercise, {})[function.__name__] = function
        return function

    return put


def right_jacobian(x, eps):
    m, s = x.size, np.sqrt(x.var() + eps)
    hat = (x - x.mean()) / s
    return (np.eye(m) - 1 / m - np.outer(hat, hat) / m) / s


def right_backward(dy, x, gamma, eps):
    a = (2, 3)
    s = np.sqrt(x.var(a, keepdims=True) + eps)
    hat = (x - x.mean(a, keepdims=True)) / s
    g = gamma[:, None, None] * dy
    dx = (g - g.mean(a, keepdims=True) - hat * (g * hat).mean(a, keepdims=True)) / s
    return dx, (dy * hat).sum((0, 2, 3)), dy.sum((0, 2, 3))


@wrong("in-jacobian")
def forgets_to_divide_by_m_in_the_mean(x, eps):
    m, s = x.size, np.sqrt(x.var() + eps)
    hat = (x - x.mean()) / s
    return (np.eye(m) - 1 - np.outer(hat, hat) / m) / s


@wrong("in-jacobian")
def one_sided_differences(x, eps):
    def f(x):
        return (x - x.mean()) / np.sqrt(x.var() + eps)

    h = 1e-6
    return np.stack([(f(x + h * e) - f(x)) / h for e in np.eye(x.size)], axis=1)


@wrong("in-jacobian")
def divides_only_the_identity_by_s(x, eps):
    m, s = x.size, np.sqrt(x.var() + eps)
    hat = (x - x.mean()) / s
    return np.eye(m) / s - 1 / m - np.outer(hat, hat) / m


@wrong("in-jacobian")
def a_row_instead_of_a_matrix(x, eps):
    m, s = x.size, np.sqrt(x.var() + eps)
    hat = (x - x.mean()) / s
    return (1 - 1 / m - hat * hat / m) / s


@wrong("in-jacobian")
def loops_to_m_minus_1(x, eps):
    right, jacobian = right_jacobian(x, eps), np.zeros((x.size, x.size))
    for i in range(x.size - 1):
        for j in range(x.size - 1):
            jacobian[i, j] = right[i, j]
    return jacobian


@wrong("in-jacobian")
def loops_past_the_end(x, eps):
    right, jacobian = right_jacobian(x, eps), np.zeros((x.size, x.size))
    for i in range(x.size + 1):
        for j in range(x.size):
            jacobian[i, j] = right[i, j]
    return jacobian


@wrong("in-jacobian")
def one_over_s_squared_in_the_projection(x, eps):
    m, s = x.size, np.sqrt(x.var() + eps)
    hat = (x - x.mean()) / s
    return (np.eye(m) - 1 / m - np.outer(hat, hat) / (m * s)) / s


@wrong("in-jacobian")
def normalised_values_of_the_exercise_before(x, eps):
    return (x - x.mean()) / np.sqrt(x.var() + eps)


@wrong("in-jacobian")
def in_single_precision(x, eps):
    return right_jacobian(x.astype(np.float32), np.float32(eps)).astype(float)


@wrong("in-constraints")
def sum_of_absolute_values(x, eps):
    hat = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + eps)
    m = x.shape[1]
    return np.abs(hat).sum(1), (hat**2).sum(1), np.full(len(x), m - 1.0 if eps else m - 2.0)


@wrong("in-constraints")
def rank_by_a_fixed_threshold(x, eps):
    hat = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + eps)
    rank = [(np.linalg.svd(right_jacobian(row, eps))[1] > 1e-3).sum() for row in x]
    return hat.sum(1), (hat**2).sum(1), np.array(rank, float)


@wrong("in-constraints")
def small_eps_is_no_eps(x, eps):
    hat = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + eps)
    rank = x.shape[1] - (2.0 if eps < 1e-4 else 1.0)
    return hat.sum(1), (hat**2).sum(1), np.full(len(x), rank)


@wrong("in-constraints")
def rank_of_the_matrix_of_rows(x, eps):
    hat = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + eps)
    return hat.sum(1), (hat**2).sum(1), np.full(len(x), float(np.linalg.matrix_rank(hat)))


@wrong("in-constraints")
def axis_0(x, eps):
    hat = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + eps)
    return hat.sum(0), (hat**2).sum(0), np.full(len(x), x.shape[1] - 2.0 + (eps > 0))


@wrong("in-constraints")
def one_rank_for_all(x, eps):
    hat = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + eps)
    return hat.sum(1), (hat**2).sum(1), x.shape[1] - 2 + (eps > 0)


@wrong("in-backward")
def dgamma_without_batch_sum_over_channels(dy, x, gamma, eps):
    dx, _, _ = right_backward(dy, x, gamma, eps)
    hat = (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + eps)
    return dx, (dy * hat).sum((1, 2, 3)), dy.sum((1, 2, 3))


@wrong("in-backward")
def gamma_on_the_width(dy, x, gamma, eps):
    dx, dgamma, dbeta = right_backward(dy, x, np.ones_like(gamma), eps)
    return gamma * dx, dgamma, dbeta


@wrong("in-backward")
def gamma_twice(dy, x, gamma, eps):
    return right_backward(gamma[:, None, None] * dy, x, gamma, eps)


@wrong("in-backward")
def only_dx(dy, x, gamma, eps):
    return right_backward(dy, x, gamma, eps)[0]


@wrong("in-backward")
def dx_yet_to_come(dy, x, gamma, eps):
    return None, *right_backward(dy, x, gamma, eps)[1:]


@wrong("in-backward")
def gamma_multiplied_into_dy_in_place(dy, x, gamma, eps):
    dx, dgamma, dbeta = right_backward(dy, x, gamma, eps)
    dy *= gamma[:, None, None]
    return dx, dgamma, dbeta


@wrong("in-backward")
def divides_by_the_variance_plus_eps(dy, x, gamma, eps):
    dx, dgamma, dbeta = right_backward(dy, x, gamma, eps)
    return dx / np.sqrt(x.var((2, 3), keepdims=True) + eps), dgamma, dbeta
