"""The assignment "The family": whose mean is it? By axes, by groups, and with a memory.

Each aspect is about one idea. `instnorm.checks.standardising` says how its pictures see to that; in
`checkered` pictures no choice of axes can be seen at all.
"""

from functools import partial, reduce

import numpy as np

from ..family import MEMBERS, identify, normalize
from ..norms import batch_norm, group_norm
from .compare import agree
from .exercise import Aspect, Exercise, Misconception, Property
from .standardising import (
    BATCH,
    FAINT,
    FLAT,
    PAIR,
    bright,
    counts,
    faint_pictures,
    ignores_brightness,
    ignores_contrast,
    scale_only,
    some_shape,
    standardise,
)
from .the_algorithm import on_the_last_axis, per_channel, with_affine

# --- What the exercises share ---------------------------------------------------------------------

AXES = {"BN": (0, 2, 3), "LN": (1, 2, 3), "IN": (2, 3)}


def checkered(rng, contrast=1.0, level=0.0):
    """A chessboard in four dimensions: along every line, as many values high as low.

    So a mean and a variance are the same over whichever axes they are taken.
    """
    signs = [rng.permutation(np.tile([-1.0, 1.0], n // 2)) for n in rng.permutation([2, 4, 6, 8])]
    return level + contrast * reduce(np.multiply, np.ix_(*signs))


def faint_eps(rng):
    """An eps, and a contrast whose square is within a factor of ten of it."""
    eps = 10 ** rng.uniform(-6, -1)
    return eps, np.sqrt(eps * 10 ** rng.uniform(-1, 1))


def wrong_arithmetic(by, every_aspect):
    """The misconceptions that the exercises share; `by(scale=...)` makes an answer."""
    return (
        Misconception(
            "divides-by-the-variance",
            "Your output is what you get when you divide by the variance. If x is in counts, the "
            "variance is in counts squared, and the result should have no unit at all.",
            by(scale=lambda var, eps: var + eps),
            every_aspect,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your output is what you get when eps is added to the standard deviation. The "
            "definition adds it to something else, one step earlier.",
            by(scale=lambda var, eps: np.sqrt(var) + eps),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is what you get with eps = 0. Nobody sees the difference in a bright "
            "picture; a faint one is blown up too far, and a flat one becomes 0 / 0.",
            by(scale=lambda var, eps: np.sqrt(var)),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-5 whatever the caller asks for. Is the "
            "number written out somewhere in your function?",
            by(scale=lambda var, eps: np.sqrt(var + 1e-5)),
            ("eps",),
        ),
    )


def divides_by_m_minus_1(answer, loses):
    return Misconception(
        "divides-by-m-minus-1",
        "Your output is what you get when the variance is divided by m - 1. To normalise, the "
        "family takes the plain mean of the squared deviations, over however many values it pools.",
        answer,
        loses,
    )


SHIFT = Property(
    "Adding one number to every value of x changes your output, though the mean should take that "
    "number away again.",
    ignores_brightness,
)
GAIN = Property(
    "Doubling x (and eps fourfold, in step with the variance) changes the output, though the "
    "standard deviation should take the factor away again.",
    ignores_contrast,
)


def first_image_stays(run, x):
    """Whether the output for the first image is the same when the others change."""
    others = np.concatenate([x[:1], 3 * x[1:] + 1])
    return agree(run(x=others)[0][:1], run()[0][:1])


# --- Which axes? ----------------------------------------------------------------------------------


def normalized_over(**axes):
    """An answer that takes other axes for some of the modes."""
    return lambda x, mode, eps=1e-5: standardise(x, eps, {**AXES, **axes}[mode])


def normalized_by(**change):
    return lambda x, mode, eps=1e-5: standardise(x, eps, AXES[mode], **change)


def normalizes_in_place(x, mode, eps=1e-5):
    x[...] = normalize(x, mode, eps)
    return x


def in_every_mode(x, **rest):
    return tuple({"x": x, "mode": mode, **rest} for mode in MEMBERS)


def faint_boards(rng):
    for mode in MEMBERS:
        eps, contrast = faint_eps(rng)
        yield {"x": checkered(rng, contrast, contrast), "mode": mode, "eps": eps}


def one_mode(mode, says):
    return Aspect(
        {"BN": "batch", "LN": "layer", "IN": "instance"}[mode],
        1,
        says,
        public=({"x": BATCH, "mode": mode},),
        hidden=lambda rng: [{"x": counts(rng, some_shape(rng)), "mode": mode} for _ in range(4)],
    )


def strangers_do_not_matter(run, arguments):
    return arguments["mode"] == "BN" or first_image_stays(run, arguments["x"])


def colours_do_not_matter(run, arguments):
    x = arguments["x"].copy()
    x[:, 1:] = 3 * x[:, 1:] + 1
    return arguments["mode"] == "LN" or agree(run(x=x)[0][:, :1], run()[0][:, :1])


BOARD = checkered(np.random.default_rng(4), contrast=0.01, level=0.05)

AXES_ASPECTS = (
    one_mode("BN", '"BN": one mean and one variance for each channel.'),
    one_mode("LN", '"LN": one mean and one variance for each image.'),
    one_mode("IN", '"IN": one mean and one variance for each channel of each image.'),
    Aspect(
        "eps",
        1,
        "eps is added to the variance, inside the root, in every mode; a flat x becomes 0.",
        public=(
            *in_every_mode(BOARD, eps=1e-3),
            *in_every_mode(BOARD),
            *in_every_mode(np.full((2, 2, 2, 2), 7.0)),
        ),
        hidden=faint_boards,
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array of x's shape; x is unchanged.",
        public=in_every_mode(1e6 * BOARD),
        hidden=lambda rng: in_every_mode(checkered(rng, 5e3, 2e4)),
        strict=True,
    ),
)
AXES_ALL = tuple(aspect.name for aspect in AXES_ASPECTS)

WHICH_AXES = Exercise(
    id="normalize-over",
    signature="normalize(x, mode, eps=1e-5)",
    returns=("y",),
    reference=normalize,
    aspects=AXES_ASPECTS,
    misconceptions=(
        Misconception(
            "layer-norm-per-pixel",
            "Your LN is what you get when each pixel is standardised over its channels. That is "
            "the layer norm of transformers, where a token has no height and no width. For an "
            "image, one mean is shared by everything in it.",
            normalized_over(LN=1),
            ("layer",),
        ),
        Misconception(
            "batch-norm-per-pixel",
            "Your BN is what you get when each pixel is standardised over the images alone. A "
            "channel looks for the same thing wherever it looks, so its positions are pooled too.",
            normalized_over(BN=0),
            ("batch",),
        ),
        Misconception(
            "batch-norm-over-everything",
            "Your BN is what you get with a single mean and variance for the whole array. BN mixes "
            "the images, but not the channels: how many means should there be?",
            normalized_over(BN=None),
            ("batch",),
        ),
        Misconception(
            "layer-norm-over-everything",
            "Your LN is what you get with a single mean and variance for the whole array. LN mixes "
            "the channels, but not the images: how many means should there be?",
            normalized_over(LN=None),
            ("layer",),
        ),
        Misconception(
            "instance-norm-per-row",
            "Your IN is what you get when every row of a plane has its own mean and variance. One "
            "channel of one image is a plane, and a plane has two axes.",
            normalized_over(IN=-1),
            ("instance",),
        ),
        Misconception(
            "swaps-layer-and-instance",
            "Your LN is instance norm and your IN is layer norm. A layer, here, is all the "
            "channels of one image. Which of the two knows several channels?",
            normalized_over(LN=AXES["IN"], IN=AXES["LN"]),
            ("layer", "instance"),
        ),
        Misconception(
            "swaps-batch-and-layer",
            "Your BN is layer norm and your LN is batch norm. The tuple names the axes that are "
            "averaged away: batch norm averages the batch away.",
            normalized_over(BN=AXES["LN"], LN=AXES["BN"]),
            ("batch", "layer"),
        ),
        Misconception(
            "averages-over-the-axes-to-keep",
            "Your function averages over the axes that it should keep. `axis` names those that "
            "disappear: after a mean over axes 2 and 3 a mean is left for each n and c.",
            normalized_over(BN=1, LN=0, IN=(0, 1)),
            ("batch", "layer", "instance"),
        ),
        Misconception(
            "instance-norm-in-every-mode",
            "Your output is instance norm, whatever mode asks for. Does your function look at mode "
            "at all?",
            normalized_over(BN=AXES["IN"], LN=AXES["IN"]),
            ("batch", "layer"),
        ),
        Misconception(
            "centres-only",
            "Your output is what you get when the mean is subtracted and nothing else.",
            normalized_by(scale=lambda var, eps: 1.0),
            AXES_ALL,
        ),
        Misconception(
            "scales-only",
            "Your output is what you get when you divide by the spread without subtracting the "
            "mean.",
            lambda x, mode, eps=1e-5: scale_only(x, eps, AXES[mode]),
            AXES_ALL,
        ),
        divides_by_m_minus_1(normalized_by(ddof=1), AXES_ALL),
        *wrong_arithmetic(normalized_by, AXES_ALL),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the array that you were given. "
            "Make a new array for the result.",
            normalizes_in_place,
            ("array",),
        ),
    ),
    properties=(
        SHIFT,
        GAIN,
        Property(
            "The output for one image changes when another image of the batch changes. In this "
            "family only batch norm lets images know of each other.",
            strangers_do_not_matter,
        ),
        Property(
            "The output of one channel changes when another channel changes. In BN and IN no "
            "channel knows of the others.",
            colours_do_not_matter,
        ),
    ),
)


# --- The black box --------------------------------------------------------------------------------


def box(x, mode, eps=1e-5):
    """What a black box has been seen to do."""
    return {"x": x, "y": normalize(x, mode, eps), "eps": eps}


def per_pixel(x, eps=1e-5):
    """A box that is none of the three: each pixel is standardised over the channels."""
    return {"x": x, "y": standardise(x, eps, 1), "eps": eps}


def boxes(x, *modes):
    return tuple(box(x, mode) for mode in modes)


def shape_with(rng, **lengths):
    """(N, C, H, W), all different but for the lengths that are given."""
    return tuple(lengths.get(axis, n) for axis, n in zip("NCHW", some_shape(rng), strict=True))


def faint_box(rng, mode):
    eps = 10 ** rng.uniform(-2, 0)
    return box(np.sqrt(eps) / 4e3 * counts(rng, some_shape(rng)), mode, eps)


def fits(x, y, eps=1e-5, axes=AXES):
    return np.array([float(np.allclose(standardise(x, eps, a), y)) for a in axes.values()])


def fits_over(**axes):
    return partial(fits, axes={**AXES, **axes})


def looks_at_y_alone(x, y, eps=1e-5):
    def standardised(axes):
        return np.allclose(y.mean(axes), 0, atol=1e-3) and np.allclose(y.var(axes), 1, atol=1e-3)

    return np.array([float(standardised(axes)) for axes in AXES.values()])


def one_of(x, y, eps=1e-5, order=(0, 1, 2)):
    """The first that fits, in an order of preference, and no other."""
    answer, found = np.zeros(3), fits(x, y, eps)
    for k in order:
        if found[k]:
            answer[k] = 1
            break
    return answer


def spoils_x(x, y, eps=1e-5):
    answer = fits(x, y, eps)
    x -= x.mean()
    return answer


IDENTIFY_ASPECTS = (
    Aspect(
        "one-answer",
        2,
        "With several images and several channels, one name fits.",
        public=boxes(BATCH, *MEMBERS),
        hidden=lambda rng: boxes(counts(rng, some_shape(rng)), *MEMBERS),
    ),
    Aspect(
        "one-image",
        1,
        "With a single image BN and IN are one function: if one fits, both do.",
        public=boxes(BATCH[:1], *MEMBERS),
        hidden=lambda rng: boxes(counts(rng, shape_with(rng, N=1)), *MEMBERS),
    ),
    Aspect(
        "one-channel",
        1,
        "With a single channel LN and IN are one function: if one fits, both do.",
        public=boxes(BATCH[:, :1], *MEMBERS),
        hidden=lambda rng: boxes(counts(rng, shape_with(rng, C=1)), *MEMBERS),
    ),
    Aspect(
        "all-or-none",
        1,
        "With one channel of one image all three fit; a box of another family fits none.",
        public=(box(BATCH[:1, :1], "IN"), per_pixel(BATCH)),
        hidden=lambda rng: [
            box(counts(rng, shape_with(rng, N=1, C=1)), "LN"),
            per_pixel(counts(rng, some_shape(rng))),
        ],
    ),
    Aspect(
        "eps",
        1,
        "The box used the eps that you are given, even where that shows.",
        public=tuple(box(BATCH / 65536, mode, 0.1) for mode in MEMBERS),
        hidden=lambda rng: [faint_box(rng, mode) for mode in MEMBERS],
    ),
    Aspect(
        "array",
        1,
        "A right answer, in a new float64 array (3,); x and y are unchanged.",
        public=boxes(BATCH[:, :2], "LN"),
        hidden=lambda rng: boxes(counts(rng, some_shape(rng)), "LN"),
        strict=True,
    ),
)
IDENTIFY_ALL = tuple(aspect.name for aspect in IDENTIFY_ASPECTS)
TWINS = ("one-image", "one-channel", "all-or-none")

BLACK_BOX = Exercise(
    id="identify-norm",
    signature="identify(x, y, eps=1e-5)",
    returns=("fits",),
    reference=identify,
    aspects=IDENTIFY_ASPECTS,
    misconceptions=(
        # Before the next one, which explains as much where eps is all that is lost.
        Misconception(
            "ignores-the-eps-argument",
            "Your answer is what you get with eps = 1e-5 whatever the caller says that the box "
            "used. On a faint picture no name fits then.",
            lambda x, y, eps=1e-5: fits(x, y),
            ("eps",),
        ),
        Misconception(
            "looks-at-y-alone",
            "Your answer is what you get by asking of y whether it has mean 0 and variance 1. The "
            "output of IN has that over every set of whole planes, so it passes for BN and LN too. "
            "What would each of the three have made of x?",
            looks_at_y_alone,
            ("one-answer", "one-image", "one-channel", "all-or-none", "eps"),
        ),
        Misconception(
            "stops-at-the-first-fit",
            "Your answer names only the first that fits, in the order BN, LN, IN. Where there is "
            "one image, or one channel, two names fit, and both should be marked.",
            one_of,
            TWINS,
        ),
        Misconception(
            "keeps-the-last-fit",
            "Your answer names only the last that fits, in the order BN, LN, IN. Where there is "
            "one image, or one channel, two names fit, and both should be marked.",
            partial(one_of, order=(2, 1, 0)),
            TWINS,
        ),
        Misconception(
            "nothing-ever-fits",
            "Your answer is always that none of the three fits. Do you compare with ==? Two ways "
            "of computing one number differ in the last digits; np.allclose forgives that.",
            lambda x, y, eps=1e-5: np.zeros(3),
            IDENTIFY_ALL,
        ),
        Misconception(
            "marks-what-does-not-fit",
            "Your zeros and ones are exchanged: 1 is for a name that fits.",
            lambda x, y, eps=1e-5: 1 - fits(x, y, eps),
            IDENTIFY_ALL,
        ),
        Misconception(
            "answers-in-another-order",
            "Your answers are right and stand in the order IN, LN, BN. The order asked for is BN, "
            "LN, IN.",
            lambda x, y, eps=1e-5: fits(x, y, eps)[::-1],
            ("one-answer", "one-channel", "eps"),
        ),
        Misconception(
            "swaps-layer-and-instance",
            "Your answer takes instance norm for layer norm, and layer norm for instance norm. "
            "Layer norm is the one with a single mean for each image.",
            fits_over(LN=AXES["IN"], IN=AXES["LN"]),
            ("one-answer", "one-image", "eps", "array"),
        ),
        Misconception(
            "layer-norm-per-pixel",
            "Your answer takes layer norm for the one that standardises each pixel over its "
            "channels. For images, layer norm pools the channels and the positions.",
            fits_over(LN=1),
            IDENTIFY_ALL,
        ),
        Misconception(
            "looks-at-the-first-image-alone",
            "Your answer is what you get when the first image is compared, and normalised by "
            "itself. Then BN looks like IN. The box saw the whole batch.",
            lambda x, y, eps=1e-5: fits(x[:1], y[:1], eps),
            ("one-answer", "one-channel", "eps"),
        ),
        Misconception(
            "in-place",
            "Your answer is right, but x is not what it was before the call. The caller may want "
            "to show the picture to another box.",
            spoils_x,
            ("array",),
        ),
    ),
    properties=(),
)


# --- Group norm -----------------------------------------------------------------------------------


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
GROUP_ALL = tuple(aspect.name for aspect in GROUP_ASPECTS)

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
            GROUP_ALL,
        ),
        Misconception(
            "gamma-per-group",
            "Your output is what you get when each group has one gamma and one beta. "
            "Statistics belong to groups; gamma and beta to channels, as in the whole family.",
            group_affine_by(one_pair_per_group),
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
            GROUP_ALL,
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
        divides_by_m_minus_1(grouped(ddof=1), GROUP_ALL),
        *wrong_arithmetic(grouped, GROUP_ALL),
        Misconception(
            "centres-only",
            "Your output is what you get when the mean is subtracted and nothing else.",
            grouped(scale=lambda var, eps: 1.0),
            GROUP_ALL,
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
            GROUP_ALL,
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


# --- Batch norm, with its memory ------------------------------------------------------------------


def batch_norm_reference(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    moments = {"running_mean": running_mean.copy(), "running_var": running_var.copy()}
    y = batch_norm(x, **moments, training=training, momentum=momentum, eps=eps)
    return y, *moments.values()


def moments_of(x, ddof=0):
    return x.mean(AXES["BN"]), x.var(AXES["BN"], ddof=ddof)


def moved(old, to, momentum):
    return tuple((1 - momentum) * a + momentum * b for a, b in zip(old, to, strict=True))


def used(x, old, new, training):
    """The moments that standardise x."""
    return moments_of(x) if training else old


def remembered(x, old, training, momentum):
    """The running moments after the call."""
    return moved(old, moments_of(x, ddof=1), momentum) if training else old


def with_memory(use=used, remember=remembered, scale=lambda var, eps: np.sqrt(var + eps)):
    """An answer that uses or remembers other moments, or divides by something else."""

    def answer(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
        old = running_mean, running_var
        new = remember(x, old, training, momentum)
        mean, var = (moment[..., None, None] for moment in use(x, old, new, training))
        return (x - mean) / scale(var, eps), *new

    return answer


def remembering(what):
    """An answer that moves towards other moments, `what(x)`, or in another way."""
    return with_memory(
        remember=lambda x, old, training, momentum: (
            moved(old, what(x), momentum) if training else old
        )
    )


def unbiased_by_images(x):
    mean, var = moments_of(x)
    with np.errstate(all="ignore"):
        return mean, var * np.float64(len(x)) / (len(x) - 1)


def deviation_for_variance(x):
    mean, var = moments_of(x, ddof=1)
    return mean, np.sqrt(var)


def plane_moments(x):
    return x.mean((2, 3)), x.var((2, 3))


def exchanges_the_variances(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    use = with_memory(use=lambda x, old, new, training: moments_of(x, 1) if training else old)
    y, _, _ = use(x, running_mean, running_var, training, momentum, eps)
    return y, *remembering(moments_of)(x, running_mean, running_var, training, momentum, eps)[1:]


def updates_in_place(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    y, mean, var = batch_norm_reference(x, running_mean, running_var, training, momentum, eps)
    running_mean[...], running_var[...] = mean, var
    return y, running_mean, running_var


def running_moments(rng, channels):
    """Running moments in camera counts, which are not those of any batch."""
    return {
        "running_mean": rng.uniform(8e3, 3e4, channels),
        "running_var": rng.uniform(2e3, 6e3, channels) ** 2,
    }


def mode_of(rng, training, shape=None):
    shape = shape or some_shape(rng)
    momentum = rng.choice([rng.uniform(0.02, 0.08), rng.uniform(0.2, 0.4)])
    x = counts(rng, shape)
    return {
        "x": x,
        **running_moments(rng, shape[1]),
        "training": training,
        "momentum": float(momentum),
    }


def settled(x, training, **rest):
    """The running moments are those of x already: it does not matter which are used."""
    mean, var = moments_of(x)
    return {
        "x": x,
        "running_mean": mean,
        "running_var": var,
        "training": training,
        "momentum": 0.1,
        **rest,
    }


def in_both_modes(x, **rest):
    return tuple(settled(x, training, **rest) for training in (True, False))


def faint_batches(rng):
    for arguments in faint_pictures(rng):
        yield from in_both_modes(**arguments)


def told_apart(rng, x):
    """In training the running moments have somewhere to go; written in place, that shows."""
    moments = running_moments(rng, x.shape[1])
    return settled(x, True, **moments), settled(x, False)


def whatever_was_before(run, arguments):
    later = run(
        running_mean=arguments["running_mean"] + 1, running_var=arguments["running_var"] + 1
    )
    return not arguments["training"] or agree(later[0], run()[0])


PUBLIC_RUNNING = {
    "running_mean": np.array([30000.0, 20000.0, 40000.0]),
    "running_var": np.array([4e8, 1e8, 2e8]),
}


def public_batch(training, momentum=0.1, x=BATCH):
    return {"x": x, **PUBLIC_RUNNING, "training": training, "momentum": momentum}


BATCH_ASPECTS = (
    Aspect(
        "training",
        2,
        "In training, y is standardised by the moments of this batch; with one image it is IN.",
        public=(public_batch(True), public_batch(True, x=BATCH[:1])),
        hidden=lambda rng: [
            mode_of(rng, True),
            mode_of(rng, True),
            mode_of(rng, True, shape_with(rng, N=1)),
        ],
    ),
    Aspect(
        "running-mean",
        1,
        "In training, running_mean moves towards the batch's mean, by the fraction momentum.",
        public=(public_batch(True), public_batch(True, 0.25)),
        hidden=lambda rng: [mode_of(rng, True) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "running-var",
        1,
        "In training, running_var moves towards the batch's unbiased variance.",
        public=(public_batch(True), public_batch(True, 0.25)),
        hidden=lambda rng: [mode_of(rng, True) for _ in range(3)],
        judges=(2,),
    ),
    Aspect(
        "eval",
        2,
        "Outside training, y is standardised by the running moments, and they stay as they are.",
        public=(public_batch(False), public_batch(False, x=BATCH[:1])),
        hidden=lambda rng: [
            mode_of(rng, False),
            mode_of(rng, False),
            mode_of(rng, False, shape_with(rng, N=1)),
        ],
        judges=(0, 1, 2),
    ),
    Aspect(
        "eps",
        1,
        "eps is added to the variance, inside the root, whichever variance it is.",
        public=(
            *in_both_modes(FAINT, eps=1e-3),
            *in_both_modes(FAINT),
            *in_both_modes(FLAT),
        ),
        hidden=faint_batches,
    ),
    Aspect(
        "array",
        1,
        "Right y, in a new float64 array of x's shape; no argument is changed.",
        public=told_apart(np.random.default_rng(11), PAIR),
        hidden=lambda rng: told_apart(rng, bright(rng, some_shape(rng))),
        strict=True,
    ),
)
BATCH_ALL = tuple(aspect.name for aspect in BATCH_ASPECTS)
STATISTICS = ("running-mean", "running-var")

WITH_MEMORY = Exercise(
    id="batch-norm",
    signature="batch_norm(x, running_mean, running_var, training, momentum=0.1, eps=1e-5)",
    returns=("y", "new_mean", "new_var"),
    reference=batch_norm_reference,
    aspects=BATCH_ASPECTS,
    misconceptions=(
        Misconception(
            "batch-moments-in-eval",
            "Outside training your y still uses the moments of the batch. A picture's output would "
            "then depend on which other pictures are sent along with it. That is what the running "
            "moments are kept for.",
            with_memory(use=lambda x, old, new, training: moments_of(x)),
            ("eval",),
        ),
        Misconception(
            "learns-in-eval",
            "Your running moments go on moving outside training. The model would change with "
            "every picture that it is shown.",
            with_memory(remember=lambda x, old, training, m: remembered(x, old, True, m)),
            ("eval",),
        ),
        Misconception(
            "always-trains",
            "Your function does the same whether training is True or False.",
            with_memory(
                use=lambda x, old, new, training: moments_of(x),
                remember=lambda x, old, training, m: remembered(x, old, True, m),
            ),
            ("eval",),
        ),
        Misconception(
            "old-running-moments-in-training",
            "In training your y is standardised by the running moments. They are for later. In "
            "training every batch is standardised by its own moments.",
            with_memory(use=lambda x, old, new, training: old),
            ("training", "array"),
        ),
        Misconception(
            "new-running-moments-in-training",
            "In training your y is standardised by the running moments, just updated. They are for "
            "later. In training every batch is standardised by its own moments.",
            with_memory(use=lambda x, old, new, training: new),
            ("training", "eps", "array"),
        ),
        Misconception(
            "momentum-the-wrong-way-round",
            "Your running moments keep the fraction momentum of the old value. Here, as in "
            "PyTorch, it is the weight of the new batch: 0.1 is a small step. (Other libraries "
            "mean the opposite.)",
            with_memory(remember=lambda x, old, training, m: remembered(x, old, training, 1 - m)),
            STATISTICS,
        ),
        Misconception(
            "ignores-the-momentum-argument",
            "Your running moments move by a tenth, whatever momentum the caller asks for. Is the "
            "number written out somewhere in your function?",
            with_memory(remember=lambda x, old, training, m: remembered(x, old, training, 0.1)),
            STATISTICS,
        ),
        Misconception(
            "forgets-the-past",
            "Your running moments are simply those of the last batch. They should move towards it "
            "by the fraction momentum, so that many batches have a say.",
            with_memory(remember=lambda x, old, training, m: remembered(x, old, training, 1.0)),
            STATISTICS,
        ),
        Misconception(
            "remembers-nothing",
            "In training your running moments come back as they were given. They should have moved "
            "a little towards the batch.",
            with_memory(remember=lambda x, old, training, m: old),
            STATISTICS,
        ),
        # After the ones that are half of it.
        Misconception(
            "never-trains",
            "Your function behaves as in evaluation even when training is True: nothing is learned "
            "from the batch. How do the running moments come about in the first place?",
            with_memory(
                use=lambda x, old, new, training: old,
                remember=lambda x, old, training, m: old,
            ),
            ("training", *STATISTICS, "array"),
        ),
        Misconception(
            "biased-running-variance",
            "Your running variance moves towards the variance divided by m. To standardise this "
            "batch that is right. The running variance is an estimate for pictures yet to come, "
            "and estimates divide by m - 1.",
            remembering(moments_of),
            ("running-var",),
        ),
        Misconception(
            "unbiased-variance-in-y",
            "Your y is what you get when the batch is standardised with the variance divided by "
            "m - 1. Two variances are at work: y takes the plain mean of the squared deviations, "
            "and only the running variance divides by m - 1.",
            with_memory(use=lambda x, old, new, training: moments_of(x, 1) if training else old),
            ("training", "eps", "array"),
        ),
        Misconception(
            "exchanges-the-variances",
            "Your two variances are exchanged: y is standardised with the one divided by m - 1, "
            "the running variance learns the one divided by m. Which of them describes these "
            "values, and which estimates others?",
            exchanges_the_variances,
            ("training", "running-var", "eps", "array"),
        ),
        Misconception(
            "counts-the-images-alone",
            "Your running variance is corrected by N / (N - 1). The mean was taken over m = N·H·W "
            "values, so the factor is m / (m - 1).",
            remembering(unbiased_by_images),
            ("running-var",),
        ),
        Misconception(
            "remembers-the-deviation",
            "Your running variance moves towards the batch's standard deviation. Compare the "
            "units: a variance is a square.",
            remembering(deviation_for_variance),
            ("running-var",),
        ),
        Misconception(
            "instance-norm-in-training",
            "In training your y is instance norm: each image has its own moments. That agrees with "
            "batch norm for a single image only. How many means does a batch have?",
            with_memory(use=lambda x, old, new, training: plane_moments(x) if training else old),
            ("training",),
        ),
        *wrong_arithmetic(partial(with_memory), ("training", "eval", "eps", "array")),
        Misconception(
            "in-place",
            "The running moments that you were given are not what they were before the call. Here "
            "the caller keeps them: hand back new arrays. (Did you write += ?)",
            updates_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "In training your y changes when only the running moments change. It should depend on "
            "the batch alone.",
            whatever_was_before,
        ),
        Property(
            "Outside training your output for one image changes when another image of the batch "
            "changes. Then no image should know of the others.",
            lambda run, arguments: arguments["training"] or first_image_stays(run, arguments["x"]),
        ),
    ),
)

EXERCISES = (WHICH_AXES, BLACK_BOX, GROUPS, WITH_MEMORY)
