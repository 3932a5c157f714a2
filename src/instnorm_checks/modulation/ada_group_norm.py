"""The exercise "ada-group-norm": group norm with a scale and shift for each image."""

import numpy as np

from instnorm.modulation import ada_group_norm

from ..cases import FAINT, FLAT, PAIR, bright, counts, faint_pictures, some_shape
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import (
    beside,
    fixed_eps,
    standardise,
    variance_itself,
    without_eps,
)


def ada_group_norm_reference(x, scale, shift, num_groups, eps=1e-5):
    return ada_group_norm(x, scale, shift, num_groups, eps=eps)


def per_plane(told):
    """(N, C) -> (N, C, 1, 1)."""
    return told[:, :, None, None]


def by_groups(x, num_groups):
    """(N, C, H, W) -> (N, G, C/G, H, W)."""
    return x.reshape(len(x), num_groups, x.shape[1] // num_groups, *x.shape[2:])


def group_by(axes=(2, 3, 4), **change):
    """An answer that standardises in another way."""

    def answer(x, scale, shift, num_groups, eps=1e-5):
        y = standardise(by_groups(x, num_groups), eps, axes, **change).reshape(x.shape)
        return (1 + per_plane(scale)) * y + per_plane(shift)

    return answer


def told_by(rule):
    """A wrong way to apply scale and shift, after the right group norm."""

    def answer(x, scale, shift, num_groups, eps=1e-5):
        y = standardise(by_groups(x, num_groups), eps, (2, 3, 4)).reshape(x.shape)
        return rule(y, scale, shift)

    return answer


def told_in_front(x, scale, shift, num_groups, eps=1e-5):
    x = (1 + per_plane(scale)) * x + per_plane(shift)
    return standardise(by_groups(x, num_groups), eps, (2, 3, 4)).reshape(x.shape)


def by_size(x, scale, shift, num_groups, eps=1e-5):
    return group_by()(x, scale, shift, x.shape[1] // num_groups, eps)


def in_place(x, scale, shift, num_groups, eps=1e-5):
    x[...] = ada_group_norm(x, scale, shift, num_groups, eps=eps)
    return x


def untold(x, num_groups, **rest):
    """Arguments in which scale and shift are 0."""
    nothing = np.zeros(x.shape[:2])
    return {"x": x, "scale": nothing, "shift": nothing.copy(), "num_groups": num_groups, **rest}


def divisor(rng, channels):
    return int(rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))


def told(rng, x=None):
    """Scales and shifts of their own for each image and channel, never near 0 or -1."""
    x = bright(rng, some_shape(rng)) if x is None else x
    scale, shift = rng.uniform(0.5, 2, (2, *x.shape[:2])) * rng.choice([-3, 1], (2, *x.shape[:2]))
    return untold(x, divisor(rng, x.shape[1]), scale=scale, shift=shift)


def unequal_groups(rng):
    """A number of groups that is neither 1 nor C, nor the size of a group."""
    for channels, num_groups in ((6, 2), (6, 3), (8, 2)):
        shape = (int(rng.integers(2, 5)), channels, *some_shape(rng)[2:])
        yield untold(counts(rng, shape), num_groups)


def a_message_moves_only_its_own_image(run, arguments):
    shift = arguments["shift"].copy()
    shift[:1] += 1
    return agree(run(shift=shift)[0][1:], run()[0][1:])


SEXTET = np.random.default_rng(6).integers(0, 65536, (2, 6, 2, 2)).astype(float)
PUBLIC_TOLD = {
    **untold(bright(np.random.default_rng(5), (2, 2, 2, 3)), 1),
    "scale": np.array([[1.0, -3.0], [0.5, 2.0]]),
    "shift": np.array([[10.0, 20.0], [-10.0, 40.0]]),
}

ADA_GROUP_NORM = Exercise(
    id="ada-group-norm",
    signature="ada_group_norm(x, scale, shift, num_groups, eps=1e-5)",
    returns=("y",),
    reference=ada_group_norm_reference,
    aspects=(
        Aspect(
            "untold",
            1,
            "With scale = 0 and shift = 0 it is plain group norm, each group of each image by "
            "itself.",
            public=(untold(SEXTET, 2), untold(SEXTET, 3)),
            hidden=unequal_groups,
        ),
        Aspect(
            "told",
            2,
            "Channel c of image n is multiplied by 1 + scale[n, c], and then shift[n, c] is added.",
            public=(PUBLIC_TOLD, told(np.random.default_rng(7))),
            hidden=lambda rng: [told(rng) for _ in range(4)],
        ),
        Aspect(
            "eps",
            1,
            "eps is added to the variance, inside the root; a flat group becomes its shift.",
            public=(untold(FAINT, 1, eps=1e-3), untold(FAINT, 2), untold(FLAT, 1)),
            hidden=lambda rng: [
                untold(a["x"], divisor(rng, a["x"].shape[1]), eps=a.get("eps", 1e-5))
                for a in faint_pictures(rng)
            ],
        ),
        Aspect(
            "array",
            1,
            "Right values, in a new float64 array of x's shape; no argument is changed.",
            public=(untold(PAIR, 2),),
            hidden=lambda rng: [untold(bright(rng, some_shape(rng)), 1) for _ in range(2)],
            strict=True,
        ),
    ),
    misconceptions=(
        Misconception(
            "forgets-the-1",
            "Your gain is scale, where it should be 1 + scale. A network that is told nothing, "
            "scale = 0, would hand on nothing at all.",
            told_by(lambda y, scale, shift: per_plane(scale) * y + per_plane(shift)),
            ALL,
        ),
        Misconception(
            "told-in-front-of-the-norm",
            "Your scale and shift are applied before the group norm, which then takes most of them "
            "away again. What must not be lost is said after the norm.",
            told_in_front,
            ("told",),
        ),
        Misconception(
            "shifts-before-scaling",
            "Your output is what you get when the shift is added first and then multiplied as "
            "well. Which of the two comes last?",
            told_by(lambda y, scale, shift: (1 + per_plane(scale)) * (y + per_plane(shift))),
            ("told",),
        ),
        Misconception(
            "forgets-the-shift",
            "Your output has the right gain and no shift.",
            told_by(lambda y, scale, shift: (1 + per_plane(scale)) * y),
            ("told",),
        ),
        Misconception(
            "forgets-the-scale",
            "Your output has the right shift and no gain: scale has no effect on it.",
            told_by(lambda y, scale, shift: y + per_plane(shift)),
            ("told",),
        ),
        Misconception(
            "swaps-scale-and-shift",
            "Your output is what you get when the shift multiplies and the scale is added.",
            told_by(lambda y, scale, shift: (1 + per_plane(shift)) * y + per_plane(scale)),
            ("told",),
        ),
        Misconception(
            "told-as-the-first-image",
            "All your images are told what the first one is told. scale and shift have a row for "
            "each image.",
            told_by(lambda y, scale, shift: (1 + per_plane(scale[:1])) * y + per_plane(shift[:1])),
            ("told",),
        ),
        Misconception(
            "takes-the-number-for-the-size",
            "Your output is what you get when num_groups is taken for the number of channels in a "
            "group.",
            by_size,
            ("untold",),
        ),
        Misconception(
            "one-plane-at-a-time",
            "Your output is modulated instance norm, whatever num_groups asks for. The channels of "
            "a group share their mean.",
            group_by((3, 4)),
            ("untold",),
        ),
        Misconception(
            "one-image-at-a-time",
            "Your output is modulated layer norm, whatever num_groups asks for: all channels of an "
            "image share one mean.",
            group_by((1, 2, 3, 4)),
            ("untold",),
        ),
        Misconception(
            "statistics-of-the-batch",
            "Your output is what you get when all images share the mean and variance of a group. "
            "Each image stands alone.",
            group_by((0, 2, 3, 4)),
            ("untold",),
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your output is what you get when the variance is divided by m - 1. To normalise, take "
            "the plain mean of the squared deviations.",
            group_by(ddof=1),
            ALL,
        ),
        Misconception(
            "divides-by-the-variance",
            "Your output is what you get when you divide by the variance, without a root.",
            group_by(scale=variance_itself),
            ALL,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your output is what you get when eps is added to the standard deviation. The "
            "definition adds it to something else, one step earlier.",
            group_by(scale=beside),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is what you get with eps = 0. A flat group becomes 0 / 0.",
            group_by(scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-5 whatever the caller asks for.",
            group_by(scale=fixed_eps),
            ("eps",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the array that you were given. Make "
            "a new array for the result.",
            in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "What one image is told changes another image.", a_message_moves_only_its_own_image
        ),
    ),
)
