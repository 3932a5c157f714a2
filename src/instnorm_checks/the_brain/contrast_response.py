"""The exercise "contrast-response": contrast response."""

import numpy as np

from instnorm.contrast import contrast_response

from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import root


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


def standardise(x, eps, ddof=0, scale=root):
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


def squares_before_the_mean(s, mask, c, gamma=1.0, eps=1e-5):
    _, parameters = contrast_response(s, mask, c, gamma, eps)
    products = gamma * standardise(seen(s, mask, c), eps) * standardise(s, 0.0)
    return np.mean(products**2, -1), parameters


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

# Not of two values alone: squared, those would all be alike.
WAVE = np.array([1.0, 3.0, 5.0, 3.0])  # mean 3, variance 2
RIPPLE = np.array([2.0, 0.0, 2.0, 0.0])  # mean 1, standard deviation 1, uncorrelated with WAVE
WAVE_BARE = {**BARE, "s": WAVE, "gamma": 1.0, "eps": 0.25}
WAVE_UNDER = {**UNDER, "s": WAVE, "mask": RIPPLE, "gamma": 1.0, "eps": 0.44}

CONTRAST_ASPECTS = (
    Aspect(
        "response",
        1,
        "Without a mask: how strongly the normalised picture shows s, squared.",
        public=({**BARE, "gamma": 1.0, "eps": 0.25}, BARE, WAVE_BARE),
        hidden=lambda rng: [gratings(rng, masked=False) for _ in range(3)],
    ),
    Aspect(
        "masked-response",
        2,
        "With a mask: it takes part in the normalising, and is no part of the answer.",
        public=({**UNDER, "gamma": 1.0, "eps": 0.44}, WAVE_UNDER),
        hidden=lambda rng: [gratings(rng, masked=True) for _ in range(4)],
    ),
    Aspect(
        "law",
        1,
        "Without a mask: the parameters r_max, c50, n of the Naka-Rushton curve.",
        public=(
            {**BARE, "gamma": 1.0, "eps": 0.25},
            {**BARE, "gamma": 1.0, "eps": 0.09},
            BARE,
        ),
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
        public=({**BARE, "gamma": -3.0, "eps": 0.25}, {**WAVE_BARE, "gamma": 2.0}),
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
            ALL,
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your answer is the one for eps = 1e-5, whatever the caller asks for. Is the number "
            "written out somewhere in your function?",
            lambda s, mask, c, gamma=1.0, eps=1e-5: contrast_response(s, mask, c, gamma),
            ALL,
        ),
        Misconception(
            "squares-before-the-mean",
            "Your response is the mean of squares. The products with s' are averaged first, so "
            "that the mask can cancel out; what is squared is the one number that is left.",
            squares_before_the_mean,
            RESPONSES,
        ),
        Misconception(
            "gamma-in-the-law-alone",
            "Your parameters have gamma in them, and your response has not. It amplifies the "
            "normalised picture before that is compared with s.",
            lambda s, mask, c, gamma=1.0, eps=1e-5: (
                contrast_response(s, mask, c, 1.0, eps)[0],
                contrast_response(s, mask, c, gamma, eps)[1],
            ),
            ("gamma",),
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
