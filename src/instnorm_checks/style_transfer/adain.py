"""The exercise "adain": AdaIN."""

import numpy as np

from instnorm.style import adain

from ..cases import BATCH, FAINT, FLAT, PAIR, PLANE, bright, counts, shuffled, some_shape
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import beside, root, standardise, variance_itself, without_eps
from .shared import PLANE_AXES, centred, first_image_stays, mean_of, var_of


def adain_reference(content, style, eps=1e-5):
    return adain(content, style, eps=eps)


def adain_by(
    content_axes=PLANE_AXES,
    style_axes=PLANE_AXES,
    content_ddof=0,
    style_ddof=0,
    content_scale=root,
    style_scale=root,
    finish=lambda xhat, scale, mean: scale * xhat + mean,
):
    """AdaIN with something else in one place."""

    def answer(content, style, eps=1e-5):
        xhat = standardise(content, eps, content_axes, content_ddof, content_scale)
        var = style.var(style_axes, keepdims=True, ddof=style_ddof)
        return finish(xhat, style_scale(var, eps), style.mean(style_axes, keepdims=True))

    return answer


def adain_not_centred(content, style, eps=1e-5):
    gain = root(var_of(style), eps) / root(var_of(content), eps)
    return gain * content + mean_of(style)


def only_the_mean(content, style, eps=1e-5):
    return centred(content) + mean_of(style)


def only_the_spread(content, style, eps=1e-5):
    gain = root(var_of(style), eps) / root(var_of(content), eps)
    return gain * centred(content) + mean_of(content)


def adain_in_place(content, style, eps=1e-5):
    content[...] = adain(content, style, eps=eps)
    return content


def faint_pairs(rng):
    """Variances within a factor of ten of eps on both sides; content, then style, with none."""
    for _ in range(2):
        eps, shape = 10 ** rng.uniform(-6, -1), some_shape(rng)
        a, b = np.sqrt(eps * 10 ** rng.uniform(-1, 1, 2))
        yield {
            "content": rng.uniform(-1, 1) + a * shuffled(rng, shape),
            "style": rng.uniform(-1, 1) + b * shuffled(rng, shape),
            "eps": eps,
        }
    faint, flat = np.sqrt(1e-5) * shuffled(rng, (1, 1, 3, 4)), np.full((1, 1, 3, 4), 3.5)
    yield {"content": faint, "style": flat}
    yield {"content": flat, "style": 2 * faint}


def pair(content, style, **rest):
    return {"content": content, "style": style, **rest}


def large(content, style):
    """A pair in thousandths of a count."""
    return pair(1e3 * content, 1e3 * style)


def content_brightness_does_not_matter(run, arguments):
    content = arguments["content"]
    return agree(run(content=content + np.ptp(content))[0], run()[0])


def style_brightness_lifts_all_alike(run, arguments):
    style = arguments["style"]
    lift = run(style=style + np.ptp(style))[0] - run()[0]
    return agree(lift, np.full_like(lift, lift.mean()))


def own_style_changes_nothing(run, arguments):
    """Whether AdaIN(x, x) is x, or at least in proportion to it."""
    content = arguments["content"]
    y = run(style=content)[0]
    return agree(np.abs(content).max() * y, np.abs(y).max() * content)


def pairs_are_independent(run, arguments):
    return first_image_stays(run, content=arguments["content"], style=arguments["style"])


PAIR_PROPERTIES = (
    Property(
        "Adding one number to every pixel of the content changes the output, though its mean is "
        "to be taken away.",
        content_brightness_does_not_matter,
    ),
    Property(
        "Adding one number to every pixel of the style should lift all of the output by the same "
        "amount, and it does not.",
        style_brightness_lifts_all_alike,
    ),
    Property(
        "A picture in its own style should be itself, and it is not.",
        own_style_changes_nothing,
    ),
    Property(
        "The output for one pair changes when another pair of the batch changes.",
        pairs_are_independent,
    ),
)

# Styles that leave no pixel near 0, where the tolerance would be that of a number near 1.
WIDE = np.array([[1500.0, 2500.0, 3000.0, 4500.0], [4000.0, 5000.0, 8000.0, 1500.0]])
PAINTING = np.random.default_rng(8).integers(4000, 10000, BATCH.shape).astype(float)

ADAIN_ASPECTS = (
    Aspect(
        "content",
        1,
        "Each plane of the content loses its own mean and spread.",
        public=(
            pair(PLANE[None, None], 0.5 * PLANE[None, None, ::-1] + 100),
            pair(BATCH, 6000 + 1000 * shuffled(np.random.default_rng(9), BATCH.shape)),
        ),
        hidden=lambda rng: [
            large(counts(rng, shape), bright(rng, shape))
            for shape in (some_shape(rng) for _ in range(4))
        ],
    ),
    Aspect(
        "style",
        2,
        "It is given those of the same channel of the same image of the style.",
        public=(pair(bright(np.random.default_rng(10), BATCH.shape), PAINTING),),
        hidden=lambda rng: [
            large(bright(rng, shape), counts(rng, shape))
            for shape in (some_shape(rng) for _ in range(4))
        ],
    ),
    Aspect(
        "sizes",
        1,
        "The style may be larger or smaller than the content.",
        public=(pair(PLANE[None, None], WIDE[None, None]),),
        hidden=lambda rng: [
            large(bright(rng, shape), bright(rng, (*shape[:2], 8, 9)))
            for shape in (some_shape(rng) for _ in range(3))
        ],
    ),
    Aspect(
        "eps",
        1,
        "eps is added to both variances, inside the roots.",
        public=(
            pair(FAINT, 3 * FAINT[:, :, ::-1], eps=1e-3),
            pair(FAINT[:, ::-1], 0.5 * FAINT),
            pair(FLAT, FAINT[:, :1]),
        ),
        hidden=faint_pairs,
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array of content's shape; no argument is changed.",
        public=(
            pair(PAIR, 0.5 * PAIR[..., ::-1] + 100),
            pair(PAIR / 3, PAIR[..., ::-1] / 7),
        ),
        hidden=lambda rng: [
            large(bright(rng, shape), bright(rng, shape))
            for shape in (some_shape(rng) for _ in range(2))
        ],
        strict=True,
    ),
)

ADAIN = Exercise(
    id="adain",
    signature="adain(content, style, eps=1e-5)",
    returns=("y",),
    reference=adain_reference,
    aspects=ADAIN_ASPECTS,
    misconceptions=(
        Misconception(
            "swaps-content-and-style",
            "Your output shows the style picture, with the statistics of the content. It should be "
            "the other way round.",
            lambda content, style, eps=1e-5: adain(style, content, eps=eps),
            ALL,
        ),
        Misconception(
            "only-the-mean",
            "Your output has the brightness of the style, and still the contrast of the content.",
            only_the_mean,
            ALL,
        ),
        Misconception(
            "only-the-spread",
            "Your output has the contrast of the style, and still the brightness of the content.",
            only_the_spread,
            ALL,
        ),
        Misconception(
            "not-centred",
            "Your output is what you get when the content is rescaled before its mean is taken "
            "away, and the style's mean is added on top. Subtract first.",
            adain_not_centred,
            ALL,
        ),
        Misconception(
            "shifts-before-scaling",
            "Your output is what you get when the style's mean is added before its spread "
            "multiplies. Then the mean is rescaled too. Which of the two should come last?",
            adain_by(finish=lambda xhat, scale, mean: scale * (xhat + mean)),
            ALL,
        ),
        Misconception(
            "swaps-mean-and-spread",
            "Your output is what you get when the style's mean multiplies and its spread is added.",
            adain_by(finish=lambda xhat, scale, mean: mean * xhat + scale),
            ALL,
        ),
        Misconception(
            "scales-by-the-variance",
            "Your output is multiplied by the style's variance. Think of units: the variance is in "
            "counts squared, and the result should be in counts. Which root is missing?",
            adain_by(style_scale=variance_itself),
            ALL,
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your variances divide by m - 1. Where both pictures have the same size this cancels, "
            "nearly: that is why you may not have noticed. It does not cancel otherwise.",
            adain_by(content_ddof=1, style_ddof=1),
            ("sizes", "eps"),
        ),
        Misconception(
            "divides-by-m-minus-1-on-one-side",
            "One of your two variances divides by m and the style's by m - 1. (NumPy divides by m "
            "unless told otherwise, PyTorch's std by m - 1.)",
            adain_by(style_ddof=1),
            ALL,
        ),
        Misconception(
            "style-of-the-first-image",
            "Your output gives all images the statistics of the first style. Image n of the "
            "content goes with image n of the style.",
            lambda content, style, eps=1e-5: adain(
                content, np.broadcast_to(style[:1], style.shape), eps=eps
            ),
            ("style",),
        ),
        Misconception(
            "style-of-the-image",
            "Your output gives all channels the same mean and spread, those of the whole style "
            "image. Each channel has a brightness and a contrast of its own.",
            adain_by(style_axes=(1, 2, 3)),
            ("style",),
        ),
        Misconception(
            "style-of-the-batch",
            "Your style statistics are taken over all images of the batch. Image n of the content "
            "goes with image n of the style.",
            adain_by(style_axes=(0, 2, 3)),
            ("style",),
        ),
        Misconception(
            "content-over-the-image",
            "Your content is standardised over all its channels at once. That is layer norm, and a "
            "colour cast would survive it.",
            adain_by(content_axes=(1, 2, 3)),
            ("content",),
        ),
        Misconception(
            "content-over-the-batch",
            "Your content is standardised over all images of the batch. That is batch norm.",
            adain_by(content_axes=(0, 2, 3)),
            ("content",),
        ),
        Misconception(
            "eps-outside-the-root",
            "Your output is what you get when eps is added to the standard deviations. The "
            "definition adds it to something else, one step earlier.",
            adain_by(
                content_scale=beside,
                style_scale=beside,
            ),
            ("eps",),
        ),
        Misconception(
            "eps-on-the-content-only",
            "Your eps is added to the variance of the content only. Then a picture in its own "
            "style is not quite itself: what was divided by is not what is multiplied by.",
            adain_by(style_scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is what you get with eps = 0. A faint content is blown up too far, and a "
            "flat one becomes 0 / 0.",
            adain_by(
                content_scale=without_eps,
                style_scale=without_eps,
            ),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-5 whatever the caller asks for. Is the "
            "number written out somewhere in your function?",
            lambda content, style, eps=1e-5: adain(content, style),
            ("eps",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the content that you were given. "
            "Make a new array for the result.",
            adain_in_place,
            ("array",),
        ),
    ),
    properties=PAIR_PROPERTIES,
)
