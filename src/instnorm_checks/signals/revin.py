"""The exercise "revin": RevIN on the way in."""

import numpy as np

from instnorm.series import revin

from ..cases import bright, counts
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..properties import ignores_brightness, images_are_independent
from ..wrong import beside, fixed_eps, root, without_eps
from .cmvn import FLAT_ROW, TALK, faint_rows
from .shared import in_rows, some_sizes


def revin_reference(x, gamma, beta, eps=1e-5):
    y, statistics = revin(x, gamma, beta, eps=eps)
    return y, *statistics


def plain(x, **rest):
    """gamma = 1 and beta = 0 between x and what follows."""
    return {"x": x, "gamma": np.ones(x.shape[1]), "beta": np.zeros(x.shape[1]), **rest}


def some_affine(rng, channels):
    """gamma and beta of either sign, and never near the 1 and 0 that change nothing."""
    gamma, beta = rng.uniform(1.5, 3, (2, channels)) * rng.choice([-1, 1], (2, channels))
    return {"gamma": gamma, "beta": beta}


def with_affine(rng):
    x = in_rows(bright, rng, some_sizes(rng))
    return {"x": x, **some_affine(rng, x.shape[1])}


def down(parameter):
    """(C,) -> (C, 1), to meet the variables."""
    return parameter[:, None]


def scaled_then_shifted(xhat, gamma, beta):
    return down(gamma) * xhat + down(beta)


def handed_back(x, y, mean, var, eps):
    """The statistics as they should come back: without the axis that they were taken over."""
    return y, mean[..., 0], var[..., 0]


def there(axes=2, ddof=0, scale=root, rule=scaled_then_shifted, give=handed_back):
    """The right answer with one step replaced."""

    def answer(x, gamma, beta, eps=1e-5):
        mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True, ddof=ddof)
        y = rule((x - mean) / scale(var, eps), gamma, beta)
        return give(x, y, mean, var, eps)

    return answer


def of_the_batch(x, y, mean, var, eps):
    return y, *(np.broadcast_to(moment[..., 0], x.shape[:2]) for moment in (mean, var))


def of_each_moment(x, y, mean, var, eps):
    return y, mean[:, 0], var[:, 0]


def without_centring(x, gamma, beta, eps=1e-5):
    mean, var = x.mean(2), x.var(2)
    return scaled_then_shifted(x / np.sqrt(var + eps)[..., None], gamma, beta), mean, var


def statistics_through_the_affine(x, gamma, beta, eps=1e-5):
    y, mean, var = revin_reference(x, gamma, beta, eps)
    return y, mean + beta, var * gamma**2


def from_the_last_value(x, gamma, beta, eps=1e-5):
    """As NLinear does."""
    last = x[..., -1:]
    var = x.var(2, keepdims=True)
    y = scaled_then_shifted((x - last) / np.sqrt(var + eps), gamma, beta)
    return y, last[..., 0], var[..., 0]


def revin_in_place(x, gamma, beta, eps=1e-5):
    y, mean, var = revin_reference(x, gamma, beta, eps)
    x[...] = y
    return x, mean, var


def var_is_a_square(run, arguments):
    x = arguments["x"]
    return agree(run(x=2 * x)[2], 4 * run()[2])


WINDOWS = np.random.default_rng(4).integers(0, 65536, (2, 3, 5)).astype(float)

SCALED_TALK = {"x": TALK, "gamma": np.array([2.0, -0.5]), "beta": np.array([10.0, 20.0])}

REVIN_ASPECTS = (
    Aspect(
        "standardised",
        1,
        "Each variable of each window is standardised over time.",
        public=(plain(WINDOWS),),
        hidden=lambda rng: [plain(in_rows(counts, rng, some_sizes(rng))) for _ in range(3)],
    ),
    Aspect(
        "affine",
        1,
        "Variable c is then multiplied by gamma[c], and beta[c] is added.",
        public=(
            SCALED_TALK,
            # C = L = 4: broadcasting along the wrong axis goes unnoticed here.
            {
                "x": in_rows(bright, np.random.default_rng(5), (2, 4, 4)),
                **some_affine(np.random.default_rng(6), 4),
            },
        ),
        hidden=lambda rng: [with_affine(rng) for _ in range(3)],
    ),
    Aspect(
        "statistics",
        2,
        "mean and var, each of shape (N, C), are those of x: what has been taken away.",
        public=(
            plain(WINDOWS),
            plain(WINDOWS.reshape(5, 3, 2)),
            plain(5e-6 * TALK),
            SCALED_TALK,
        ),
        hidden=lambda rng: [
            plain(in_rows(counts, rng, some_sizes(rng))),
            plain(1e-6 * in_rows(counts, rng, some_sizes(rng))),
            with_affine(rng),
        ],
        judges=(1, 2),
    ),
    Aspect(
        "eps",
        1,
        "eps is added to the variance, inside the root; a series that stands still becomes beta.",
        public=(plain(5e-6 * TALK, eps=1e-3), plain(5e-6 * TALK), plain(FLAT_ROW)),
        hidden=lambda rng: list(faint_rows(rng, plain)),
    ),
    Aspect(
        "array",
        1,
        "Right values in y, in a new float64 array of x's shape; no argument is changed.",
        public=(plain(TALK),),
        hidden=lambda rng: [plain(in_rows(bright, rng, some_sizes(rng))) for _ in range(2)],
        strict=True,
    ),
)
REVIN_Y = ("standardised", "affine", "eps", "array")

THERE = Exercise(
    id="revin",
    signature="revin(x, gamma, beta, eps=1e-5)",
    returns=("y", "mean", "var"),
    reference=revin_reference,
    aspects=REVIN_ASPECTS,
    misconceptions=(
        Misconception(
            "deviation-for-variance",
            "Your var is a standard deviation. Hand back the variance: the way back adds eps to it "
            "before the root is taken.",
            there(give=lambda x, y, mean, var, eps: (y, mean[..., 0], np.sqrt(var[..., 0]))),
            ("statistics",),
        ),
        Misconception(
            "eps-in-the-statistics",
            "Your var already holds eps. The way back adds it once more. Hand back what the data "
            "had.",
            there(give=lambda x, y, mean, var, eps: (y, mean[..., 0], var[..., 0] + eps)),
            ("statistics",),
        ),
        Misconception(
            "statistics-through-the-affine",
            "Your mean has beta in it, and your var the square of gamma. These two are applied "
            "after x has been standardised; the way back takes them off by itself. Hand back the "
            "mean and the variance of x.",
            statistics_through_the_affine,
            ("statistics",),
        ),
        Misconception(
            "keeps-the-axis",
            "Your mean and var have shape (N, C, 1). That is handy for broadcasting inside the "
            "function; hand them back without the last axis.",
            there(give=lambda x, y, mean, var, eps: (y, mean, var)),
            ("statistics",),
        ),
        Misconception(
            "swaps-the-statistics",
            "Your two statistics are right and in the wrong order: return y, mean, var.",
            there(give=lambda x, y, mean, var, eps: (y, var[..., 0], mean[..., 0])),
            ("statistics",),
        ),
        Misconception(
            "statistics-of-y",
            "Your mean and var are those of y, after normalising: 0 and 1, which nobody needs. "
            "The ones to keep are those of x, because they are about to be lost.",
            there(give=lambda x, y, mean, var, eps: (y, y.mean(2), y.var(2))),
            ("statistics",),
        ),
        Misconception(
            "unbiased-statistics",
            "Your var is divided by L - 1, unlike the variance that y was divided by. The way back "
            "has to use the very number that was used on the way there.",
            there(give=lambda x, y, mean, var, eps: (y, mean[..., 0], x.var(2, ddof=1))),
            ("statistics",),
        ),
        Misconception(
            "divides-by-l-minus-1",
            "Your output is what you get when the variance is divided by L - 1. RevIN is instance "
            "norm: the plain mean of the squared deviations.",
            there(ddof=1),
            ALL,
        ),
        Misconception(
            "over-the-variables",
            "Your output is what you get when each moment in time is standardised over the "
            "variables. Here time is the last axis. (The paper's own code keeps it in the middle.)",
            there(axes=1, give=of_each_moment),
            ALL,
        ),
        Misconception(
            "statistics-of-the-batch",
            "Your output is what you get when all windows share one mean and one variance per "
            "variable, as in batch norm. A drifting series has another level in each window.",
            there(axes=(0, 2), give=of_the_batch),
            ("standardised", "statistics"),
        ),
        Misconception(
            "subtracts-the-last-value",
            "Your output is what you get when the last value is subtracted in place of the mean. "
            "Some forecasters do that, and not without reason. RevIN takes the mean.",
            from_the_last_value,
            ALL,
        ),
        Misconception(
            "scales-only",
            "Your y is what you get when you divide by the deviation without subtracting the mean. "
            "Then the forecaster still sees the level, which is what drifts.",
            without_centring,
            REVIN_Y,
        ),
        Misconception(
            "forgets-beta",
            "Your y has gamma in it, and no beta.",
            there(rule=lambda xhat, gamma, beta: down(gamma) * xhat),
            ("affine",),
        ),
        Misconception(
            "forgets-gamma-and-beta",
            "Your y is the standardised window itself: gamma and beta have no effect on it.",
            there(rule=lambda xhat, gamma, beta: xhat),
            ("affine",),
        ),
        Misconception(
            "shifts-before-scaling",
            "Your y is what you get when beta is added first and gamma multiplies the sum. Which "
            "of the two should come last?",
            there(rule=lambda xhat, gamma, beta: down(gamma) * (xhat + down(beta))),
            ("affine",),
        ),
        Misconception(
            "gamma-along-time",
            "Your y is what you get when gamma and beta run along the last axis, time. They belong "
            "to the variables. What shape lets (C,) meet the middle axis?",
            there(rule=lambda xhat, gamma, beta: gamma * xhat + beta),
            ALL,
            raises=ValueError,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your y is what you get when eps is added to the standard deviation. The definition "
            "adds it one step earlier.",
            there(scale=beside),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your y is what you get with eps = 0. A series that stands still becomes 0 / 0.",
            there(scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your y is what you get with eps = 1e-5 whatever the caller asks for.",
            there(scale=fixed_eps),
            ("eps",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the array that you were given. "
            "Make a new array for y.",
            revin_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Adding one number to the whole series changes y, though the mean should take that "
            "number away again.",
            ignores_brightness,
        ),
        Property(
            "The output for one window changes when another window changes.",
            images_are_independent,
        ),
        Property(
            "When x doubles, its variance is four times as large. Your var is not.",
            var_is_a_square,
        ),
    ),
)
