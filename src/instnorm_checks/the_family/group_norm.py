"""The exercise "group-norm": group norm."""

import numpy as np

from instnorm.norms import group_norm

from ..cases import FAINT, FLAT, PAIR, bright, counts, faint_pictures, some_shape, with_affine
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import on_the_last_axis, per_channel, scale_only, standardise
from .shared import GAIN, SHIFT, divides_by_m_minus_1, first_image_stays, wrong_arithmetic


def group_norm_reference(x, num_groups, gamma, beta, eps=1e-5):
    return group_norm(x, num_groups, gamma, beta, eps=eps)


def by_groups(x, num_groups):
    """(N, C, H, W) -> (N, G, C/G, H, W); NumPy raises ValueError where G does not divide C."""
    return x.reshape(len(x), num_groups, x.shape[1] // num_groups, *x.shape[2:])


def by_size(x, size):
    """The same with groups of that size."""
    return x.reshape(len(x), x.shape[1] // size, size, *x.shape[2:])


def by_cutting(x, num_groups):
    """Into G equal parts, even if the cuts go through channels."""
    return x.reshape(len(x), num_groups, -1, 1, 1)


def grouped(split=by_groups, axes=(2, 3, 4), **change):
    """An answer that groups in another way, or standardises the groups in another way."""

    def answer(x, num_groups, gamma, beta, eps=1e-5):
        y = standardise(split(x, num_groups), eps, axes, **change).reshape(x.shape)
        return per_channel(gamma) * y + per_channel(beta)

    return answer


def mean_of_variances(x, num_groups, gamma, beta, eps=1e-5):
    """The mean is that of the group; the variance is averaged over its channels."""
    groups = by_groups(x, num_groups)
    variance = groups.var((3, 4), keepdims=True).mean(2, keepdims=True)
    y = (groups - groups.mean((2, 3, 4), keepdims=True)) / np.sqrt(variance + eps)
    return per_channel(gamma) * y.reshape(x.shape) + per_channel(beta)


def group_affine_by(rule):
    """A wrong way to apply gamma and beta to the right standardised array."""

    def answer(x, num_groups, gamma, beta, eps=1e-5):
        y = standardise(by_groups(x, num_groups), eps, (2, 3, 4)).reshape(x.shape)
        return rule(y, gamma, beta, num_groups)

    return answer


def one_pair_per_group(y, gamma, beta, num_groups):
    size = gamma.size // num_groups
    gamma, beta = (np.repeat(p[:num_groups], size) for p in (gamma, beta))
    return per_channel(gamma) * y + per_channel(beta)


def leaves_out_the_rest(x, num_groups, gamma, beta, eps=1e-5):
    y, size = np.zeros_like(x), x.shape[1] // num_groups
    for first in range(0, num_groups * size, max(size, 1)):
        group = slice(first, first + size)
        y[:, group] = standardise(x[:, group], eps, (1, 2, 3))
    return per_channel(gamma) * y + per_channel(beta)


def group_norm_in_place(x, num_groups, gamma, beta, eps=1e-5):
    x[...] = group_norm(x, num_groups, gamma, beta, eps=eps)
    return x


def in_groups(x, num_groups, **rest):
    """Arguments with gamma = 1 and beta = 0 unless given."""
    channels = x.shape[1]
    affine = {"gamma": np.ones(channels), "beta": np.zeros(channels)}
    return {"x": x, "num_groups": num_groups, **affine, **rest}


def some_groups(rng, x):
    """Any number of groups that x can be split into."""
    channels = x.shape[1]
    return int(rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))


def in_some_groups(rng, x, **rest):
    return in_groups(x, some_groups(rng, x), **rest)


def unequal_groups(rng):
    """A number of groups that is neither 1 nor C, nor the size of a group."""
    for channels, num_groups in ((6, 2), (6, 3), (8, 2)):
        spatial = some_shape(rng)[2:]
        yield in_groups(counts(rng, (int(rng.integers(2, 5)), channels, *spatial)), num_groups)


def both_ends(rng):
    for num_groups in (lambda channels: channels, lambda channels: 1):
        x = counts(rng, some_shape(rng))
        yield in_groups(x, num_groups(x.shape[1]))


def affine_groups(rng):
    """Two channels or more in each group, several groups, and a pair for each channel."""
    for channels, num_groups in ((6, 2), (6, 3), (4, 2)):
        spatial = some_shape(rng)[2:]
        x = bright(rng, (int(rng.choice([2, 3, 5])), channels, *spatial))
        yield in_groups(num_groups=num_groups, **with_affine(rng, x))


def divisions(rng):
    """Numbers of groups that divide the channels, and some that do not."""
    n, size = int(rng.integers(2, 5)), int(rng.choice([4, 8]))
    yield in_groups(bright(rng, (n, 6, 3, size)), 3)
    yield in_groups(bright(rng, (n, 5, 3, size)), 2)  # C·H·W can be divided
    yield in_groups(bright(rng, (n, 6, 3, size)), 4)
    yield in_groups(bright(rng, (n, 4, 3, size)), 7)  # more groups than channels


def faint_groups(rng):
    return [in_some_groups(rng, **arguments) for arguments in faint_pictures(rng)]


QUARTET = np.random.default_rng(5).integers(0, 65536, (2, 4, 2, 3)).astype(float)
SEXTET = np.random.default_rng(6).integers(0, 65536, (2, 6, 2, 2)).astype(float)
# C = W: broadcasting along a wrong axis goes unnoticed here.
AS_WIDE_AS_DEEP = in_groups(
    num_groups=2,
    **with_affine(np.random.default_rng(8), bright(np.random.default_rng(9), (2, 4, 3, 4))),
)

GROUP_ASPECTS = (
    Aspect(
        "groups",
        2,
        "Neighbouring channels make a group, num_groups in all; each is standardised by itself.",
        public=(in_groups(SEXTET, 2), in_groups(SEXTET, 3)),
        hidden=unequal_groups,
    ),
    Aspect(
        "ends",
        1,
        "num_groups = C is instance norm, num_groups = 1 is layer norm.",
        public=(in_groups(QUARTET, 4), in_groups(QUARTET, 1)),
        hidden=both_ends,
    ),
    Aspect(
        "affine",
        1,
        "Channel c, whatever its group, is then multiplied by gamma[c], and beta[c] is added.",
        public=(*affine_groups(np.random.default_rng(7)), AS_WIDE_AS_DEEP),
        hidden=affine_groups,
    ),
    Aspect(
        "divides",
        1,
        "num_groups must divide C: otherwise the function raises ValueError.",
        public=tuple(divisions(np.random.default_rng(10))),
        hidden=divisions,
        raises=ValueError,
    ),
    Aspect(
        "eps",
        1,
        "eps is added to the variance, inside the root; a flat group becomes beta.",
        public=(in_groups(FAINT, 1, eps=1e-3), in_groups(FAINT, 2), in_groups(FLAT, 1)),
        hidden=faint_groups,
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array of x's shape; no argument is changed.",
        public=(in_groups(PAIR, 2),),
        hidden=lambda rng: [in_some_groups(rng, bright(rng, some_shape(rng))) for _ in range(2)],
        strict=True,
    ),
)

GROUPS = Exercise(
    id="group-norm",
    signature="group_norm(x, num_groups, gamma, beta, eps=1e-5)",
    returns=("y",),
    reference=group_norm_reference,
    aspects=GROUP_ASPECTS,
    misconceptions=(
        Misconception(
            "takes-the-number-for-the-size",
            "Your output is what you get when num_groups is taken for the number of channels in a "
            "group. Then num_groups = 1 gives instance norm and num_groups = C layer norm: the "
            "ends are exchanged.",
            grouped(by_size),
            ("groups", "ends"),
        ),
        Misconception(
            "interleaved-groups",
            "Your output is what you get when channel c goes to group c mod num_groups, as cards "
            "are dealt. Groups are blocks of neighbours: with 6 channels in 2 groups, 0 1 2 and "
            "3 4 5. In which order do the two new axes of a reshape stand?",
            grouped(by_size, (1, 3, 4)),
            ("groups",),
        ),
        Misconception(
            "statistics-of-the-batch",
            "Your output is what you get when all images share the mean and variance of a group. "
            "Group norm was invented to be rid of the batch: each image stands alone.",
            grouped(axes=(0, 2, 3, 4)),
            ("groups", "ends"),
        ),
        Misconception(
            "one-plane-at-a-time",
            "Your output is instance norm, whatever num_groups asks for: each channel is "
            "standardised by itself. The channels of a group share their mean.",
            grouped(axes=(3, 4)),
            ("groups", "ends"),
        ),
        Misconception(
            "one-image-at-a-time",
            "Your output is layer norm, whatever num_groups asks for: all channels of an image "
            "share one mean. Which axes run inside one group, and which one counts the groups?",
            grouped(axes=(1, 2, 3, 4)),
            ("groups", "ends"),
        ),
        Misconception(
            "one-pixel-at-a-time",
            "Your output is what you get when each pixel is standardised over the channels of its "
            "group. A group pools its channels and all positions.",
            grouped(axes=2),
            ALL,
        ),
        Misconception(
            "averages-the-variances",
            "Your variance is the mean of the variances of a group's channels. These are "
            "deviations from each channel's own mean; what the means differ among each other is "
            "missing. Take one variance of all the group's values, about their one mean.",
            mean_of_variances,
            ("groups", "ends"),
        ),
        Misconception(
            "gamma-per-group",
            "Your output is what you get when each group has one gamma and one beta. "
            "Statistics belong to groups; gamma and beta to channels, as in the whole family.",
            group_affine_by(one_pair_per_group),
            ("affine",),
        ),
        Misconception(
            "forgets-beta",
            "Your output is what you get when gamma multiplies and beta is not added.",
            group_affine_by(lambda y, gamma, beta, num_groups: per_channel(gamma) * y),
            ("affine",),
        ),
        Misconception(
            "forgets-gamma",
            "Your output is what you get when beta is added and gamma does not multiply.",
            group_affine_by(lambda y, gamma, beta, num_groups: y + per_channel(beta)),
            ("affine",),
        ),
        Misconception(
            "forgets-gamma-and-beta",
            "Your output is standardised and nothing more: gamma and beta have no effect on it.",
            group_affine_by(lambda y, gamma, beta, num_groups: y),
            ("affine",),
        ),
        Misconception(
            "gamma-on-the-last-axis",
            "Your output is what you get when gamma and beta run along the last axis, the width. "
            "NumPy lines shapes up from the right: (C,) needs two axes of length 1 on its right.",
            group_affine_by(lambda y, gamma, beta, num_groups: on_the_last_axis(y, gamma, beta)),
            ALL,
            raises=ValueError,
        ),
        Misconception(
            "cuts-through-channels",
            "Your groups cut channels in two when num_groups does not divide C. A reshape with -1 "
            "asks only whether C·H·W can be divided. Ask about C before you reshape, and raise "
            "ValueError.",
            grouped(by_cutting),
            ("divides",),
        ),
        Misconception(
            "leaves-out-the-rest",
            "Your function leaves the last channels at zero when num_groups does not divide C: "
            "C // num_groups rounds down, silently. Ask first, and raise ValueError.",
            leaves_out_the_rest,
            ("divides",),
        ),
        divides_by_m_minus_1(grouped(ddof=1), ALL),
        *wrong_arithmetic(grouped, ALL),
        Misconception(
            "centres-only",
            "Your output is what you get when the mean is subtracted and nothing else.",
            grouped(scale=lambda var, eps: 1.0),
            ALL,
        ),
        Misconception(
            "scales-only",
            "Your output is what you get when you divide by the spread without subtracting the "
            "mean.",
            lambda x, num_groups, gamma, beta, eps=1e-5: (
                per_channel(gamma)
                * scale_only(by_groups(x, num_groups), eps, (2, 3, 4)).reshape(x.shape)
                + per_channel(beta)
            ),
            ALL,
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the array that you were given. "
            "Make a new array for the result.",
            group_norm_in_place,
            ("array",),
        ),
    ),
    properties=(
        SHIFT,
        GAIN,
        Property(
            "The output for one image changes when another image of the batch changes. In group "
            "norm no image knows of the others.",
            lambda run, arguments: first_image_stays(run, arguments["x"]),
        ),
    ),
)
