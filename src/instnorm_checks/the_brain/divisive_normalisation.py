"""The exercise "divisive-normalisation": divisive normalisation."""

import numpy as np

from instnorm.divisive import divisive_norm

from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property


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
    """The right answer with one step replaced."""

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
    "drive": np.array([[0.5, 2.0], [4.0, 3.0], [2.0, 6.0]]),
    "weights": np.array([[1.0, 0.5], [2.0, 1.0]]),
}
SIGNED = np.array([[3.0, -0.5, 1.0], [-2.0, 4.0, 2.0]])
CIRCLE = np.array([[1.0, 0.5, 0.25], [0.75, 1.0, 0.5], [0.5, 1.5, 1.0]])

DIVISIVE_ASPECTS = (
    Aspect(
        "alone",
        1,
        "A neuron with only itself in its pool: D^n / (sigma^n + D^n), half at D = sigma.",
        public=(
            {"drive": np.array([[6.0]]), "weights": np.ones((1, 1)), "sigma": 2.0},
            {"drive": np.array([[0.5]]), "weights": np.ones((1, 1)), "sigma": 0.8, "n": 3.0},
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
                "drive": np.array([[0.5]]),
                "weights": np.ones((1, 1)),
                "sigma": 0.8,
                "n": 3.0,
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
            ALL,
        ),
        Misconception(
            "forgets-sigma",
            "Your output is what you get with sigma = 0. Then a neuron alone answers gamma to "
            "any drive, however faint. Sigma is what lets a faint drive give a faint answer.",
            normalised(response=lambda d, pool, sigma, n, gamma: gamma * d**n / pool),
            ALL,
        ),
        Misconception(
            "power-of-the-quotient",
            "Your output is what you get when drives and sigma are summed first and the quotient "
            "is raised to the power n. Each drive gets its exponent before the pool is summed.",
            by_the_power_of_the_sum,
            ALL,
        ),
        Misconception(
            "ignores-n",
            "Your output is what you get with n = 2 whatever the caller asks for. Is the exponent "
            "written out somewhere in your function?",
            lambda drive, weights, sigma, n=2.0, gamma=1.0: divisive_normalisation(
                drive, weights, sigma, 2.0, gamma
            ),
            ALL,
        ),
        Misconception(
            "root-of-the-pool",
            "Your output is D over the n-th root of sigma^n plus the pool. With n = 2 that is "
            "what instance norm does: it divides an amplitude by a root mean square. Here the "
            "quotient is of powers, and no root is taken.",
            normalised(
                response=lambda d, pool, sigma, n, gamma: gamma * d / (sigma**n + pool) ** (1 / n)
            ),
            ALL,
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
            ALL,
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
            "sigma-always-squared",
            "Your sigma is squared, whatever n is. The exponent belongs to sigma as it does to "
            "the drives.",
            lambda drive, weights, sigma, n=2.0, gamma=1.0: divisive_normalisation(
                drive, weights, sigma ** (2 / n), n, gamma
            ),
            ALL,
        ),
        Misconception(
            "gamma-raised-too",
            "Your gamma is raised to the power n. It multiplies the response as it is.",
            lambda drive, weights, sigma, n=2.0, gamma=1.0: divisive_normalisation(
                drive, weights, sigma, n, gamma**n
            ),
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
