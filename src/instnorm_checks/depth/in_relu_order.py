"""The exercise "in-relu-order": which comes first?"""

from functools import partial

import numpy as np

from instnorm.depth import in_then_relu, relu_then_in

from ..cases import counts, shuffled, some_shape
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import beside, fixed_eps, per_channel, plane_mean, standardise, without_eps
from .deep_stats import relu


def in_relu_order(z, gamma, beta, eps=1e-5):
    return in_then_relu(z, gamma, beta, eps=eps), relu_then_in(z, gamma, beta, eps=eps)


def both_by(first=None, second=None, **change):
    """An answer from rules (z, norm, affine); `change` is another way to standardise."""

    def answer(z, gamma, beta, eps=1e-5):
        norm = partial(standardise, eps=eps, **change)

        def affine(y):
            return per_channel(gamma) * y + per_channel(beta)

        return (
            (first or right_first)(z, norm, affine),
            (second or right_second)(z, norm, affine),
        )

    return answer


def right_first(z, norm, affine):
    return relu(affine(norm(z)))


def right_second(z, norm, affine):
    return affine(norm(relu(z)))


def no_relu(z, norm, affine):
    return affine(norm(z))


def by_the_survivors(z, norm, affine):
    """Mean and variance over the values above 0, applied to all."""
    y = np.empty_like(z)
    for place in np.ndindex(z.shape[:2]):
        alive = z[place][z[place] > 0]
        y[place] = (relu(z[place]) - alive.mean()) / alive.std()
    return affine(y)


def by_what_went_in(z, norm, affine):
    return affine((relu(z) - plane_mean(z)) / z.std((2, 3), keepdims=True))


def both_without_beta(z, gamma, beta, eps=1e-5):
    return in_relu_order(z, gamma, np.zeros_like(beta), eps)


def clips_in_place(z, gamma, beta, eps=1e-5):
    result = in_relu_order(z, gamma, beta, eps)
    z[z < 0] = 0
    return result


def unscaled(z, **rest):
    """Put gamma = 1 and beta = 0 between z and eps."""
    channels = z.shape[1]
    return {"z": z, "gamma": np.ones(channels), "beta": np.zeros(channels), **rest}


def scaled(rng, z):
    """gamma and beta of either sign, and never near the 1 and 0 that change nothing."""
    gamma = rng.uniform(1.5, 3, z.shape[1]) * rng.choice([-1, 1], z.shape[1])
    signs = rng.permutation(np.resize([1, -1], z.shape[1]))
    return {"z": z, "gamma": gamma, "beta": signs * rng.uniform(0.3, 0.9, z.shape[1])}


def straddling(rng, shape=None):
    """Planes in thousands, each with its own mean and spread, on both sides of 0."""
    shape = shape or some_shape(rng)
    planes = (*shape[:2], 1, 1)
    spread = rng.uniform(2e3, 6e3, planes)
    alike = shuffled(rng, shape)
    return spread * (rng.uniform(0.2, 0.5, planes) * rng.choice([-1, 1], planes) + alike)


def straddling_alike(rng, contrast=4e3):
    """The same with equal statistics in all planes."""
    return contrast * (rng.uniform(0.2, 0.5) + shuffled(rng, some_shape(rng)))


def faint_straddling(rng):
    for _ in range(2):
        eps = 10 ** rng.uniform(-6, -1)
        contrast = np.sqrt(eps * 10 ** rng.uniform(-0.5, 1))
        yield unscaled(straddling_alike(rng, contrast), eps=eps)
    yield unscaled(straddling_alike(rng, np.sqrt(1e-5)))


def dead(rng):
    return scaled(rng, -counts(rng, (int(rng.integers(1, 3)), 2, *some_shape(rng)[2:])) - 1e5)


def is_not_negative(run, arguments):
    return bool((run()[0] >= 0).all())


def is_centred_on_beta(run, arguments):
    means = run(beta=np.zeros_like(arguments["beta"]))[1].mean((2, 3))
    return agree(means, np.zeros_like(means))


def the_first_ignores_a_shift(run, arguments):
    z = arguments["z"]
    return agree(run(z=z + np.ptp(z))[0], run()[0])


def both_ignore_a_gain(run, arguments):
    eps = arguments.get("eps", 1e-5)
    louder = run(z=2 * arguments["z"], eps=4 * eps)
    return all(agree(a, b) for a, b in zip(louder, run(eps=eps), strict=True))


CHANNELS = np.array([[[[-3.0, -1.0], [1.0, 7.0]], [[9.0, -7.0], [-5.0, -1.0]]]]) * 1e3
STRADDLING = straddling(np.random.default_rng(24), (2, 3, 2, 5))
DEAD = {
    "z": -1.0 - (np.arange(30) ** 2 % 7).reshape(1, 2, 3, 5),
    "gamma": np.array([2.0, -3.0]),
    "beta": np.array([0.5, -0.5]),
}
ALIKE = np.array([[[[-3.0, -1.0], [1.0, 7.0]], [[7.0, 1.0], [-3.0, -1.0]]]])

ORDER_ASPECTS = (
    Aspect(
        "in-then-relu",
        1,
        "The first result: normalise, then cut at 0.",
        public=(unscaled(CHANNELS), unscaled(STRADDLING)),
        hidden=lambda rng: [unscaled(straddling(rng)) for _ in range(3)],
    ),
    Aspect(
        "relu-then-in",
        1,
        "The second result: cut at 0, then normalise what is left.",
        public=(unscaled(CHANNELS), unscaled(STRADDLING)),
        hidden=lambda rng: [unscaled(straddling(rng)) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "affine",
        1,
        "gamma and beta belong to the norm: they follow it at once, in either order.",
        public=({"z": 1e3 * ALIKE, "gamma": DEAD["gamma"], "beta": DEAD["beta"]},),
        hidden=lambda rng: [scaled(rng, straddling_alike(rng)) for _ in range(3)],
        judges=(0, 1),
    ),
    Aspect(
        "dead",
        1,
        "A plane with no value above 0 becomes beta in the second order.",
        public=(DEAD,),
        hidden=lambda rng: [dead(rng) for _ in range(2)],
        judges=(1,),
        apart=True,
    ),
    Aspect(
        "eps",
        1,
        "eps is added to the variance, inside the root, in both orders.",
        public=(unscaled(1e-3 * ALIKE, eps=1e-6), unscaled(1e-3 * ALIKE)),
        hidden=faint_straddling,
        judges=(0, 1),
    ),
    Aspect(
        "array",
        1,
        "Right values, in two new float64 arrays of z's shape; no argument is changed.",
        public=(unscaled(1e3 * ALIKE),),
        hidden=lambda rng: [unscaled(straddling_alike(rng)) for _ in range(2)],
        judges=(0, 1),
        strict=True,
    ),
)
FIRST = ("in-then-relu", "affine", "eps", "array")
SECOND = ("relu-then-in", "affine", "eps", "array")
BOTH = ("in-then-relu", *SECOND)

ORDER = Exercise(
    id="in-relu-order",
    signature="in_relu_order(z, gamma, beta, eps=1e-5)",
    returns=("in_then_relu", "relu_then_in"),
    reference=in_relu_order,
    aspects=ORDER_ASPECTS,
    misconceptions=(
        Misconception(
            "swaps-the-orders",
            "Your two results are right and in the wrong order: the one that ends with the ReLU "
            "comes first. Which of the two can be negative?",
            lambda *arguments: in_relu_order(*arguments)[::-1],
            ALL,
        ),
        Misconception(
            "one-order-twice",
            "Both your results are normalised after the ReLU. In the first, the norm sees all of "
            "z, and the ReLU comes last.",
            both_by(first=right_second),
            FIRST,
        ),
        Misconception(
            "the-usual-order-twice",
            "Both your results end with the ReLU. In the second the norm comes last, so its mean "
            "is beta and it has values on both sides.",
            both_by(second=right_first),
            (*SECOND, "dead"),
        ),
        Misconception(
            "no-relu-in-the-first",
            "Your first result is IN(z): its ReLU is missing. Without it half of the values would "
            "be negative.",
            both_by(first=no_relu),
            FIRST,
        ),
        Misconception(
            "no-relu-in-the-second",
            "Your second result is IN(z): its ReLU is missing. The norm is to see z after it has "
            "been cut.",
            both_by(second=no_relu),
            (*SECOND, "dead"),
        ),
        Misconception(
            "clipped-too-early",
            "Your first result is what you get when z has been cut at 0 before it is normalised "
            "and cut again. Has an earlier line changed z?",
            both_by(first=lambda z, norm, affine: right_first(relu(z), norm, affine)),
            FIRST,
        ),
        Misconception(
            "second-from-the-first",
            "Your second result is made from the first: normalised, cut, and normalised again. "
            "The second order starts from z too.",
            both_by(second=lambda z, norm, affine: affine(norm(right_first(z, norm, affine)))),
            (*SECOND, "dead"),
        ),
        Misconception(
            "clipped-again",
            "Your second result is cut at 0 once more at its end. The norm comes last there, and "
            "what it makes negative stays negative.",
            both_by(second=lambda z, norm, affine: right_first(relu(z), norm, affine)),
            (*SECOND, "dead"),
        ),
        Misconception(
            "first-centred-again",
            "Your first result is normalised a second time, after the ReLU. max(0, IN(z)) is not "
            "centred: that is the price of the usual order.",
            both_by(first=lambda z, norm, affine: affine(norm(relu(norm(z))))),
            FIRST,
        ),
        Misconception(
            "statistics-of-the-survivors",
            "Your second result takes the mean and the variance over the values above 0. The zeros "
            "are values like any others: they belong to the plane.",
            both_by(second=by_the_survivors),
            (*SECOND, "dead"),
        ),
        Misconception(
            "statistics-before-the-relu",
            "Your second result subtracts the mean of z and divides by the deviation of z, where "
            "those of max(0, z) are meant.",
            both_by(second=by_what_went_in),
            (*SECOND, "dead"),
        ),
        Misconception(
            "affine-after-the-relu",
            "Your first result applies gamma and beta after the ReLU. They belong to the norm, so "
            "the ReLU sees them: that is how beta chooses which share of the values survives.",
            both_by(first=lambda z, norm, affine: affine(relu(norm(z)))),
            ("affine",),
        ),
        Misconception(
            "affine-before-the-norm",
            "Your second result applies gamma and beta before the norm, which takes both away "
            "again, but for the sign of gamma.",
            both_by(second=lambda z, norm, affine: norm(affine(relu(z)))),
            ("affine", "dead"),
        ),
        Misconception(
            "forgets-beta",
            "Your results have gamma in them, and no beta.",
            both_without_beta,
            ("affine", "dead"),
        ),
        Misconception(
            "forgets-gamma-and-beta",
            "Your results do not depend on gamma and beta.",
            both_by(
                lambda z, norm, affine: relu(norm(z)),
                lambda z, norm, affine: norm(relu(z)),
            ),
            ("affine", "dead"),
        ),
        Misconception(
            "statistics-of-the-batch",
            "Your results are what you get when the images of a batch share one mean and one "
            "variance per channel. That is batch norm.",
            both_by(axes=(0, 2, 3)),
            ("in-then-relu", "relu-then-in"),
        ),
        Misconception(
            "statistics-of-the-image",
            "Your results are what you get when all channels of an image share one mean and one "
            "variance. That is layer norm.",
            both_by(axes=(1, 2, 3)),
            ("in-then-relu", "relu-then-in"),
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your results are what you get when the variance is divided by m - 1. Instance norm "
            "takes the plain mean of the squared deviations.",
            both_by(ddof=1),
            BOTH,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your results are what you get when eps is added to the standard deviation. The "
            "definition adds it to something else, one step earlier.",
            both_by(scale=beside),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your results are what you get with eps = 0. A faint plane is blown up too far, and a "
            "dead one, which the ReLU has made all zeros, becomes 0 / 0.",
            both_by(scale=without_eps),
            ("eps", "dead"),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your results are what you get with eps = 1e-5 whatever the caller asks for. Is the "
            "number written out somewhere in your function?",
            both_by(scale=fixed_eps),
            ("eps",),
        ),
        Misconception(
            "affine-in-the-first-alone",
            "Your second result has no gamma and beta in it. They belong to the norm, in either "
            "order, and end the second.",
            both_by(second=lambda z, norm, affine: norm(relu(z))),
            ("affine", "dead"),
        ),
        Misconception(
            "affine-in-the-second-alone",
            "Your first result has no gamma and beta in it. They belong to the norm, in either "
            "order: in the first they come before the ReLU.",
            both_by(first=lambda z, norm, affine: relu(norm(z))),
            ("affine",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but z is changed on the way, as in `z[z < 0] = 0`. The other "
            "order needs it whole, and so does the caller. Make a new array.",
            clips_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Your first result holds negative values. A ReLU that comes last leaves none.",
            is_not_negative,
        ),
        Property(
            "With beta = 0 each plane of your second result should have the mean 0, since the norm "
            "comes last. It has not.",
            is_centred_on_beta,
        ),
        Property(
            "Adding one number to every value of z changes your first result, though the norm, "
            "which comes first, should take that number away.",
            the_first_ignores_a_shift,
        ),
        Property(
            "Doubling z (and eps fourfold, in step with the variance) changes your results, though "
            "a ReLU doubles along and the norm takes the factor away.",
            both_ignore_a_gain,
        ),
    ),
)
