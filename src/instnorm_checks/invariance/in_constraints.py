"""The exercise "in-constraints": what is left free."""

from functools import partial

import numpy as np

from instnorm.geometry import instance_norm_jacobian, output_constraints

from ..engine.compare import agree
from ..engine.exercise import Aspect, Exercise, Misconception, Property
from ..wrong import beside, root, without_eps
from .shared import EVEN, PUZZLE, TWO, eps_beside, pairs, planes, some_length


def constraints_by(output=None, count=None):
    """An answer with other outputs x̂ (B, m), or with another rank than that of count(m, eps)."""

    def answer(x, eps):
        total, sqnorm, rank = output_constraints(x, eps)
        if output:
            y = output(x, eps)
            total, sqnorm = y.sum(1), np.sum(y * y, 1)
        if count:
            rank = np.full(len(x), float(count(x.shape[1], eps)))
        return total, sqnorm, rank

    return answer


def outputs(x, eps, axes=-1, scale=root, ddof=0):
    d = x - x.mean(axes, keepdims=True)
    return d / scale(x.var(axes, keepdims=True, ddof=ddof), eps)


def singular_values_above(threshold):
    """An answer whose rank counts singular values by a fixed size."""

    def answer(x, eps):
        total, sqnorm, _ = output_constraints(x, eps)
        values = (np.linalg.svd(instance_norm_jacobian(row, eps), compute_uv=False) for row in x)
        return total, sqnorm, np.array([np.sum(v > threshold) for v in values], float)

    return answer


def sqnorm_by(change):
    """An answer whose squared norm is put through change(sqnorm, m)."""

    def answer(x, eps):
        total, sqnorm, rank = output_constraints(x, eps)
        return total, change(sqnorm, x.shape[1]), rank

    return answer


def adds_up_in_place(x, eps):
    result = output_constraints(x, eps)
    x -= x.mean(1, keepdims=True)
    return result


def some_zeros_counted(theirs, expected):
    """Ranks too large by one or two; where nothing is left, nothing was counted."""
    return bool((np.isin(theirs - expected, (0, 1, 2)) & (expected > 0)).all())


def rows_are_independent(run, arguments):
    x = arguments["x"].copy()
    x[1:] = 3 * x[1:, ::-1] + 1
    return all(agree(a[:1], b[:1]) for a, b in zip(run(x=x), run(), strict=True))


def constraints_ignore_brightness(run, arguments):
    return agree(run(x=arguments["x"] + 1)[1], run()[1])


def constraints_ignore_units(run, arguments):
    x, eps = arguments["x"], arguments["eps"]
    return agree(run(x=2 * x, eps=4 * eps)[1], run()[1])


NORMS = ("sum-and-norm", "norm-with-eps", "array")
RANKS = ("rank", "rank-with-eps", "array")
PRINTS = np.stack([PUZZLE, PUZZLE / 2 - 20, 3 * PUZZLE[[2, 5, 0, 1, 4, 3]]])


def at_rest(*xs):
    return [{"x": x, "eps": 0.0} for x in xs]


def several(rng):
    return planes(rng, int(rng.integers(3, 6)), some_length(rng))


CONSTRAINTS_ASPECTS = (
    Aspect(
        "sum-and-norm",
        1,
        "At eps = 0: the sum and the squared norm of each normalised plane.",
        public=tuple(at_rest(PRINTS)),
        hidden=lambda rng: at_rest(several(rng), several(rng)),
        judges=(0, 1),
    ),
    Aspect(
        "norm-with-eps",
        1,
        "The same where eps counts: the squared norm follows the variance.",
        public=({"x": PRINTS, "eps": 5.0}, {"x": np.stack([EVEN / 4, EVEN]), "eps": 1.0}),
        hidden=lambda rng: [
            {"x": x, "eps": eps_beside(rng, x)} for x in (several(rng), several(rng))
        ],
        judges=(0, 1),
    ),
    Aspect(
        "rank",
        2,
        "At eps = 0: the rank of each plane's Jacobian, for two values as well.",
        public=tuple(at_rest(PRINTS, TWO[None])),
        hidden=lambda rng: at_rest(several(rng), several(rng), pairs(rng, 1)),
        judges=(2,),
    ),
    Aspect(
        "rank-with-eps",
        1,
        "The rank where eps counts, be it much or little.",
        public=(
            {"x": PRINTS[:1], "eps": 5.0},
            {"x": TWO[None], "eps": 1.0},
            {"x": PRINTS[1:], "eps": 1e-5},
        ),
        hidden=lambda rng: [
            *(
                {"x": x, "eps": eps_beside(rng, x)}
                for x in (several(rng)[:1], several(rng)[:1], pairs(rng, 1))
            ),
            {"x": several(rng), "eps": 1e-5},
        ],
        judges=(2,),
    ),
    Aspect(
        "array",
        1,
        "Right values, in three new float64 arrays (B,); x is unchanged.",
        # Two values: here no rounding error can be taken for a direction.
        public=tuple(at_rest(np.array([[1.0, 3.0], [0.0, 8.0]]))),
        hidden=lambda rng: at_rest(pairs(rng, 2), pairs(rng, 3)),
        judges=(0, 1, 2),
        strict=True,
    ),
)

CONSTRAINTS = Exercise(
    id="in-constraints",
    signature="in_constraints(x, eps)",
    returns=("total", "sqnorm", "rank"),
    counts=("rank",),
    reference=output_constraints,
    aspects=CONSTRAINTS_ASPECTS,
    misconceptions=(
        Misconception(
            "counts-rounding-errors",
            "Your rank is too large by one or two here and there. Singular values that should be 0 "
            "come out as 1e-17 or so, and as 1e-10 if you took differences. Count only those "
            "that are clearly above that, measured against 1 / s, the size that the others have.",
            constraints_by(count=lambda m, eps: m if m > 2 or eps > 0 else 0),
            ("rank", "rank-with-eps"),
            some_zeros_counted,
        ),
        Misconception(
            "one-constraint-only",
            "Your rank is m - 1 even at eps = 0, as though the outputs filled a whole sphere of "
            "dimension m - 1. A fixed norm takes one direction away. Something else is fixed as "
            "well, and it takes another.",
            constraints_by(count=lambda m, eps: m - 1),
            ("rank", "array"),
        ),
        Misconception(
            "gamma-and-beta-give-them-back",
            "Your rank is m: no direction is lost. Perhaps you are thinking of gamma and beta. "
            "They are the same for all planes, so they can move the surface on which the outputs "
            "lie, and stretch it. They can't tell apart two planes that have become one.",
            constraints_by(count=lambda m, eps: m),
            RANKS,
        ),
        Misconception(
            "small-taken-for-nothing",
            "Your rank is m - 2 where eps is small. Then one singular value is small too: it is "
            "eps / s³. Small is not 0. What is 0 but for rounding comes out as 1e-17 or so; draw "
            "the line there, and measure it against 1 / s, the size that the others have.",
            singular_values_above(1e-3),
            ("rank-with-eps",),
        ),
        Misconception(
            "both-constraints-always",
            "Your rank is m - 2 for every eps. With eps > 0 the norm of the output still depends "
            "on the contrast of the input, if only a little: that direction is squeezed, not lost. "
            "Its singular value is eps / s³.",
            constraints_by(count=lambda m, eps: m - 2),
            ("rank-with-eps",),
        ),
        Misconception(
            "rank-of-the-output",
            "Your rank is 1. That is the rank of any one vector. The question is in how many "
            "directions the output can move when the input does: the rank of the Jacobian.",
            constraints_by(count=lambda m, eps: 1),
            RANKS,
        ),
        Misconception(
            "counts-what-is-lost",
            "Your rank is the number of directions that are lost. The rank counts those that are "
            "left.",
            constraints_by(count=lambda m, eps: 1 if eps > 0 else 2),
            RANKS,
        ),
        Misconception(
            "norm-always-m",
            "Your squared norm is m for every eps. It is so at eps = 0. With eps each output is "
            "divided by a little more than its own spread, and the norm falls short of that, most "
            "of all for faint planes.",
            constraints_by(partial(outputs, scale=without_eps)),
            ("norm-with-eps",),
        ),
        Misconception(
            "norm-not-squared",
            "Your squared norm is the norm itself: a root too much.",
            sqnorm_by(lambda sqnorm, m: np.sqrt(sqnorm)),
            NORMS,
        ),
        Misconception(
            "mean-instead-of-sum",
            "Your squared norm is the mean of the squares. The squared norm is their sum.",
            sqnorm_by(lambda sqnorm, m: sqnorm / m),
            NORMS,
        ),
        Misconception(
            "constraints-of-the-input",
            "Your sum and squared norm are those of x. Nothing constrains the input; normalise "
            "each row first.",
            constraints_by(lambda x, eps: x),
            NORMS,
        ),
        Misconception(
            "centred-only",
            "Your sum and squared norm are those of the deviations x - mean. They still have to "
            "be divided by the spread.",
            constraints_by(partial(outputs, scale=lambda var, eps: 1.0)),
            NORMS,
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your squared norm is what you get when the variance is divided by m - 1. Instance "
            "norm takes the plain mean of the squared deviations.",
            constraints_by(partial(outputs, ddof=1)),
            NORMS,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your squared norm is what you get when eps is added to the standard deviation. The "
            "definition adds it to something else, one step earlier.",
            constraints_by(partial(outputs, scale=beside)),
            ("norm-with-eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your numbers are those for eps = 1e-5, whatever the caller asks for. Is the number "
            "written out somewhere in your function?",
            lambda x, eps: output_constraints(x, 1e-5),
            ("sum-and-norm", "norm-with-eps", "rank", "array"),
        ),
        Misconception(
            "statistics-of-the-batch",
            "Your sum and squared norm are what you get when all rows share one mean and one "
            "variance. Each row is a plane of its own.",
            constraints_by(partial(outputs, axes=None)),
            NORMS,
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but x is changed on the way: `x -= ...` writes into the "
            "caller's planes. Make a new array for the deviations.",
            adds_up_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "The numbers for one row change when another row changes. No plane knows of the "
            "others.",
            rows_are_independent,
        ),
        Property(
            "Adding the same number to every pixel changes your squared norm, though the mean "
            "should take that number away again.",
            constraints_ignore_brightness,
        ),
        Property(
            "Doubling the contrast (and eps fourfold, in step with the variance) changes your "
            "squared norm, though the spread should take the factor away again.",
            constraints_ignore_units,
        ),
    ),
)
