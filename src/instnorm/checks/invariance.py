"""The assignment "Invariance": the Jacobian, what it leaves free, and the way back through it.

The cases keep the ideas apart. At eps = 0 nobody can be wrong about eps; where eps counts, it is
within a factor of ten of the variance, so that no honest tolerance for a rank takes the singular
value eps / s³ for 0. Planes are of ordinary size, so that differences instead of a formula are
accurate enough too. Two values at eps = 0 are a power of two apart: then their Jacobian is exactly
0 in floating point, and its rank does not depend on what a program compares rounding errors with.
"""

from functools import partial

import numpy as np

from ..geometry import instance_norm_jacobian, output_constraints
from ..norms import batch_norm_backward, instance_norm_backward, layer_norm_backward
from .compare import agree
from .exercise import Aspect, Exercise, Misconception, Property
from .standardising import shuffled, some_shape

# --- Planes ---------------------------------------------------------------------------------------

PUZZLE = np.array([1.0, 3.0, 4.0, 6.0, 8.0, 14.0])
EVEN = np.array([1.0, 1.0, 5.0, 5.0])  # mean 3, deviations -2 and 2: x̂ is -1 and 1
TWO = np.array([1.0, 3.0])
FLAT = np.full(4, 7.0)


def planes(rng, count, m):
    """`count` planes (count, m), each with its own brightness and contrast."""
    level, spread = rng.uniform(-0.5, 0.5, (count, 1)), rng.uniform(0.5, 2, (count, 1))
    return level + spread * shuffled(rng, (count, 1, 1, m))[:, 0, 0]


def one_plane(rng):
    return planes(rng, 1, some_length(rng))[0]


def some_length(rng):
    return int(rng.integers(6, 10))


def pairs(rng, count):
    """Planes (count, 2): a power of two apart, and so few digits that no operation has to round."""
    level = rng.integers(-(2**16), 2**16, (count, 1)) / 2**14
    step = 2.0 ** rng.permutation(np.arange(-1, 4))[:count, None]
    return level + step * np.array([0.0, 1.0])


def eps_beside(rng, x):
    """An eps within a factor of ten of the variance of a plane of x."""
    return float(x.reshape(-1, x.shape[-1])[0].var() * 10 ** rng.uniform(-1, 1))


# --- The Jacobian ---------------------------------------------------------------------------------


def root(var, eps):
    return np.sqrt(var + eps)


def beside(var, eps):
    return np.sqrt(var) + eps


def without_eps(var, eps):
    return np.sqrt(var)


def right_rule(p, x_hat, s, d):
    """The Jacobian from P = I - 11ᵀ/m, x̂, s and the deviations d."""
    return (p - np.outer(x_hat, x_hat) / x_hat.size) / s


def jacobian_by(rule=right_rule, scale=root, hat_scale=None, ddof=0):
    """An answer with something else in one place."""

    def answer(x, eps):
        d, var = x - x.mean(), x.var(ddof=ddof)
        s = scale(var, eps)
        return rule(np.eye(x.size) - 1 / x.size, d / (hat_scale or scale)(var, eps), s, d)

    return answer


def identity(p):
    """I, from P = I - 11ᵀ/m."""
    return p + 1 / len(p)


def differentiated_beside(p, x_hat, s, d):
    """The derivative of d / (σ + eps), which is not the right formula with σ + eps for s."""
    return (p - np.outer(x_hat, d) / (d.size * d.std())) / s


def spread_about_zero(x, eps):
    s = root(x.var(), eps)
    return (np.eye(x.size) - 1 / x.size - np.outer((x - x.mean()) / s, x / s) / x.size) / s


def centred_in_place(x, eps):
    x -= x.mean()
    return instance_norm_jacobian(x, eps)


def rows_sum_to_nothing(run, arguments):
    jacobian = run()[0]
    return agree(jacobian.sum(1), np.zeros(len(jacobian)))


def is_symmetric(run, arguments):
    jacobian = run()[0]
    return agree(jacobian, jacobian.T)


def gain_changes_nothing(run, arguments):
    x = arguments["x"]
    # A flat plane has no Jacobian at eps = 0.
    return np.ptp(x) == 0 or agree(run(eps=0.0)[0] @ (x - x.mean()), np.zeros(x.size))


def halves_when_contrast_doubles(run, arguments):
    x, eps = arguments["x"], arguments["eps"]
    return agree(2 * run(x=2 * x, eps=4 * eps)[0], run()[0])


JACOBIAN_ASPECTS = (
    Aspect(
        "without-eps",
        2,
        "At eps = 0: entry [i, j] says how output i changes with input j.",
        public=({"x": EVEN, "eps": 0.0}, {"x": PUZZLE, "eps": 0.0}, {"x": TWO, "eps": 0.0}),
        hidden=lambda rng: [
            {"x": x, "eps": 0.0} for x in (one_plane(rng), one_plane(rng), pairs(rng, 1)[0])
        ],
    ),
    Aspect(
        "eps",
        2,
        "The same where eps counts, wherever it occurs; a flat plane has a Jacobian too.",
        public=(
            {"x": EVEN, "eps": 5.0},
            {"x": PUZZLE / 10, "eps": 0.1},
            {"x": FLAT, "eps": 0.25},
        ),
        hidden=lambda rng: [
            *({"x": x, "eps": eps_beside(rng, x)} for x in (one_plane(rng), one_plane(rng))),
            {"x": np.full(some_length(rng), rng.uniform(1, 9)), "eps": rng.uniform(0.1, 1)},
        ],
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array (m, m); x is unchanged.",
        public=({"x": EVEN, "eps": 0.0},),
        hidden=lambda rng: [{"x": one_plane(rng), "eps": 0.0} for _ in range(2)],
        strict=True,
    ),
)
JACOBIAN_ALL = tuple(aspect.name for aspect in JACOBIAN_ASPECTS)

JACOBIAN = Exercise(
    id="in-jacobian",
    signature="in_jacobian(x, eps)",
    returns=("jacobian",),
    reference=instance_norm_jacobian,
    aspects=JACOBIAN_ASPECTS,
    misconceptions=(
        Misconception(
            "statistics-held-constant",
            "Your Jacobian is I / s: each output follows its own input only, as though mean and "
            "spread stayed where they are. Push one pixel, and both of them move. So every output "
            "does.",
            jacobian_by(lambda p, x_hat, s, d: identity(p) / s),
            JACOBIAN_ALL,
        ),
        Misconception(
            "spread-held-constant",
            "Your Jacobian lets the mean move and holds the spread s fixed: the term with x̂ is "
            "missing. A pixel that moves away from the mean widens the spread, and that shrinks "
            "every output.",
            jacobian_by(lambda p, x_hat, s, d: p / s),
            JACOBIAN_ALL,
        ),
        Misconception(
            "mean-held-constant",
            "Your Jacobian lets the spread move and holds the mean fixed: the term with 1/m is "
            "missing. Add one number to all pixels, that is sum your rows: what should come out?",
            jacobian_by(lambda p, x_hat, s, d: right_rule(identity(p), x_hat, s, d)),
            JACOBIAN_ALL,
        ),
        Misconception(
            "diagonal-only",
            "The diagonal of your Jacobian is right and the rest is 0. Entry [i, j] asks how "
            "output i changes with input j, for every pair: all outputs share a mean and a spread.",
            jacobian_by(lambda p, x_hat, s, d: np.diag(np.diag(right_rule(p, x_hat, s, d)))),
            JACOBIAN_ALL,
        ),
        Misconception(
            "projection-without-m",
            "Your Jacobian subtracts the product of x̂ with itself without dividing it by m. The "
            "variance is a mean: one pixel has only an m-th part in it.",
            jacobian_by(lambda p, x_hat, s, d: (p - np.outer(x_hat, x_hat)) / s),
            JACOBIAN_ALL,
        ),
        Misconception(
            "projection-added",
            "Your Jacobian adds the term with x̂ where it should be subtracted. A pixel above the "
            "mean that rises still further widens the spread. Does that make its own output grow "
            "faster, or slower?",
            jacobian_by(lambda p, x_hat, s, d: (p + np.outer(x_hat, x_hat) / x_hat.size) / s),
            JACOBIAN_ALL,
        ),
        Misconception(
            "projection-on-the-deviations",
            "Your last term is built from the deviations x - mean where the outputs x̂ belong: "
            "they still have to be divided by s, each of the two. Think of units: the terms "
            "beside it are pure numbers.",
            jacobian_by(lambda p, x_hat, s, d: right_rule(p, d, s, d)),
            JACOBIAN_ALL,
        ),
        Misconception(
            "spread-about-zero",
            "Your Jacobian is what you get when the derivative of the variance is taken as "
            "2 x[j] / m. The variance is the mean square of the deviations, so what belongs "
            "there in place of x[j]?",
            spread_about_zero,
            JACOBIAN_ALL,
        ),
        Misconception(
            "not-divided-by-the-spread",
            "Your Jacobian lacks the factor 1 / s. A push of one count moves the output of a "
            "faint plane further than that of a contrasty one.",
            jacobian_by(lambda p, x_hat, s, d: s * right_rule(p, x_hat, s, d)),
            JACOBIAN_ALL,
        ),
        Misconception(
            "divides-by-the-variance",
            "Your Jacobian is divided by var + eps where its root is meant.",
            jacobian_by(lambda p, x_hat, s, d: right_rule(p, x_hat, s, d) / s),
            JACOBIAN_ALL,
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your Jacobian is that of a normalisation whose variance is divided by m - 1. "
            "Instance norm takes the plain mean of the squared deviations.",
            jacobian_by(
                lambda p, x_hat, s, d: (p - np.outer(x_hat, x_hat) / (d.size - 1)) / s, ddof=1
            ),
            JACOBIAN_ALL,
        ),
        Misconception(
            "m-minus-1-in-the-spread",
            "Your formula is right, but the s in it comes from a variance divided by m - 1. "
            "Instance norm takes the plain mean of the squared deviations.",
            jacobian_by(ddof=1),
            JACOBIAN_ALL,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your formula has std + eps for s. The definition adds eps to something else, one step "
            "earlier.",
            jacobian_by(scale=beside),
            ("eps",),
        ),
        Misconception(
            "eps-outside-the-root-differentiated",
            "Your Jacobian is the exact derivative of another function: the one that divides by "
            "std + eps. Instance norm adds eps to something else, one step earlier.",
            jacobian_by(differentiated_beside, scale=beside),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your Jacobian is the one for eps = 0. With eps a push along the deviations does "
            "change the output a little, and a flat plane does have a Jacobian.",
            jacobian_by(scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "outputs-without-eps",
            "Your 1 / s holds eps, but the x̂ in your last term does not. With eps the outputs "
            "have a spread below 1. It is the same s in both places.",
            jacobian_by(hat_scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but x is changed on the way: `x -= ...` writes into the "
            "caller's plane. Make a new array for the deviations.",
            centred_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Adding the same number to every pixel should change no output, so each row of the "
            "Jacobian should sum to 0. Yours does not.",
            rows_sum_to_nothing,
        ),
        Property(
            "The Jacobian of instance norm is symmetric: output i depends on input j as output j "
            "does on input i. Yours is not.",
            is_symmetric,
        ),
        Property(
            "At eps = 0 more contrast changes no output, so the Jacobian times the deviations "
            "x - mean should be 0. Yours is not.",
            gain_changes_nothing,
        ),
        Property(
            "With twice the contrast (and four times eps, in step with the variance) a push of "
            "one count should matter half as much. It does not.",
            halves_when_contrast_doubles,
        ),
    ),
)


# --- What is left free ----------------------------------------------------------------------------


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
PRINTS = np.stack([PUZZLE, PUZZLE / 2 + 20, 3 * PUZZLE[[2, 5, 0, 1, 4, 3]]])


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
        "The rank where eps counts.",
        public=({"x": PRINTS[:1], "eps": 5.0}, {"x": TWO[None], "eps": 1.0}),
        hidden=lambda rng: [
            {"x": x, "eps": eps_beside(rng, x)}
            for x in (several(rng)[:1], several(rng)[:1], pairs(rng, 1))
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


# --- The way back ---------------------------------------------------------------------------------

PLANE_AXES = (2, 3)


def in_backward(dy, x, gamma, eps):
    return instance_norm_backward(dy, x, gamma, eps=eps)


def upstream(rng, x, gamma=None, eps=0.0):
    """x with a random gradient above it; gamma is 1 unless given."""
    dy = rng.uniform(-1, 1) + rng.standard_normal(x.shape)
    return {"dy": dy, "x": x, "gamma": np.ones(x.shape[1]) if gamma is None else gamma, "eps": eps}


def with_gamma(rng, x):
    """gamma of either sign, and never near 1."""
    return upstream(rng, x, rng.uniform(1.5, 3, x.shape[1]) * rng.choice([-1, 1], x.shape[1]))


def picture(rng, *leading):
    """Shuffled planes (*leading, H, W): pooling their statistics would change nothing."""
    shape = some_shape(rng)
    shape = (*(leading or shape[:2]), *shape[2:])
    return rng.uniform(-0.5, 0.5) + rng.uniform(0.5, 2) * shuffled(rng, shape)


def plane_mean(array, axes=PLANE_AXES):
    return array.mean(axes, keepdims=True)


def right_dx(g, x_hat, s, axes=PLANE_AXES):
    return (g - plane_mean(g, axes) - x_hat * plane_mean(g * x_hat, axes)) / s


def backward_by(rule=right_dx, scale=root, hat_scale=None, ddof=0):
    """An answer with something else in one place. g is the gradient at x̂."""

    def answer(dy, x, gamma, eps):
        var = x.var(PLANE_AXES, keepdims=True, ddof=ddof)
        x_hat = (x - plane_mean(x)) / (hat_scale or scale)(var, eps)
        dx = rule(per_channel(gamma) * dy, x_hat, scale(var, eps))
        return dx, np.sum(dy * x_hat, (0, 2, 3)), dy.sum((0, 2, 3))

    return answer


def per_channel(gamma):
    return gamma[:, None, None]


def changed(dx=None, dgamma=None, dbeta=None):
    """The right gradients, some of them replaced by what a function of the arguments gives."""

    def answer(dy, x, gamma, eps):
        right = in_backward(dy, x, gamma, eps)
        rules = (dx, dgamma, dbeta)
        return tuple(
            rule(dy, x, gamma, eps) if rule else part
            for rule, part in zip(rules, right, strict=True)
        )

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


def whole_sums(g, x_hat, s):
    total = partial(np.sum, axis=PLANE_AXES, keepdims=True)
    return (g - total(g) - x_hat * total(g * x_hat)) / s


def scales_dy_in_place(dy, x, gamma, eps):
    result = in_backward(dy, x, gamma, eps)
    dy *= per_channel(gamma)
    return result


def planes_of_dx_sum_to_nothing(run, arguments):
    total = run()[0].sum(PLANE_AXES)
    return agree(total, np.zeros(total.shape))


def dx_is_orthogonal_to_the_outputs(run, arguments):
    product = np.sum(run(eps=0.0)[0] * hats(arguments["x"], 0.0), PLANE_AXES)
    return agree(product, np.zeros(product.shape))


def is_linear_in_dy(run, arguments):
    twice = run(dy=2 * arguments["dy"])
    return all(agree(a, 2 * b) for a, b in zip(twice, run(), strict=True))


def images_have_their_own_gradients(run, arguments):
    dy = arguments["dy"].copy()
    dy[1:] = 3 * dy[1:] ** 2 + 1
    return agree(run(dy=dy)[0][:1], run()[0][:1])


# Small enough to follow by hand: deviations of -2 and 2, and an upstream gradient of mixed sign.
EVEN_PLANE = np.array([[1.0, 5.0], [5.0, 1.0]])
UPSTREAM = np.array([[1.0, -2.0], [3.0, 0.5]])
BY_HAND = {"dy": UPSTREAM[None, None], "x": EVEN_PLANE[None, None], "gamma": np.ones(1)}
BATCH = with_gamma(
    np.random.default_rng(5), 0.3 + 1.7 * shuffled(np.random.default_rng(4), (2, 3, 4, 5))
)
ONE_CHANNEL = upstream(np.random.default_rng(6), PUZZLE.reshape(1, 1, 2, 3) / 10)

BACKWARD_ASPECTS = (
    Aspect(
        "one-plane",
        1,
        "dx for a single plane, with gamma = 1 and eps = 0.",
        public=({**BY_HAND, "eps": 0.0}, ONE_CHANNEL),
        hidden=lambda rng: [upstream(rng, picture(rng, 1, 1)) for _ in range(3)],
    ),
    Aspect(
        "every-plane",
        2,
        "dx for a batch: each plane by itself, with the gamma of its channel.",
        public=(BATCH,),
        hidden=lambda rng: [with_gamma(rng, picture(rng)) for _ in range(3)],
    ),
    Aspect(
        "dgamma",
        1,
        "dgamma collects what every image and every pixel says about gamma.",
        public=(BATCH,),
        hidden=lambda rng: [with_gamma(rng, picture(rng)) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "dbeta",
        1,
        "dbeta does the same for beta.",
        public=(BATCH,),
        hidden=lambda rng: [with_gamma(rng, picture(rng)) for _ in range(3)],
        judges=(2,),
    ),
    Aspect(
        "eps",
        1,
        "dx and dgamma where eps counts, wherever it occurs.",
        public=({**BY_HAND, "eps": 5.0}, {**ONE_CHANNEL, "eps": 0.1}),
        hidden=lambda rng: [
            upstream(rng, x, eps=float(x.var() * 10 ** rng.uniform(-1, 1)))
            for x in (picture(rng, 1, 1), picture(rng, 1, 1))
        ],
        judges=(0, 1),
    ),
    Aspect(
        "array",
        1,
        "Right values, in three new float64 arrays; no argument is changed.",
        public=({**BY_HAND, "gamma": np.array([-2.0]), "eps": 0.0},),
        hidden=lambda rng: [with_gamma(rng, picture(rng, 1, 1)) for _ in range(2)],
        judges=(0, 1, 2),
        strict=True,
    ),
)
BACKWARD_ALL = tuple(aspect.name for aspect in BACKWARD_ASPECTS)
DX = ("one-plane", "every-plane", "eps", "array")
STATISTICS = (*DX[:2], "dgamma", *DX[2:])

BACKWARD = Exercise(
    id="in-backward",
    signature="in_backward(dy, x, gamma, eps)",
    returns=("dx", "dgamma", "dbeta"),
    reference=in_backward,
    aspects=BACKWARD_ASPECTS,
    misconceptions=(
        Misconception(
            "statistics-held-constant",
            "Your dx is gamma · dy / s: right if mean and variance were constants. They are "
            "computed from x, so x has three ways to reach the output, and you have followed one.",
            backward_by(lambda g, x_hat, s: g / s),
            DX,
        ),
        Misconception(
            "mean-held-constant",
            "Your dx lacks the term that comes from the mean. Shifting a plane changes nothing "
            "downstream, so each plane of dx must sum to 0. Add up yours.",
            backward_by(lambda g, x_hat, s: (g - x_hat * plane_mean(g * x_hat)) / s),
            DX,
        ),
        Misconception(
            "spread-held-constant",
            "Your dx lacks the term that comes from the variance. At eps = 0 more contrast "
            "changes nothing downstream, so the product of dx with x̂ must sum to 0. Add up yours.",
            backward_by(lambda g, x_hat, s: (g - plane_mean(g)) / s),
            DX,
        ),
        Misconception(
            "sums-instead-of-means",
            "Your dx subtracts the sums of g and of g · x̂ over the plane. Each pixel has an m-th "
            "part in the mean and in the variance, so what is subtracted are means.",
            backward_by(whole_sums),
            DX,
        ),
        Misconception(
            "projection-without-direction",
            "Your dx subtracts the mean of g · x̂ itself from every pixel. That number says how "
            "much is to be taken away along x̂; it has to be multiplied by x̂ again.",
            backward_by(lambda g, x_hat, s: (g - plane_mean(g) - plane_mean(g * x_hat)) / s),
            DX,
        ),
        Misconception(
            "projection-added",
            "Your dx adds the term with x̂ where it should be subtracted.",
            backward_by(
                lambda g, x_hat, s: (g - plane_mean(g) + x_hat * plane_mean(g * x_hat)) / s
            ),
            DX,
        ),
        Misconception(
            "projection-on-the-deviations",
            "Your dx takes the deviations x - mean for x̂ in its last term. Both factors there "
            "still have to be divided by s.",
            backward_by(lambda g, x_hat, s: right_dx(g, s * x_hat, s)),
            DX,
        ),
        Misconception(
            "not-divided-by-the-spread",
            "Your dx lacks the factor 1 / s. A faint plane is blown up on the way forth, so its "
            "gradient is blown up on the way back.",
            backward_by(lambda g, x_hat, s: s * right_dx(g, x_hat, s)),
            DX,
        ),
        Misconception(
            "forgets-gamma",
            "Your dx leaves out gamma. The forward pass multiplied by it last, so the gradient "
            "meets it first.",
            changed(dx=lambda dy, x, gamma, eps: in_backward(dy, x, np.ones_like(gamma), eps)[0]),
            ("every-plane", "array"),
        ),
        Misconception(
            "batch-norm",
            "Your dx is that of batch norm: its means run over all images. In instance norm an "
            "image's gradient depends on that image alone.",
            changed(dx=lambda dy, x, gamma, eps: batch_norm_backward(dy, x, gamma, eps=eps)[0]),
            ("every-plane",),
        ),
        Misconception(
            "layer-norm",
            "Your dx is that of layer norm: its means run over all channels of an image. In "
            "instance norm each channel stands by itself.",
            changed(dx=lambda dy, x, gamma, eps: layer_norm_backward(dy, x, gamma, eps=eps)[0]),
            ("every-plane",),
        ),
        Misconception(
            "upstream-of-ones",
            "Your gradients do not depend on dy: they are those of the loss sum(y), whose upstream "
            "gradient is 1 everywhere. For that loss dx is 0, since every plane of y has the same "
            "sum.",
            lambda dy, x, gamma, eps: in_backward(np.ones_like(dy), x, gamma, eps),
            BACKWARD_ALL,
        ),
        Misconception(
            "dgamma-per-image",
            "Your dgamma and dbeta are summed over the pixels only, and have a row for each "
            "image. gamma has shape (C,): all images share it, and each adds its part.",
            changed(
                dgamma=lambda dy, x, gamma, eps: np.sum(dy * hats(x, eps), PLANE_AXES),
                dbeta=lambda dy, x, gamma, eps: dy.sum(PLANE_AXES),
            ),
            ("dgamma", "dbeta", "eps", "array"),
        ),
        Misconception(
            "dgamma-averaged",
            "Your dgamma and dbeta are means. Nothing in y = gamma · x̂ + beta divides by a "
            "number of pixels: the parts of all pixels are added.",
            changed(
                dgamma=lambda dy, x, gamma, eps: np.mean(dy * hats(x, eps), (0, 2, 3)),
                dbeta=lambda dy, x, gamma, eps: dy.mean((0, 2, 3)),
            ),
            ("dgamma", "dbeta", "eps", "array"),
        ),
        Misconception(
            "dgamma-averaged-over-images",
            "Your dgamma and dbeta are summed over the pixels and averaged over the images. The "
            "loss counts every image in full: add them.",
            changed(
                dgamma=lambda dy, x, gamma, eps: np.sum(dy * hats(x, eps), (0, 2, 3)) / len(x),
                dbeta=lambda dy, x, gamma, eps: dy.sum((0, 2, 3)) / len(x),
            ),
            ("dgamma", "dbeta"),
        ),
        Misconception(
            "dgamma-of-the-input",
            "Your dgamma is the sum of dy · x. In the forward pass gamma multiplies x̂, not x.",
            changed(dgamma=lambda dy, x, gamma, eps: np.sum(dy * x, (0, 2, 3))),
            ("dgamma", "eps", "array"),
        ),
        Misconception(
            "dgamma-through-gamma",
            "Your dgamma and dbeta are sums of gamma · dy, which is the gradient at x̂. gamma and "
            "beta sit after x̂: they see dy itself.",
            changed(
                dgamma=lambda dy, x, gamma, eps: gamma * np.sum(dy * hats(x, eps), (0, 2, 3)),
                dbeta=lambda dy, x, gamma, eps: gamma * dy.sum((0, 2, 3)),
            ),
            ("dgamma", "dbeta", "array"),
        ),
        Misconception(
            "swaps-dgamma-and-dbeta",
            "Your dgamma and dbeta are right and in the wrong order: return dx, dgamma, dbeta.",
            lambda dy, x, gamma, eps: tuple(in_backward(dy, x, gamma, eps)[k] for k in (0, 2, 1)),
            ("dgamma", "dbeta", "eps", "array"),
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your gradients are those of a normalisation whose variance is divided by m - 1. "
            "Instance norm takes the plain mean of the squared deviations.",
            backward_by(sum_by_m_minus_1, ddof=1),
            STATISTICS,
        ),
        Misconception(
            "m-minus-1-in-the-spread",
            "Your formulas are right, but the s in them comes from a variance divided by m - 1. "
            "Instance norm takes the plain mean of the squared deviations.",
            backward_by(ddof=1),
            STATISTICS,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your formulas have std + eps for s. The definition adds eps to something else, one "
            "step earlier.",
            backward_by(scale=beside),
            ("eps",),
        ),
        Misconception(
            "eps-outside-the-root-differentiated",
            "Your gradients are the exact ones of another function: the one that divides by "
            "std + eps. Instance norm adds eps to something else, one step earlier.",
            eps_beside_differentiated,
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your gradients are those for eps = 0. Nobody sees the difference in a contrasty "
            "plane. In a faint one eps is what keeps the gradient from growing without end.",
            backward_by(scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "outputs-without-eps",
            "Your 1 / s holds eps, but your x̂ does not. It is the same s in both places.",
            backward_by(hat_scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but an array that you were given is changed on the way, as "
            "in `dy *= ...`. Whoever called you may still need it. Make a new array.",
            scales_dy_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "A shift of a plane changes nothing downstream, so each plane of dx must sum to 0, "
            "for every eps. Yours does not.",
            planes_of_dx_sum_to_nothing,
        ),
        Property(
            "At eps = 0 the contrast of a plane changes nothing downstream, so the product of dx "
            "with x̂ must sum to 0 over each plane. Yours does not.",
            dx_is_orthogonal_to_the_outputs,
        ),
        Property(
            "Twice the upstream gradient must give twice the gradients. Yours do not follow dy.",
            is_linear_in_dy,
        ),
        Property(
            "Your dx for one image changes when the dy of another image changes. In instance norm "
            "no image knows of the others.",
            images_have_their_own_gradients,
        ),
    ),
)

EXERCISES = (JACOBIAN, CONSTRAINTS, BACKWARD)
