"""The assignment "Fast kernels": moments in one pass, normalising in the cache, any array library.

In the first exercise rows hold the same values in another order wherever the aspect is not about
the spread between the means, so that this spread can be seen nowhere else. `standardising` says
how the pictures of the others are made. The third one calls functions that were written for the
array API standard; in the notebook `instnorm_lab.standard_arrays` sees to that.
"""

from functools import partial

import numpy as np

from ..norms import instance_norm
from ..variance import merge_moments
from .compare import agree
from .exercise import Aspect, Exercise, Misconception, Pace, Property
from .standardising import (
    BATCH,
    IMAGE_PROPERTIES,
    PAIR,
    bright,
    counts,
    one_pass,
    only_rescaled,
    scale_only,
    some_shape,
    standardise,
)
from .the_algorithm import (
    EPS,
    EVERY_PLANE,
    LARGE_OFFSET,
    NEW_ARRAY,
    affine,
    affine_by,
    per_channel,
    plain,
    with_affine,
)

# --- Moments of blocks ----------------------------------------------------------------------------


def after(past, block):
    """The arguments for `block`, when the values `past` of each row came before."""
    rows, count = past.shape
    if not count:
        return {"mean": np.zeros(rows), "squares": np.zeros(rows), "count": 0, "block": block}
    mean, squares = past.mean(1), count * past.var(1)
    return {"mean": mean, "squares": squares, "count": count, "block": block}


def some_rows(rng, rows, columns):
    """Camera counts: each row has its own brightness and its own contrast."""
    level, spread = rng.uniform(8e3, 3e4, (rows, 1)), rng.uniform(2e3, 6e3, (rows, 1))
    return level + spread * rng.standard_normal((rows, columns))


def sizes(rng):
    """How many rows, and how many values in the past and in the block: all different."""
    return tuple(int(n) for n in rng.choice(np.arange(3, 12), 3, replace=False))


def rows_in_blocks(rng):
    rows, count, size = sizes(rng)
    return after(some_rows(rng, rows, count), some_rows(rng, rows, size))


def first_rows(rng):
    rows, _, size = sizes(rng)
    return after(np.empty((rows, 0)), some_rows(rng, rows, size))


def alike(rng, level):
    """Past and block have one mean and one variance: the same values, in an order of their own."""
    rows, size, _ = sizes(rng)
    spread = rng.uniform(2e3, 6e3)
    values = rng.standard_normal(size)
    values = level * spread + spread * (values - values.mean())
    return after(*(rng.permuted(np.tile(values, (rows, 1)), axis=1) for _ in range(2)))


def merging(
    mean_of=lambda block: block.mean(1),
    squares_of=lambda block: block.shape[1] * block.var(1),
    share=lambda count, size: size / (count + size),
    weight=lambda count, size: count * size / (count + size),
):
    """An answer with something else in one place of the formulas."""

    def answer(mean, squares, count, block):
        size, apart = block.shape[1], mean_of(block) - mean
        between = weight(count, size) * apart**2
        return mean + share(count, size) * apart, squares + squares_of(block) + between

    return answer


def returns_the_variance(mean, squares, count, block):
    mean, squares = merge_moments(mean, squares, count, block)
    return mean, squares / (count + block.shape[1])


def forgets_the_past(mean, squares, count, block):
    return block.mean(1), block.shape[1] * block.var(1)


def merges_in_place(mean, squares, count, block):
    mean[...], squares[...] = merge_moments(mean, squares, count, block)
    return mean, squares


def rows_are_independent(run, arguments):
    block = arguments["block"].copy()
    block[1:] = block[1:, ::-1] + np.ptp(block)
    return all(agree(a[:1], b[:1]) for a, b in zip(run(block=block), run(), strict=True))


def squares_ignore_brightness(run, arguments):
    mean, block = arguments["mean"], arguments["block"]
    shift = np.ptp(block)
    return agree(run(mean=mean + shift, block=block + shift)[1], run()[1])


PAST = np.array([[1000.0, 3000.0], [5000.0, 9000.0]])
NEXT = np.array([[6000.0, 8000.0, 14000.0, 4000.0], [1000.0, 1000.0, 3000.0, 11000.0]])
ALIKE = np.array([[6000.0, 8000.0, 14000.0, 4000.0], [4000.0, 14000.0, 6000.0, 8000.0]])
TURNED = ALIKE[:, ::-1]

MERGING_ASPECTS = (
    Aspect(
        "first-block",
        1,
        "When nothing came before (count = 0), the moments are those of the block.",
        public=(after(np.empty((2, 0)), NEXT),),
        hidden=lambda rng: [first_rows(rng) for _ in range(2)],
        judges=(0, 1),
    ),
    Aspect(
        "mean",
        1,
        "The mean of all values: each value counts the same, in whichever block it came.",
        public=(after(PAST, NEXT), after(NEXT, PAST)),
        hidden=lambda rng: [rows_in_blocks(rng) for _ in range(3)],
    ),
    Aspect(
        "squares",
        2,
        "The sum of squared deviations of all values from their common mean.",
        public=(after(PAST, NEXT), after(NEXT, PAST)),
        hidden=lambda rng: [rows_in_blocks(rng) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "large-offset",
        1,
        "A mean a million times the spread costs no digits.",
        public=(after(3.7e9 + 1.1 * ALIKE, 3.7e9 + 1.1 * TURNED),),
        hidden=lambda rng: [alike(rng, rng.uniform(1e6, 2e6)) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "array",
        1,
        "Right values, in two new float64 arrays (R,); no argument is changed.",
        public=(after(ALIKE, TURNED),),
        hidden=lambda rng: [alike(rng, rng.uniform(3, 9)) for _ in range(2)],
        judges=(0, 1),
        strict=True,
    ),
)
MERGING_ALL = tuple(aspect.name for aspect in MERGING_ASPECTS)
SQUARES = ("first-block", "squares", "large-offset", "array")

MERGING = Exercise(
    id="merge-moments",
    signature="merge_moments(mean, squares, count, block)",
    returns=("mean", "squares"),
    reference=merge_moments,
    aspects=MERGING_ASPECTS,
    misconceptions=(
        Misconception(
            "averages-the-means",
            "Your mean lies half-way between the old mean and that of the block. That would be "
            "right if both stood for equally many values. How much should a block of 10 move the "
            "mean of a million?",
            merging(share=lambda count, size: 0.5),
            ("first-block", "mean"),
        ),
        Misconception(
            "moves-by-one-value",
            "Your mean moves by 1 / n of the way to the mean of the block, as if one value had "
            "arrived. There are B of them.",
            merging(share=lambda count, size: 1 / (count + size)),
            ("first-block", "mean"),
        ),
        Misconception(
            "forgets-the-past",
            "Your result is what the block alone would give. What came before is in count, mean "
            "and squares, and nowhere else.",
            forgets_the_past,
            ("mean", "squares", "large-offset", "array"),
        ),
        Misconception(
            "forgets-the-spread-between",
            "Your squares add up the spread within the past and the spread within the block. Two "
            "blocks of constant values, one black and one white, would then have no variance at "
            "all. What is missing when the means differ?",
            merging(weight=lambda count, size: 0),
            ("squares",),
        ),
        Misconception(
            "deviations-from-the-old-mean",
            "Your squares take the block's deviations from the old mean. All deviations are meant "
            "to be from the common mean, which is a new one, for the old values too.",
            merging(weight=lambda count, size: size),
            ("first-block", "squares"),
        ),
        Misconception(
            "deviations-from-the-new-mean",
            "Your squares take the block's deviations from the new mean, and leave the old squares "
            "as they are. But those are deviations from the old mean; they grow too when the mean "
            "moves away from it.",
            merging(weight=lambda count, size: size * (count / (count + size)) ** 2),
            ("squares",),
        ),
        Misconception(
            "distance-not-weighted",
            "Your squares add the squared distance of the two means once. It counts for every "
            "value that is that far away. By what should it be multiplied, so that the result is "
            "the same if past and block change places, and 0 if either of them is empty?",
            merging(weight=lambda count, size: 1),
            ("first-block", "squares"),
        ),
        Misconception(
            "adds-a-variance",
            "Your squares add the block's variance to a sum of squares. One is an average, the "
            "other a total.",
            merging(squares_of=lambda block: block.var(1)),
            SQUARES,
        ),
        Misconception(
            "returns-the-variance",
            "Your second result is the variance. It should be the sum of squares, not yet divided: "
            "that is what the next call expects.",
            returns_the_variance,
            SQUARES,
        ),
        Misconception(
            "squares-of-the-values",
            "Your squares add up the squared values of the block, rather than the squares of its "
            "deviations.",
            merging(squares_of=lambda block: (block**2).sum(1)),
            SQUARES,
        ),
        Misconception(
            "rows-share-a-mean",
            "Your block has a single mean for all rows. Each row is on its own.",
            merging(mean_of=lambda block: block.mean()),
            ("first-block", "mean", "squares"),
        ),
        Misconception(
            "swaps-the-results",
            "Your two results are right and in the wrong order: return mean, squares.",
            lambda *arguments: merge_moments(*arguments)[::-1],
            MERGING_ALL,
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the arrays that you were given. "
            "Here the caller keeps them. (Did you write += ?)",
            merges_in_place,
            ("array",),
        ),
        Misconception(
            "one-pass-squares",
            "Your squares lose their digits when the mean is much larger than the spread. Is there "
            "a sum of x² in your function, from which something as huge is subtracted? Take "
            "deviations first, and square those.",
            merging(squares_of=lambda b: (b**2).sum(1) - b.shape[1] * b.mean(1) ** 2),
            ("large-offset",),
            resembles=lambda theirs, expected: True,  # whatever rounding left over
        ),
    ),
    properties=(
        Property(
            "The result for one row changes when another row changes. No row knows of the others.",
            rows_are_independent,
        ),
        Property(
            "Your squares change when the same number is added to all values, those of the past "
            "(so to their mean) and those of the block. A spread should not notice.",
            squares_ignore_brightness,
        ),
    ),
)


# --- Instance norm in the cache -------------------------------------------------------------------

# 32 MiB, which is more than most caches hold, and so is every intermediate result of its size.
LARGE = (8, 32, 128, 128)
# Halfway, as ratios go, between the naive version (1) and the slowest that takes a plane at a time
# (1.4 to 1.7, with what the judge's messages cost).
TIMES = 6 / 5


def whole_array(x, gamma, beta, eps=1e-5):
    """The naive version: short, right, and every operation sweeps over the whole array."""
    mean = x.mean(axis=(2, 3), keepdims=True)
    variance = x.var(axis=(2, 3), keepdims=True)
    return gamma[:, None, None] * (x - mean) / np.sqrt(variance + eps) + beta[:, None, None]


def blocked_instance_norm(x, gamma, beta, eps=1e-5):
    """The kernel, for one image at a time: so a single thread does it, as in an answer."""
    y = np.empty_like(x)
    for n in range(len(x)):
        instance_norm(x[n : n + 1], gamma, beta, eps=eps, out=y[n : n + 1])
    return y


def row_by_row(x, gamma, beta, eps=1e-5):
    """The loops of an earlier exercise, but for the innermost."""
    y = np.empty_like(x)
    for n, c in np.ndindex(x.shape[:2]):
        plane, m = x[n, c], x[n, c].size
        mean = sum(row.sum() for row in plane) / m
        variance = sum(((row - mean) ** 2).sum() for row in plane) / m
        for h, row in enumerate(plane):
            y[n, c, h] = gamma[c] * (row - mean) / np.sqrt(variance + eps) + beta[c]
    return y


def by_planes(answer):
    """An answer that calls another one for every plane, which makes it fast enough."""

    def in_blocks(x, gamma, beta, eps=1e-5):
        y = np.empty_like(x)
        for n, c in np.ndindex(x.shape[:2]):
            y[n, c] = answer(x[n : n + 1, c : c + 1], gamma[c : c + 1], beta[c : c + 1], eps)[0, 0]
        return y

    return in_blocks


def by_blocks(planes_each, axes=(-2, -1), drop_the_rest=False, into=np.zeros_like):
    """An answer that takes so many planes at a time, with the statistics over `axes` of a block."""

    def answer(x, gamma, beta, eps=1e-5):
        y = into(x)
        rows, out = (a.reshape(-1, *x.shape[2:]) for a in (x, y))
        gamma, beta = (np.tile(p, len(x))[:, None, None] for p in (gamma, beta))
        count = len(rows) - len(rows) % planes_each if drop_the_rest else len(rows)
        for k in range(0, count, planes_each):
            block = np.s_[k : k + planes_each]
            out[block] = gamma[block] * standardise(rows[block], eps, axes) + beta[block]
        return y

    return answer


def large(rng):
    """Many planes, all with the same few values: it takes no memory until a function is called."""
    plane = rng.integers(8, 31, LARGE[2:]) * 1e3
    return plain({"x": np.broadcast_to(plane, LARGE)})


def wrong(name, standardiser, says, loses):
    return Misconception(name, says, by_planes(affine(standardiser)), loses)


AFFINE = Aspect(
    "affine",
    1,
    "Channel c is then multiplied by gamma[c], and beta[c] is added.",
    public=({"x": PAIR, "gamma": np.array([2.0, -0.5]), "beta": np.array([10.0, 20.0])},),
    hidden=lambda rng: [with_affine(rng, bright(rng, some_shape(rng))) for _ in range(3)],
)

BLOCKED_ASPECTS = (
    EVERY_PLANE,
    AFFINE,
    EPS,
    LARGE_OFFSET,
    NEW_ARRAY,
    Aspect(
        "speed",
        2,
        "On an array of 32 MiB, right, in five sixths of the naive version's time at most.",
        public=(large(np.random.default_rng(5)),),
        hidden=lambda rng: [large(rng)],
        pace=Pace(whole_array, TIMES),
    ),
)
BLOCKED_ALL = tuple(aspect.name for aspect in BLOCKED_ASPECTS)

BLOCKED = Exercise(
    id="blocked-instance-norm",
    signature="blocked_instance_norm(x, gamma, beta, eps=1e-5)",
    returns=("y",),
    reference=blocked_instance_norm,
    aspects=BLOCKED_ASPECTS,
    misconceptions=(
        Misconception(
            "the-whole-array-at-a-time",
            "Your numbers are right, and your function takes about as long as the naive one. Each "
            "NumPy operation still reads and writes 32 MiB, more than the cache holds, so the "
            "processor waits for memory at every step. Take a plane, or a few, through all the "
            "steps before you touch the next; and work in place, so that no step asks for new "
            "memory.",
            whole_array,
            ("speed",),
            speeds=(0.5, np.inf),
        ),
        Misconception(
            "blocks-too-small",
            "Your numbers are right, and your function is much slower than the naive one. Every "
            "NumPy call costs a microsecond or so before any number is touched; with a call for "
            "every row, or every pixel, that is where the time goes. Blocks should be as large as "
            "the cache allows, not as small as can be: a whole plane at least.",
            row_by_row,
            ("speed",),
            speeds=(0, 0.5),
        ),
        Misconception(
            "blocks-share-their-statistics",
            "Your output is what you get when the two planes of a block have one mean and one "
            "variance. A block is for the sake of the cache; the statistics still belong to each "
            "plane.",
            by_blocks(2, axes=None),
            ("every-plane",),
        ),
        Misconception(
            "drops-the-last-block",
            "Your last planes stay 0. How many planes are left when their number is no multiple of "
            "your block, and who takes care of them?",
            by_blocks(4, drop_the_rest=True),
            BLOCKED_ALL[:-1],
        ),
        wrong(
            "divides-by-m-minus-1",
            partial(standardise, ddof=1),
            "Your output is what you get when the variance is divided by m - 1. The plane is all "
            "there is: its variance is the plain mean of the squared deviations.",
            BLOCKED_ALL,
        ),
        wrong(
            "forgets-the-root",
            partial(standardise, scale=lambda var, eps: var + eps),
            "Your output is what you get when you divide by the variance. If x is in counts, the "
            "variance is in counts squared, and the result should have no unit at all.",
            BLOCKED_ALL,
        ),
        wrong(
            "scales-only",
            scale_only,
            "Your output is what you get when you divide by the spread without subtracting the "
            "mean. The contrast is gone; the brightness is still there.",
            BLOCKED_ALL,
        ),
        wrong(
            "eps-outside-the-root",
            partial(standardise, scale=lambda var, eps: np.sqrt(var) + eps),
            "Your output is what you get when eps is added to the standard deviation. The "
            "definition adds it to something else, one step earlier.",
            ("eps",),
        ),
        wrong(
            "forgets-eps",
            partial(standardise, scale=lambda var, eps: np.sqrt(var)),
            "Your output is what you get with eps = 0: a faint plane is blown up too far, and a "
            "flat one becomes 0 / 0.",
            ("eps",),
        ),
        Misconception(
            "forgets-gamma-and-beta",
            "Your output is the standardised picture itself: gamma and beta have no effect on it.",
            by_planes(affine_by(lambda y, gamma, beta: y)),
            ("affine",),
        ),
        Misconception(
            "shifts-before-scaling",
            "Your output is what you get when beta is added first and gamma multiplies the sum. "
            "Which of the two should come last?",
            by_planes(
                affine_by(lambda y, gamma, beta: per_channel(gamma) * (y + per_channel(beta)))
            ),
            ("affine",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the array that you were given. "
            "Working in place is the right idea: in place in the result.",
            by_blocks(1, into=lambda x: x),
            ("array",),
        ),
        Misconception(
            "one-pass-variance",
            "Your output loses its digits when the mean is much larger than the spread. That is "
            "what happens when the variance is computed as mean(x²) - mean(x)², to save a pass. "
            "In the cache a second pass costs next to nothing: subtract before you square.",
            by_planes(affine(one_pass)),
            ("large-offset",),
            resembles=only_rescaled,
        ),
    ),
    properties=IMAGE_PROPERTIES,
)


# --- Instance norm for any array library ----------------------------------------------------------


def floating_only(x, gamma, beta, eps=1e-5):
    """The reference; a standard library's mean refuses whole numbers, and so does the kernel."""
    return instance_norm(x, gamma, beta, eps=eps)


def like_x(parameter, x):
    return parameter.reshape(-1, *(1 for _ in x.shape[2:]))


def portable(
    axes=lambda x: tuple(range(2, x.ndim)),
    apply=lambda y, gamma, beta: gamma * y + beta,
    floating=True,
    standardise=standardise,
    eps_of=lambda eps: eps,
    result=lambda y: y,
):
    """An answer with something else in one place."""

    def answer(x, gamma, beta, eps=1e-5):
        if floating and x.dtype.kind != "f":
            raise TypeError
        y = standardise(x, eps_of(eps), axes(x))
        return result(apply(y, like_x(gamma, x), like_x(beta, x)))

    return answer


def portable_in_place(x, gamma, beta, eps=1e-5):
    x[...] = floating_only(x, gamma, beta, eps)
    return x


def chequered(rng, dtype):
    """A picture of this dtype that every right program standardises to exactly ±1, at eps = 0."""
    n, c, h, w = (2 * int(size) for size in rng.choice(np.arange(1, 5), 4, replace=False))
    signs = np.where(np.add.outer(np.arange(h), np.arange(w)) % 2, 1.0, -1.0)
    level, contrast = 2.0 ** rng.integers(3, 6), rng.choice([0.5, 2.0, 4.0])
    x = np.broadcast_to(level + contrast * signs, (n, c, h, w))
    affine = np.ones(c), np.zeros(c)
    x, gamma, beta = (a.astype(dtype) for a in (x, *affine))
    return {"x": x, "gamma": gamma, "beta": beta, "eps": 0.0}


def some_dtypes(rng):
    numbers = plain({"x": rng.integers(0, 256, some_shape(rng))})
    return [chequered(rng, np.float32), chequered(rng, np.float64), numbers]


def of_rank(rng, rank):
    shape = (*some_shape(rng), int(rng.integers(2, 5)))[:rank]
    planes = (*shape[:2], *(1 for _ in shape[2:]))
    return plain({"x": rng.uniform(8e3, 3e4, planes) + 4e3 * rng.standard_normal(shape)})


LINE = np.array([[[1000.0, 3000.0, 4000.0, 8000.0], [6000.0, 8000.0, 14000.0, 9000.0]]])

PORTABLE_ASPECTS = (
    Aspect(
        "every-plane",
        2,
        "Each channel of each image is standardised by itself, with the standard's functions.",
        public=(plain({"x": BATCH}),),
        hidden=lambda rng: [plain({"x": counts(rng, some_shape(rng))}) for _ in range(4)],
    ),
    Aspect(
        "any-rank",
        1,
        "Also for signals (N, C, L) and volumes (N, C, D, H, W).",
        public=(plain({"x": LINE}), plain({"x": BATCH.reshape(2, 3, 2, 2, 2)})),
        hidden=lambda rng: [of_rank(rng, 3), of_rank(rng, 5)],
    ),
    AFFINE,
    EPS,
    Aspect(
        "dtype",
        2,
        "A new array of x's own dtype, float32 or float64. Whole numbers, which have no mean in "
        "the standard, are refused with TypeError. x is unchanged.",
        public=tuple(some_dtypes(np.random.default_rng(8))),
        hidden=some_dtypes,
        strict=True,
    ),
)
PORTABLE_ALL = tuple(aspect.name for aspect in PORTABLE_ASPECTS)


def not_portable(name, says, loses, **change):
    return Misconception(name, says, portable(**change), loses)


PORTABLE = Exercise(
    id="array-api-instance-norm",
    signature="array_api_instance_norm(x, gamma, beta, eps=1e-5)",
    returns=("y",),
    reference=floating_only,
    aspects=PORTABLE_ASPECTS,
    misconceptions=(
        not_portable(
            "two-spatial-axes-only",
            "Your function averages over axes 2 and 3, whatever the rank of x. A volume keeps its "
            "last axis then, and a signal has no axis 3 at all. x.ndim says how many there are.",
            ("any-rank",),
            axes=lambda x: (2, 3),
        ),
        not_portable(
            "the-last-two-axes",
            "Your function averages over the last two axes. In a volume there are three to average "
            "over; in a signal there is one, and the other of your two is the channel.",
            ("any-rank",),
            axes=lambda x: (-2, -1),
        ),
        not_portable(
            "statistics-of-the-batch",
            "Your output is what you get when the images of a batch share one mean and one "
            "variance per channel. That is batch norm.",
            ("every-plane", "any-rank"),
            axes=lambda x: (0, *range(2, x.ndim)),
        ),
        not_portable(
            "statistics-of-the-image",
            "Your output is what you get when all channels of an image share one mean and one "
            "variance. That is layer norm.",
            ("every-plane", "any-rank"),
            axes=lambda x: tuple(range(1, x.ndim)),
        ),
        not_portable(
            "divides-by-m-minus-1",
            "Your output is what you get when the variance is divided by m - 1. The standard's var "
            "divides by m unless you ask for a correction.",
            PORTABLE_ALL,
            standardise=partial(standardise, ddof=1),
        ),
        not_portable(
            "scales-only",
            "Your output is what you get when you divide by the spread without subtracting the "
            "mean. The contrast is gone; the brightness is still there.",
            PORTABLE_ALL,
            standardise=scale_only,
        ),
        not_portable(
            "divides-by-the-variance",
            "Your output is what you get when you divide by the variance. The result should have "
            "no unit at all.",
            PORTABLE_ALL,
            standardise=partial(standardise, scale=lambda var, eps: var + eps),
        ),
        not_portable(
            "eps-outside-the-root",
            "Your output is what you get when eps is added to the standard deviation. The "
            "definition adds it to something else, one step earlier.",
            ("eps",),
            standardise=partial(standardise, scale=lambda var, eps: np.sqrt(var) + eps),
        ),
        not_portable(
            "forgets-eps",
            "Your output is what you get with eps = 0: a faint plane is blown up too far, and a "
            "flat one becomes 0 / 0.",
            ("eps",),
            eps_of=lambda eps: 0.0,
        ),
        not_portable(
            "forgets-gamma-and-beta",
            "Your output is the standardised picture itself: gamma and beta have no effect on it.",
            ("affine",),
            apply=lambda y, gamma, beta: y,
        ),
        not_portable(
            "shifts-before-scaling",
            "Your output is what you get when beta is added first and gamma multiplies the sum. "
            "Which of the two should come last?",
            ("affine",),
            apply=lambda y, gamma, beta: gamma * (y + beta),
        ),
        not_portable(
            "always-float64",
            "Your result is float64 even when x is float32. Somewhere an array of float64 joined "
            "in, and the wider dtype wins; a Python number would have left x's dtype alone. On a "
            "GPU that halves the speed, or worse.",
            ("dtype",),
            result=lambda y: y.astype(np.float64),
        ),
        not_portable(
            "accepts-whole-numbers",
            "Your function takes whole numbers and returns something. In the standard the mean of "
            "an integer array does not exist, because nobody agrees on its dtype.",
            ("dtype",),
            floating=False,
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the array that you were given. "
            "Make a new array for the result.",
            portable_in_place,
            ("dtype",),
        ),
    ),
    properties=IMAGE_PROPERTIES,
)

EXERCISES = (MERGING, BLOCKED, PORTABLE)
