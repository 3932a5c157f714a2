"""The exercise "gram-matrix": Gram matrices."""

import numpy as np

from instnorm.style import gram_matrix

from ..cases import some_shape
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from .shared import first_image_stays, mixed


def rows(x):
    return x.reshape(*x.shape[:2], -1)


def gram_by(before=lambda f: f, divisor=lambda x: x[0, 0].size, after=lambda g: g):
    """The right answer with one step replaced: the features, the divisor, or the result."""

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
        public=({"x": WAVES[:, ::-1]}, {"x": WAVES / 3}),
        hidden=lambda rng: [{"x": mixed(rng, (1, *some_shape(rng)[1:]))} for _ in range(2)],
        strict=True,
    ),
)

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
            ALL,
        ),
        Misconception(
            "divides-by-the-channels-too",
            "Your matrix is divided by the number of channels as well. Some papers do that; here "
            "an entry is a mean over the positions, and there are H times W of those.",
            gram_by(divisor=lambda x: x[0].size),
            ALL,
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your matrix is what you get when the sum is divided by m - 1. Nothing is estimated "
            "here: an entry is the plain mean over the positions.",
            gram_by(divisor=lambda x: x[0, 0].size - 1),
            ALL,
        ),
        Misconception(
            "divides-by-the-width",
            "Your matrix is what you get when the sum is divided by the width alone. It runs over "
            "all positions, along both axes of a plane.",
            gram_by(divisor=lambda x: x.shape[3]),
            ALL,
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
            ALL,
        ),
        Misconception(
            "positions-by-positions",
            "Your matrix has a row for each position: it compares places, and sums over channels. "
            "Turn the product round, so that the places are what is summed over.",
            positions_by_positions,
            ALL,
            also=(lambda x: rows(x).swapaxes(1, 2) @ rows(x) / x[0, 0].size,),
        ),
        Misconception(
            "reshaped-not-transposed",
            "Your matrix is what you get when one of the two factors is reshaped where it should "
            "be transposed. Reshaping keeps the order of the numbers and cuts the rows elsewhere, "
            "so that channels are mixed up.",
            reshaped_not_transposed,
            ALL,
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
            "is. The rest tells which features go together.",
            gram_by(after=only_the_diagonal),
            ALL,
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
