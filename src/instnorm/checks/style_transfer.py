"""The assignment "Style transfer": Gram matrices, a table of styles, AdaIN, WCT.

Each aspect is about one idea. `instnorm.checks.standardising` says how its pictures see to that. In
the last exercise planes have mean 0 wherever the aspect is not about means, and there is one image
wherever it is not about images. The outputs of the last two exercises cross 0, where the tolerance
is smallest, so that eps hides only behind very large numbers: theirs are in thousandths of a count.
"""

from functools import partial

import numpy as np

from ..style import adain, conditional_instance_norm, gram_matrix
from ..whitening import wct
from .compare import agree
from .exercise import Aspect, Exercise, Misconception, Property
from .standardising import (
    BATCH,
    FAINT,
    FLAT,
    IMAGE_PROPERTIES,
    PAIR,
    PLANE,
    bright,
    counts,
    faint_pictures,
    shuffled,
    some_shape,
    standardise,
    wrong_standardisations,
)

# --- What the exercises share ---------------------------------------------------------------------

PLANE_AXES = (-2, -1)
mean_of = partial(np.mean, axis=PLANE_AXES, keepdims=True)
var_of = partial(np.var, axis=PLANE_AXES, keepdims=True)


def mixed(rng, shape, scale=1.0):
    """A picture whose channels are correlated, each with mean 0."""
    channels = shape[1]
    rotation, _ = np.linalg.qr(rng.standard_normal((channels, channels)))
    mixing = rotation * 10 ** rng.uniform(-0.5, 0.5, channels)
    return scale * np.einsum("cd,ndhw->nchw", mixing, centred(rng.standard_normal(shape)))


def centred(x):
    return x - mean_of(x)


def two_shapes(rng, images):
    """Shapes (N, C, H, W) of two pictures with more positions than channels, one larger."""
    channels = int(rng.integers(3, 5))
    small, large = rng.choice(np.arange(4, 7), 2, replace=False), np.array([8, 7])
    return (images, channels, *map(int, small)), (images, channels, *map(int, large))


def first_image_stays(run, **pictures):
    """Whether the output for the first image is the same when the others change."""
    others = {name: np.concatenate([x[:1], 3 * x[1:] + 1]) for name, x in pictures.items()}
    return agree(run(**others)[0][:1], run()[0][:1])


# --- Gram matrices --------------------------------------------------------------------------------


def rows(x):
    return x.reshape(*x.shape[:2], -1)


def gram_by(before=lambda f: f, divisor=lambda x: x[0, 0].size, after=lambda g: g):
    """An answer with something else in one place: the features, the divisor, or the result."""

    def answer(x):
        f = before(rows(x))
        return after(f @ f.swapaxes(1, 2) / divisor(x))

    return answer


def positions_by_positions(x):
    f = rows(x)
    return f.swapaxes(1, 2) @ f / x.shape[1]


def reshaped_not_transposed(x):
    f = rows(x)
    return f @ f.reshape(len(f), f.shape[2], f.shape[1]) / f.shape[2]


def one_for_the_batch(x):
    return np.broadcast_to(gram_matrix(x).mean(0), (len(x), x.shape[1], x.shape[1])).copy()


def divides_in_place(x):
    x /= np.sqrt(x[0, 0].size)
    return rows(x) @ rows(x).swapaxes(1, 2)


def correlation(f):
    return (f - f.mean(-1, keepdims=True)) / f.std(-1, keepdims=True)


def only_the_diagonal(g):
    return g * np.eye(g.shape[1])


def positions_can_be_shuffled(run, arguments):
    x = arguments["x"]
    order = np.random.default_rng(0).permutation(x[0, 0].size)
    return agree(run(x=rows(x)[:, :, order].reshape(x.shape))[0], run()[0])


def doubling_counts_fourfold(run, arguments):
    return agree(run(x=2 * arguments["x"])[0], 4 * run()[0])


# Two channels with mean 0, and the same two with another mean.
WAVES = np.array([[[[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]], [[3.0, -3.0, 0.0], [0.0, 6.0, -6.0]]]])
LIFTED = WAVES + np.array([2.0, -1.0]).reshape(1, 2, 1, 1)

GRAM_ASPECTS = (
    Aspect(
        "products",
        2,
        "Entry [i, j] is the mean, over all positions, of channel i times channel j.",
        public=({"x": WAVES},),
        hidden=lambda rng: [{"x": mixed(rng, (1, *some_shape(rng)[1:]))} for _ in range(4)],
    ),
    Aspect(
        "every-image",
        1,
        "Each image has a matrix of its own.",
        public=({"x": np.concatenate([WAVES, 2 * WAVES[:, :, ::-1]])},),
        hidden=lambda rng: [{"x": mixed(rng, some_shape(rng))} for _ in range(4)],
    ),
    Aspect(
        "mean-kept",
        1,
        "The mean of a channel counts: nothing is subtracted.",
        public=({"x": LIFTED},),
        hidden=lambda rng: [
            {"x": mixed(rng, (1, *some_shape(rng)[1:])) + rng.uniform(1, 2)} for _ in range(3)
        ],
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array (N, C, C); x is unchanged.",
        public=({"x": WAVES[:, ::-1]},),
        hidden=lambda rng: [{"x": mixed(rng, (1, *some_shape(rng)[1:]))} for _ in range(2)],
        strict=True,
    ),
)
GRAM_ALL = tuple(aspect.name for aspect in GRAM_ASPECTS)

GRAM = Exercise(
    id="gram-matrix",
    signature="gram_matrix(x)",
    returns=("gram",),
    reference=gram_matrix,
    aspects=GRAM_ASPECTS,
    misconceptions=(
        Misconception(
            "sums-instead-of-means",
            "Your matrix is what you get when the products are summed. Then a large picture has a "
            "larger matrix than a small print of it. By what must the sum be divided?",
            gram_by(divisor=lambda x: 1),
            GRAM_ALL,
        ),
        Misconception(
            "divides-by-the-channels-too",
            "Your matrix is divided by the number of channels as well. Some papers do that; here "
            "an entry is a mean over the positions, and there are H times W of those.",
            gram_by(divisor=lambda x: x[0].size),
            GRAM_ALL,
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your matrix is what you get when the sum is divided by m - 1. Nothing is estimated "
            "here: an entry is the plain mean over the positions.",
            gram_by(divisor=lambda x: x[0, 0].size - 1),
            GRAM_ALL,
        ),
        Misconception(
            "divides-by-the-width",
            "Your matrix is what you get when the sum is divided by the width alone. It runs over "
            "all positions, along both axes of a plane.",
            gram_by(divisor=lambda x: x.shape[3]),
            GRAM_ALL,
        ),
        Misconception(
            "subtracts-the-mean",
            "Your matrix is the covariance: the mean of each channel has been subtracted first. A "
            "Gram matrix multiplies the activations as they are.",
            gram_by(before=lambda f: f - f.mean(-1, keepdims=True)),
            ("mean-kept",),
        ),
        Misconception(
            "correlation",
            "Your matrix holds correlations: each channel has been standardised first. So the "
            "strength of a feature, half of what a Gram matrix tells, is gone.",
            gram_by(before=correlation),
            GRAM_ALL,
        ),
        Misconception(
            "positions-by-positions",
            "Your matrix has a row for each position: it compares places, and sums over channels. "
            "Turn the product round, so that the places are what is summed over.",
            positions_by_positions,
            GRAM_ALL,
        ),
        Misconception(
            "reshaped-not-transposed",
            "Your matrix is what you get when one of the two factors is reshaped where it should "
            "be transposed. Reshaping keeps the order of the numbers and cuts the rows elsewhere, "
            "so that channels are mixed up.",
            reshaped_not_transposed,
            GRAM_ALL,
        ),
        Misconception(
            "one-matrix-for-the-batch",
            "Your matrix is the same for all images: a mean over the batch too. Each image has a "
            "style of its own.",
            one_for_the_batch,
            ("every-image",),
        ),
        Misconception(
            "only-the-diagonal",
            "Your diagonal is right and the rest is 0. The diagonal tells how strong each feature "
            "is; which features go together stands beside it.",
            gram_by(after=only_the_diagonal),
            GRAM_ALL,
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but x was changed on the way. Divide the result, or make a "
            "new array.",
            divides_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Your matrix changes when the positions of the picture are shuffled, all channels in "
            "the same way, though it should not know where anything is.",
            positions_can_be_shuffled,
        ),
        Property(
            "Twice the activations should give four times the matrix, and they do not.",
            doubling_counts_fourfold,
        ),
        Property(
            "The matrix of one image changes when another image of the batch changes.",
            lambda run, arguments: first_image_stays(run, x=arguments["x"]),
        ),
    ),
)


# --- Conditional instance norm --------------------------------------------------------------------


def conditional_reference(x, gamma, beta, weights, eps=1e-5):
    return conditional_instance_norm(x, gamma, beta, weights, eps=eps)


def per_plane(table, weights):
    """One value for each plane: the rows of a table, blended for each image."""
    return (weights @ table)[:, :, None, None]


def one_hot(rng, images, styles):
    """A style for each image, no two neighbours the same."""
    first = rng.integers(styles)
    return np.eye(styles)[(first + np.arange(images)) % styles]


def blends(rng, images, styles, total=1.0):
    weights = rng.uniform(0.1, 1, (images, styles))
    return total * weights / weights.sum(1, keepdims=True)


def plainly(arguments):
    """Put tables of gamma = 1 and beta = 0 and two styles between x and eps."""
    images, channels = arguments["x"].shape[:2]
    tables = {
        "gamma": np.ones((2, channels)),
        "beta": np.zeros((2, channels)),
        "weights": one_hot(np.random.default_rng(0), images, 2),
    }
    return {"x": arguments["x"], **tables, **arguments}


def in_style(rng, weigh, x=None):
    """Planes alike, and tables whose entries are never near the 1 and 0 that change nothing."""
    x = bright(rng, some_shape(rng)) if x is None else x
    (images, channels), styles = x.shape[:2], int(rng.integers(8, 11))
    gamma, beta = rng.uniform(1.5, 3, (2, styles, channels)) * rng.choice([-1, 1], (2, styles, 1))
    return {"x": x, "gamma": gamma, "beta": beta, "weights": weigh(rng, images, styles)}


def conditional(standardiser):
    """An answer from a function that only standardises."""

    def answer(x, gamma, beta, weights, eps=1e-5):
        y = standardiser(x, eps)
        if y is x:  # an answer that works in place does so to the end
            y *= per_plane(gamma, weights)
            y += per_plane(beta, weights)
            return y
        return per_plane(gamma, weights) * y + per_plane(beta, weights)

    return answer


def tables_by(rule):
    """A wrong way to use the tables, after the right way to standardise."""
    return lambda x, gamma, beta, weights, eps=1e-5: rule(standardise(x, eps), gamma, beta, weights)


def weights_by(change):
    """The right use of weights that are not those given."""
    return tables_by(
        lambda y, gamma, beta, weights: (
            per_plane(gamma, change(weights)) * y + per_plane(beta, change(weights))
        )
    )


def of_the_first_image(weights):
    return np.broadcast_to(weights[:1], weights.shape)


def strangers_style_does_not_matter(run, arguments):
    weights = arguments["weights"].copy()
    weights[:1] += 1
    return agree(run(weights=weights)[0][1:], run()[0][1:])


CHOSEN = (
    "divides-by-m-minus-1",
    "eps-outside-the-root",
    "forgets-eps",
    "ignores-the-eps-argument",
    "divides-by-the-variance",
    "centres-only",
    "scales-only",
    "statistics-of-the-batch",
    "statistics-of-the-image",
    "statistics-of-everything",
    "one-pixel-at-a-time",
    "in-place",
)
TWO_STYLES = {
    "gamma": np.array([[2.0, 3.0], [-1.0, 0.5]]),
    "beta": np.array([[10.0, 20.0], [-10.0, 40.0]]),
}
FOUR = bright(np.random.default_rng(5), (2, 2, 2, 3))

CONDITIONAL_ASPECTS = (
    Aspect(
        "every-plane",
        1,
        "Each plane, that is each channel of each image, is standardised by itself.",
        public=(plainly({"x": BATCH}),),
        hidden=lambda rng: [plainly({"x": counts(rng, some_shape(rng))}) for _ in range(4)],
    ),
    Aspect(
        "style",
        1,
        "A weight of 1 picks a row of gamma and the same row of beta, image by image.",
        public=({"x": FOUR, **TWO_STYLES, "weights": np.eye(2)[::-1].copy()},),
        hidden=lambda rng: [in_style(rng, one_hot) for _ in range(4)],
    ),
    Aspect(
        "blend",
        2,
        "Several weights blend the rows; they are used as they are, whatever their sum.",
        public=(
            {"x": FOUR, **TWO_STYLES, "weights": np.array([[0.75, 0.25], [0.4, 0.6]])},
            {"x": FOUR, **TWO_STYLES, "weights": np.array([[1.5, -0.25], [0.5, 0.25]])},
        ),
        hidden=lambda rng: [
            in_style(rng, partial(blends, total=total)) for total in (1.0, 1.0, 0.5, 1.4)
        ],
    ),
    Aspect(
        "eps",
        1,
        "eps is added to the variance, inside the root; a flat plane becomes beta.",
        public=(plainly({"x": FAINT, "eps": 1e-3}), plainly({"x": FAINT}), plainly({"x": FLAT})),
        hidden=lambda rng: [plainly(arguments) for arguments in faint_pictures(rng)],
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array of x's shape; no argument is changed.",
        public=(plainly({"x": PAIR}),),
        hidden=lambda rng: [plainly({"x": bright(rng, some_shape(rng))}) for _ in range(2)],
        strict=True,
    ),
)
CONDITIONAL_ALL = tuple(aspect.name for aspect in CONDITIONAL_ASPECTS)

CONDITIONAL = Exercise(
    id="conditional-in",
    signature="conditional_instance_norm(x, gamma, beta, weights, eps=1e-5)",
    returns=("y",),
    reference=conditional_reference,
    aspects=CONDITIONAL_ASPECTS,
    misconceptions=(
        *(
            wrong
            for wrong in wrong_standardisations(CONDITIONAL_ALL, conditional)
            if wrong.name in CHOSEN
        ),
        Misconception(
            "strongest-style-only",
            "Your output is in the style with the largest weight, and the other weights are lost. "
            "Two styles at a half each should meet in the middle.",
            weights_by(lambda weights: np.eye(weights.shape[1])[weights.argmax(1)]),
            ("blend",),
        ),
        Misconception(
            "weights-made-to-sum-to-1",
            "Your weights are divided by their sum first. Whoever calls the function may want half "
            "of a style, or one and a half: use the weights as they are.",
            weights_by(lambda weights: weights / weights.sum(1, keepdims=True)),
            ("blend",),
        ),
        Misconception(
            "softmax-of-the-weights",
            "Your weights have gone through a softmax. They are weights already: a 1 among zeros "
            "means that style and no other.",
            weights_by(lambda w: np.exp(w) / np.exp(w).sum(1, keepdims=True)),
            ("style", "blend"),
        ),
        Misconception(
            "first-images-style",
            "Your images all have the style of the first one. `weights` has a row for each image.",
            weights_by(of_the_first_image),
            ("style", "blend"),
        ),
        Misconception(
            "average-style",
            "Your output is in the plain average of all styles. The weights say how much of each.",
            weights_by(lambda weights: np.full_like(weights, 1 / weights.shape[1])),
            ("style", "blend"),
        ),
        Misconception(
            "forgets-beta",
            "Your output has the right gamma and no beta. A style is a row of both tables.",
            tables_by(lambda y, gamma, beta, weights: per_plane(gamma, weights) * y),
            ("style", "blend"),
        ),
        Misconception(
            "forgets-gamma",
            "Your output has the right beta and no gamma. A style is a row of both tables.",
            tables_by(lambda y, gamma, beta, weights: y + per_plane(beta, weights)),
            ("style", "blend"),
        ),
        Misconception(
            "shifts-before-scaling",
            "Your output is what you get when beta is added first and gamma multiplies the sum. "
            "Then gamma rescales beta too. Which of the two should come last?",
            tables_by(
                lambda y, gamma, beta, weights: (
                    per_plane(gamma, weights) * (y + per_plane(beta, weights))
                )
            ),
            ("style", "blend"),
        ),
        Misconception(
            "swaps-gamma-and-beta",
            "Your output is what you get when beta multiplies and gamma is added. Gamma is the "
            "gain, beta the offset.",
            tables_by(
                lambda y, gamma, beta, weights: (
                    per_plane(beta, weights) * y + per_plane(gamma, weights)
                )
            ),
            CONDITIONAL_ALL,
        ),
        Misconception(
            "adds-1-to-gamma",
            "Your gain is 1 + gamma. Some networks are trained that way, so that gamma can start "
            "at 0. In this table the gain is gamma itself.",
            tables_by(
                lambda y, gamma, beta, weights: (
                    (1 + per_plane(gamma, weights)) * y + per_plane(beta, weights)
                )
            ),
            CONDITIONAL_ALL,
        ),
    ),
    properties=(
        *IMAGE_PROPERTIES,
        Property(
            "One image changes when the weights of another image change.",
            strangers_style_does_not_matter,
        ),
    ),
)


# --- AdaIN ----------------------------------------------------------------------------------------


def adain_reference(content, style, eps=1e-5):
    return adain(content, style, eps=eps)


def root(var, eps):
    return np.sqrt(var + eps)


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
    """But for a factor, which the first wrong value shows well enough."""
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

WIDE = np.array([[500.0, 1500.0, 2000.0, 3500.0], [3000.0, 4000.0, 7000.0, 500.0]])
PAINTING = np.random.default_rng(8).integers(0, 65536, BATCH.shape).astype(float)

ADAIN_ASPECTS = (
    Aspect(
        "content",
        1,
        "Each plane of the content loses its own mean and spread.",
        public=(
            large(PLANE[None, None], 0.5 * PLANE[None, None, ::-1] + 100),
            large(BATCH, bright(np.random.default_rng(9), BATCH.shape)),
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
        public=(large(bright(np.random.default_rng(10), BATCH.shape), PAINTING),),
        hidden=lambda rng: [
            large(bright(rng, shape), counts(rng, shape))
            for shape in (some_shape(rng) for _ in range(4))
        ],
    ),
    Aspect(
        "sizes",
        1,
        "The style may be larger or smaller than the content.",
        public=(large(PLANE[None, None], WIDE[None, None]),),
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
        public=(large(PAIR, 0.5 * PAIR[..., ::-1] + 100),),
        hidden=lambda rng: [
            large(bright(rng, shape), bright(rng, shape))
            for shape in (some_shape(rng) for _ in range(2))
        ],
        strict=True,
    ),
)
ADAIN_ALL = tuple(aspect.name for aspect in ADAIN_ASPECTS)

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
            ADAIN_ALL,
        ),
        Misconception(
            "only-the-mean",
            "Your output has the brightness of the style, and still the contrast of the content.",
            only_the_mean,
            ADAIN_ALL,
        ),
        Misconception(
            "only-the-spread",
            "Your output has the contrast of the style, and still the brightness of the content.",
            only_the_spread,
            ADAIN_ALL,
        ),
        Misconception(
            "not-centred",
            "Your output is what you get when the content is rescaled before its mean is taken "
            "away, and the style's mean is added on top. Subtract first.",
            adain_not_centred,
            ADAIN_ALL,
        ),
        Misconception(
            "shifts-before-scaling",
            "Your output is what you get when the style's mean is added before its spread "
            "multiplies. Then the mean is rescaled too. Which of the two should come last?",
            adain_by(finish=lambda xhat, scale, mean: scale * (xhat + mean)),
            ADAIN_ALL,
        ),
        Misconception(
            "swaps-mean-and-spread",
            "Your output is what you get when the style's mean multiplies and its spread is added.",
            adain_by(finish=lambda xhat, scale, mean: mean * xhat + scale),
            ADAIN_ALL,
        ),
        Misconception(
            "scales-by-the-variance",
            "Your output is multiplied by the style's variance. In units: counts squared times "
            "nothing are not counts. Which root is missing?",
            adain_by(style_scale=lambda var, eps: var + eps),
            ADAIN_ALL,
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
            ADAIN_ALL,
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
                content_scale=lambda var, eps: np.sqrt(var) + eps,
                style_scale=lambda var, eps: np.sqrt(var) + eps,
            ),
            ("eps",),
        ),
        Misconception(
            "eps-on-the-content-only",
            "Your eps is added to the variance of the content only. Then a picture in its own "
            "style is not quite itself: what was divided by is not what is multiplied by.",
            adain_by(style_scale=lambda var, eps: np.sqrt(var)),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is what you get with eps = 0. A faint content is blown up too far, and a "
            "flat one becomes 0 / 0.",
            adain_by(
                content_scale=lambda var, eps: np.sqrt(var),
                style_scale=lambda var, eps: np.sqrt(var),
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


# --- Whitening and colouring ----------------------------------------------------------------------


def wct_reference(content, style, eps=1e-5):
    return wct(content, style, eps=eps)


def moments(x):
    """Mean (C, 1) and covariance (C, C) of rows (C, M)."""
    mean = x.mean(1, keepdims=True)
    return mean, (x - mean) @ (x - mean).T / x.shape[1]


def second_moments(x):
    return x.mean(1, keepdims=True), x @ x.T / x.shape[1]


def sums_of_products(x):
    mean, covariance = moments(x)
    return mean, covariance * x.shape[1]


def unbiased(x):
    mean, covariance = moments(x)
    return mean, covariance * x.shape[1] / (x.shape[1] - 1)


def power(covariance, exponent, eps):
    values, vectors = np.linalg.eigh(covariance + eps * np.eye(len(covariance)))
    return vectors * values**exponent @ vectors.T


def power_of_eigenvalues(scale):
    """Like `power`, with `scale(eigenvalues, eps)` for the root of eigenvalues + eps."""

    def matrix(covariance, exponent, eps):
        values, vectors = np.linalg.eigh(covariance)
        return vectors * scale(np.maximum(values, 0), eps) ** (2 * exponent) @ vectors.T

    return matrix


def power_transposed(covariance, exponent, eps):
    values, vectors = np.linalg.eigh(covariance + eps * np.eye(len(covariance)))
    return vectors.T * values**exponent @ vectors


def power_without_turning_back(covariance, exponent, eps):
    values, vectors = np.linalg.eigh(covariance + eps * np.eye(len(covariance)))
    colouring = vectors * values**exponent
    return colouring if exponent > 0 else colouring.T


def power_by_cholesky(covariance, exponent, eps):
    lower = np.linalg.cholesky(covariance + eps * np.eye(len(covariance)))
    return lower if exponent > 0 else np.linalg.inv(lower)


def wct_by(
    moments_of=moments,
    whitening=power,
    colouring=power,
    exponents=(-0.5, 0.5),
    centre=lambda x, mean: x - mean,
    finish=lambda y, content_mean, style_mean: y + style_mean,
):
    """WCT with something else in one place."""

    def answer(content, style, eps=1e-5):
        y = np.empty_like(content)
        for n in range(len(content)):
            x, s = (p[n].reshape(p.shape[1], -1) for p in (content, style))
            (mean, covariance), (style_mean, wanted) = moments_of(x), moments_of(s)
            z = whitening(covariance, exponents[0], eps) @ centre(x, mean)
            painted = finish(colouring(wanted, exponents[1], eps) @ z, mean, style_mean)
            y[n] = painted.reshape(content[n].shape)
        return y

    return answer


def identity(covariance, exponent, eps):
    return np.eye(len(covariance))


def without_eps(covariance, exponent, eps):
    return power(covariance, exponent, 0.0)


def of_the_batch(content, style, eps=1e-5):
    """One mean and covariance for all images: they are laid side by side."""

    def beside(x):
        return x.transpose(1, 0, 2, 3).reshape(1, x.shape[1], x.shape[0] * x.shape[2], x.shape[3])

    y = wct(beside(content), beside(style), eps=eps)
    n, c, h, w = content.shape
    return y.reshape(c, n, h, w).transpose(1, 0, 2, 3)


def wct_in_place(content, style, eps=1e-5):
    content[...] = wct(content, style, eps=eps)
    return content


def mixed_pair(rng, images=1, scale=4e6, like=False):
    content, style = two_shapes(rng, images)
    return pair(mixed(rng, content, scale), mixed(rng, content if like else style, scale))


def lifted_pair(rng):
    """Means of their own in each channel of both pictures."""
    pictures = mixed_pair(rng, like=True)
    return {
        name: x + 4e6 * rng.uniform(1, 2, (1, x.shape[1], 1, 1)) * rng.choice([-1, 1])
        for name, x in pictures.items()
    }


def faint_mixtures(rng):
    """Variances near eps; a channel without contrast; and no contrast at all."""
    for _ in range(2):
        eps = 10 ** rng.uniform(-5, -1)
        yield {**mixed_pair(rng, scale=np.sqrt(eps), like=True), "eps": eps}
    pictures = mixed_pair(rng, scale=np.sqrt(1e-5), like=True)
    dead = pictures["content"].copy()
    dead[:, 0] = 0
    yield pair(dead, pictures["style"])
    yield pair(np.zeros_like(dead), pictures["style"])


def channels_can_be_exchanged(run, arguments):
    content, style = arguments["content"], arguments["style"]
    turned = run(content=content[:, ::-1].copy(), style=style[:, ::-1].copy())[0]
    return agree(turned[:, ::-1], run()[0])


PUBLIC = np.random.default_rng(11)
FAINT_PUBLIC = tuple(faint_mixtures(np.random.default_rng(12)))

WCT_ASPECTS = (
    Aspect(
        "covariance",
        2,
        "The content is whitened, then coloured, both by symmetric roots.",
        public=(mixed_pair(PUBLIC, like=True),),
        hidden=lambda rng: [mixed_pair(rng, like=True) for _ in range(4)],
    ),
    Aspect(
        "means",
        1,
        "The mean of the content goes, the mean of the style comes.",
        public=(lifted_pair(PUBLIC),),
        hidden=lambda rng: [lifted_pair(rng) for _ in range(3)],
    ),
    Aspect(
        "every-image",
        1,
        "Image n of the content goes with image n of the style, and with no other.",
        public=(mixed_pair(PUBLIC, images=2, like=True),),
        hidden=lambda rng: [
            mixed_pair(rng, images=int(rng.integers(2, 4)), like=True) for _ in range(3)
        ],
    ),
    Aspect(
        "sizes",
        1,
        "The style may be larger or smaller than the content.",
        public=(mixed_pair(PUBLIC),),
        hidden=lambda rng: [mixed_pair(rng) for _ in range(3)],
    ),
    Aspect(
        "eps",
        1,
        "eps is added to the diagonal of both covariances, so that a root always exists.",
        public=FAINT_PUBLIC,
        hidden=faint_mixtures,
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array of content's shape; no argument is changed.",
        public=(mixed_pair(PUBLIC, like=True),),
        hidden=lambda rng: [mixed_pair(rng, like=True) for _ in range(2)],
        strict=True,
    ),
)
WCT_ALL = tuple(aspect.name for aspect in WCT_ASPECTS)

WCT = Exercise(
    id="wct",
    signature="wct(content, style, eps=1e-5)",
    returns=("y",),
    reference=wct_reference,
    aspects=WCT_ASPECTS,
    misconceptions=(
        Misconception(
            "adain-instead",
            "Your output is AdaIN: each channel has the right mean and the right variance, and the "
            "correlations between channels are still those of the content.",
            adain_reference,
            WCT_ALL,
        ),
        Misconception(
            "whitens-only",
            "Your output is white: its channels are uncorrelated, with variance 1. The colouring "
            "is still to come.",
            wct_by(colouring=identity),
            WCT_ALL,
        ),
        Misconception(
            "colours-only",
            "Your output is coloured without having been whitened: the covariance of the content "
            "is still in it, and has been multiplied on.",
            wct_by(whitening=identity),
            WCT_ALL,
        ),
        Misconception(
            "no-square-root",
            "Your matrices are the covariances themselves, and their inverse. A covariance is in "
            "counts squared: which power of it takes counts to counts?",
            wct_by(exponents=(-1, 1)),
            WCT_ALL,
        ),
        Misconception(
            "does-not-turn-back",
            "Your output is scaled along the eigenvectors and left there. The symmetric root turns "
            "back again: E D^(1/2) E transposed. Without the last factor channels lose their "
            "names.",
            wct_by(whitening=power_without_turning_back, colouring=power_without_turning_back),
            WCT_ALL,
        ),
        Misconception(
            "roots-by-cholesky",
            "Your output has the right mean and the right covariance, by triangular roots. They "
            "treat the first channel unlike the last. The definition asks for symmetric roots, "
            "which change the picture least.",
            wct_by(whitening=power_by_cholesky, colouring=power_by_cholesky),
            WCT_ALL,
        ),
        Misconception(
            "eigenvectors-in-rows",
            "Your eigenvectors are taken from the rows. numpy.linalg.eigh returns them as columns: "
            "`vectors[:, k]` belongs to `values[k]`.",
            wct_by(whitening=power_transposed, colouring=power_transposed),
            WCT_ALL,
        ),
        Misconception(
            "swaps-content-and-style",
            "Your output shows the style picture with the statistics of the content.",
            lambda content, style, eps=1e-5: wct(style, content, eps=eps),
            WCT_ALL,
        ),
        Misconception(
            "forgets-the-styles-mean",
            "Your output has mean 0 in every channel. The style's mean is to be added last.",
            wct_by(finish=lambda y, content_mean, style_mean: y),
            ("means",),
        ),
        Misconception(
            "keeps-the-contents-mean",
            "Your output has the mean of the content. The covariance is only half of the style.",
            wct_by(finish=lambda y, content_mean, style_mean: y + content_mean),
            ("means",),
        ),
        Misconception(
            "not-centred",
            "Your content is whitened without having lost its mean, so a whitened mean is left in "
            "the output.",
            wct_by(centre=lambda x, mean: x),
            ("means",),
        ),
        Misconception(
            "gram-for-covariance",
            "Your matrices are Gram matrices: the means were not subtracted before the products "
            "were taken. A covariance is measured from the mean.",
            wct_by(moments_of=second_moments),
            ("means",),
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your covariances divide by m - 1. Where both pictures have the same size this "
            "cancels, nearly: that is why you may not have noticed.",
            wct_by(moments_of=unbiased),
            ("sizes", "eps"),
        ),
        Misconception(
            "sums-instead-of-means",
            "Your covariances are sums of products, not means. Where both pictures have the same "
            "size this cancels, nearly. A larger style picture should not give more contrast.",
            wct_by(moments_of=sums_of_products),
            ("sizes", "eps"),
        ),
        Misconception(
            "one-covariance-for-the-batch",
            "Your covariances are taken over all images of the batch. Each image has its own.",
            of_the_batch,
            ("every-image",),
        ),
        Misconception(
            "style-of-the-first-image",
            "Your images all have the style of the first one.",
            lambda content, style, eps=1e-5: wct(
                content, np.repeat(style[:1], len(style), axis=0), eps=eps
            ),
            ("every-image",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is what you get with eps = 0. A content with a dead channel then has no "
            "inverse root: somewhere a 0 is divided by.",
            wct_by(whitening=without_eps, colouring=without_eps),
            ("eps",),
        ),
        Misconception(
            "eps-outside-the-root",
            "Your eps is added to the roots of the eigenvalues. It belongs to the eigenvalues, "
            "which is the same as adding it to the diagonal of the covariance.",
            wct_by(
                whitening=power_of_eigenvalues(lambda values, eps: np.sqrt(values) + eps),
                colouring=power_of_eigenvalues(lambda values, eps: np.sqrt(values) + eps),
            ),
            ("eps",),
        ),
        Misconception(
            "eps-on-the-content-only",
            "Your eps is added to the covariance of the content only. Then a picture in its own "
            "style is not quite itself.",
            wct_by(colouring=power_of_eigenvalues(lambda values, eps: np.sqrt(values))),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-5 whatever the caller asks for. Is the "
            "number written out somewhere in your function?",
            lambda content, style, eps=1e-5: wct(content, style),
            ("eps",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the content that you were given. "
            "Make a new array for the result.",
            wct_in_place,
            ("array",),
        ),
    ),
    properties=(
        *PAIR_PROPERTIES,
        Property(
            "Exchanging the channels, of content and style alike, should exchange those of the "
            "output and do nothing else.",
            channels_can_be_exchanged,
        ),
    ),
)

EXERCISES = (GRAM, CONDITIONAL, ADAIN, WCT)
