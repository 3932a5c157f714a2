"""The exercise "contrast-scores": contrast scores."""

from functools import partial

import numpy as np

from instnorm.contrast import contrast_scores

from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import beside, fixed_eps, standardise, without_eps


def pattern(rng, m):
    """A pattern s with mean 0 and variance 1."""
    s = rng.standard_normal(m)
    return (s - s.mean()) / s.std()


def noise(rng, gains, m, level):
    """Noise in proportion to each gain, with a brightness of its own in each row."""
    own = rng.standard_normal((gains.size, m)) + rng.uniform(1, 2, (gains.size, 1))
    return level * np.abs(gains)[:, None] * own


def pictures(rng, gains, eps, level=0.5):
    gains = np.asarray(gains, float)
    m = int(rng.integers(9, 40))
    return {"s": pattern(rng, m), "c": gains, "n": noise(rng, gains, m, level), "eps": eps}


def gains(rng, rows):
    """Gains between 0.1 and 10."""
    return 10 ** rng.uniform(-1, 1, rows)


# Small enough not to be seen: the smallest gain whose statistics count is 0.01.
NO_EPS = 1e-12
SMALL = np.array([1.0, -1.0, 1.0, -1.0])  # mean 0, variance 1
RIPPLE = np.array([0.5, 0.5, 0.0, 1.0])


def faint_rows(rng):
    for _ in range(2):
        eps = 10 ** rng.uniform(-5, -1)
        yield pictures(rng, np.sqrt([eps * 10 ** rng.uniform(-1, 1)]), eps)
    yield pictures(rng, [0.0], 1e-5)  # silence: no signal, and so no noise either


def noisy(s, c, n):
    return c[:, None] * s + n


def clean(s, c, n):
    return c[:, None] * s


def scores(raw_of=noisy, normed_of=noisy, x_by=standardise, s_by=standardise):
    """The right answer with one step replaced: the picture, or the way it is standardised."""

    def answer(s, c, n, eps=1e-5):
        normed = x_by(normed_of(s, c, n), eps, -1) @ s_by(s, eps, -1) / s.size
        return raw_of(s, c, n) @ s / s.size, normed

    return answer


def scores_by(**change):
    """An answer in which both x and s are standardised in the same wrong way."""
    wrong = partial(standardise, **change)
    return scores(x_by=wrong, s_by=wrong)


def divided_by_rms(x, eps, axes):
    return x / np.sqrt(np.mean(x * x, axes, keepdims=True) + eps)


def sign_lost(s, c, n, eps=1e-5):
    raw, normed = contrast_scores(s, c, n, eps)
    return raw, np.abs(normed)


def divides_by_gain(s, c, n, eps=1e-5):
    raw, _ = contrast_scores(s, c, n, eps)
    return raw, raw / c


def sums(s, c, n, eps=1e-5):
    raw, normed = contrast_scores(s, c, n, eps)
    return s.size * raw, s.size * normed


def adds_into_n(s, c, n, eps=1e-5):
    n += c[:, None] * s
    return contrast_scores(s, np.zeros_like(c), n, eps)


def rows_are_independent(run, arguments):
    n = arguments["n"].copy()
    n[1:] = n[1:, ::-1] + 1
    return all(agree(a[:1], b[:1]) for a, b in zip(run(n=n), run(), strict=True))


def negative_flips_sign(run, arguments):
    c, n = arguments["c"], arguments["n"]
    return all(agree(-a, b) for a, b in zip(run(c=-c, n=-n), run(), strict=True))


def scores_ignore_brightness(run, arguments):
    n = arguments["n"]
    return agree(run(n=n + 1.0)[1], run()[1])


NORMED_LOSES = ("normed", "sign", "eps", "array")

CONTRAST_ASPECTS = (
    Aspect(
        "raw",
        1,
        "raw is the mean of x times s: what a fixed template sees.",
        public=({"s": SMALL, "c": np.array([1.0, 0.1, -2.0]), "n": np.outer([1, 2, 1], RIPPLE)},),
        hidden=lambda rng: [
            pictures(rng, gains(rng, rows) * rng.choice([-1, 1], rows), NO_EPS) for rows in (1, 4)
        ],
    ),
    Aspect(
        "normed",
        2,
        "normed is the same after each row of x, and s, have been standardised.",
        public=(
            {
                "s": SMALL,
                "c": np.array([1.0, 0.01, 20.0]),
                "n": np.outer([1, 0.02, 10], RIPPLE),
                "eps": NO_EPS,
            },
        ),
        hidden=lambda rng: [pictures(rng, gains(rng, rows), NO_EPS) for rows in (3, 5, 8)],
        judges=(1,),
    ),
    Aspect(
        "sign",
        1,
        "A negative gain turns the sign of normed.",
        public=({"s": SMALL, "c": np.array([-0.01]), "n": 0.01 * RIPPLE[None], "eps": NO_EPS},),
        hidden=lambda rng: [pictures(rng, -gains(rng, 1), NO_EPS) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "eps",
        1,
        "eps is added to both variances, inside the root; a silent row scores 0.",
        public=(
            {"s": SMALL, "c": np.array([0.001]), "n": 0.0002 * RIPPLE[None]},
            {"s": SMALL, "c": np.array([0.3]), "n": 0.1 * RIPPLE[None], "eps": 0.1},
            {"s": SMALL, "c": np.array([0.0]), "n": np.zeros((1, 4))},
        ),
        hidden=faint_rows,
        judges=(1,),
    ),
    Aspect(
        "array",
        1,
        "Right values, in two new float64 arrays (B,); no argument is changed.",
        public=({"s": SMALL, "c": np.array([0.01]), "n": 0.01 * RIPPLE[None], "eps": NO_EPS},),
        hidden=lambda rng: [pictures(rng, gains(rng, 1), NO_EPS) for _ in range(2)],
        judges=(0, 1),
        strict=True,
    ),
)

CONTRAST = Exercise(
    id="contrast-scores",
    signature="contrast_scores(s, c, n, eps=1e-5)",
    returns=("raw", "normed"),
    reference=contrast_scores,
    aspects=CONTRAST_ASPECTS,
    misconceptions=(
        Misconception(
            "noise-removed",
            "Your normed is what you get when only the signal c·s is normalised, as though "
            "instance norm removed the noise. It divides signal and noise by the same number, so "
            "a dim, noisy picture comes back as a loud, noisy picture.",
            scores(normed_of=clean),
            NORMED_LOSES,
        ),
        Misconception(
            "noise-forgotten",
            "Your scores are those of x = c·s. The noise n is part of the picture: x = c·s + n.",
            scores(raw_of=clean, normed_of=clean),
            ALL,
        ),
        Misconception(
            "sign-lost",
            "Your normed has the right size but never a minus sign. Standardising divides by a "
            "standard deviation, which is positive: a picture's negative stays a negative.",
            sign_lost,
            ("sign",),
        ),
        Misconception(
            "divides-by-the-gain",
            "Your normed is raw / c. That undoes the gain only for someone who knows c. Instance "
            "norm sees nothing but x, whose spread holds the noise as well.",
            divides_by_gain,
            NORMED_LOSES,
        ),
        Misconception(
            "pattern-not-normalised",
            "Your normed compares IN(x) with s. The definition normalises both sides, and for "
            "s too eps counts: its variance is 1, so IN(s) = s / sqrt(1 + eps).",
            scores(s_by=lambda s, eps, axes: s),
            ("eps",),
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your normed is what you get when the variances are divided by m - 1. Instance norm "
            "takes the plain mean of the squared deviations.",
            scores_by(ddof=1),
            NORMED_LOSES,
        ),
        Misconception(
            "divides-x-by-m-minus-1",
            "Your normed is what you get when the variance of x is divided by m - 1. Instance "
            "norm takes the plain mean of the squared deviations.",
            scores(x_by=partial(standardise, ddof=1)),
            NORMED_LOSES,
        ),
        Misconception(
            "statistics-of-the-batch",
            "Your normed is what you get when all rows share one mean and one variance. The gain "
            "differs from row to row, so each row needs statistics of its own.",
            scores(x_by=lambda x, eps, axes: standardise(x, eps, None)),
            ("normed",),
        ),
        Misconception(
            "not-centred",
            "Your normed is what you get when x is divided by the root of its mean square. That "
            "is right for a row with mean 0. The pattern has mean 0; the noise need not.",
            scores(x_by=divided_by_rms),
            NORMED_LOSES,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your normed is what you get when eps is added to the standard deviations. The "
            "definition adds it to something else, one step earlier.",
            scores_by(scale=beside),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your normed is what you get with eps = 0. A faint row is blown up too far, and a "
            "silent one becomes 0 / 0.",
            scores_by(scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your normed is what you get with eps = 1e-5 whatever the caller asks for. Is the "
            "number written out somewhere in your function?",
            scores_by(scale=fixed_eps),
            NORMED_LOSES,
        ),
        Misconception(
            "sums-instead-of-means",
            "Your scores are m times too large: a sum over the pixels where a mean is wanted.",
            sums,
            ALL,
        ),
        Misconception(
            "swaps-the-scores",
            "Your two scores are right and in the wrong order: return raw, normed.",
            lambda s, c, n, eps=1e-5: contrast_scores(s, c, n, eps)[::-1],
            ALL,
        ),
        Misconception(
            "in-place",
            "Your scores are right, but the picture was built inside the array n that you were "
            "given: `n += ...` changes the caller's noise. Make a new array for x.",
            adds_into_n,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "The scores of one row change when the noise of another row changes. No row knows of "
            "the others.",
            rows_are_independent,
        ),
        Property(
            "Turning the picture into its negative (both c and n) should turn the sign of both "
            "scores, and it does not.",
            negative_flips_sign,
        ),
        Property(
            "Adding the same brightness to every pixel of a row changes normed, though instance "
            "norm should take it away again.",
            scores_ignore_brightness,
        ),
    ),
)
