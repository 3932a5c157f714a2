"""The exercise "conditional-in": conditional instance norm."""

from functools import partial

import numpy as np

from instnorm.style import conditional_instance_norm

from ..cases import BATCH, FAINT, FLAT, PAIR, bright, counts, faint_pictures, some_shape
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..properties import IMAGE_PROPERTIES
from ..wrong import standardise, wrong_standardisations


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

CONDITIONAL = Exercise(
    id="conditional-in",
    signature="conditional_instance_norm(x, gamma, beta, weights, eps=1e-5)",
    returns=("y",),
    reference=conditional_reference,
    aspects=CONDITIONAL_ASPECTS,
    misconceptions=(
        *(wrong for wrong in wrong_standardisations(ALL, conditional) if wrong.name in CHOSEN),
        Misconception(
            "strongest-style-only",
            "Your output is in the style with the largest weight, and the other weights are lost. "
            "Two styles at a half each should meet in the middle.",
            weights_by(lambda weights: np.eye(weights.shape[1])[weights.argmax(1)]),
            ("blend",),
        ),
        Misconception(
            "weights-made-to-sum-to-1",
            "Your weights are divided by their sum first. The caller may want half "
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
            ALL,
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
            ALL,
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
