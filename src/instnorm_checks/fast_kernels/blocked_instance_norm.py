"""The exercise "blocked-instance-norm": instance norm in the cache."""

from dataclasses import replace
from functools import partial

import numpy as np

from instnorm.norms import instance_norm

from ..cases import BATCH, PAIR, bright, counts, plain, some_shape, with_affine
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Pace
from ..properties import IMAGE_PROPERTIES
from ..the_algorithm.instance_norm import EPS, EVERY_PLANE, LARGE_OFFSET, NEW_ARRAY
from ..wrong import (
    affine,
    affine_by,
    beside,
    fixed_eps,
    one_pass,
    only_rescaled,
    per_channel,
    scale_only,
    standardise,
    summed_squares,
    variance_itself,
    without_eps,
)

# 32 MiB, which is more than most caches hold, and so is every intermediate result of its size.
LARGE = (8, 32, 128, 128)
# Between the naive version (1) and the slowest answers that take a plane at a time (1.4 to 1.7).
TIMES = 6 / 5


def whole_array(x, gamma, beta, eps=1e-5):
    """The naive version: short, right, and every operation sweeps over the whole array."""
    mean = x.mean(axis=(2, 3), keepdims=True)
    variance = x.var(axis=(2, 3), keepdims=True)
    return gamma[:, None, None] * (x - mean) / np.sqrt(variance + eps) + beta[:, None, None]


def blocked_instance_norm(x, gamma, beta, eps=1e-5):
    """The kernel, for four planes at a time: they stay in the cache, and one thread does it."""
    y = np.empty_like(x)
    for n in range(x.shape[0]):
        for c in range(0, x.shape[1], 4):
            planes, channels = np.s_[n : n + 1, c : c + 4], np.s_[c : c + 4]
            instance_norm(x[planes], gamma[channels], beta[channels], eps=eps, out=y[planes])
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


def shifts_the_deviations(x, gamma, beta, eps=1e-5):
    """beta joins the deviations before these are divided and multiplied by gamma."""
    root = np.sqrt(x.var((2, 3), keepdims=True) + eps)
    deviations = x - x.mean((2, 3), keepdims=True)
    return (deviations + per_channel(beta)) * per_channel(gamma) / root


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
    replace(EVERY_PLANE, points=3),
    AFFINE,
    EPS,
    LARGE_OFFSET,
    # Its planes differ, so taking a block or the whole array for a plane fails here too.
    replace(
        NEW_ARRAY,
        public=(plain({"x": BATCH}),),
        hidden=lambda rng: [plain({"x": counts(rng, some_shape(rng))}) for _ in range(2)],
    ),
    Aspect(
        "speed",
        0,
        "For comparison: on an array of 32 MiB, five sixths of the naive version's time at most.",
        public=(large(np.random.default_rng(5)),),
        hidden=lambda rng: [large(rng)],
        pace=Pace(whole_array, TIMES),
    ),
)

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
            ("every-plane", "array"),
        ),
        Misconception(
            "drops-the-last-block",
            "Your last planes stay 0. How many planes are left when their number is no multiple of "
            "your block, and who takes care of them?",
            by_blocks(4, drop_the_rest=True),
            tuple(aspect.name for aspect in BLOCKED_ASPECTS[:-1]),
        ),
        wrong(
            "divides-by-m-minus-1",
            partial(standardise, ddof=1),
            "Your output is what you get when the variance is divided by m - 1. The plane is all "
            "there is: its variance is the plain mean of the squared deviations.",
            ALL,
        ),
        wrong(
            "forgets-the-root",
            partial(standardise, scale=variance_itself),
            "Your output is what you get when you divide by the variance. If x is in counts, the "
            "variance is in counts squared, and the result should have no unit at all.",
            ALL,
        ),
        wrong(
            "scales-only",
            scale_only,
            "Your output is what you get when you divide by the spread without subtracting the "
            "mean. The contrast is gone; the brightness is still there.",
            ALL,
        ),
        wrong(
            "eps-outside-the-root",
            partial(standardise, scale=beside),
            "Your output is what you get when eps is added to the standard deviation. The "
            "definition adds it to something else, one step earlier.",
            ("eps",),
        ),
        wrong(
            "forgets-eps",
            partial(standardise, scale=without_eps),
            "Your output is what you get with eps = 0: a faint plane is blown up too far, and a "
            "flat one becomes 0 / 0.",
            ("eps",),
        ),
        Misconception(
            "forgets-beta",
            "Your output is what you get when gamma multiplies and beta is not added.",
            by_planes(affine_by(lambda y, gamma, beta: per_channel(gamma) * y)),
            ("affine",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-5 whatever the caller asks for. Is the "
            "number written out somewhere in your function?",
            by_planes(affine(partial(standardise, scale=fixed_eps))),
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
            also=(by_planes(shifts_the_deviations),),
        ),
        wrong(
            "sum-for-the-variance",
            summed_squares,
            "Your output is what you get when the variance is the sum of the squared deviations. "
            "np.vdot adds up, and the variance is a mean: divide by the number of values.",
            ALL,
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
