"""The exercise "wct": whitening and colouring."""

import numpy as np

from instnorm.whitening import wct

from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from .adain import PAIR_PROPERTIES, adain_reference, pair
from .shared import mixed, two_shapes


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


def power_along_the_axes(covariance, exponent, eps):
    """D^p E^T, whichever the exponent."""
    values, vectors = np.linalg.eigh(covariance + eps * np.eye(len(covariance)))
    return (vectors * values**exponent).T


def eps_everywhere(covariance, exponent, eps):
    return power(covariance + eps, exponent, 0.0)


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


def colours_first(content, style, eps=1e-5):
    """The matrices in the other order."""
    y = np.empty_like(content)
    for n in range(len(content)):
        x, s = (p[n].reshape(p.shape[1], -1) for p in (content, style))
        (mean, covariance), (style_mean, wanted) = moments(x), moments(s)
        matrix = power(covariance, -0.5, eps) @ power(wanted, 0.5, eps)
        y[n] = (matrix @ (x - mean) + style_mean).reshape(content[n].shape)
    return y


def positions_of_the_content(content, style, eps=1e-5):
    """The style's covariance is divided by the number of positions of the content."""
    y = np.empty_like(content)
    for n in range(len(content)):
        x, s = (p[n].reshape(p.shape[1], -1) for p in (content, style))
        (mean, covariance), (style_mean, wanted) = moments(x), moments(s)
        wanted = wanted * s.shape[1] / x.shape[1]
        matrix = power(wanted, 0.5, eps) @ power(covariance, -0.5, eps)
        y[n] = (matrix @ (x - mean) + style_mean).reshape(content[n].shape)
    return y


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


def by_hand(seed, images=1, wider=0):
    """Three channels of six pixels, in thousands.

    These seeds leave no pixel of the output near 0, where the tolerance would be that of a number
    near 1, and show eps.
    """
    rng = np.random.default_rng(seed)
    shapes = (images, 3, 2, 3), (images, 3, 2, 3 + wider)
    return pair(*(mixed(rng, shape, 4e3) for shape in shapes))


def lifted_by_hand(seed):
    content, style = by_hand(seed).values()
    own = np.array([2.0, -3.0, 4.0]).reshape(1, 3, 1, 1)
    return pair(content + 3e3 * own, style + 2e4 * own)


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


FAINT_PUBLIC = tuple(faint_mixtures(np.random.default_rng(12)))

WCT_ASPECTS = (
    Aspect(
        "covariance",
        2,
        "The content is whitened, then coloured, both by symmetric roots.",
        public=(by_hand(3),),
        hidden=lambda rng: [mixed_pair(rng, like=True) for _ in range(4)],
    ),
    Aspect(
        "means",
        1,
        "The mean of the content goes, the mean of the style comes.",
        public=(lifted_by_hand(3),),
        hidden=lambda rng: [lifted_pair(rng) for _ in range(3)],
    ),
    Aspect(
        "every-image",
        1,
        "Image n of the content goes with image n of the style, and with no other.",
        public=(by_hand(12, images=2),),
        hidden=lambda rng: [
            mixed_pair(rng, images=int(rng.integers(2, 4)), like=True) for _ in range(3)
        ],
    ),
    Aspect(
        "sizes",
        1,
        "The style may be larger or smaller than the content.",
        public=(by_hand(4, wider=1),),
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
        public=(by_hand(11),),
        hidden=lambda rng: [mixed_pair(rng, like=True) for _ in range(2)],
        strict=True,
    ),
)

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
            ALL,
        ),
        Misconception(
            "whitens-only",
            "Your output is white: its channels are uncorrelated, with variance 1. The colouring "
            "is still to come.",
            wct_by(colouring=identity),
            ALL,
        ),
        Misconception(
            "colours-only",
            "Your output is coloured without having been whitened: the covariance of the content "
            "is still in it, and has been multiplied on.",
            wct_by(whitening=identity),
            ALL,
        ),
        Misconception(
            "no-square-root",
            "Your matrices are the covariances themselves, and their inverse. A covariance is in "
            "counts squared: which power of it takes counts to counts?",
            wct_by(exponents=(-1, 1)),
            ALL,
        ),
        Misconception(
            "does-not-turn-back",
            "Your output is scaled along the eigenvectors and left there. The symmetric root turns "
            "back again: E D^(1/2) E transposed. Without the last factor channels lose their "
            "names.",
            wct_by(whitening=power_without_turning_back, colouring=power_without_turning_back),
            ALL,
            also=(wct_by(whitening=power_along_the_axes, colouring=power_along_the_axes),),
        ),
        Misconception(
            "roots-by-cholesky",
            "Your output has the right mean and the right covariance, by triangular roots. They "
            "treat the first channel unlike the last. The definition asks for symmetric roots, "
            "which change the picture least.",
            wct_by(whitening=power_by_cholesky, colouring=power_by_cholesky),
            ALL,
        ),
        Misconception(
            "eigenvectors-in-rows",
            "Your eigenvectors are taken from the rows. numpy.linalg.eigh returns them as columns: "
            "`vectors[:, k]` belongs to `values[k]`.",
            wct_by(whitening=power_transposed, colouring=power_transposed),
            ALL,
        ),
        Misconception(
            "swaps-content-and-style",
            "Your output shows the style picture with the statistics of the content.",
            lambda content, style, eps=1e-5: wct(style, content, eps=eps),
            ALL,
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
            "colours-first",
            "Your two matrices stand in the wrong order. The one beside x acts first, and that is "
            "the whitening; the colouring stands on the left.",
            colours_first,
            ALL,
        ),
        Misconception(
            "positions-of-the-content",
            "Your covariance of the style is divided by the number of positions of the content. "
            "Each picture has its own, and the style may be larger or smaller.",
            positions_of_the_content,
            ("sizes",),
        ),
        Misconception(
            "eps-everywhere",
            "Your eps is added to every entry of the covariances. It belongs on the diagonal "
            "alone: eps times the identity.",
            wct_by(whitening=eps_everywhere, colouring=eps_everywhere),
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
