"""The exercise "identify-norm": the black box."""

from functools import partial

import numpy as np

from instnorm.family import MEMBERS, normalize, which_norm

from ..cases import BATCH, counts, shuffled, some_shape
from ..engine.exercise import ALL, Aspect, Exercise, Misconception
from ..wrong import standardise
from .shared import AXES


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


def alike_in_one(rng, axis):
    """Planes of which those in one image (axis 0), or channel (1), do not tell two norms apart.

    All means are equal, and there the variance is the mean of those that it is pooled with.
    """
    apart = rng.uniform(0.5, 0.8)
    pooled, others = np.array([1, 1 - apart, 1 + apart]), np.array([0.5, 0.8, 1.2, 1.8])
    variance = np.outer(pooled, others) if axis == 0 else np.outer(others, pooled)
    x = shuffled(rng, (*variance.shape, *some_shape(rng)[2:]))
    spread = rng.uniform(2e3, 6e3) * np.sqrt(variance)[..., None, None]
    return rng.uniform(8e3, 3e4) + spread * x


def alike_in_all_but_one(rng):
    """What no box does: instance norm, but for a single pixel of the last image."""
    x = counts(rng, some_shape(rng))
    y = normalize(x, "IN", 1e-5)
    y[-1].flat[rng.integers(y[-1].size)] += rng.uniform(0.5, 1)
    return {"x": x, "y": y, "eps": 1e-5}


def nearly_alike(rng):
    return [
        case
        for axis, mode in ((0, "BN"), (1, "LN"))
        for case in boxes(alike_in_one(rng, axis), mode, "IN")
    ]


def unsaid(case):
    """The same, for a caller who leaves eps to its default."""
    return {name: value for name, value in case.items() if name != "eps"}


def fits(x, y, eps=1e-5, axes=AXES):
    return np.array([float(np.allclose(standardise(x, eps, a), y)) for a in axes.values()])


def fits_over(**axes):
    return partial(fits, axes={**AXES, **axes})


def fits_to_the_last_digit(x, y, eps=1e-5):
    return np.array([float((standardise(x, eps, axes) == y).all()) for axes in AXES.values()])


def looks_at_y_alone(x, y, eps=1e-5):
    def standardised(axes):
        return np.allclose(y.mean(axes), 0, atol=1e-3) and np.allclose(y.var(axes), 1, atol=1e-3)

    return np.array([float(standardised(axes)) for axes in AXES.values()])


def some_value_fits(x, y, eps=1e-5):
    return np.array([float(np.isclose(standardise(x, eps, a), y).any()) for a in AXES.values()])


def first_image_fits(x, y, eps=1e-5):
    each = (standardise(x, eps, axes) for axes in AXES.values())
    return np.array([float(np.allclose(ours[0], y[0])) for ours in each])


def one_of(x, y, eps=1e-5, order=(0, 1, 2)):
    """The first that fits, in an order of preference, and no other."""
    answer, found = np.zeros(3), fits(x, y, eps)
    for k in order:
        if found[k]:
            answer[k] = 1
            break
    return answer


def the_nearest(x, y, eps=1e-5):
    """The one whose result is nearest, whether it fits or not."""
    off = [np.abs(standardise(x, eps, axes) - y).max() for axes in AXES.values()]
    return np.eye(3)[np.argmin(off)]


def spoils_x(x, y, eps=1e-5):
    answer = fits(x, y, eps)
    x -= x.mean()
    return answer


IDENTIFY_ASPECTS = (
    Aspect(
        "one-answer",
        2,
        "With several images and several channels, one name fits.",
        public=(*boxes(BATCH, *MEMBERS), *nearly_alike(np.random.default_rng(12))),
        hidden=lambda rng: [*boxes(counts(rng, some_shape(rng)), *MEMBERS), *nearly_alike(rng)],
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
        public=(
            box(BATCH[:1, :1], "IN"),
            per_pixel(BATCH),
            alike_in_all_but_one(np.random.default_rng(13)),
        ),
        hidden=lambda rng: [
            box(counts(rng, shape_with(rng, N=1, C=1)), "LN"),
            per_pixel(counts(rng, some_shape(rng))),
            alike_in_all_but_one(rng),
        ],
    ),
    Aspect(
        "eps",
        1,
        "The box used the eps that you are given, even where that shows.",
        public=(
            *(box(BATCH / 65536, mode, 0.1) for mode in MEMBERS),
            *(unsaid(box(BATCH / 2**23, mode)) for mode in MEMBERS),
        ),
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
TWINS = ("one-image", "one-channel", "all-or-none")

BLACK_BOX = Exercise(
    id="identify-norm",
    signature="identify(x, y, eps=1e-5)",
    returns=("fits",),
    counts=("fits",),
    reference=which_norm,
    aspects=IDENTIFY_ASPECTS,
    misconceptions=(
        # Before the next one, which explains as much where only the aspect "eps" is lost.
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
            ALL,
            also=(fits_to_the_last_digit,),
            plain=True,
        ),
        Misconception(
            "marks-what-does-not-fit",
            "Your zeros and ones are exchanged: 1 is for a name that fits.",
            lambda x, y, eps=1e-5: 1 - fits(x, y, eps),
            ALL,
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
            ALL,
        ),
        Misconception(
            "looks-at-the-first-image-alone",
            "Your answer is what you get when the first image is compared, and normalised by "
            "itself. Then BN looks like IN. The box saw the whole batch.",
            lambda x, y, eps=1e-5: fits(x[:1], y[:1], eps),
            ("one-answer", "one-channel", "all-or-none", "eps"),
        ),
        Misconception(
            "compares-the-first-image-alone",
            "Your answer compares the first image of what comes out and no other. There two norms "
            "may agree, and part in the next image.",
            first_image_fits,
            ("one-answer", "all-or-none"),
        ),
        Misconception(
            "one-value-is-enough",
            "Your answer marks a name as soon as one value agrees. Two norms may agree in some "
            "place by chance, or in a whole image. A name fits when all values do: what is the "
            "opposite of any?",
            some_value_fits,
            ("one-answer", "all-or-none"),
        ),
        Misconception(
            "the-nearest-wins",
            "Your answer is always one name, that of the nearest. It may be none of the three, and "
            "it may be two at once: ask of each by itself whether it fits.",
            the_nearest,
            TWINS,
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
