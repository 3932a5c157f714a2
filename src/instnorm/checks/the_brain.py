"""The assignment "The brain": a shared pool, instance norm as a neuron, and a population's tuning.

The cases keep ideas apart where the mathematics allows it: a neuron alone has no pool to get wrong,
a stimulus alone no neighbour, a bare pattern no mask, a single grating nothing to add.
"""

import numpy as np

from ..contrast import contrast_response
from ..divisive import divisive_norm
from ..tuning import orientation_drive, orientation_selectivity, tuning_curves
from .compare import agree
from .exercise import Aspect, Exercise, Misconception, Property

# --- Divisive normalisation -----------------------------------------------------------------------


def divisive_normalisation(drive, weights, sigma, n=2.0, gamma=1.0):
    return divisive_norm(np.maximum(drive, 0), sigma=sigma, n=n, gamma=gamma, weights=weights)


def some_pools(rng, stimuli=None, neurons=None, signed=False):
    """Drives around sigma, lopsided weights, an exponent that is no whole number."""
    sizes = rng.choice(np.arange(2, 8), 2, replace=False)
    stimuli, neurons = stimuli or int(sizes[0]), neurons or int(sizes[1])
    sigma = rng.uniform(1.5, 4)
    drive = sigma * rng.uniform(0.4, 2.5, (stimuli, neurons))
    if signed:
        drive *= rng.permuted(np.resize([1.0, -1.0], drive.size)).reshape(drive.shape)
    return {
        "drive": drive,
        "weights": rng.uniform(0.2, 2, (neurons, neurons)),
        "sigma": sigma,
        "n": 3.0 if signed else rng.uniform(2.1, 3.5),
    }


def alone(rng):
    return {**some_pools(rng, 1, 1), "weights": np.ones((1, 1))}


def normalised(
    rectify=lambda drive: np.maximum(drive, 0),
    pool=lambda power, weights: power @ weights.T,
    response=lambda drive, pool, sigma, n, gamma: gamma * drive**n / (sigma**n + pool),
):
    """An answer with something else in one place."""

    def answer(drive, weights, sigma, n=2.0, gamma=1.0):
        drive = rectify(drive)
        return response(drive, pool(drive**n, weights), sigma, n, gamma)

    return answer


def by_the_power_of_the_sum(drive, weights, sigma, n=2.0, gamma=1.0):
    drive = np.maximum(drive, 0)
    return gamma * (drive / (sigma + drive @ weights.T)) ** n


def weights_inside_the_power(drive, weights, sigma, n=2.0, gamma=1.0):
    drive = np.maximum(drive, 0)
    return gamma * drive**n / (sigma**n + drive**n @ (weights**n).T)


def rectifies_the_response(drive, weights, sigma, n=2.0, gamma=1.0):
    return np.maximum(normalised(rectify=lambda drive: drive)(drive, weights, sigma, n, gamma), 0)


def rectifies_in_place(drive, weights, sigma, n=2.0, gamma=1.0):
    drive[drive < 0] = 0
    return divisive_normalisation(drive, weights, sigma, n, gamma)


def without_itself(power, weights):
    return power @ (weights - np.diag(np.diag(weights))).T


def scales_with_sigma(run, arguments):
    drive, sigma = arguments["drive"], arguments["sigma"]
    return agree(run(drive=2 * drive, sigma=2 * sigma)[0], run()[0])


def stimuli_are_independent(run, arguments):
    drive = arguments["drive"].copy()
    drive[1:] = 3 * drive[1:] + 1
    return agree(run(drive=drive)[0][:1], run()[0][:1])


def negative_drive_is_none(run, arguments):
    drive = arguments["drive"] - np.median(arguments["drive"])
    return agree(run(drive=drive)[0], run(drive=np.maximum(drive, 0))[0])


TWO = {
    "drive": np.array([[1.0, 2.0], [4.0, 3.0], [2.0, 6.0]]),
    "weights": np.array([[1.0, 0.5], [2.0, 1.0]]),
}
SIGNED = np.array([[3.0, -2.0, 1.0], [-1.0, 4.0, 2.0]])
CIRCLE = np.array([[1.0, 0.5, 0.25], [0.75, 1.0, 0.5], [0.5, 1.5, 1.0]])

DIVISIVE_ASPECTS = (
    Aspect(
        "alone",
        1,
        "A neuron with only itself in its pool: D^n / (sigma^n + D^n), half at D = sigma.",
        public=(
            {"drive": np.array([[6.0]]), "weights": np.ones((1, 1)), "sigma": 2.0},
            {"drive": np.array([[2.0]]), "weights": np.ones((1, 1)), "sigma": 3.0, "n": 3.0},
        ),
        hidden=lambda rng: [alone(rng) for _ in range(3)],
    ),
    Aspect(
        "pool",
        2,
        "Row j of the weights says how much each neuron counts in the pool of neuron j.",
        public=({**TWO, "sigma": 2.0}, {**TWO, "sigma": 1.5, "n": 3.0}),
        hidden=lambda rng: [some_pools(rng) for _ in range(4)],
    ),
    Aspect(
        "gamma",
        1,
        "gamma multiplies the response.",
        public=(
            {
                "drive": np.array([[6.0]]),
                "weights": np.ones((1, 1)),
                "sigma": 2.0,
                "n": 2.0,
                "gamma": 40.0,
            },
        ),
        hidden=lambda rng: [{**alone(rng), "gamma": rng.uniform(3, 60)} for _ in range(3)],
    ),
    Aspect(
        "rectified",
        1,
        "A neuron can't fire less than nothing: negative drive counts as 0, in the pool as well.",
        public=({"drive": SIGNED, "weights": CIRCLE, "sigma": 2.0, "n": 3.0},),
        hidden=lambda rng: [some_pools(rng, signed=True) for _ in range(3)],
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array of the drive's shape; no argument is changed.",
        public=({"drive": SIGNED[:1], "weights": CIRCLE, "sigma": 1.5, "n": 3.0},),
        hidden=lambda rng: [some_pools(rng, stimuli=1, signed=True) for _ in range(2)],
        strict=True,
    ),
)
DIVISIVE_ALL = tuple(aspect.name for aspect in DIVISIVE_ASPECTS)
IN_A_POOL = ("pool", "rectified", "array")

DIVISIVE = Exercise(
    id="divisive-normalisation",
    signature="divisive_normalisation(drive, weights, sigma, n=2.0, gamma=1.0)",
    returns=("response",),
    reference=divisive_normalisation,
    aspects=DIVISIVE_ASPECTS,
    misconceptions=(
        Misconception(
            "sigma-without-its-exponent",
            "Your output is what you get when sigma is added as it is. The drives in the pool "
            "have been raised to the power n; what stands beside them must have the same unit. "
            "A neuron alone should give half of gamma where its drive equals sigma: does yours?",
            normalised(response=lambda d, pool, sigma, n, gamma: gamma * d**n / (sigma + pool)),
            DIVISIVE_ALL,
        ),
        Misconception(
            "forgets-sigma",
            "Your output is what you get with sigma = 0. Then a neuron alone answers gamma to "
            "any drive, however faint. Sigma is what lets a faint drive give a faint answer.",
            normalised(response=lambda d, pool, sigma, n, gamma: gamma * d**n / pool),
            DIVISIVE_ALL,
        ),
        Misconception(
            "power-of-the-quotient",
            "Your output is what you get when drives and sigma are summed first and the quotient "
            "is raised to the power n. Each drive gets its exponent before the pool is summed.",
            by_the_power_of_the_sum,
            DIVISIVE_ALL,
        ),
        Misconception(
            "root-of-the-pool",
            "Your output is D over the n-th root of sigma^n plus the pool. With n = 2 that is "
            "what instance norm does: it divides an amplitude by a root mean square. Here the "
            "quotient is of powers, and no root is taken.",
            normalised(
                response=lambda d, pool, sigma, n, gamma: gamma * d / (sigma**n + pool) ** (1 / n)
            ),
            DIVISIVE_ALL,
        ),
        Misconception(
            "weights-transposed",
            "Your output is what you get when the columns of the weights are used as rows. "
            "weights[j, k] says how much neuron k counts for neuron j, so the sum runs over the "
            "second index. Beware of `power @ weights`: it sums over the first.",
            normalised(pool=lambda power, weights: power @ weights),
            IN_A_POOL,
        ),
        Misconception(
            "ignores-the-weights",
            "Your output is what you get when all neurons count alike. Each pool has weights of "
            "its own: row j for neuron j.",
            normalised(pool=lambda power, weights: power.sum(1, keepdims=True)),
            IN_A_POOL,
        ),
        Misconception(
            "weights-inside-the-power",
            "Your output is what you get when the weights are raised to the power n along with "
            "the drives. The weights count neurons, so to speak: they multiply D^n from outside.",
            weights_inside_the_power,
            IN_A_POOL,
        ),
        Misconception(
            "mean-of-the-pool",
            "Your output is what you get when the pool is averaged. The formula has a sum; where "
            "a mean is wanted, the weights say so.",
            normalised(pool=lambda power, weights: power @ weights.T / len(weights)),
            IN_A_POOL,
        ),
        Misconception(
            "not-in-its-own-pool",
            "Your output is what you get when a neuron is left out of its own pool. The sum runs "
            "over all k, j included. Without that, a neuron alone would never saturate.",
            normalised(pool=without_itself),
            DIVISIVE_ALL,
        ),
        Misconception(
            "pool-of-stimuli",
            "Your output is what you get when the pool is summed down the columns, over the "
            "stimuli. A neuron is divided by the activity of its neighbours now, not by what was "
            "shown before and after. (Batch norm, in networks, does pool that way.)",
            normalised(pool=lambda power, weights: power.sum(0, keepdims=True) * weights.sum(1)),
            IN_A_POOL,
        ),
        Misconception(
            "forgets-to-rectify",
            "Your output takes negative drives into the power. An even n then turns inhibition "
            "into excitation, and an odd one lets a neuron lower its neighbours' pool.",
            normalised(rectify=lambda drive: drive),
            ("rectified", "array"),
        ),
        Misconception(
            "takes-the-size-of-the-drive",
            "Your output is what you get when a negative drive counts with its size. A neuron "
            "driven below zero is silent. It does not answer, and it weighs on nobody.",
            normalised(rectify=np.abs),
            ("rectified", "array"),
        ),
        Misconception(
            "rectifies-the-response-only",
            "Your silent neurons are silent, but their negative drives have entered the pools of "
            "the others. Rectify before anything is summed.",
            rectifies_the_response,
            ("rectified", "array"),
        ),
        Misconception(
            "forgets-gamma",
            "Your output is what you get with gamma = 1. Gamma is the rate at full drive, in "
            "spikes per second, say.",
            normalised(response=lambda d, pool, sigma, n, gamma: d**n / (sigma**n + pool)),
            ("gamma",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but the caller's drive has been rectified too: "
            "`drive[drive < 0] = 0` writes into the array that you were given. Make a new one.",
            rectifies_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Doubling sigma and every drive changes the output, though the two should cancel: "
            "sigma is a drive, and only the ratio counts.",
            scales_with_sigma,
        ),
        Property(
            "The response to one stimulus changes when another stimulus changes. Each row of "
            "the drive is a picture of its own.",
            stimuli_are_independent,
        ),
        Property(
            "A negative drive and a drive of 0 give different outputs, and should not.",
            negative_drive_is_none,
        ),
    ),
)


# --- Contrast response ----------------------------------------------------------------------------


def uncorrelated(rng, s, level):
    """A mask with a mean and a spread, and no trace of s."""
    mask = rng.standard_normal(s.size)
    s = s - s.mean()
    mask -= mask.mean() + (mask @ s) / (s @ s) * s
    return level * (mask / mask.std() + rng.uniform(1, 2))


def gratings(rng, masked, contrasts=None, gamma=1.0):
    """A pattern whose spread is not 1, at contrasts around its own c50."""
    m = int(rng.integers(9, 30))
    s = rng.uniform(2, 5) * (rng.standard_normal(m) + rng.uniform(1, 2))
    eps = rng.uniform(0.05, 0.5)
    mask = uncorrelated(rng, s, rng.uniform(0.5, 2)) if masked else np.zeros(m)
    c50 = np.sqrt(eps + mask.var()) / s.std()
    c = c50 * 10 ** rng.uniform(-0.7, 0.7, contrasts or int(rng.integers(4, 9)))
    return {"s": s, "mask": mask, "c": c, "gamma": gamma, "eps": eps}


def standardise(x, eps, ddof=0, scale=lambda var, eps: np.sqrt(var + eps)):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True, ddof=ddof)
    return (x - mean) / scale(var, eps)


def seen(s, mask, c):
    return c[:, None] * s + mask


def neuron(picture=seen, norm=standardise, template=None, read=lambda amplitude: amplitude**2):
    """An answer with something else in the response, and the right parameters."""

    def answer(s, mask, c, gamma=1.0, eps=1e-5):
        _, parameters = contrast_response(s, mask, c, gamma, eps)
        against = standardise(s, 0.0) if template is None else template(s, eps)
        amplitude = gamma * norm(picture(s, mask, c), eps) @ against / s.size
        return read(amplitude), parameters

    return answer


def law(rule):
    """An answer with the right response, and parameters from `rule`."""

    def answer(s, mask, c, gamma=1.0, eps=1e-5):
        response, _ = contrast_response(s, mask, c, gamma, eps)
        return response, np.array(rule(s, mask, gamma, eps), float)

    return answer


def power_of_everything(s, mask, c, gamma=1.0, eps=1e-5):
    _, parameters = contrast_response(s, mask, c, gamma, eps)
    return np.mean((gamma * standardise(seen(s, mask, c), eps)) ** 2, -1), parameters


def statistics_of_the_batch(x, eps):
    return (x - x.mean()) / np.sqrt(x.var() + eps)


def builds_in_the_mask(s, mask, c, gamma=1.0, eps=1e-5):
    result = contrast_response(s, mask, c, gamma, eps)
    mask += c[-1] * s
    return result


def gain_not_squared(s, mask, c, gamma=1.0, eps=1e-5):
    response, (_, c50, n) = contrast_response(s, mask, c, gamma, eps)
    return response, np.array([gamma, c50, n])


def forgets_gamma(s, mask, c, gamma=1.0, eps=1e-5):
    return contrast_response(s, mask, c, 1.0, eps)


def ignores_the_level(run, arguments):
    other = run(mask=arguments["mask"] + 1.0)
    return all(agree(a, b) for a, b in zip(other, run(), strict=True))


def only_ratios_count(run, arguments):
    mask, c, eps = (arguments[name] for name in ("mask", "c", "eps"))
    return agree(run(mask=2 * mask, c=2 * c, eps=4 * eps)[0], run()[0])


def contrasts_are_independent(run, arguments):
    c = arguments["c"].copy()
    c[1:] *= 3
    return agree(run(c=c)[0][:1], run()[0][:1])


BARS = np.array([1.0, 5.0, 1.0, 5.0])  # mean 3, standard deviation 2
ACROSS = np.array([2.0, 2.0, 0.0, 0.0])  # mean 1, standard deviation 1, uncorrelated with BARS
BARE = {"s": BARS, "mask": np.zeros(4), "c": np.array([0.1, 0.25, 0.5, 2.0, 0.0])}
UNDER = {"s": BARS, "mask": ACROSS, "c": np.array([0.1, 0.5, 1.0, 4.0])}

CONTRAST_ASPECTS = (
    Aspect(
        "response",
        1,
        "Without a mask: how strongly the normalised picture shows s, squared.",
        public=({**BARE, "gamma": 1.0, "eps": 0.25},),
        hidden=lambda rng: [gratings(rng, masked=False) for _ in range(3)],
    ),
    Aspect(
        "masked-response",
        2,
        "With a mask: it takes part in the normalising, and is no part of the answer.",
        public=({**UNDER, "gamma": 1.0, "eps": 0.44},),
        hidden=lambda rng: [gratings(rng, masked=True) for _ in range(4)],
    ),
    Aspect(
        "law",
        1,
        "Without a mask: the parameters r_max, c50, n of the Naka-Rushton curve.",
        public=({**BARE, "gamma": 1.0, "eps": 0.25}, {**BARE, "gamma": 1.0, "eps": 0.09}),
        hidden=lambda rng: [gratings(rng, masked=False) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "masked-law",
        1,
        "With a mask: what it does to those parameters.",
        public=({**UNDER, "gamma": 1.0, "eps": 0.44},),
        hidden=lambda rng: [gratings(rng, masked=True) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "gamma",
        1,
        "gamma multiplies the normalised picture, before anything is squared.",
        public=({**BARE, "gamma": -3.0, "eps": 0.25},),
        hidden=lambda rng: [
            gratings(rng, masked=False, contrasts=1, gamma=rng.uniform(2, 5)) for _ in range(3)
        ],
        judges=(0, 1),
    ),
    Aspect(
        "array",
        1,
        "Right values, in two new float64 arrays, (B,) and (3,); no argument is changed.",
        public=({**UNDER, "c": np.array([0.5]), "gamma": 1.0, "eps": 0.44},),
        hidden=lambda rng: [gratings(rng, masked=True, contrasts=1) for _ in range(2)],
        judges=(0, 1),
        strict=True,
    ),
)
CONTRAST_ALL = tuple(aspect.name for aspect in CONTRAST_ASPECTS)
RESPONSES = ("response", "masked-response", "gamma", "array")
LAWS = ("law", "masked-law", "gamma", "array")

CONTRAST = Exercise(
    id="contrast-response",
    signature="contrast_response(s, mask, c, gamma=1.0, eps=1e-5)",
    returns=("response", "parameters"),
    reference=contrast_response,
    aspects=CONTRAST_ASPECTS,
    misconceptions=(
        Misconception(
            "amplitude-not-squared",
            "Your response is the amplitude, whose curve is c / sqrt(c² + c50²). Squared, it is "
            "a Naka-Rushton curve; as it stands it is none, for any n.",
            neuron(read=lambda amplitude: amplitude),
            RESPONSES,
        ),
        Misconception(
            "power-of-everything",
            "Your response is the mean square of the whole normalised picture. Without a mask "
            "that is the same thing. With one it counts the mask's power as well, and a neuron "
            "that looks for s should not answer to something else.",
            power_of_everything,
            ("masked-response", "array"),
        ),
        Misconception(
            "mask-not-seen",
            "Your response is that of c·s alone. The mask is part of the picture, and instance "
            "norm divides by the spread of all that it sees.",
            neuron(picture=lambda s, mask, c: c[:, None] * s),
            ("masked-response", "array"),
        ),
        Misconception(
            "template-not-standardised",
            "Your response compares the picture with s as it came. Then a pattern with twice the "
            "spread seems to answer four times as strongly. Standardise s first, with eps = 0.",
            neuron(template=lambda s, eps: s),
            RESPONSES,
        ),
        Misconception(
            "template-with-eps",
            "Your response is what you get when s' has been normalised with eps under the root. "
            "s' is a yardstick and has variance 1 exactly; eps belongs to the picture.",
            neuron(template=lambda s, eps: standardise(s, eps)),
            RESPONSES,
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your response is what you get when the picture's variance is divided by m - 1. "
            "Instance norm takes the plain mean of the squared deviations.",
            neuron(norm=lambda x, eps: standardise(x, eps, ddof=1)),
            RESPONSES,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your response is what you get when eps is added to the standard deviation. The "
            "definition adds it one step earlier, and only then is the curve a Naka-Rushton one.",
            neuron(norm=lambda x, eps: standardise(x, eps, scale=lambda v, eps: np.sqrt(v) + eps)),
            RESPONSES,
        ),
        Misconception(
            "statistics-of-the-batch",
            "Your response is what you get when all contrasts share one mean and one variance. "
            "Each picture is normalised by itself: that is the I in IN.",
            neuron(norm=statistics_of_the_batch),
            ("response", "masked-response", "gamma"),
        ),
        Misconception(
            "c50-as-a-variance",
            "Your c50 is the square of the right one. eps stands beside a variance, and contrast "
            "is a deviation. At c = c50 the response should be half of r_max: try yours.",
            law(lambda s, mask, gamma, eps: (gamma**2, (eps + mask.var()) / s.var(), 2)),
            LAWS,
        ),
        Misconception(
            "c50-of-a-unit-pattern",
            "Your c50 is right for a pattern of variance 1. This s has a spread of its own: the "
            "picture's contrast is c times that.",
            law(lambda s, mask, gamma, eps: (gamma**2, np.sqrt(eps + mask.var()), 2)),
            LAWS,
        ),
        Misconception(
            "law-without-the-mask",
            "Your c50 is that of the bare pattern. In a masked picture the variance that instance "
            "norm divides by has three parts: the pattern's, eps, and one more.",
            law(lambda s, mask, gamma, eps: (gamma**2, np.sqrt(eps) / s.std(), 2)),
            ("masked-law", "array"),
        ),
        Misconception(
            "deviations-added",
            "Your c50 adds the root of eps and the deviation of the mask. Variances add, not "
            "deviations: take the root of the sum.",
            law(lambda s, mask, gamma, eps: (gamma**2, (eps**0.5 + mask.std()) / s.std(), 2)),
            ("masked-law", "array"),
        ),
        Misconception(
            "mask-with-its-mean",
            "Your c50 is what you get with the mean square of the mask. Its mean is taken away "
            "by the normalising and does no masking; only its variance is left.",
            law(
                lambda s, mask, gamma, eps: (gamma**2, np.sqrt(eps + (mask**2).mean()) / s.std(), 2)
            ),
            ("masked-law", "array"),
        ),
        Misconception(
            "exponent-one",
            "Your exponent is 1. Write the response as c² over something with c² in it, and read "
            "n off.",
            law(lambda s, mask, gamma, eps: (gamma**2, np.sqrt(eps + mask.var()) / s.std(), 1)),
            LAWS,
        ),
        Misconception(
            "r-max-not-squared",
            "Your r_max is gamma. The response is the square of an amplitude, so its ceiling is "
            "a square too.",
            gain_not_squared,
            ("gamma",),
        ),
        Misconception(
            "forgets-gamma",
            "Your answer is what you get with gamma = 1.",
            forgets_gamma,
            ("gamma",),
        ),
        Misconception(
            "swaps-the-results",
            "Your two results are in the wrong order: return response, parameters.",
            lambda *arguments: contrast_response(*arguments)[::-1],
            CONTRAST_ALL,
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but a picture was built inside the mask that you were given: "
            "`mask += ...` changes the caller's array. Make a new one.",
            builds_in_the_mask,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Adding the same brightness to every pixel of the mask changes your answer, though "
            "instance norm should take it away again.",
            ignores_the_level,
        ),
        Property(
            "Doubling c and the mask, and eps fourfold in step with the variance, changes the "
            "response, though only ratios should count.",
            only_ratios_count,
        ),
        Property(
            "The response to one contrast changes when another contrast changes. Each picture is "
            "normalised by itself.",
            contrasts_are_independent,
        ),
    ),
)


# --- Tuning curves --------------------------------------------------------------------------------


def stimuli(rng, gratings, rows=None):
    sizes = rng.choice(np.arange(3, 10), 2, replace=False)
    shape = rows or int(sizes[0]), gratings
    return {
        "theta": rng.uniform(0, 6, shape),
        "contrast": rng.uniform(0.1, 1, shape),
        "preferred": rng.uniform(0, 3, int(sizes[1])),
        "kappa": rng.uniform(0.8, 3),
        "sigma": rng.uniform(0.2, 0.6),
        "n": rng.uniform(2.1, 3.5),
    }


def population(
    drive_by=orientation_drive,
    respond=lambda d, sigma, n: d**n / (sigma**n + (d**n).mean(1, keepdims=True)),
    select=lambda drive, response, preferred: orientation_selectivity(response, preferred),
):
    """An answer with something else in one place."""

    def answer(theta, contrast, preferred, kappa, sigma, n=2.0):
        drive = drive_by(theta, contrast, preferred, kappa)
        response = respond(drive, sigma, n)
        return drive, response, select(drive, response, preferred)

    return answer


def gratings_by(
    join=lambda each: each.sum(1), bump=lambda away, kappa: kappa * (np.cos(2 * away) - 1)
):
    """A drive with another tuning, or with gratings put together in another way."""

    def drive(theta, contrast, preferred, kappa):
        away = theta[:, :, None] - preferred
        return join(contrast[:, :, None] * np.exp(bump(away, kappa)))

    return drive


def contrast_in_the_exponent(theta, contrast, preferred, kappa):
    away = theta[:, :, None] - preferred
    return np.exp(contrast[:, :, None] * kappa * (np.cos(2 * away) - 1)).sum(1)


def in_degrees(theta, contrast, preferred, kappa):
    return orientation_drive(np.deg2rad(theta), contrast, np.deg2rad(preferred), kappa)


def normalised_one_by_one(theta, contrast, preferred, kappa, sigma, n=2.0):
    drive, _, _ = tuning_curves(theta, contrast, preferred, kappa, sigma, n)
    response = sum(
        tuning_curves(theta[:, [g]], contrast[:, [g]], preferred, kappa, sigma, n)[1]
        for g in range(theta.shape[1])
    )
    return drive, response, orientation_selectivity(response, preferred)


def doubles_theta(theta, contrast, preferred, kappa, sigma, n=2.0):
    result = tuning_curves(theta, contrast, preferred, kappa, sigma, n)
    theta *= 2
    return result


def swapped(*arguments):
    drive, response, selectivity = tuning_curves(*arguments)
    return response, drive, selectivity


def half_a_turn_is_nothing(run, arguments):
    return agree(run(theta=arguments["theta"] + np.pi)[0], run()[0])


def contrast_over_sigma(run, arguments):
    contrast, sigma = arguments["contrast"], arguments["sigma"]
    return agree(run(contrast=2 * contrast, sigma=2 * sigma)[1], run()[1])


def rows_are_independent(run, arguments):
    contrast = arguments["contrast"].copy()
    contrast[1:] *= 3
    return agree(run(contrast=contrast)[1][:1], run()[1][:1])


def tuning_ignores_contrast(run, arguments):
    return agree(run(contrast=2 * arguments["contrast"])[2], run()[2])


EIGHTHS = np.arange(4) * np.pi / 4
ONE = {
    "theta": np.array([[0.0], [0.0], [0.5]]),
    "contrast": np.array([[0.1], [1.0], [0.5]]),
    "preferred": EIGHTHS,
    "kappa": 1.5,
    "sigma": 0.5,
    "n": 3.0,
}
PLAID = {
    **ONE,
    "theta": np.array([[0.0, np.pi / 2], [0.0, 0.5]]),
    "contrast": np.array([[0.2, 1.0], [0.6, 0.4]]),
}

TUNING_ASPECTS = (
    Aspect(
        "drive",
        1,
        "One grating: contrast times exp(kappa (cos 2(theta - preferred) - 1)).",
        public=(ONE,),
        hidden=lambda rng: [stimuli(rng, 1) for _ in range(3)],
    ),
    Aspect(
        "plaid-drive",
        1,
        "Several gratings: their drives add.",
        public=(PLAID,),
        hidden=lambda rng: [stimuli(rng, gratings) for gratings in (2, 3)],
    ),
    Aspect(
        "response",
        1,
        "One grating: the drive to the n, over sigma to the n plus the mean over the population.",
        public=(ONE,),
        hidden=lambda rng: [stimuli(rng, 1) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "suppression",
        1,
        "Several gratings: they share one pool.",
        public=(PLAID,),
        hidden=lambda rng: [stimuli(rng, gratings) for gratings in (2, 3)],
        judges=(1,),
    ),
    Aspect(
        "selectivity",
        1,
        "Length of the sum of responses as arrows at twice the angle, over their plain sum.",
        public=(ONE,),
        hidden=lambda rng: [stimuli(rng, 1) for _ in range(3)],
        judges=(2,),
    ),
    Aspect(
        "array",
        1,
        "Right values, in new float64 arrays (S, J), (S, J) and (S,); no argument is changed.",
        public=({**ONE, "theta": ONE["theta"][2:], "contrast": ONE["contrast"][2:]},),
        hidden=lambda rng: [stimuli(rng, 1, rows=1) for _ in range(2)],
        judges=(0, 1, 2),
        strict=True,
    ),
)
TUNING_ALL = tuple(aspect.name for aspect in TUNING_ASPECTS)
STRENGTH = ("drive", "plaid-drive", "response", "suppression", "array")  # and not its shape
POOLING = ("response", "suppression", "array")
SELECTING = ("selectivity", "array")

TUNING = Exercise(
    id="tuning-curves",
    signature="tuning_curves(theta, contrast, preferred, kappa, sigma, n=2.0)",
    returns=("drive", "response", "selectivity"),
    reference=tuning_curves,
    aspects=TUNING_ASPECTS,
    misconceptions=(
        Misconception(
            "whole-turn",
            "Your neurons tell a grating from itself turned upside down. An orientation repeats "
            "after half a turn, which is why the angle is doubled.",
            population(gratings_by(bump=lambda away, kappa: kappa * (np.cos(away) - 1))),
            TUNING_ALL,
        ),
        Misconception(
            "degrees",
            "Your drive is what you get when the angles are taken for degrees. They are in "
            "radians, as NumPy's cosine wants them.",
            population(
                in_degrees,
                select=lambda d, response, preferred: orientation_selectivity(
                    response, np.deg2rad(preferred)
                ),
            ),
            TUNING_ALL,
        ),
        Misconception(
            "peak-not-one",
            "Your drive at the preferred orientation is exp(kappa) times the contrast, and should "
            "be the contrast. Look for a - 1. (The selectivity is right all the same. Why?)",
            population(gratings_by(bump=lambda away, kappa: kappa * np.cos(2 * away))),
            STRENGTH,
        ),
        Misconception(
            "contrast-in-the-exponent",
            "Your contrast stands in the exponent, where it changes the width of the tuning and "
            "leaves its height. It should do the opposite.",
            population(contrast_in_the_exponent),
            TUNING_ALL,
        ),
        Misconception(
            "loudest-grating",
            "Your drive takes the strongest of the gratings. A linear filter adds what it sees.",
            population(gratings_by(join=lambda each: each.max(1))),
            ("plaid-drive", "suppression"),
        ),
        Misconception(
            "average-grating",
            "Your drive averages the gratings. A linear filter adds what it sees: two gratings "
            "drive more than one.",
            population(gratings_by(join=lambda each: each.mean(1))),
            ("plaid-drive", "suppression"),
        ),
        Misconception(
            "normalised-one-by-one",
            "Your response normalises each grating as if it were alone and adds the results. Then "
            "a second grating could never suppress the first. The pool sees the sum of drives.",
            normalised_one_by_one,
            ("suppression",),
        ),
        Misconception(
            "sum-of-the-pool",
            "Your pool is the sum over the neurons, where the mean is wanted.",
            population(
                respond=lambda d, sigma, n: d**n / (sigma**n + (d**n).sum(1, keepdims=True))
            ),
            POOLING,
        ),
        Misconception(
            "saturates-alone",
            "Your neurons divide by their own drive only. Each then saturates at its own pace: "
            "the best-driven first, the others later, and tuning grows broad at high contrast. "
            "Neurons in the brain don't do that. What do they all have to be divided by?",
            population(respond=lambda d, sigma, n: d**n / (sigma**n + d**n)),
            (*POOLING, "selectivity"),
        ),
        Misconception(
            "sigma-without-its-exponent",
            "Your response is what you get when sigma is added as it is. Beside drives to the "
            "power n it must have that power too.",
            population(respond=lambda d, sigma, n: d**n / (sigma + (d**n).mean(1, keepdims=True))),
            POOLING,
        ),
        Misconception(
            "power-of-the-mean",
            "Your pool is the mean drive to the power n. Each neuron's drive gets its exponent "
            "first, and then the mean is taken.",
            population(
                respond=lambda d, sigma, n: d**n / (sigma**n + d.mean(1, keepdims=True) ** n)
            ),
            POOLING,
        ),
        Misconception(
            "pool-of-stimuli",
            "Your pool runs over the stimuli. It should run over the neurons: those that see the "
            "same picture at the same time.",
            population(respond=lambda d, sigma, n: d**n / (sigma**n + (d**n).mean(0))),
            (*POOLING, "selectivity"),
        ),
        Misconception(
            "angle-not-doubled",
            "Your selectivity puts the arrows at the preferred angles themselves. Then neurons a "
            "half turn apart, which prefer the same thing, would cancel. Double the angle.",
            population(
                select=lambda d, response, preferred: orientation_selectivity(
                    response, preferred / 2
                )
            ),
            SELECTING,
        ),
        Misconception(
            "not-over-the-total",
            "Your selectivity is the length of the sum of arrows and nothing more. It grows with "
            "the response; divide it by the sum of the arrows' lengths.",
            population(
                select=lambda d, response, preferred: np.abs(response @ np.exp(2j * preferred))
            ),
            SELECTING,
        ),
        Misconception(
            "selectivity-of-the-drive",
            "Your selectivity is that of the drive. The exponent sharpens the tuning: use the "
            "response.",
            population(select=lambda d, response, preferred: orientation_selectivity(d, preferred)),
            SELECTING,
        ),
        Misconception(
            "cosines-only",
            "Your selectivity keeps only one component of the summed arrow. Its length needs both "
            "the sines and the cosines.",
            population(
                select=lambda d, response, preferred: (
                    np.abs(response @ np.cos(2 * preferred)) / response.sum(1)
                )
            ),
            SELECTING,
        ),
        Misconception(
            "swaps-drive-and-response",
            "Your drive and response are in the wrong order: return drive, response, selectivity.",
            swapped,
            STRENGTH,
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but the angles that you were given have been changed: "
            "`theta *= 2`, or the like, writes into the caller's array. Make a new one.",
            doubles_theta,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Turning all gratings by half a turn changes the drive, though they look the same.",
            half_a_turn_is_nothing,
        ),
        Property(
            "Doubling both contrast and sigma changes the response, though only their ratio "
            "should count.",
            contrast_over_sigma,
        ),
        Property(
            "The response to one stimulus changes when another stimulus changes.",
            rows_are_independent,
        ),
        Property(
            "The selectivity changes when all contrasts are doubled. With one pool for all, "
            "contrast should change how much the neurons answer and not which of them do.",
            tuning_ignores_contrast,
        ),
    ),
)

EXERCISES = (DIVISIVE, CONTRAST, TUNING)
