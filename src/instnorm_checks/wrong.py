"""Wrong ways to standardise, and to differentiate it, that several exercises recognise."""

from functools import partial

import numpy as np

from .engine.exercise import Misconception

# --- Forward --------------------------------------------------------------------------------------

# What to divide by: rightly, and in four wrong ways.


def root(var, eps):
    return np.sqrt(var + eps)


def beside(var, eps):
    return np.sqrt(var) + eps


def without_eps(var, eps):
    return np.sqrt(var)


def fixed_eps(var, eps):
    return np.sqrt(var + 1e-5)


def variance_itself(var, eps):
    return var + eps


def standardise(x, eps=1e-5, axes=(-2, -1), ddof=0, scale=root):
    """Standardise x over `axes`; the misconceptions put something else in one place."""
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True, ddof=ddof)
    return (x - mean) / scale(var, eps)


def scale_only(x, eps=1e-5, axes=(-2, -1)):
    return x / np.sqrt(x.var(axes, keepdims=True) + eps)


def spread_about_zero(x, eps=1e-5, axes=(-2, -1)):
    square = np.mean(x * x, axes, keepdims=True)
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(square + eps)


def summed_squares(x, eps=1e-5, axes=(-2, -1)):
    centred = x - x.mean(axes, keepdims=True)
    return centred / np.sqrt(np.sum(centred * centred, axes, keepdims=True) + eps)


def mean_deviation(x, eps=1e-5, axes=(-2, -1)):
    centred = x - x.mean(axes, keepdims=True)
    return centred / (np.abs(centred).mean(axes, keepdims=True) + eps)


def divides_the_mean(x, eps=1e-5, axes=(-2, -1)):
    return x - x.mean(axes, keepdims=True) / np.sqrt(x.var(axes, keepdims=True) + eps)


def one_pass(x, eps=1e-5, axes=(-2, -1)):
    mean = x.mean(axes, keepdims=True)
    var = np.mean(x * x, axes, keepdims=True) - mean**2
    return (x - mean) / np.sqrt(np.maximum(var, 0) + eps)


def in_place(x, eps=1e-5):
    x[...] = standardise(x, eps)
    return x


def only_rescaled(theirs, expected):
    """Each plane is centred rightly and divided by a wrong number, or is lost altogether."""
    size = expected.shape[-2] * expected.shape[-1]
    for plane, right in zip(theirs.reshape(-1, size), expected.reshape(-1, size), strict=True):
        if np.isfinite(plane).all():
            factor = np.vdot(plane, right) / np.vdot(right, right)
            if not np.allclose(plane, factor * right, rtol=1e-5, atol=1e-5 * abs(factor)):
                return False
    return True


def wrong_standardisations(every_aspect, wrap=lambda standardiser: standardiser):
    """The misconceptions about standardising; `wrap` turns such a function into an answer."""

    def wrong(name, function, says, loses=every_aspect, resembles=None):
        return Misconception(name, says, wrap(function), loses, resembles)

    return (
        wrong(
            "divides-by-m-minus-1",
            partial(standardise, ddof=1),
            "Your output is what you get when the variance is divided by m - 1. That is the "
            "right thing for estimating the variance of a population from a sample. Here the "
            "plane is all there is: its variance is the plain mean of the squared deviations.",
        ),
        wrong(
            "eps-outside-the-root",
            partial(standardise, scale=beside),
            "Your output is what you get when eps is added to the standard deviation. The "
            "definition adds it to something else, one step earlier. On faint planes the two "
            "differ by a lot.",
            loses=("eps",),
        ),
        wrong(
            "forgets-eps",
            partial(standardise, scale=without_eps),
            "Your output is what you get with eps = 0. Nobody sees the difference in a bright "
            "picture; a faint plane is blown up too far, and a flat one becomes 0 / 0.",
            loses=("eps",),
        ),
        wrong(
            "ignores-the-eps-argument",
            partial(standardise, scale=fixed_eps),
            "Your output is what you get with eps = 1e-5 whatever the caller asks for. Is the "
            "number written out somewhere in your function?",
            loses=("eps",),
        ),
        wrong(
            "divides-by-the-variance",
            partial(standardise, scale=variance_itself),
            "Your output is what you get when you divide by the variance. Think of units: if "
            "x is in counts, the variance is in counts squared, and the result should have no "
            "unit at all.",
        ),
        wrong(
            "centres-only",
            partial(standardise, scale=lambda var, eps: 1.0),
            "Your output is what you get when the mean is subtracted and nothing else. The "
            "brightness is gone; the contrast is still there.",
        ),
        wrong(
            "scales-only",
            scale_only,
            "Your output is what you get when you divide by the spread without subtracting "
            "the mean. The contrast is gone; the brightness is still there.",
        ),
        wrong(
            "spread-about-zero",
            spread_about_zero,
            "Your output is what you get when the spread is measured from zero, as the root "
            "of the mean of x squared. Measured that way, a bright plane looks more contrasty "
            "than a dark one. From where should the deviations be measured?",
        ),
        wrong(
            "sum-for-the-variance",
            summed_squares,
            "Your output is what you get when the variance is the sum of the squared deviations. "
            "It is their mean: divide by the number of values in the plane.",
        ),
        wrong(
            "mean-absolute-deviation",
            mean_deviation,
            "Your output is what you get when you divide by the mean size of the deviations. The "
            "standard deviation squares them first, takes the mean, and then the root.",
        ),
        wrong(
            "divides-the-mean-alone",
            divides_the_mean,
            "Your output is what you get from x - mean / root: the mean alone is divided. Division "
            "comes before subtraction, unless brackets say otherwise.",
        ),
        wrong(
            "statistics-of-the-batch",
            partial(standardise, axes=(0, 2, 3)),
            "Your output is what you get when the images of a batch share one mean and one "
            "variance per channel. That is batch norm. A picture then depends on which other "
            "pictures happen to be in the batch.",
            loses=("every-plane",),
        ),
        wrong(
            "statistics-of-the-image",
            partial(standardise, axes=(1, 2, 3)),
            "Your output is what you get when all channels of an image share one mean and one "
            "variance. That is layer norm. A red cast in a photograph would survive it.",
            loses=("every-plane",),
        ),
        wrong(
            "statistics-of-everything",
            partial(standardise, axes=None),
            "Your output is what you get with a single mean and a single variance for the "
            "whole array. Which numbers belong to one plane, and which axes run over them?",
            loses=("every-plane",),
        ),
        wrong(
            "one-row-at-a-time",
            partial(standardise, axes=-1),
            "Your output is what you get when every row of a plane has its own mean and "
            "variance. The plane is the whole picture of one channel: two axes, not one.",
        ),
        wrong(
            "one-column-at-a-time",
            partial(standardise, axes=-2),
            "Your output is what you get when every column of a plane has its own mean and "
            "variance. The plane is the whole picture of one channel: two axes, not one.",
        ),
        wrong(
            "one-pixel-at-a-time",
            partial(standardise, axes=1),
            "Your output is what you get when every pixel is standardised over the channels. "
            "That is the layer norm of transformers. Which axis did you mean?",
        ),
        wrong(
            "in-place",
            in_place,
            "Your numbers are right, but they are written into the array that you were given. "
            "The caller's picture is gone. Make a new array for the result.",
            loses=("array",),
        ),
        wrong(
            "one-pass-variance",
            one_pass,
            "Your output loses its digits when the mean is much larger than the spread. That "
            "is what happens when the variance is computed as mean(x²) - mean(x)²: two huge, "
            "nearly equal numbers, whose difference is all rounding error. On paper the "
            "formula is right. Which form subtracts before it squares?",
            loses=("large-offset",),
            resembles=only_rescaled,
        ),
    )


# --- With gamma and beta ---


def affine(standardiser):
    """An answer from a function that only standardises."""

    def answer(x, gamma, beta, eps=1e-5):
        y = standardiser(x, eps)
        if y is x:  # an answer that works in place does so to the end
            y *= per_channel(gamma)
            y += per_channel(beta)
            return y
        return per_channel(gamma) * y + per_channel(beta)

    return answer


def per_channel(parameter):
    return parameter.reshape(-1, 1, 1)


def affine_by(rule):
    """A wrong way to apply gamma and beta to the right standardised array."""
    return lambda x, gamma, beta, eps=1e-5: rule(standardise(x, eps), gamma, beta)


def on_the_last_axis(y, gamma, beta):
    return gamma * y + beta


# --- Backward ---

PLANE_AXES = (2, 3)


def plane_mean(array, axes=PLANE_AXES):
    return array.mean(axes, keepdims=True)


def right_dx(g, x_hat, s, axes=PLANE_AXES):
    return (g - plane_mean(g, axes) - x_hat * plane_mean(g * x_hat, axes)) / s


def backward_by(rule=right_dx, scale=root, hat_scale=None, ddof=0):
    """The right answer with one step replaced. g is the gradient at x̂."""

    def answer(dy, x, gamma, eps):
        var = x.var(PLANE_AXES, keepdims=True, ddof=ddof)
        x_hat = (x - plane_mean(x)) / (hat_scale or scale)(var, eps)
        dx = rule(per_channel(gamma) * dy, x_hat, scale(var, eps))
        return dx, np.sum(dy * x_hat, (0, 2, 3)), dy.sum((0, 2, 3))

    return answer


def hats(x, eps):
    return (x - plane_mean(x)) / root(x.var(PLANE_AXES, keepdims=True), eps)


def differentiated_beside_dx(g, x_hat, s, eps):
    sigma = s - eps
    return (g - plane_mean(g) - x_hat * plane_mean(g * x_hat) * s / sigma) / s


def eps_beside_differentiated(dy, x, gamma, eps):
    rule = partial(differentiated_beside_dx, eps=eps)
    return backward_by(rule, scale=beside)(dy, x, gamma, eps)


def sum_by_m_minus_1(g, x_hat, s):
    m = g.shape[2] * g.shape[3]
    pull = np.sum(g * x_hat, PLANE_AXES, keepdims=True) / (m - 1)
    return (g - plane_mean(g) - x_hat * pull) / s
