"""The exercise "mixstyle": an image whose style lies between its own and a partner's."""

import numpy as np

from instnorm.mixtures import mixstyle

from ..cases import counts, shuffled, some_shape
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import beside, fixed_eps, root, variance_itself, without_eps

PLANE_AXES = (2, 3)


def mixstyle_reference(x, weight, perm, eps=1e-5):
    return mixstyle(x, x[perm], weight, eps=eps)


def for_images(weight):
    """(N,) -> (N, 1, 1, 1)."""
    return weight[:, None, None, None]


def mixed(own, partners, w):
    return w * own + (1 - w) * partners


def finished(x, mean, spread, new_mean, new_spread):
    return (x - mean) / spread * new_spread + new_mean


def styled_by(
    axes=PLANE_AXES,
    ddof=0,
    scale=root,
    new_scale=None,
    partners=lambda array, perm: array[perm],
    share=lambda weight, perm: weight,
    finish=finished,
):
    """An answer with something else in one place."""

    def answer(x, weight, perm, eps=1e-5):
        mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True, ddof=ddof)
        w = for_images(share(weight, perm))
        spread = (new_scale or scale)(var, eps)
        new_mean = mixed(mean, partners(mean, perm), w)
        new_spread = mixed(spread, partners(spread, perm), w)
        return finish(x, mean, scale(var, eps), new_mean, new_spread)

    return answer


def mixes_the_pictures(x, weight, perm, eps=1e-5):
    return mixed(x, x[perm], for_images(weight))


def mixes_the_variances(x, weight, perm, eps=1e-5):
    mean, var = x.mean(PLANE_AXES, keepdims=True), x.var(PLANE_AXES, keepdims=True)
    w = for_images(weight)
    spread = root(mixed(var, var[perm], w), eps)
    return (x - mean) / root(var, eps) * spread + mixed(mean, mean[perm], w)


def picture_of_the_partner(x, weight, perm, eps=1e-5):
    return mixstyle(x[perm], x, 1 - weight, eps=eps)


def one_after_the_other(x, weight, perm, eps=1e-5):
    for n, partner in enumerate(perm):
        one, other = x[n : n + 1], x[partner : partner + 1]
        x[n : n + 1] = mixstyle(one, other, weight[n : n + 1], eps=eps)
    return x


def in_place(x, weight, perm, eps=1e-5):
    x[...] = mixstyle_reference(x, weight, perm, eps)
    return x


def swapped(x, weight=0.0, **rest):
    """Two images, each the other's partner: it does not matter which way the partners are read."""
    return {"x": x, "weight": np.zeros(2) + weight, "perm": np.array([1, 0]), **rest}


def round_dance(rng, images):
    """A permutation that is one cycle, and not simply that from each image to its neighbour."""
    neighbours = [np.roll(np.arange(images), shift).tolist() for shift in (1, -1)]
    while True:
        order, perm = rng.permutation(images), np.empty(images, int)
        perm[order] = np.roll(order, -1)
        if perm.tolist() not in neighbours:
            return perm


def lit(rng, images):
    """Camera counts, and nothing near 0: there the tolerance would be that of a number near 1."""
    return 4e4 + counts(rng, (images, *some_shape(rng)[1:]))


def in_the_round(rng):
    images = int(rng.integers(4, 7))
    x = lit(rng, images)
    return {"x": x, "weight": np.zeros(images), "perm": round_dance(rng, images)}


def uneven(rng):
    """Two weights that are neither equal, nor near a half, nor do they add to 1."""
    return rng.permutation([rng.uniform(0.1, 0.3), rng.uniform(0.72, 0.85)])


def faint(rng):
    """Two images of different contrast, both within a factor of ten of eps; and a flat one."""
    for _ in range(2):
        eps = 10 ** rng.uniform(-6, -1)
        yield swapped(two_alike(rng, np.sqrt(eps) * contrasts(rng)), eps=float(eps))
    yield swapped(two_alike(rng, np.sqrt(1e-5) * contrasts(rng)))
    flat = two_alike(rng, np.sqrt(1e-5) * contrasts(rng))
    flat[0] = rng.uniform(1, 9)
    yield swapped(flat)


def contrasts(rng):
    return rng.permutation([rng.uniform(0.4, 0.8), rng.uniform(1.5, 3)])


def two_alike(rng, contrast):
    """Two images with brightness and contrast of their own, the same in all of their channels."""
    shape = (2, *some_shape(rng)[1:])
    level = rng.uniform(-3, 3, 2) * contrast.max()
    return for_images(level) + for_images(contrast) * shuffled(rng, shape)


def own_partner_changes_nothing(run, arguments):
    """But for a factor, which the first wrong value shows well enough."""
    x = arguments["x"]
    y = run(perm=np.arange(len(x)))[0]
    return agree(np.abs(x).max() * y, np.abs(y).max() * x)


def strangers_do_not_matter(run, arguments):
    x, perm = arguments["x"].copy(), arguments["perm"]
    strangers = [n for n in range(len(x)) if n not in (0, perm[0])]
    x[strangers] = 3 * x[strangers] + 1
    return agree(run(x=x)[0][:1], run()[0][:1])


FOUR = np.array(
    [
        [[[1000.0, 3000.0]], [[5000.0, 6600.0]]],
        [[[4000.0, 12000.0]], [[2000.0, 3000.0]]],
        [[[20000.0, 21000.0]], [[9000.0, 1000.0]]],
        [[[7000.0, 2000.0]], [[400.0, 2400.0]]],
    ]
)
ROUND = np.array([2, 0, 3, 1])
# By hand: mean 2000 and deviation 1000; mean 8000 and deviation 4000.
TWO = np.array([[[[1000.0, 3000.0]]], [[[12000.0, 4000.0]]]])
FAINT_TWO = np.array([[[[0.001, 0.007]]], [[[0.03, 0.01]]]])
FLAT_TWO = np.array([[[[7.0, 7.0]]], [[[0.03, 0.01]]]])

MIXSTYLE = Exercise(
    id="mixstyle",
    signature="mixstyle(x, weight, perm, eps=1e-5)",
    returns=("y",),
    reference=mixstyle_reference,
    aspects=(
        Aspect(
            "partner",
            2,
            "With a weight of 0, image n has the mean and deviation of image perm[n], channel by "
            "channel.",
            public=({"x": FOUR, "weight": np.zeros(4), "perm": ROUND},),
            hidden=lambda rng: [in_the_round(rng) for _ in range(4)],
        ),
        Aspect(
            "share",
            2,
            "Mean and deviation are weight[n] of its own and 1 - weight[n] of the partner's.",
            public=(
                swapped(TWO, np.array([0.75, 0.5])),
                swapped(FOUR[1:3], np.array([0.8, 0.3])),
            ),
            hidden=lambda rng: [swapped(lit(rng, 2), uneven(rng)) for _ in range(4)],
        ),
        Aspect(
            "eps",
            1,
            "eps is added to every variance, inside the root.",
            public=(
                swapped(FAINT_TWO, eps=1e-3),
                swapped(FAINT_TWO),
                swapped(FLAT_TWO),
            ),
            hidden=faint,
        ),
        Aspect(
            "array",
            1,
            "Right values, in a new float64 array of x's shape; no argument is changed.",
            public=(swapped(TWO),),
            hidden=lambda rng: [
                swapped(1e5 + two_alike(rng, 4e3 * contrasts(rng))) for _ in range(2)
            ],
            strict=True,
        ),
    ),
    misconceptions=(
        Misconception(
            "mixes-the-pictures",
            "Your output is a double exposure: the two pictures themselves are added. Only their "
            "means and deviations are to be mixed; the picture stays.",
            mixes_the_pictures,
            ALL,
        ),
        Misconception(
            "only-the-mean",
            "Your output has the mixed mean, and still the contrast of the image itself.",
            styled_by(finish=lambda x, mean, spread, new_mean, new_spread: x - mean + new_mean),
            ALL,
        ),
        Misconception(
            "only-the-spread",
            "Your output has the mixed deviation, and still the brightness of the image itself.",
            styled_by(
                finish=lambda x, mean, spread, new_mean, new_spread: (
                    (x - mean) / spread * new_spread + mean
                )
            ),
            ALL,
        ),
        Misconception(
            "not-centred",
            "Your output is what you get when x is rescaled before its mean is taken away. The old "
            "mean is still in it, rescaled, and the new one on top. Subtract first.",
            styled_by(
                finish=lambda x, mean, spread, new_mean, new_spread: (
                    x / spread * new_spread + new_mean
                )
            ),
            ALL,
        ),
        Misconception(
            "shifts-before-scaling",
            "Your output is what you get when the mixed mean is added before the mixed deviation "
            "multiplies. Then the mean is rescaled too. Which of the two comes last?",
            styled_by(
                finish=lambda x, mean, spread, new_mean, new_spread: (
                    ((x - mean) / spread + new_mean) * new_spread
                )
            ),
            ALL,
        ),
        Misconception(
            "swaps-the-shares",
            "Your weights are the partner's share. weight[n] is the share of the image itself: "
            "with a weight of 1 it stays as it is.",
            styled_by(share=lambda weight, perm: 1 - weight),
            ALL,
        ),
        Misconception(
            "mixes-the-variances",
            "You mix the variances and take the root of the mixture. Here the deviations are "
            "mixed: take the roots first.",
            mixes_the_variances,
            ("share",),
        ),
        Misconception(
            "ignores-the-weight",
            "Your images take all of their partner's style: weight has no effect on it.",
            styled_by(share=lambda weight, perm: np.zeros(len(weight))),
            ("share",),
        ),
        Misconception(
            "weight-of-the-first-image",
            "All your images have the weight of the first. Each has its own.",
            styled_by(share=lambda weight, perm: np.broadcast_to(weight[:1], weight.shape)),
            ("share",),
        ),
        Misconception(
            "weight-of-the-partner",
            "Your images have the weights of their partners. The permutation is for means and "
            "deviations; weight[n] belongs to image n.",
            styled_by(share=lambda weight, perm: weight[perm]),
            ("share",),
        ),
        Misconception(
            "partners-read-backwards",
            "Your image perm[n] takes the style of image n. It is the other way round: image n "
            "takes that of image perm[n].",
            styled_by(partners=lambda array, perm: array[np.argsort(perm)]),
            ("partner",),
        ),
        Misconception(
            "ignores-the-permutation",
            "Your partners are not those of perm: each image has a neighbour for its partner, or "
            "the order is turned round.",
            styled_by(partners=lambda array, perm: np.roll(array, 1, axis=0)),
            ("partner",),
            also=(
                styled_by(partners=lambda array, perm: np.roll(array, -1, axis=0)),
                styled_by(partners=lambda array, perm: array[::-1]),
            ),
        ),
        Misconception(
            "picture-of-the-partner",
            "Your output shows the partner's picture. Image n keeps its own picture, and takes "
            "only a mean and a deviation from the partner.",
            picture_of_the_partner,
            ALL,
        ),
        Misconception(
            "statistics-of-the-image",
            "Your means and deviations are those of whole images, all channels together. Each "
            "channel has a brightness and a contrast of its own.",
            styled_by((1, 2, 3)),
            ("partner", "share"),
        ),
        Misconception(
            "statistics-of-the-batch",
            "Your means and deviations are those of the whole batch. Then all images have the "
            "same style, and there is nothing to mix.",
            styled_by((0, 2, 3), partners=lambda array, perm: array),
            ALL,
        ),
        Misconception(
            "divides-by-the-variance",
            "Your output is what you get with variances in place of deviations. Which root is "
            "missing?",
            styled_by(scale=variance_itself),
            ALL,
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your variances divide by m - 1. It cancels, for one deviation is divided by another; "
            "but not where eps matters. (NumPy divides by m unless told otherwise, PyTorch by "
            "m - 1.)",
            styled_by(ddof=1),
            ("eps",),
        ),
        Misconception(
            "eps-outside-the-root",
            "Your output is what you get when eps is added to the deviations. The definition adds "
            "it to something else, one step earlier.",
            styled_by(scale=beside),
            ("eps",),
        ),
        Misconception(
            "eps-on-one-side-only",
            "Your eps is in the deviation that you divide by, and not in those that you mix. Then "
            "an image that is its own partner is not quite itself.",
            styled_by(new_scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is what you get with eps = 0. A flat plane becomes 0 / 0.",
            styled_by(scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-5 whatever the caller asks for. Is the "
            "number written out somewhere in your function?",
            styled_by(scale=fixed_eps),
            ("eps",),
        ),
        Misconception(
            "one-after-the-other",
            "Your images are overwritten one after the other. So the later ones are mixed with "
            "partners that have already changed. Make a new array for the result.",
            one_after_the_other,
            ALL,
        ),
        Misconception(
            "standardised-by-the-mixture",
            "Your output is x standardised by the mixed mean and deviation. x loses its own mean "
            "and deviation; the mixed ones are what it gets instead.",
            styled_by(
                finish=lambda x, mean, spread, new_mean, new_spread: (x - new_mean) / new_spread
            ),
            ALL,
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
            "An image that is its own partner should stay as it is, whatever its weight.",
            own_partner_changes_nothing,
        ),
        Property(
            "An image changes when another changes that is not its partner.",
            strangers_do_not_matter,
        ),
    ),
)
