"""What every exercise about standardising planes needs: pictures, wrong ways, properties.

The pictures make every aspect sensitive to one idea only, so that one mistake costs one aspect
wherever the mathematics allows it:

- Values are camera counts whose spread is in the thousands. There sqrt(var + 1e-5) and
  sqrt(var) + 1e-5 differ by 1e-8 at most, and eps cannot be seen. Only faint pictures show it.
- Planes have statistics of their own in `counts` alone. In the other pictures all planes hold the
  same values in another order, so that pooling them changes nothing.
"""

from functools import partial

import numpy as np

from .engine.compare import agree
from .engine.exercise import Misconception, Property

# --- Pictures -------------------------------------------------------------------------------------


def some_shape(rng):
    """(N, C, H, W), all different, so that no axis can be taken for another."""
    return tuple(int(size) for size in rng.choice(np.arange(2, 8), 4, replace=False))


def counts(rng, shape):
    """A picture in camera counts: each plane has its own brightness and its own contrast."""
    planes = (*shape[:2], 1, 1)
    level, spread = rng.uniform(8e3, 3e4, planes), rng.uniform(2e3, 6e3, planes)
    return level + spread * rng.standard_normal(shape)


def shuffled(rng, shape):
    """A picture whose planes all hold the same values, mean 0 and variance 1, in another order."""
    values = rng.standard_normal(shape[2] * shape[3])
    values = (values - values.mean()) / values.std()
    return rng.permuted(np.broadcast_to(values, (*shape[:2], values.size)), axis=-1).reshape(shape)


def bright(rng, shape):
    """Shuffled planes in camera counts."""
    return rng.uniform(8e3, 3e4) + rng.uniform(2e3, 6e3) * shuffled(rng, shape)


def lifted(rng, shape):
    """Shuffled planes whose mean is a million times their spread."""
    spread = rng.uniform(2e3, 6e3)
    return spread * (rng.uniform(1e6, 2e6) + shuffled(rng, shape))


# Public pictures are small enough to follow by hand.
PLANE = np.array([[1000.0, 3000.0, 4000.0], [6000.0, 8000.0, 14000.0]])
TURNED = np.array([[6000.0, 1000.0, 14000.0], [3000.0, 8000.0, 4000.0]])
PAIR = np.stack([PLANE, TURNED])[None]  # (1, 2, 2, 3)
FAINT = 5e-6 * PAIR
FLAT = np.full((1, 1, 2, 3), 7.0)
BATCH = np.random.default_rng(1).integers(0, 65536, (2, 3, 2, 4)).astype(float)


def faint_pictures(rng):
    """Variances within a factor of ten of eps, and a plane with no contrast at all."""
    for _ in range(2):
        eps = 10 ** rng.uniform(-6, -1)
        contrast = np.sqrt(eps * 10 ** rng.uniform(-1, 1))
        yield {"x": rng.uniform(-1, 1) + contrast * shuffled(rng, some_shape(rng)), "eps": eps}
    yield {"x": np.sqrt(1e-5) * shuffled(rng, some_shape(rng))}
    yield {"x": np.full((1, 1, *some_shape(rng)[2:]), rng.uniform(1, 9))}


# --- Wrong ways to standardise --------------------------------------------------------------------


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


def one_pass(x, eps=1e-5):
    mean = x.mean((-2, -1), keepdims=True)
    var = np.mean(x * x, (-2, -1), keepdims=True) - mean**2
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


# --- Properties of instance norm ------------------------------------------------------------------


def ignores_brightness(run, arguments):
    x = arguments["x"]
    return agree(run(x=x + np.ptp(x))[0], run()[0])


def ignores_contrast(run, arguments):
    x, eps = arguments["x"], arguments.get("eps", 1e-5)
    return agree(run(x=2 * x, eps=4 * eps)[0], run(eps=eps)[0])


def images_are_independent(run, arguments):
    x = arguments["x"].copy()
    x[1:] = 3 * x[1:] + 1
    return agree(run(x=x)[0][:1], run()[0][:1])


def channels_are_independent(run, arguments):
    x = arguments["x"].copy()
    x[:, 1:] = 3 * x[:, 1:] + 1
    return agree(run(x=x)[0][:, :1], run()[0][:, :1])


IMAGE_PROPERTIES = (
    Property(
        "Your function is not shift-invariant: adding one number to every pixel changes its "
        "output, though the mean should take that number away again.",
        ignores_brightness,
    ),
    Property(
        "Doubling the contrast of the picture (and eps fourfold, in step with the variance) "
        "changes the output, though the standard deviation should take the factor away again.",
        ignores_contrast,
    ),
    Property(
        "The output for one image changes when another image of the batch changes. In instance "
        "norm no image knows of the others.",
        images_are_independent,
    ),
    Property(
        "The output of one channel changes when another channel changes. In instance norm no "
        "channel knows of the others.",
        channels_are_independent,
    ),
)
