"""The exercise "rectified-moments": what a ReLU leaves."""

import numpy as np

from instnorm.depth import rectified_moments

from ..engine.compare import FAIR, agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property


def surviving(r):
    """The standard normal distribution function."""
    mean, _ = rectified_moments(r, np.ones_like(r))
    return np.where(r == 0, 0.5, (mean - density(r)) / np.where(r == 0, 1, r))


def density(r):
    return np.exp(-r * r / 2) / np.sqrt(2 * np.pi)


def ratio(mu, sigma):
    """mu / sigma, but a huge number of the sign of mu where there is no spread."""
    return np.where(sigma > 0, mu / np.where(sigma > 0, sigma, 1), np.sign(mu) * 100.0)


def moments_by(
    mean=lambda mu, sigma, r: mu * surviving(r) + sigma * density(r),
    square=lambda mu, sigma, r: (mu**2 + sigma**2) * surviving(r) + mu * sigma * density(r),
    ratio=ratio,
):
    """An answer with something else for the mean of the values or of their squares."""

    def answer(mu, sigma):
        r = ratio(mu, sigma)
        m = mean(mu, sigma, r)
        return m, square(mu, sigma, r) - m**2

    return answer


def variance_by(rule):
    """The right mean, and `rule(mu, sigma, mean, var)` for the variance."""

    def answer(mu, sigma):
        mean, var = rectified_moments(mu, sigma)
        return mean, rule(mu, sigma, mean, var)

    return answer


STANDARD = 1 / np.sqrt(2 * np.pi), 0.5 - 0.5 / np.pi


def survivors_only(mu, sigma):
    r = ratio(mu, sigma)
    pull = density(r) / surviving(r)
    return mu + sigma * pull, sigma**2 * (1 - r * pull - pull**2)


def folded(mu, sigma):
    r = ratio(mu, sigma)
    mean = mu * (2 * surviving(r) - 1) + 2 * sigma * density(r)
    return mean, mu**2 + sigma**2 - mean**2


def where_certain(rule):
    """The right moments, and `rule(mu)` for the mean where sigma is 0."""

    def answer(mu, sigma):
        mean, var = rectified_moments(mu, sigma)
        return np.where(sigma == 0, rule(mu), mean), var

    return answer


def few_digits_of_the_square(mu, sigma):
    """Far above 0 the mean of the squares is rounded to float32."""
    mean, var = rectified_moments(mu, sigma)
    rounded = np.float64(np.float32(var + mean**2)) - mean**2
    far = (mu > 10 * sigma) & (sigma > 0)
    return np.where(far, np.float64(np.float32(mean)), mean), np.where(far, rounded, var)


def nearly_right(theirs, expected):
    off, size = np.abs(theirs - expected).max(), np.abs(expected).max()
    return bool(1e-11 * size < off <= 1e-3 * size)


def divides_mu_in_place(mu, sigma):
    result = rectified_moments(mu, sigma)
    mu /= sigma
    return result


def usual_moments(rng):
    sigma = rng.uniform(1.5, 3, int(rng.integers(3, 7)))
    return {"mu": sigma * rng.choice([-1, 1], sigma.size) * rng.uniform(0.3, 2, sigma.size)} | {
        "sigma": sigma
    }


def centred_moments(rng):
    sigma = rng.uniform(1.5, 3, int(rng.integers(2, 5)))
    return {"mu": np.zeros_like(sigma), "sigma": sigma}


def without_spread(rng):
    mu = np.array([*(rng.uniform(1.5, 5, 2) * [1, -1]), 0.0])
    return {"mu": rng.permutation(mu), "sigma": np.zeros(3)}


def untouched(rng):
    """So far above 0 that the ReLU has nothing to cut."""
    sigma = rng.uniform(1.5, 3, int(rng.integers(2, 5)))
    return {"mu": 40 * sigma, "sigma": sigma}


def follows_the_units(run, arguments):
    mean, var = run()
    doubled = run(mu=2 * arguments["mu"], sigma=2 * arguments["sigma"])
    return agree(doubled[0], 2 * mean) and agree(doubled[1], 4 * var)


def is_at_least_the_clipped_mean(run, arguments):
    return not np.any(run()[0] < np.maximum(arguments["mu"], 0) - 1e-9)


USUAL = {"mu": np.array([1.0, -1.0, 2.0, -3.0]), "sigma": np.array([2.0, 2.0, 3.0, 2.0])}

MOMENTS_ASPECTS = (
    Aspect(
        "standard",
        1,
        "Where mu is 0, for any sigma.",
        public=({"mu": np.zeros(2), "sigma": np.array([1.0, 2.0])},),
        hidden=lambda rng: [centred_moments(rng) for _ in range(2)],
        judges=(0, 1),
        tolerance=FAIR,
    ),
    Aspect(
        "mean",
        2,
        "The mean of max(0, X).",
        public=(USUAL,),
        hidden=lambda rng: [usual_moments(rng) for _ in range(3)],
        tolerance=FAIR,
    ),
    Aspect(
        "variance",
        2,
        "The variance of max(0, X).",
        public=(USUAL,),
        hidden=lambda rng: [usual_moments(rng) for _ in range(3)],
        judges=(1,),
        tolerance=FAIR,
    ),
    Aspect(
        "no-spread",
        1,
        "Where sigma is 0 the value is certain: max(0, mu), with variance 0.",
        public=({"mu": np.array([3.0, -2.0, 0.0]), "sigma": np.zeros(3)},),
        hidden=lambda rng: [without_spread(rng) for _ in range(2)],
        judges=(0, 1),
        apart=True,
    ),
    Aspect(
        "array",
        1,
        "Right values, in two new float64 arrays; mu and sigma are unchanged.",
        public=(
            {"mu": np.array([80.0]), "sigma": np.array([2.0])},
            {"mu": np.array([80.1]), "sigma": np.array([2.3])},
        ),
        hidden=lambda rng: [untouched(rng) for _ in range(2)],
        judges=(0, 1),
        strict=True,
    ),
)
ORDINARY = ("standard", "mean", "variance")

MOMENTS = Exercise(
    id="rectified-moments",
    signature="rectified_moments(mu, sigma)",
    returns=("mean", "var"),
    reference=rectified_moments,
    aspects=MOMENTS_ASPECTS,
    misconceptions=(
        Misconception(
            "clips-the-moments",
            "Your mean is max(0, mu) and your variance sigma²: as though the ReLU acted on the "
            "mean. It acts on the values. Half of those of a centred X are above 0, and they have "
            "a mean that is not 0.",
            lambda mu, sigma: (np.maximum(mu, 0), sigma**2),
            ORDINARY,
            also=(lambda mu, sigma: (np.maximum(mu, 0), np.where(mu > 0, sigma**2, 0)),),
        ),
        Misconception(
            "standard-constants",
            "Your moments are 0.399 sigma and 0.341 sigma², whatever mu is. They are right for "
            "mu = 0, where half of the values are cut. How many are cut depends on mu.",
            lambda mu, sigma: (STANDARD[0] * sigma, STANDARD[1] * sigma**2),
            ("mean", "variance", "no-spread", "array"),
        ),
        Misconception(
            "standard-constants-shifted",
            "Your moments are mu + 0.399 sigma and 0.341 sigma²: those for mu = 0, moved along by "
            "mu. But the ReLU cuts at 0, wherever mu is, and so the shape changes.",
            lambda mu, sigma: (mu + STANDARD[0] * sigma, STANDARD[1] * sigma**2),
            ("mean", "variance", "no-spread", "array"),
        ),
        Misconception(
            "survivors-only",
            "Your moments are those of the values above 0. The ReLU does not throw the others "
            "away: it turns them into zeros, and they count.",
            survivors_only,
            (*ORDINARY, "no-spread"),
        ),
        Misconception(
            "absolute-value",
            "Your moments are those of |X|. The ReLU does not fold the negative values over, it "
            "turns them into zeros.",
            folded,
            (*ORDINARY, "no-spread"),
        ),
        Misconception(
            "second-moment",
            "Your variance is the mean of the squares. Subtract the square of the mean.",
            variance_by(lambda mu, sigma, mean, var: var + mean**2),
            ("standard", "variance", "no-spread", "array"),
        ),
        Misconception(
            "spread-about-mu",
            "Your variance is the mean squared distance from mu. The values have a new mean after "
            "the ReLU, and it is from that one that their distance counts.",
            variance_by(lambda mu, sigma, mean, var: var + (mean - mu) ** 2),
            ("standard", "variance", "no-spread"),
        ),
        Misconception(
            "share-of-the-variance",
            "Your variance is sigma² times the probability of being above 0, as though the zeros "
            "had no distance from the mean.",
            variance_by(lambda mu, sigma, mean, var: sigma**2 * surviving(ratio(mu, sigma))),
            ("standard", "variance"),
        ),
        Misconception(
            "variance-kept",
            "Your variance is sigma², as before the ReLU. It pushes all negative values together "
            "into one point: the spread must shrink.",
            variance_by(lambda mu, sigma, mean, var: sigma**2),
            ("standard", "variance"),
        ),
        Misconception(
            "returns-the-deviation",
            "Your second result is the standard deviation. The variance was asked for.",
            variance_by(lambda mu, sigma, mean, var: np.sqrt(var)),
            ("standard", "variance", "array"),
        ),
        Misconception(
            "no-density-term",
            "Your mean is mu times the probability of being above 0. Those that are above 0 do not "
            "have the mean mu, though: a term with the density is missing.",
            moments_by(mean=lambda mu, sigma, r: mu * surviving(r)),
            ORDINARY,
        ),
        Misconception(
            "density-without-sigma",
            "Your mean adds the density itself. Think of units: mu is in counts, a density of "
            "mu / sigma has none, so something must multiply it.",
            moments_by(mean=lambda mu, sigma, r: mu * surviving(r) + density(r)),
            (*ORDINARY, "no-spread"),
        ),
        Misconception(
            "sigma-taken-for-a-variance",
            "Your moments are those of a normal variable whose variance is sigma. Here sigma is "
            "the standard deviation: X = mu + sigma Z.",
            lambda mu, sigma: rectified_moments(mu, np.sqrt(sigma)),
            (*ORDINARY, "array"),
        ),
        Misconception(
            "wrong-tail",
            "Your formulas take the probability of being below 0 for that of being above. For a "
            "mu far above 0 nothing is cut: which of the two is then near 1?",
            moments_by(
                lambda mu, sigma, r: mu * surviving(-r) + sigma * density(r),
                lambda mu, sigma, r: (mu**2 + sigma**2) * surviving(-r) + mu * sigma * density(r),
            ),
            ("mean", "variance", "no-spread", "array"),
        ),
        Misconception(
            "mu-not-in-units-of-sigma",
            "Your formulas put mu itself into the standard normal distribution. It wants to know "
            "how many sigmas mu is away from 0.",
            moments_by(ratio=lambda mu, sigma: mu),
            ("mean", "variance", "no-spread"),
        ),
        Misconception(
            "swaps-mean-and-variance",
            "Your results are right and in the wrong order: return mean, var.",
            lambda mu, sigma: rectified_moments(mu, sigma)[::-1],
            ALL,
        ),
        Misconception(
            "nought-over-nought",
            "Your formulas are right, and where mu and sigma are both 0 they say 0 / 0. A channel "
            "that is 0 everywhere is nothing rare after a ReLU: treat sigma = 0 by itself.",
            moments_by(ratio=lambda mu, sigma: np.clip(mu / sigma, -100, 100)),
            ("no-spread",),
        ),
        Misconception(
            "certain-and-below-nought",
            "Where sigma is 0 your mean is mu, even where mu is negative. The value is certain "
            "there, but it still goes through the ReLU: max(0, mu).",
            where_certain(lambda mu: mu),
            ("no-spread",),
        ),
        Misconception(
            "certain-taken-for-nought",
            "Where sigma is 0 your mean is 0. No spread does not mean no value: X is mu then, and "
            "the ReLU leaves max(0, mu).",
            where_certain(np.zeros_like),
            ("no-spread",),
        ),
        Misconception(
            "cross-term-doubled",
            "Your mean of the squares has the term mu · sigma · density twice. (mu + sigma z)² "
            "does bring 2 mu sigma z; but z² by parts takes one of the two away again.",
            moments_by(
                square=lambda mu, sigma, r: (
                    (mu**2 + sigma**2) * surviving(r) + 2 * mu * sigma * density(r)
                )
            ),
            ("variance",),
        ),
        Misconception(
            "float32-on-the-way",
            "Your results lose their digits where mu is much larger than sigma: there the variance "
            "is the small difference of two large squares. float64 has digits enough for that. Is "
            "something on the way made in float32?",
            few_digits_of_the_square,
            ("array",),
            nearly_right,
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but an array that you were given is changed on the way, as in "
            "`mu /= sigma`. Make a new array.",
            divides_mu_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Counted in half units, with mu and sigma twice as large, the mean should double and "
            "the variance should be four times as large. Yours are not.",
            follows_the_units,
        ),
        Property(
            "max(0, X) is never below 0 and never below X, so its mean is at least 0 and at least "
            "mu. Yours is not.",
            is_at_least_the_clipped_mean,
        ),
    ),
)
