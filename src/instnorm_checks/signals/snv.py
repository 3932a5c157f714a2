"""The exercise "snv": standard normal variate."""

import numpy as np

from instnorm.series import snv

from ..cases import bright, counts
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from .shared import in_rows, some_sizes


def flat_is_zero(centred, spread):
    return centred / np.where(spread == 0, 1, spread)


def by_spread(spread, axis=-1, finish=flat_is_zero, centre=np.mean):
    """An answer that divides the centred spectra by another spread, or centres them otherwise."""

    def answer(x):
        centred = x - centre(x, axis, keepdims=True)
        return finish(centred, spread(centred, axis))

    return answer


def deviation(centred, axis, ddof=1):
    return np.std(centred, axis, ddof=ddof, keepdims=True)


def taken_for_flat(limit, divisor):
    """An answer that divides what deviates by less than a limit by something else."""

    def spread(centred, axis):
        own = deviation(centred, axis)
        return np.where(own < limit, divisor, own)

    return by_spread(spread)


def flat_left_alone(x):
    return np.where(np.ptp(x, 1, keepdims=True) == 0, x, snv(x))


def autoscaled(x):
    """Each wavelength over the samples; a single sample has no spread."""
    centred = x - x.mean(0)
    return flat_is_zero(centred, x.std(0, ddof=1))


def snv_in_place(x):
    x[...] = snv(x)
    return x


def only_divided(x):
    return flat_is_zero(x, x.std(-1, ddof=1, keepdims=True))


def scatter_corrected(x):
    """MSC to the mean spectrum; a flat spectrum has no slope."""
    reference = x.mean(0)
    dx, dr = x - x.mean(-1, keepdims=True), reference - reference.mean()
    slope = (dx @ dr / (dr @ dr))[:, None]
    return flat_is_zero(dx, slope) + reference.mean()


def with_a_blocked_lamp(rng, shape):
    """Spectra of which one is flat, at a value that sums without rounding."""
    x = in_rows(bright, rng, (1, *shape))[0]
    x[int(rng.integers(shape[0]))] = float(2 ** rng.integers(1, 9))
    return {"x": x}


def spectra_ignore(change):
    """The first spectrum's result is the same after a change of the array."""

    def holds(run, arguments):
        return agree(run(x=change(arguments["x"].copy()))[0][:1], run()[0][:1])

    return holds


def others_changed(x):
    x[1:] = 3 * x[1:, ::-1] + 1
    return x


SPECTRUM = np.array([[1000.0, 2000.0, 4000.0, 9000.0, 5000.0]])
CUPS = np.array(
    [
        [1000.0, 2000.0, 4000.0, 8000.0, 5000.0, 3000.0],
        [3100.0, 3600.0, 4400.0, 6500.0, 5300.0, 4000.0],
        [9000.0, 9500.0, 9900.0, 12000.0, 10400.0, 9900.0],
    ]
)

SNV_ASPECTS = (
    Aspect(
        "one-spectrum",
        1,
        "A spectrum loses its mean and is divided by its standard deviation, with M - 1.",
        public=({"x": SPECTRUM},),
        hidden=lambda rng: [{"x": in_rows(counts, rng, (1, 1, m))[0]} for m in (3, 6, 11)],
    ),
    Aspect(
        "every-spectrum",
        2,
        "Each row is standardised by itself, whatever else was measured that day.",
        public=({"x": CUPS},),
        hidden=lambda rng: [
            {"x": in_rows(counts, rng, (1, *some_sizes(rng)[:2]))[0]} for _ in range(4)
        ],
    ),
    Aspect(
        "units",
        1,
        "The unit does not matter: a spectrum in millionths gives the same as in thousands.",
        public=({"x": 1e-9 * SPECTRUM}, {"x": 1e-12 * SPECTRUM}),
        hidden=lambda rng: [
            {"x": 10 ** rng.uniform(-11, -8) * in_rows(bright, rng, (1, 1, 7))[0]} for _ in range(3)
        ],
    ),
    Aspect(
        "flat",
        1,
        "A flat spectrum, from a blocked lamp, becomes 0 and not 0 / 0.",
        public=({"x": np.stack([CUPS[0], np.full(6, 4.0), CUPS[0, ::-1]])},),
        hidden=lambda rng: [with_a_blocked_lamp(rng, some_sizes(rng)[:2]) for _ in range(3)],
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array of x's shape; x is unchanged.",
        public=({"x": SPECTRUM},),
        hidden=lambda rng: [{"x": in_rows(bright, rng, (1, 1, 8))[0]} for _ in range(2)],
        strict=True,
    ),
)

SPECTRA = Exercise(
    id="snv",
    signature="snv(x)",
    returns=("z",),
    reference=snv,
    aspects=SNV_ASPECTS,
    misconceptions=(
        Misconception(
            "divides-by-m",
            "Your output is what you get when the variance is divided by M. For instance norm "
            "that would be right. Chemists divide by M - 1, and the function is named after their "
            "formula. (NumPy has an argument for it.)",
            by_spread(lambda centred, axis: deviation(centred, axis, ddof=0)),
            ALL,
        ),
        Misconception(
            "each-wavelength",
            "Your output is what you get when each wavelength is standardised over the samples. "
            "That is the other common pretreatment, autoscaling. A spectrum's result then depends "
            "on which others are in the array, and a single one has no spread at all.",
            autoscaled,
            ALL,
        ),
        Misconception(
            "statistics-of-everything",
            "Your output is what you get with a single mean and a single standard deviation for "
            "the whole array. Each cup scatters in its own way, so each spectrum needs its own.",
            by_spread(lambda centred, axis: deviation(centred, axis), axis=None),
            ("every-spectrum", "flat"),
        ),
        Misconception(
            "centres-only",
            "Your output is what you get when the mean is subtracted and nothing else. The offset "
            "is gone; the gain is still there.",
            by_spread(lambda centred, axis: np.ones_like(centred)),
            ALL,
        ),
        Misconception(
            "scales-only",
            "Your output is what you get when you divide by the standard deviation without "
            "subtracting the mean. The gain is gone; the offset is still there.",
            only_divided,
            ALL,
        ),
        Misconception(
            "unit-length",
            "Your output is what you get when the centred spectrum is divided by its length, the "
            "root of the sum of squares. That is a standard deviation but for one factor. Which?",
            by_spread(lambda centred, axis: np.linalg.norm(centred, axis=axis, keepdims=True)),
            ALL,
        ),
        Misconception(
            "divides-by-the-range",
            "Your output is what you get when the centred spectrum is divided by its range, "
            "maximum minus minimum. One noisy wavelength would then set the scale of all.",
            by_spread(lambda centred, axis: np.ptp(centred, axis, keepdims=True)),
            ALL,
        ),
        Misconception(
            "divides-by-the-variance",
            "Your output is what you get when you divide by the variance. Think of units: the "
            "result should have none.",
            by_spread(lambda centred, axis: deviation(centred, axis) ** 2),
            ALL,
        ),
        Misconception(
            "subtracts-the-median",
            "Your output is what you get when the median is subtracted. That is a robust relative "
            "of SNV; the standard one subtracts the mean.",
            lambda x: flat_is_zero(
                x - np.median(x, -1, keepdims=True), x.std(-1, ddof=1, keepdims=True)
            ),
            ALL,
        ),
        Misconception(
            "scatter-correction",
            "Your output is what you get when each spectrum is regressed on the mean spectrum. "
            "That is MSC, a close relative; but its result changes when another sample joins.",
            scatter_corrected,
            ALL,
        ),
        Misconception(
            "adds-eps",
            "Your output is what you get when 1e-5 is added to the variance. Instance norm does "
            "so; SNV does not, and a spectrum in small units shows the difference. The flat one "
            "needs another way out.",
            by_spread(lambda centred, axis: np.sqrt(deviation(centred, axis) ** 2 + 1e-5)),
            ("units",),
        ),
        Misconception(
            "eps-beside-the-deviation",
            "Your output is what you get when 1e-5 is added to the standard deviation, to save "
            "the flat spectrum. It spoils those in small units. Treat the flat one by itself.",
            by_spread(lambda centred, axis: deviation(centred, axis) + 1e-5),
            ("units",),
        ),
        Misconception(
            "flat-becomes-nan",
            "Your function is right but for the flat spectrum: there it divides 0 by 0. How can "
            "you tell that case apart before dividing?",
            by_spread(
                lambda centred, axis: deviation(centred, axis),
                finish=lambda centred, spread: centred / spread,
            ),
            ("flat",),
        ),
        Misconception(
            "adds-a-small-number",
            "Your output is what you get when a small number is added to the deviation. In the "
            "small units of a spectrum it is not small. Treat the flat spectrum by itself.",
            by_spread(lambda centred, axis: deviation(centred, axis) + 1e-8),
            ("units",),
            also=tuple(
                by_spread(lambda centred, axis, small=small: deviation(centred, axis) + small)
                for small in (1e-6, 1e-9, 1e-10, 1e-12)
            ),
        ),
        Misconception(
            "small-taken-for-flat",
            "You take every spectrum with a small deviation for a flat one. In small units all "
            "deviations are small. Flat is one whose deviation is 0.",
            taken_for_flat(1e-6, divisor=1),
            ("units",),
            also=tuple(
                taken_for_flat(limit, divisor)
                for limit in (1e-6, 1e-8, 1e-9, 1e-10, 1e-12)
                for divisor in (1, np.inf)
            ),
        ),
        Misconception(
            "flat-left-as-it-was",
            "Your function gives a flat spectrum back as it came. Standardised, it is 0 "
            "everywhere.",
            flat_left_alone,
            ("flat",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the array that you were given. "
            "The measurement is gone. Make a new array for the result.",
            snv_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Adding one number to a whole spectrum changes its output, though the mean should take "
            "that number away again.",
            spectra_ignore(lambda x: x + np.ptp(x)),
        ),
        Property(
            "Doubling a spectrum changes its output, though the standard deviation doubles too.",
            spectra_ignore(lambda x: 2 * x),
        ),
        Property(
            "The output for one spectrum changes when another one changes. In SNV no spectrum "
            "knows of the others.",
            spectra_ignore(others_changed),
        ),
    ),
)
