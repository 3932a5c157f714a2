"""The exercise "in-jacobian": the Jacobian."""

import numpy as np

from instnorm.geometry import instance_norm_jacobian

from ..engine.compare import DOUBLE, agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import beside, fixed_eps, root, without_eps
from .shared import EVEN, FLAT, PUZZLE, TWO, eps_beside, one_plane, pairs, some_length


def right_rule(p, x_hat, s, d):
    """The Jacobian from P = I - 11ᵀ/m, x̂, s and the deviations d."""
    return (p - np.outer(x_hat, x_hat) / x_hat.size) / s


def jacobian_by(rule=right_rule, scale=root, hat_scale=None, ddof=0):
    """The right answer with one step replaced."""

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


def by_differences(x, eps):
    """Each column is what a small push of one pixel does, divided by the push."""
    h = 1e-5 * max(1.0, float(np.ptp(x)))

    def norm(x):
        return (x - x.mean()) / root(x.var(), eps)

    return np.stack([(norm(x + h * push) - norm(x)) / h for push in np.eye(x.size)], axis=1)


def right_to_a_few_digits(theirs, expected):
    """Nearly right, and not for having been computed in single precision.

    Outputs sum to 0 wherever x is pushed, and so does each column of differences, to more digits.
    """
    off = np.abs(theirs - expected).max() / max(1.0, np.abs(expected).max())
    of_differences = off > 2e-7 or np.abs(theirs.sum(0)).max() < 5e-9
    return bool(off <= 1e-3 and of_differences) and not agree(theirs, expected, DOUBLE)


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


# In each aspect there is a plane of little contrast: there differences to one side show most.
JACOBIAN_ASPECTS = (
    Aspect(
        "without-eps",
        2,
        "At eps = 0: entry [i, j] says how output i changes with input j.",
        public=tuple({"x": x, "eps": 0.0} for x in (EVEN, PUZZLE, TWO, EVEN / 16)),
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
        public=tuple({"x": x, "eps": 0.0} for x in (EVEN, PUZZLE / 16)),
        hidden=lambda rng: [{"x": one_plane(rng), "eps": 0.0} for _ in range(2)],
        strict=True,
        tolerance=1e-8,
    ),
)

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
            ALL,
        ),
        Misconception(
            "spread-held-constant",
            "Your Jacobian lets the mean move and holds the spread s fixed: the term with x̂ is "
            "missing. A pixel that moves away from the mean widens the spread, and that shrinks "
            "every output.",
            jacobian_by(lambda p, x_hat, s, d: p / s),
            ALL,
        ),
        Misconception(
            "mean-held-constant",
            "Your Jacobian lets the spread move and holds the mean fixed: the term with 1/m is "
            "missing. Add one number to all pixels, that is sum your rows: what should come out?",
            jacobian_by(lambda p, x_hat, s, d: right_rule(identity(p), x_hat, s, d)),
            ALL,
        ),
        Misconception(
            "diagonal-only",
            "The diagonal of your Jacobian is right and the rest is 0. Entry [i, j] asks how "
            "output i changes with input j, for every pair: all outputs share a mean and a spread.",
            jacobian_by(lambda p, x_hat, s, d: np.diag(np.diag(right_rule(p, x_hat, s, d)))),
            ALL,
        ),
        Misconception(
            "projection-without-m",
            "Your Jacobian subtracts the product of x̂ with itself without dividing it by m. The "
            "variance is a mean: one pixel has only an m-th part in it.",
            jacobian_by(lambda p, x_hat, s, d: (p - np.outer(x_hat, x_hat)) / s),
            ALL,
        ),
        Misconception(
            "projection-added",
            "Your Jacobian adds the term with x̂ where it should be subtracted. A pixel above the "
            "mean that rises still further widens the spread. Does that make its own output grow "
            "faster, or slower?",
            jacobian_by(lambda p, x_hat, s, d: (p + np.outer(x_hat, x_hat) / x_hat.size) / s),
            ALL,
        ),
        Misconception(
            "projection-on-the-deviations",
            "Your last term is built from the deviations x - mean where the outputs x̂ belong: "
            "they still have to be divided by s, each of the two. Think of units: the terms "
            "beside it are pure numbers.",
            jacobian_by(lambda p, x_hat, s, d: right_rule(p, d, s, d)),
            ALL,
        ),
        Misconception(
            "spread-about-zero",
            "Your Jacobian is what you get when the derivative of the variance is taken as "
            "2 x[j] / m. The variance is the mean square of the deviations, so what belongs "
            "there in place of x[j]?",
            spread_about_zero,
            ALL,
        ),
        Misconception(
            "inner-for-outer",
            "Your last term subtracts one and the same number everywhere: the product of x̂ with "
            "itself, summed up. Which pixel pushes and which output moves both matter, so this "
            "term is a table: entry [i, j] holds x̂[i] times x̂[j].",
            jacobian_by(lambda p, x_hat, s, d: (p - np.inner(x_hat, x_hat) / x_hat.size) / s),
            ALL,
        ),
        Misconception(
            "twice-the-spread",
            "Your last term is twice what it should be. The variance does grow by 2 d[j] / m when "
            "pixel j is pushed; but s is its root, and the root halves that again.",
            jacobian_by(lambda p, x_hat, s, d: (p - 2 * np.outer(x_hat, x_hat) / x_hat.size) / s),
            ALL,
        ),
        Misconception(
            "half-the-spread",
            "Your last term is half of what it should be. The root of the variance brings a "
            "factor 1/2, and the square inside it a factor 2.",
            jacobian_by(lambda p, x_hat, s, d: (p - np.outer(x_hat, x_hat) / x_hat.size / 2) / s),
            ALL,
        ),
        Misconception(
            "not-divided-by-the-spread",
            "Your Jacobian lacks the factor 1 / s. A push of one count moves the output of a "
            "faint plane further than that of a contrasty one.",
            jacobian_by(lambda p, x_hat, s, d: s * right_rule(p, x_hat, s, d)),
            ALL,
        ),
        Misconception(
            "divides-by-the-variance",
            "Your Jacobian is divided by var + eps where its root is meant.",
            jacobian_by(lambda p, x_hat, s, d: right_rule(p, x_hat, s, d) / s),
            ALL,
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your Jacobian is that of a normalisation whose variance is divided by m - 1. "
            "Instance norm takes the plain mean of the squared deviations.",
            jacobian_by(
                lambda p, x_hat, s, d: (p - np.outer(x_hat, x_hat) / (d.size - 1)) / s, ddof=1
            ),
            ALL,
        ),
        Misconception(
            "m-minus-1-in-the-spread",
            "Your formula is right, but the s in it comes from a variance divided by m - 1. "
            "Instance norm takes the plain mean of the squared deviations.",
            jacobian_by(ddof=1),
            ALL,
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
            "ignores-the-eps-argument",
            "Your Jacobian is the one for eps = 1e-5, whatever the caller asks for. Is the number "
            "written out somewhere in your function?",
            jacobian_by(scale=fixed_eps),
            ALL,
        ),
        Misconception(
            "outputs-without-eps",
            "Your 1 / s holds eps, but the x̂ in your last term does not. With eps the outputs "
            "have a spread below 1. It is the same s in both places.",
            jacobian_by(hat_scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "comes-from-differences",
            "Your Jacobian is right to six digits or so: it comes from differences, from pushing "
            "each pixel a little. That is a good test of a formula, and no formula. Derive it: "
            "along which three ways does a push reach an output?",
            by_differences,
            ALL,
            right_to_a_few_digits,
        ),
        Misconception(
            "mean-on-the-diagonal-only",
            "Your term with 1/m stands on the diagonal alone. Push one pixel, and the mean moves "
            "for all of them: 1/m is subtracted everywhere.",
            jacobian_by(
                lambda p, x_hat, s, d: right_rule((1 - 1 / d.size) * identity(p), x_hat, s, d)
            ),
            ALL,
        ),
        Misconception(
            "divides-the-direct-part-alone",
            "Only the ones on your diagonal are divided by s. All three ways lead into x̂ = (x - "
            "mean) / s, so all of J is divided by s.",
            jacobian_by(
                lambda p, x_hat, s, d: (
                    identity(p) / s - 1 / d.size - np.outer(x_hat, x_hat) / d.size
                )
            ),
            ALL,
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
