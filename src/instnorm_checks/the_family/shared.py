"""What the exercises share."""

from functools import reduce

import numpy as np

from ..engine.compare import agree
from ..engine.exercise import Misconception, Property
from ..properties import ignores_brightness, ignores_contrast
from ..wrong import beside, fixed_eps, variance_itself, without_eps

AXES = {"BN": (0, 2, 3), "LN": (1, 2, 3), "IN": (2, 3)}


def checkered(rng, contrast=1.0, level=0.0):
    """A chessboard in four dimensions: along every line, as many values high as low.

    So a mean and a variance are the same over whichever axes they are taken.
    """
    signs = [rng.permutation(np.tile([-1.0, 1.0], n // 2)) for n in rng.permutation([2, 4, 6, 8])]
    return level + contrast * reduce(np.multiply, np.ix_(*signs))


def faint_eps(rng):
    """An eps, and a contrast whose square is within a factor of ten of it."""
    eps = 10 ** rng.uniform(-6, -1)
    return eps, np.sqrt(eps * 10 ** rng.uniform(-1, 1))


def wrong_arithmetic(by, every_aspect):
    """The misconceptions that the exercises share; `by(scale=...)` makes an answer."""
    return (
        Misconception(
            "divides-by-the-variance",
            "Your output is what you get when you divide by the variance. If x is in counts, the "
            "variance is in counts squared, and the result should have no unit at all.",
            by(scale=variance_itself),
            every_aspect,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your output is what you get when eps is added to the standard deviation. The "
            "definition adds it to something else, one step earlier.",
            by(scale=beside),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is what you get with eps = 0. Nobody sees the difference in a bright "
            "picture; a faint one is blown up too far, and a flat one becomes 0 / 0.",
            by(scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-5 whatever the caller asks for. Is the "
            "number written out somewhere in your function?",
            by(scale=fixed_eps),
            ("eps",),
        ),
    )


def divides_by_m_minus_1(answer, loses):
    return Misconception(
        "divides-by-m-minus-1",
        "Your output is what you get when the variance is divided by m - 1. To normalise, the "
        "family takes the plain mean of the squared deviations, over however many values it pools.",
        answer,
        loses,
    )


SHIFT = Property(
    "Adding one number to every value of x changes your output, though the mean should take that "
    "number away again.",
    ignores_brightness,
)
GAIN = Property(
    "Doubling x (and eps fourfold, in step with the variance) changes the output, though the "
    "standard deviation should take the factor away again.",
    ignores_contrast,
)


def first_image_stays(run, x):
    """Whether the output for the first image is the same when the others change."""
    others = np.concatenate([x[:1], 3 * x[1:] + 1])
    return agree(run(x=others)[0][:1], run()[0][:1])
