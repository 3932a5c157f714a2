"""The exercise "tuning-curves": tuning curves."""

import numpy as np

from instnorm.tuning import orientation_drive, orientation_selectivity, tuning_curves

from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property


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
    """The right answer with one step replaced."""

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
WITH_N_UNSAID = {name: value for name, value in ONE.items() if name != "n"}
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
        public=(ONE, WITH_N_UNSAID),
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
            ALL,
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
            ALL,
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
            ALL,
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
            "ignores-n",
            "Your response is what you get with n = 2 whatever the caller asks for. Is the "
            "exponent written out somewhere in your function?",
            population(
                respond=lambda d, sigma, n: d**2 / (sigma**2 + (d**2).mean(1, keepdims=True))
            ),
            (*POOLING, "selectivity"),
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
            "circular-variance",
            "Your selectivity is 1 minus what is asked for. That is the circular variance: 0 for "
            "a neuron that answers to one orientation alone. Here the choosier population has the "
            "larger number.",
            population(
                select=lambda d, response, preferred: (
                    1 - orientation_selectivity(response, preferred)
                )
            ),
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
