"""The assignment "Signals": spectra, speech and series, where instance norm has other names.

Each aspect is about one idea, by the means of `instnorm.checks.standardising`: eps is seen in faint
signals alone, and signals have statistics of their own only where that is the point.
"""

import numpy as np

from ..series import cmvn, revin, revin_inverse, snv
from .compare import agree
from .exercise import Aspect, Exercise, Misconception, Property
from .standardising import bright, counts, shuffled

# A spectrum, or one variable of a series, is a plane with a single row.


def in_rows(make, rng, shape):
    """A picture of one-row planes as an array (N, C, L)."""
    n, c, length = shape
    return make(rng, (n, c, 1, length))[:, :, 0]


def some_sizes(rng):
    """(N, C, L), all different, so that no axis can be taken for another."""
    return tuple(int(size) for size in rng.choice(np.arange(3, 9), 3, replace=False))


def root(var, eps):
    return np.sqrt(var + eps)


def outside(var, eps):
    return np.sqrt(var) + eps


def without(var, eps):
    return np.sqrt(var)


def fixed(var, eps):
    return np.sqrt(var + 1e-5)


def variance_itself(var, eps):
    return var + eps


def nothing(var, eps):
    return np.ones_like(var)


# --- Standard normal variate ----------------------------------------------------------------------


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
        public=({"x": 1e-9 * SPECTRUM},),
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
SNV_ALL = tuple(aspect.name for aspect in SNV_ASPECTS)

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
            SNV_ALL,
        ),
        Misconception(
            "each-wavelength",
            "Your output is what you get when each wavelength is standardised over the samples. "
            "That is the other common pretreatment, autoscaling. A spectrum's result then depends "
            "on which others are in the array, and a single one has no spread at all.",
            autoscaled,
            SNV_ALL,
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
            SNV_ALL,
        ),
        Misconception(
            "scales-only",
            "Your output is what you get when you divide by the standard deviation without "
            "subtracting the mean. The gain is gone; the offset is still there.",
            only_divided,
            SNV_ALL,
        ),
        Misconception(
            "unit-length",
            "Your output is what you get when the centred spectrum is divided by its length, the "
            "root of the sum of squares. That is a standard deviation but for one factor. Which?",
            by_spread(lambda centred, axis: np.linalg.norm(centred, axis=axis, keepdims=True)),
            SNV_ALL,
        ),
        Misconception(
            "divides-by-the-range",
            "Your output is what you get when the centred spectrum is divided by its range, "
            "maximum minus minimum. One noisy wavelength would then set the scale of all.",
            by_spread(lambda centred, axis: np.ptp(centred, axis, keepdims=True)),
            SNV_ALL,
        ),
        Misconception(
            "divides-by-the-variance",
            "Your output is what you get when you divide by the variance. Think of units: the "
            "result should have none.",
            by_spread(lambda centred, axis: deviation(centred, axis) ** 2),
            SNV_ALL,
        ),
        Misconception(
            "subtracts-the-median",
            "Your output is what you get when the median is subtracted. That is a robust relative "
            "of SNV; the standard one subtracts the mean.",
            lambda x: flat_is_zero(
                x - np.median(x, -1, keepdims=True), x.std(-1, ddof=1, keepdims=True)
            ),
            SNV_ALL,
        ),
        Misconception(
            "scatter-correction",
            "Your output is what you get when each spectrum is regressed on the mean spectrum. "
            "That is MSC, a close relative; but its result changes when another sample joins.",
            scatter_corrected,
            SNV_ALL,
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


# --- Cepstral mean and variance normalisation, with padding ---------------------------------------


def cmvn_reference(x, lengths, eps=1e-5):
    return cmvn(x, lengths, eps=eps)


def behind(x, lengths):
    """True at recorded frames: (N, 1, T)."""
    return (np.arange(x.shape[2]) < lengths[:, None])[:, None]


def in_front(x, lengths):
    return behind(x, lengths)[..., ::-1]


def one_more(x, lengths):
    return behind(x, lengths + 1)


def by_mask(recorded=behind, axes=2, ddof=0, scale=root, mean_by_t=False, var_by_t=False, end=0.0):
    """An answer that takes something else for the recorded frames, or counts them wrongly.

    `mean_by_t` and `var_by_t` divide a sum over the recorded frames by the number of all frames.
    With end = None the padded frames stay as they come out.
    """

    def answer(x, lengths, eps=1e-5):
        mask = np.broadcast_to(recorded(x, lengths), x.shape)
        few = mask.sum(axes, keepdims=True)
        many = np.full(few.shape, mask.size / few.size)
        mean = np.where(mask, x, 0).sum(axes, keepdims=True) / (many if mean_by_t else few)
        squares = np.where(mask, (x - mean) ** 2, 0).sum(axes, keepdims=True)
        var = squares / ((many if var_by_t else few) - ddof)
        y = (x - mean) / scale(var, eps)
        return y if end is None else np.where(mask, y, end)

    return answer


def everything(x, lengths):
    return np.ones_like(x, bool)


def then_zeroed(answer):
    return lambda x, lengths, eps=1e-5: np.where(behind(x, lengths), answer(x, lengths, eps), 0)


def variance_with_padding(x, lengths, eps=1e-5):
    mask = behind(x, lengths)
    mean = np.where(mask, x, 0).sum(2, keepdims=True) / lengths[:, None, None]
    var = ((x - mean) ** 2).mean(2, keepdims=True)
    return np.where(mask, (x - mean) / np.sqrt(var + eps), 0)


def by_multiplying(x, lengths, eps=1e-5):
    mask = behind(x, lengths).astype(float)
    count = mask.sum(2, keepdims=True)
    mean = (x * mask).sum(2, keepdims=True) / count
    var = ((x - mean) ** 2 * mask).sum(2, keepdims=True) / count
    return (x - mean) / np.sqrt(var + eps) * mask


def cut_to_the_shortest(x, lengths, eps=1e-5):
    return cmvn_reference(x, np.full_like(lengths, lengths.min()), eps)


def cmvn_in_place(x, lengths, eps=1e-5):
    x[...] = cmvn_reference(x, lengths, eps)
    return x


def full(x, **rest):
    """Utterances that fill the array."""
    return {"x": x, "lengths": np.full(x.shape[0], x.shape[2]), **rest}


def padded(rng, padding):
    """Utterances of different lengths; each coefficient has the same mean and variance in all.

    `padding` makes what stands behind the last frame, from the number of frames.
    """
    n, c, frames = some_sizes(rng)
    lengths = rng.integers(2, frames, n)
    lengths[int(rng.integers(n))] = frames
    level, spread = rng.uniform(8e3, 3e4), rng.uniform(2e3, 6e3)
    x = np.empty((n, c, frames))
    for utterance, length in zip(x, lengths, strict=True):
        spoken = in_rows(shuffled, rng, (1, c, int(length)))[0]
        utterance[:, :length] = level + spread * spoken
        utterance[:, length:] = padding(utterance[:, length:].shape)
    return {"x": x, "lengths": lengths}


def litter(rng):
    return lambda shape: rng.uniform(-9e4, 9e4, shape)


def faint_rows(rng, per_row):
    """Variances within a factor of ten of eps, and a row in which nothing changes."""
    for _ in range(2):
        eps = 10 ** rng.uniform(-6, -1)
        contrast = np.sqrt(eps * 10 ** rng.uniform(-1, 1))
        level = rng.uniform(-1, 1)
        x = level + contrast * in_rows(shuffled, rng, some_sizes(rng))
        yield per_row(x, eps=eps)
    yield per_row(np.sqrt(1e-5) * in_rows(shuffled, rng, some_sizes(rng)))
    yield per_row(np.full((1, 1, some_sizes(rng)[2]), rng.uniform(1, 9)))


def padding_does_not_matter(run, arguments):
    x = arguments["x"]
    other = np.where(behind(x, arguments["lengths"]), x, 12345.0)
    return agree(run(x=other)[0], run(x=np.where(other == 12345.0, -7.0, other))[0])


def utterances_are_independent(run, arguments):
    x = arguments["x"].copy()
    x[1:] = 3 * x[1:, :, ::-1] + 1
    return agree(run(x=x)[0][:1], run()[0][:1])


def the_microphone_does_not_matter(run, arguments):
    x = arguments["x"]
    shift = np.arange(1.0, x.shape[1] + 1)[:, None] * 1000
    return agree(run(x=x + shift)[0], run()[0])


ROW = np.array([1000.0, 3000.0, 4000.0, 8000.0])
TURNED = np.array([4000.0, 8000.0, 1000.0, 3000.0])
TALK = np.stack([ROW, TURNED])[None]  # (1, 2, 4)
# Lengths 4 and 2. Every row has mean 4000 and deviation 3000 over its frames, as long as these are
# the right ones.
TWO = np.array(
    [
        [[1000.0, 7000.0, 7000.0, 1000.0], [1000.0, 1000.0, 7000.0, 7000.0]],
        [[1000.0, 7000.0, 0.0, 0.0], [7000.0, 1000.0, 0.0, 0.0]],
    ]
)
TWO_LENGTHS = np.array([4, 2])
LITTERED = TWO.copy()
LITTERED[1, 0, 2:], LITTERED[1, 1, 2:] = np.nan, 9e5
SPEAKERS = np.random.default_rng(1).integers(0, 65536, (3, 4, 5)).astype(float)
FLAT_ROW = np.full((1, 1, 4), 7.0)

CMVN_ASPECTS = (
    Aspect(
        "every-coefficient",
        1,
        "Each coefficient of each utterance is standardised over its own frames.",
        public=(full(SPEAKERS),),
        hidden=lambda rng: [full(in_rows(counts, rng, some_sizes(rng))) for _ in range(3)],
    ),
    Aspect(
        "lengths",
        2,
        "Padded frames are not counted, neither in the mean nor in the variance, and end as 0.",
        public=({"x": TWO, "lengths": TWO_LENGTHS},),
        hidden=lambda rng: [padded(rng, np.zeros) for _ in range(4)],
    ),
    Aspect(
        "litter",
        1,
        "Whatever stands in the padding, even NaN, has no influence.",
        public=({"x": LITTERED, "lengths": TWO_LENGTHS},),
        hidden=lambda rng: [padded(rng, litter(rng)) for _ in range(3)],
    ),
    Aspect(
        "eps",
        1,
        "eps is added to the variance, inside the root; what never changes becomes 0.",
        public=(full(5e-6 * TALK, eps=1e-3), full(5e-6 * TALK), full(FLAT_ROW)),
        hidden=lambda rng: list(faint_rows(rng, full)),
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array of x's shape; no argument is changed.",
        public=(full(TALK),),
        hidden=lambda rng: [full(in_rows(bright, rng, some_sizes(rng))) for _ in range(2)],
        strict=True,
    ),
)
CMVN_ALL = tuple(aspect.name for aspect in CMVN_ASPECTS)
PADDED = ("lengths", "litter")

SPEECH = Exercise(
    id="cmvn",
    signature="cmvn(x, lengths, eps=1e-5)",
    returns=("y",),
    reference=cmvn_reference,
    aspects=CMVN_ASPECTS,
    misconceptions=(
        Misconception(
            "padding-counts",
            "Your output is what you get when all T frames count, the padded ones too. A short "
            "utterance then has a mean near 0 and a variance that nobody spoke.",
            by_mask(everything),
            PADDED,
        ),
        Misconception(
            "padding-counts-then-zeroed",
            "Your padded frames end as 0, but they took part in the statistics first. Which frames "
            "may a mean be taken over?",
            then_zeroed(by_mask(everything)),
            PADDED,
        ),
        Misconception(
            "divides-by-the-padded-length",
            "Your sums run over the recorded frames and are then divided by T. How many values "
            "did you add?",
            by_mask(mean_by_t=True, var_by_t=True),
            PADDED,
        ),
        Misconception(
            "variance-divides-by-the-padded-length",
            "Your mean is right. Your sum of squares is taken over the recorded frames and then "
            "divided by T.",
            by_mask(var_by_t=True),
            PADDED,
        ),
        Misconception(
            "padding-in-the-variance",
            "Your mean is right; your variance counts the padded frames. A zero there is no longer "
            "a zero once the mean has been subtracted.",
            variance_with_padding,
            PADDED,
        ),
        Misconception(
            "padding-not-zeroed",
            "Your statistics are right and the recorded frames too. The padded frames were "
            "standardised along with them; they should be 0.",
            by_mask(end=None),
            PADDED,
        ),
        Misconception(
            "multiplies-by-the-mask",
            "Your function takes the padding away by multiplying with 0. That does for numbers; "
            "but 0 times NaN is NaN. Choose between values (np.where, or a slice) instead.",
            by_multiplying,
            ("litter",),
        ),
        Misconception(
            "padding-in-front",
            "Your output is what you get when the recorded frames are the last ones. The padding "
            "stands behind them: the first lengths[n] frames are speech.",
            by_mask(in_front),
            PADDED,
        ),
        Misconception(
            "one-frame-too-many",
            "Your output is what you get when lengths[n] + 1 frames count. Frames are numbered "
            "from 0: is the last one lengths[n], or one less?",
            by_mask(one_more),
            PADDED,
        ),
        Misconception(
            "cut-to-the-shortest",
            "Your output is what you get when all utterances are cut to the length of the "
            "shortest. Each has its own length.",
            cut_to_the_shortest,
            PADDED,
        ),
        Misconception(
            "statistics-of-the-corpus",
            "Your output is what you get when all utterances share one mean and one variance per "
            "coefficient, as in batch norm. The microphone of each would survive.",
            by_mask(axes=(0, 2)),
            ("every-coefficient",),
        ),
        Misconception(
            "statistics-of-the-utterance",
            "Your output is what you get when all coefficients of an utterance share one mean and "
            "one variance, as in layer norm. A microphone adds another number to each of them.",
            by_mask(axes=(1, 2)),
            ("every-coefficient",),
        ),
        Misconception(
            "one-frame-at-a-time",
            "Your output is what you get when every frame is standardised over the coefficients. "
            "Which axis is time?",
            by_mask(axes=1),
            CMVN_ALL,
        ),
        Misconception(
            "centres-only",
            "Your output is what you get when the mean is subtracted and nothing else. That is "
            "CMN, which has its place; the V stands for the variance.",
            by_mask(scale=nothing),
            CMVN_ALL,
        ),
        Misconception(
            "divides-by-one-frame-less",
            "Your output is what you get when the variance is divided by the number of frames "
            "minus 1. That was right for SNV. Here it is the plain mean of the squared deviations.",
            by_mask(ddof=1),
            CMVN_ALL,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your output is what you get when eps is added to the standard deviation. The "
            "definition adds it one step earlier.",
            by_mask(scale=outside),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is what you get with eps = 0. A coefficient that hardly moves is blown up "
            "too far, and one that does not move becomes 0 / 0.",
            by_mask(scale=without),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-5 whatever the caller asks for.",
            by_mask(scale=fixed),
            ("eps",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the array that you were given. "
            "Make a new array for the result.",
            cmvn_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Your output changes with what stands in the padding.",
            padding_does_not_matter,
        ),
        Property(
            "The output for one utterance changes when another one changes.",
            utterances_are_independent,
        ),
        Property(
            "Adding a constant to each coefficient, as a microphone does, changes your output.",
            the_microphone_does_not_matter,
        ),
    ),
)


# --- RevIN, there ---------------------------------------------------------------------------------


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
    """An answer with something else in one place."""

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


def y_ignores_the_level(run, arguments):
    x = arguments["x"]
    return agree(run(x=x + np.ptp(x))[0], run()[0])


def windows_are_independent(run, arguments):
    x = arguments["x"].copy()
    x[1:] = 3 * x[1:] + 1
    return agree(run(x=x)[0][:1], run()[0][:1])


def var_is_a_square(run, arguments):
    x = arguments["x"]
    return agree(run(x=2 * x)[2], 4 * run()[2])


WINDOWS = np.random.default_rng(4).integers(0, 65536, (2, 3, 5)).astype(float)

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
            {"x": TALK, "gamma": np.array([2.0, -0.5]), "beta": np.array([10.0, 20.0])},
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
        public=(plain(WINDOWS), plain(5e-6 * TALK)),
        hidden=lambda rng: [
            plain(in_rows(counts, rng, some_sizes(rng))),
            plain(1e-6 * in_rows(counts, rng, some_sizes(rng))),
            plain(1e-6 * in_rows(counts, rng, some_sizes(rng))),
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
REVIN_ALL = tuple(aspect.name for aspect in REVIN_ASPECTS)
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
            REVIN_ALL,
        ),
        Misconception(
            "over-the-variables",
            "Your output is what you get when each moment in time is standardised over the "
            "variables. Here time is the last axis. (The paper's own code keeps it in the middle.)",
            there(axes=1, give=of_each_moment),
            REVIN_ALL,
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
            REVIN_ALL,
        ),
        Misconception(
            "scales-only",
            "Your y is what you get when you divide by the deviation without subtracting the mean. "
            "Then the forecaster still sees the level, which is what drifts.",
            without_centring,
            REVIN_Y,
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
            REVIN_ALL,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your y is what you get when eps is added to the standard deviation. The definition "
            "adds it one step earlier.",
            there(scale=outside),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your y is what you get with eps = 0. A series that stands still becomes 0 / 0.",
            there(scale=without),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your y is what you get with eps = 1e-5 whatever the caller asks for.",
            there(scale=fixed),
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
            y_ignores_the_level,
        ),
        Property(
            "The output for one window changes when another window changes.",
            windows_are_independent,
        ),
        Property(
            "When x doubles, its variance is four times as large. Your var is not.",
            var_is_a_square,
        ),
    ),
)


# --- RevIN, and back ------------------------------------------------------------------------------


def inverse_reference(y, mean, var, gamma, beta, eps=1e-5):
    return revin_inverse(y, (mean, var), gamma, beta, eps=eps)


def unshifted_then_unscaled(y, gamma, beta):
    return (y - down(beta)) / down(gamma)


def back(
    affine=unshifted_then_unscaled, scale=root, rule=lambda xhat, mean, std: xhat * std + mean
):
    """An answer with something else in one place."""

    def answer(y, mean, var, gamma, beta, eps=1e-5):
        xhat = affine(y, gamma, beta)
        return rule(xhat, mean[..., None], scale(var, eps)[..., None])

    return answer


def shared(statistic):
    """One value for all windows."""
    return np.broadcast_to(statistic.mean(0), statistic.shape)


def back_with_shared_statistics(y, mean, var, gamma, beta, eps=1e-5):
    return inverse_reference(y, shared(mean), shared(var), gamma, beta, eps)


def back_in_place(y, mean, var, gamma, beta, eps=1e-5):
    y -= down(beta)
    y /= down(gamma)
    y *= np.sqrt(var + eps)[..., None]
    y += mean[..., None]
    return y


def forecast(rng, shape, **rest):
    """A normalised forecast of any length, with the statistics of the windows it is for.

    The level is high above 0, where the tolerance would count in units of the last digit.
    """
    n, c, _ = shape
    return {
        "y": rng.uniform(-1, 1, shape),
        "mean": rng.uniform(3e4, 6e4, (n, c)),
        "var": rng.uniform(2e3, 6e3, (n, c)) ** 2,
        **unaffected(c),
        **rest,
    }


def unaffected(channels):
    return {"gamma": np.ones(channels), "beta": np.zeros(channels)}


def same_windows(rng, shape, **rest):
    """A forecast whose windows all have the same statistics."""
    n, c, horizon = shape
    statistics = {
        "mean": np.tile(rng.uniform(3e4, 6e4, c), (n, 1)),
        "var": np.tile(rng.uniform(2e3, 6e3, c) ** 2, (n, 1)),
    }
    return forecast(rng, (n, c, horizon), **{**statistics, **rest})


def faint_forecasts(rng):
    for _ in range(2):
        c = int(rng.integers(2, 5))
        eps = 10 ** rng.uniform(-6, -1)
        var = np.full((1, c), eps * 10 ** rng.uniform(-1, 1))
        mean = rng.uniform(-1, 1, (1, c))
        yield forecast(rng, (1, c, 5), mean=mean, var=var, eps=eps)
    yield forecast(rng, (1, 2, 4), mean=np.ones((1, 2)), var=np.zeros((1, 2)))


def gamma_beta_and_y_in_step(run, arguments):
    y, gamma, beta = (arguments[name] for name in ("y", "gamma", "beta"))
    return agree(run(y=2 * y + 1, gamma=2 * gamma, beta=2 * beta + 1)[0], run()[0])


def statistics_stay_with_their_window(run, arguments):
    mean, var = arguments["mean"].copy(), arguments["var"].copy()
    mean[1:] += 1000
    var[1:] *= 4
    return agree(run(mean=mean, var=var)[0][:1], run()[0][:1])


PUBLIC_FORECAST = {
    "y": np.array([[[0.0, 1.0, -1.0]] * 2, [[2.0, 0.5, 0.0], [0.0, -2.0, 1.0]]]),
    "mean": np.array([[30000.0, 50000.0], [20000.0, 80000.0]]),
    "var": np.array([[4e6, 9e6], [2.5e7, 1.6e7]]),
}
SMALL_FORECAST = {
    "y": np.array([[[0.0, 1.0, -1.0, 0.5], [1.0, 0.0, 2.0, -0.5]]]),
    "mean": np.array([[1.0, 2.0]]),
    "var": np.array([[2e-5, 2e-5]]),
    **unaffected(2),
}

BACK_ASPECTS = (
    Aspect(
        "statistics",
        2,
        "Each window and variable gets its own deviation and its own mean back, in that order.",
        public=({**PUBLIC_FORECAST, **unaffected(2)},),
        hidden=lambda rng: [
            *(forecast(rng, some_sizes(rng)) for _ in range(3)),
            forecast(rng, (4, 3, 1)),
        ],
    ),
    Aspect(
        "affine",
        2,
        "Before that, gamma and beta are undone, the last step first.",
        public=(
            # C = H = 3: broadcasting along the wrong axis goes unnoticed here.
            same_windows(
                np.random.default_rng(7), (2, 3, 3), **some_affine(np.random.default_rng(6), 3)
            ),
            {
                **PUBLIC_FORECAST,
                "mean": np.full((2, 2), 30000.0),
                "var": np.full((2, 2), 4e6),
                "gamma": np.array([2.0, -0.5]),
                "beta": np.array([10.0, 20.0]),
            },
        ),
        hidden=lambda rng: [
            same_windows(rng, shape, **some_affine(rng, shape[1]))
            for shape in (some_sizes(rng) for _ in range(3))
        ],
    ),
    Aspect(
        "eps",
        1,
        "eps is added to the variance, inside the root, as on the way there.",
        public=(
            {**SMALL_FORECAST, "eps": 1e-3},
            SMALL_FORECAST,
            {**SMALL_FORECAST, "var": np.zeros((1, 2))},
        ),
        hidden=lambda rng: list(faint_forecasts(rng)),
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array of y's shape; no argument is changed.",
        public=(same_windows(np.random.default_rng(8), (2, 3, 4)),),
        hidden=lambda rng: [same_windows(rng, some_sizes(rng)) for _ in range(2)],
        strict=True,
    ),
)
BACK_ALL = tuple(aspect.name for aspect in BACK_ASPECTS)

BACK = Exercise(
    id="revin-inverse",
    signature="revin_inverse(y, mean, var, gamma, beta, eps=1e-5)",
    returns=("x",),
    reference=inverse_reference,
    aspects=BACK_ASPECTS,
    misconceptions=(
        Misconception(
            "forgets-the-mean",
            "Your forecast has the right swing around 0. The level of the window is missing.",
            back(rule=lambda xhat, mean, std: xhat * std),
            BACK_ALL,
        ),
        Misconception(
            "forgets-the-deviation",
            "Your forecast has the right level, and a swing of about 1 whatever the series. What "
            "was divided by on the way there?",
            back(rule=lambda xhat, mean, std: xhat + mean),
            BACK_ALL,
        ),
        Misconception(
            "mean-before-deviation",
            "Your output is what you get when the mean is added first and the sum is multiplied. "
            "On the way there the mean was taken off first; so on the way back it comes last.",
            back(rule=lambda xhat, mean, std: (xhat + mean) * std),
            BACK_ALL,
        ),
        Misconception(
            "normalises-once-more",
            "Your output is what you get when the mean is subtracted and the deviation divided by, "
            "a second time. This function goes the other way.",
            back(rule=lambda xhat, mean, std: (xhat - mean) / std),
            BACK_ALL,
        ),
        Misconception(
            "multiplies-by-the-variance",
            "Your output is what you get when the forecast is multiplied by the variance. Which "
            "power of it was divided by?",
            back(scale=variance_itself),
            BACK_ALL,
        ),
        Misconception(
            "statistics-of-the-batch",
            "Your output is what you get when all windows get the same mean and variance back, "
            "averaged over the batch. Each window came with its own.",
            back_with_shared_statistics,
            ("statistics",),
        ),
        Misconception(
            "forgets-gamma-and-beta",
            "Your output is right where gamma is 1 and beta is 0. Elsewhere they are still in it.",
            back(affine=lambda y, gamma, beta: y),
            ("affine",),
        ),
        Misconception(
            "gamma-and-beta-once-more",
            "Your output is what you get when gamma and beta are applied a second time. They were "
            "put on last, so they have to be taken off first.",
            back(affine=scaled_then_shifted),
            ("affine",),
        ),
        Misconception(
            "unscales-before-unshifting",
            "Your output is what you get from y / gamma - beta. On the way there beta came last, "
            "so it has to go first.",
            back(affine=lambda y, gamma, beta: y / down(gamma) - down(beta)),
            ("affine",),
        ),
        Misconception(
            "affine-at-the-end",
            "Your output is what you get when mean and deviation are put back first and gamma and "
            "beta undone afterwards. Shoes come off before socks.",
            lambda y, mean, var, gamma, beta, eps=1e-5: unshifted_then_unscaled(
                y * np.sqrt(var + eps)[..., None] + mean[..., None], gamma, beta
            ),
            ("affine",),
        ),
        Misconception(
            "gamma-along-time",
            "Your output is what you get when gamma and beta run along the last axis, time. They "
            "belong to the variables.",
            back(affine=lambda y, gamma, beta: (y - beta) / gamma),
            BACK_ALL,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your output is what you get when eps is added to the standard deviation. The way back "
            "has to use what the way there used.",
            back(scale=outside),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is what you get with eps = 0. The way there divided by a root with eps in "
            "it; multiply by the same.",
            back(scale=without),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-5 whatever the caller asks for.",
            back(scale=fixed),
            ("eps",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the forecast that you were given. "
            "Make a new array.",
            back_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "If the network's y, gamma and beta all move together (y and beta by 1, after gamma, y "
            "and beta are doubled), the forecast is the same. Yours is not.",
            gamma_beta_and_y_in_step,
        ),
        Property(
            "The forecast for one window changes with the statistics of another window.",
            statistics_stay_with_their_window,
        ),
    ),
)

EXERCISES = (SPECTRA, SPEECH, THERE, BACK)
