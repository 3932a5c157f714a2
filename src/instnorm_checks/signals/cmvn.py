"""The exercise "cmvn": cepstral mean and variance normalisation, with padding."""

import numpy as np

from instnorm.series import cmvn

from ..cases import a_digit, bright, counts, shuffled, some_level
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import beside, fixed_eps, root, without_eps
from .shared import in_rows, some_sizes


def cmvn_reference(x, lengths, eps=1e-5):
    return cmvn(x, lengths, eps=eps)


def behind(x, lengths):
    """True at recorded frames: (N, 1, T)."""
    return (np.arange(x.shape[2]) < lengths[:, None])[:, None]


def in_front(x, lengths):
    return behind(x, lengths)[..., ::-1]


def one_more(x, lengths):
    return behind(x, lengths + 1)


def nothing(var, eps):
    return np.ones_like(var)


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


def variance_with_zeros(by_t):
    """The same where the padding is made 0 beforehand; divided by T, or by the frames spoken."""

    def answer(x, lengths, eps=1e-5):
        mask, few = behind(x, lengths), lengths[:, None, None]
        spoken = np.where(mask, x, 0)
        mean = spoken.sum(2, keepdims=True) / few
        squares = ((spoken - mean) ** 2).sum(2, keepdims=True)
        var = squares / (x.shape[2] if by_t else few)
        return np.where(mask, (spoken - mean) / np.sqrt(var + eps), 0)

    return answer


def one_frame_more_in_the_sums(x, lengths, eps=1e-5):
    mask, few = one_more(x, lengths), lengths[:, None, None]
    mean = np.where(mask, x, 0).sum(2, keepdims=True) / few
    var = np.where(mask, (x - mean) ** 2, 0).sum(2, keepdims=True) / few
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

    `padding` makes what comes after the last frame, from the number of frames.
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
        x = contrast * (some_level(rng) + in_rows(shuffled, rng, some_sizes(rng)))
        yield per_row(x, eps=eps)
    yield per_row(np.sqrt(1e-5) * in_rows(shuffled, rng, some_sizes(rng)))
    yield per_row(np.full((1, 1, some_sizes(rng)[2]), a_digit(rng)))


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
CHOIR = np.tile(TALK, (1, 3, 1))  # more coefficients than frames
# Lengths 4 and 2. Every row has mean 4000 and deviation 3000 over its frames, as long as these are
# the right ones.
TWO = np.array(
    [
        [[1000.0, 7000.0, 7000.0, 1000.0], [1000.0, 1000.0, 7000.0, 7000.0]],
        [[1000.0, 7000.0, 0.0, 0.0], [7000.0, 1000.0, 0.0, 0.0]],
    ]
)
TWO_LENGTHS = np.array([4, 2])
# More coefficients than the shorter one has frames; and the shorter one comes first.
WIDE = np.concatenate([TWO, TWO[:, 1:]], axis=1)[::-1]
WIDE[1, 2] = TWO[0, 0, [1, 0, 3, 2]]
LITTERED = TWO.copy()
LITTERED[1, 0, 2:], LITTERED[1, 1, 2:] = np.nan, 9e5
SPEAKERS = np.random.default_rng(1).integers(0, 65536, (3, 4, 5)).astype(float)
FLAT_ROW = np.full((1, 1, 4), 7.0)

CMVN_ASPECTS = (
    Aspect(
        "every-coefficient",
        1,
        "Each coefficient of each utterance is standardised over its own frames.",
        public=(full(SPEAKERS), full(SPEAKERS[:, :, :3])),
        hidden=lambda rng: [full(in_rows(counts, rng, some_sizes(rng))) for _ in range(3)],
    ),
    Aspect(
        "lengths",
        2,
        "Padded frames are not counted, neither in the mean nor in the variance, and end as 0.",
        public=({"x": TWO, "lengths": TWO_LENGTHS}, {"x": WIDE, "lengths": TWO_LENGTHS[::-1]}),
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
        public=(full(5e-6 * CHOIR, eps=1e-3), full(5e-6 * TALK), full(FLAT_ROW)),
        hidden=lambda rng: list(faint_rows(rng, full)),
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array of x's shape; no argument is changed.",
        public=(full(CHOIR),),
        hidden=lambda rng: [full(in_rows(bright, rng, some_sizes(rng))) for _ in range(2)],
        strict=True,
    ),
)
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
            also=(variance_with_zeros(by_t=True), variance_with_zeros(by_t=False)),
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
            "comes after them: the first lengths[n] frames are speech.",
            by_mask(in_front),
            PADDED,
        ),
        Misconception(
            "one-frame-too-many",
            "Your output is what you get when lengths[n] + 1 frames count. Frames are numbered "
            "from 0: is the last one lengths[n], or one less?",
            by_mask(one_more),
            PADDED,
            also=(one_frame_more_in_the_sums,),
        ),
        Misconception(
            "one-frame-too-few",
            "Your output is what you get when lengths[n] - 1 frames count. Frames are numbered "
            "from 0: the last one is lengths[n] - 1, and it counts.",
            by_mask(lambda x, lengths: behind(x, lengths - 1)),
            ALL,
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
            ALL,
        ),
        Misconception(
            "centres-only",
            "Your output is what you get when the mean is subtracted and nothing else. That is "
            "CMN, which has its place; the V stands for the variance.",
            by_mask(scale=nothing),
            ALL,
        ),
        Misconception(
            "divides-by-one-frame-less",
            "Your output is what you get when the variance is divided by the number of frames "
            "minus 1. That was right for SNV. Here it is the plain mean of the squared deviations.",
            by_mask(ddof=1),
            ALL,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your output is what you get when eps is added to the standard deviation. The "
            "definition adds it one step earlier.",
            by_mask(scale=beside),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is what you get with eps = 0. A coefficient that hardly moves is blown up "
            "too far, and one that does not move becomes 0 / 0.",
            by_mask(scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-5 whatever the caller asks for.",
            by_mask(scale=fixed_eps),
            ("eps",),
        ),
        Misconception(
            "padding-left-as-it-was",
            "Your frames are right, and the padding is as it came. It should be 0: begin with "
            "zeros, not with a copy of x.",
            lambda x, lengths, eps=1e-5: np.where(
                behind(x, lengths), cmvn_reference(x, lengths, eps), x
            ),
            ("litter",),
        ),
        Misconception(
            "one-length-for-all",
            "Your output is what you get when all utterances are as long as the first. Each has a "
            "length of its own: lengths[n].",
            lambda x, lengths, eps=1e-5: cmvn_reference(x, np.full_like(lengths, lengths[0]), eps),
            PADDED,
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
