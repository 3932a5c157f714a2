"""The exercise "array-api-instance-norm": instance norm for any array library."""

from functools import partial

import numpy as np

from instnorm.norms import instance_norm

from ..cases import BATCH, counts, plain, some_shape
from ..engine.exercise import ALL, Aspect, Exercise, Misconception
from ..properties import IMAGE_PROPERTIES
from ..the_algorithm.instance_norm import EPS, LARGE_OFFSET
from ..wrong import (
    beside,
    fixed_eps,
    one_pass,
    only_rescaled,
    scale_only,
    standardise,
    variance_itself,
)
from .blocked_instance_norm import AFFINE


def floating_only(x, gamma, beta, eps=1e-5):
    """The reference; a standard library's mean refuses whole numbers, and so does the kernel."""
    return instance_norm(x, gamma, beta, eps=eps)


def like_x(parameter, x):
    return parameter.reshape(-1, *(1 for _ in x.shape[2:]))


def portable(
    axes=lambda x: tuple(range(2, x.ndim)),
    apply=lambda y, gamma, beta: gamma * y + beta,
    floating=True,
    standardise=standardise,
    eps_of=lambda eps: eps,
    result=lambda y: y,
):
    """The right answer with one step replaced."""

    def answer(x, gamma, beta, eps=1e-5):
        if floating and x.dtype.kind != "f":
            raise TypeError
        y = standardise(x, eps_of(eps), axes(x))
        return result(apply(y, like_x(gamma, x), like_x(beta, x)))

    return answer


def portable_in_place(x, gamma, beta, eps=1e-5):
    x[...] = floating_only(x, gamma, beta, eps)
    return x


def chequered(rng, dtype):
    """A picture of this dtype that every right program standardises to exactly ±1, at eps = 0."""
    n, c, h, w = (2 * int(size) for size in rng.choice(np.arange(1, 5), 4, replace=False))
    signs = np.where(np.add.outer(np.arange(h), np.arange(w)) % 2, 1.0, -1.0)
    level, contrast = 2.0 ** rng.integers(3, 6), rng.choice([0.25, 0.5, 1.0])
    x = np.broadcast_to(level + contrast * signs, (n, c, h, w))
    affine = np.ones(c), np.zeros(c)
    x, gamma, beta = (a.astype(dtype) for a in (x, *affine))
    return {"x": x, "gamma": gamma, "beta": beta, "eps": 0.0}


def some_dtypes(rng):
    numbers = plain({"x": rng.integers(0, 256, some_shape(rng))})
    return [chequered(rng, np.float32), chequered(rng, np.float64), numbers]


def of_rank(rng, rank):
    shape = (*some_shape(rng), int(rng.integers(2, 5)))[:rank]
    planes = (*shape[:2], *(1 for _ in shape[2:]))
    return plain({"x": rng.uniform(8e3, 3e4, planes) + 4e3 * rng.standard_normal(shape)})


LINE = np.array([[[1000.0, 3000.0, 4000.0, 8000.0], [6000.0, 8000.0, 14000.0, 9000.0]]])

PORTABLE_ASPECTS = (
    Aspect(
        "every-plane",
        1,
        "Each channel of each image is standardised by itself, with the standard's functions.",
        public=(plain({"x": BATCH}),),
        hidden=lambda rng: [plain({"x": counts(rng, some_shape(rng))}) for _ in range(4)],
    ),
    Aspect(
        "any-rank",
        1,
        "Also for signals (N, C, L) and volumes (N, C, D, H, W).",
        public=(plain({"x": LINE}), plain({"x": BATCH.reshape(2, 3, 2, 2, 2)})),
        hidden=lambda rng: [of_rank(rng, 3), of_rank(rng, 5)],
    ),
    AFFINE,
    EPS,
    LARGE_OFFSET,
    Aspect(
        "dtype",
        2,
        "A new array of x's own dtype, float32 or float64. Whole numbers, which have no mean in "
        "the standard, are refused with TypeError. x is unchanged.",
        public=tuple(some_dtypes(np.random.default_rng(8))),
        hidden=some_dtypes,
        strict=True,
        raises=TypeError,
    ),
)


def not_portable(name, says, loses, raises=(), **change):
    return Misconception(name, says, portable(**change), loses, raises=raises)


PORTABLE = Exercise(
    id="array-api-instance-norm",
    signature="array_api_instance_norm(x, gamma, beta, eps=1e-5)",
    returns=("y",),
    reference=floating_only,
    aspects=PORTABLE_ASPECTS,
    misconceptions=(
        not_portable(
            "two-spatial-axes-only",
            "Your function averages over axes 2 and 3, whatever the rank of x. A volume keeps its "
            "last axis then, and a signal has no axis 3 at all. x.ndim says how many there are.",
            ("any-rank",),
            axes=lambda x: (2, 3),
            raises=np.exceptions.AxisError,
        ),
        not_portable(
            "the-last-two-axes",
            "Your function averages over the last two axes. In a volume there are three to average "
            "over; in a signal there is one, and the other of your two is the channel.",
            ("any-rank",),
            axes=lambda x: (-2, -1),
        ),
        not_portable(
            "one-row-at-a-time",
            "Your output is what you get when every row has its own mean and variance. The axes of "
            "a plane, or of a volume, are all those after the first two.",
            ("every-plane", "any-rank", "affine", "eps", "large-offset"),
            axes=lambda x: (-1,),
        ),
        not_portable(
            "statistics-of-the-batch",
            "Your output is what you get when the images of a batch share one mean and one "
            "variance per channel. That is batch norm.",
            ("every-plane", "any-rank"),
            axes=lambda x: (0, *range(2, x.ndim)),
        ),
        not_portable(
            "statistics-of-the-image",
            "Your output is what you get when all channels of an image share one mean and one "
            "variance. That is layer norm.",
            ("every-plane", "any-rank"),
            axes=lambda x: tuple(range(1, x.ndim)),
        ),
        not_portable(
            "divides-by-m-minus-1",
            "Your output is what you get when the variance is divided by m - 1. The standard's var "
            "divides by m unless you ask for a correction.",
            ALL,
            standardise=partial(standardise, ddof=1),
        ),
        not_portable(
            "scales-only",
            "Your output is what you get when you divide by the spread without subtracting the "
            "mean. The contrast is gone; the brightness is still there.",
            ALL,
            standardise=scale_only,
        ),
        not_portable(
            "divides-by-the-variance",
            "Your output is what you get when you divide by the variance. The result should have "
            "no unit at all.",
            ALL,
            standardise=partial(standardise, scale=variance_itself),
        ),
        not_portable(
            "eps-outside-the-root",
            "Your output is what you get when eps is added to the standard deviation. The "
            "definition adds it to something else, one step earlier.",
            ("eps",),
            standardise=partial(standardise, scale=beside),
        ),
        not_portable(
            "forgets-eps",
            "Your output is what you get with eps = 0: a faint plane is blown up too far, and a "
            "flat one becomes 0 / 0.",
            ("eps",),
            eps_of=lambda eps: 0.0,
        ),
        not_portable(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-5 whatever the caller asks for. Is the "
            "number written out somewhere in your function?",
            ("eps", "dtype"),
            standardise=partial(standardise, scale=fixed_eps),
        ),
        not_portable(
            "forgets-beta",
            "Your output is what you get when gamma multiplies and beta is not added.",
            ("affine",),
            apply=lambda y, gamma, beta: gamma * y,
        ),
        not_portable(
            "forgets-gamma-and-beta",
            "Your output is the standardised picture itself: gamma and beta have no effect on it.",
            ("affine",),
            apply=lambda y, gamma, beta: y,
        ),
        not_portable(
            "shifts-before-scaling",
            "Your output is what you get when beta is added first and gamma multiplies the sum. "
            "Which of the two should come last?",
            ("affine",),
            apply=lambda y, gamma, beta: gamma * (y + beta),
        ),
        not_portable(
            "always-float64",
            "Your result is float64 even when x is float32. Somewhere an array of float64 joined "
            "in, and the wider dtype wins; a Python number would have left x's dtype alone. On a "
            "GPU that halves the speed, or worse.",
            ("dtype",),
            result=lambda y: y.astype(np.float64),
        ),
        not_portable(
            "accepts-whole-numbers",
            "Your function takes whole numbers and returns something. In the standard the mean of "
            "an integer array does not exist, because nobody agrees on its dtype.",
            ("dtype",),
            floating=False,
        ),
        Misconception(
            "one-pass-variance",
            "Your output loses its digits when the mean is much larger than the spread. That is "
            "what happens when the variance is computed as mean(x²) - mean(x)²: two huge, nearly "
            "equal numbers, whose difference is all rounding error. Which form subtracts before "
            "it squares?",
            portable(standardise=one_pass),
            ("large-offset",),
            resembles=only_rescaled,
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the array that you were given. "
            "Make a new array for the result.",
            portable_in_place,
            ("dtype",),
        ),
    ),
    properties=IMAGE_PROPERTIES,
    adapter="written_for_the_standard",
)
