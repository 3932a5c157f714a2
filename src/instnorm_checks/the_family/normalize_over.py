"""The exercise "normalize-over": which axes?"""

import numpy as np

from instnorm.family import MEMBERS, normalize

from ..cases import BATCH, counts, some_shape
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import scale_only, standardise
from .shared import (
    AXES,
    GAIN,
    SHIFT,
    checkered,
    divides_by_m_minus_1,
    faint_eps,
    first_image_stays,
    wrong_arithmetic,
)


def normalized_over(**axes):
    """An answer that takes other axes for some of the modes."""
    return lambda x, mode, eps=1e-5: standardise(x, eps, {**AXES, **axes}[mode])


def normalized_by(**change):
    return lambda x, mode, eps=1e-5: standardise(x, eps, AXES[mode], **change)


def variance_of_the_planes(x, mode, eps=1e-5):
    mean, var = x.mean(AXES[mode], keepdims=True), x.var(AXES["IN"], keepdims=True)
    return (x - mean) / np.sqrt(var + eps)


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
            ALL,
        ),
        Misconception(
            "scales-only",
            "Your output is what you get when you divide by the spread without subtracting the "
            "mean.",
            lambda x, mode, eps=1e-5: scale_only(x, eps, AXES[mode]),
            ALL,
        ),
        divides_by_m_minus_1(normalized_by(ddof=1), ALL),
        *wrong_arithmetic(normalized_by, ALL),
        Misconception(
            "batch-norm-falls-through",
            "Your BN is instance norm. Does another branch catch it? After two ifs an else "
            "belongs to the second alone: write elif.",
            normalized_over(BN=AXES["IN"]),
            ("batch",),
        ),
        Misconception(
            "layer-norm-falls-through",
            "Your LN is instance norm. Does another branch catch it, or is a mode spelt otherwise?",
            normalized_over(LN=AXES["IN"]),
            ("layer",),
        ),
        Misconception(
            "variance-of-the-planes",
            "Your mean is that of the set, and your variance that of each plane. Both are taken "
            "over the same set of values.",
            variance_of_the_planes,
            ("batch", "layer"),
        ),
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
