"""The exercise "instance-norm": instance norm, vectorised, with gamma and beta."""

import numpy as np

from instnorm.norms import instance_norm

from ..cases import (
    BATCH,
    FAINT,
    FLAT,
    PAIR,
    bright,
    counts,
    faint_pictures,
    lifted,
    plain,
    some_shape,
    with_affine,
)
from ..engine.exercise import ALL, Aspect, Exercise, Misconception
from ..properties import IMAGE_PROPERTIES
from ..wrong import (
    affine,
    affine_by,
    on_the_last_axis,
    per_channel,
    wrong_standardisations,
)


def instance_norm_reference(x, gamma, beta, eps=1e-5):
    return instance_norm(x, gamma, beta, eps=eps)


def per_image(y, gamma, beta):
    return gamma.reshape(-1, 1, 1, 1) * y + beta.reshape(-1, 1, 1, 1)


# Aspects of every answer in which gamma and beta are arrays of the channels.
EVERY_PLANE = Aspect(
    "every-plane",
    1,
    "Each plane, that is each channel of each image, is standardised by itself.",
    public=(plain({"x": BATCH}),),
    hidden=lambda rng: [plain({"x": counts(rng, some_shape(rng))}) for _ in range(4)],
)
EPS = Aspect(
    "eps",
    1,
    "eps is added to the variance, inside the root; a flat plane becomes beta.",
    public=(plain({"x": FAINT, "eps": 1e-3}), plain({"x": FAINT}), plain({"x": FLAT})),
    hidden=lambda rng: [plain(arguments) for arguments in faint_pictures(rng)],
)
LARGE_OFFSET = Aspect(
    "large-offset",
    1,
    "A mean a million times the spread costs no digits.",
    public=(plain({"x": 3.7e9 + 1.1 * PAIR}),),
    hidden=lambda rng: [plain({"x": lifted(rng, some_shape(rng))}) for _ in range(3)],
)
NEW_ARRAY = Aspect(
    "array",
    1,
    "Right values, in a new float64 array of x's shape; no argument is changed.",
    public=(plain({"x": PAIR}),),
    hidden=lambda rng: [plain({"x": bright(rng, some_shape(rng))}) for _ in range(2)],
    strict=True,
)

VECTORISED_ASPECTS = (
    EVERY_PLANE,
    Aspect(
        "affine",
        2,
        "Channel c is then multiplied by gamma[c], and beta[c] is added.",
        public=(
            {"x": PAIR, "gamma": np.array([2.0, -0.5]), "beta": np.array([10.0, 20.0])},
            # N = C = W = 3: broadcasting along a wrong axis goes unnoticed here.
            with_affine(np.random.default_rng(2), bright(np.random.default_rng(3), (3, 3, 2, 3))),
        ),
        hidden=lambda rng: [with_affine(rng, bright(rng, some_shape(rng))) for _ in range(4)],
    ),
    EPS,
    LARGE_OFFSET,
    NEW_ARRAY,
)

VECTORISED = Exercise(
    id="instance-norm",
    signature="instance_norm(x, gamma, beta, eps=1e-5)",
    returns=("y",),
    reference=instance_norm_reference,
    aspects=VECTORISED_ASPECTS,
    misconceptions=(
        *wrong_standardisations(ALL, affine),
        Misconception(
            "forgets-beta",
            "Your output is what you get when gamma multiplies and beta is not added.",
            affine_by(lambda y, gamma, beta: per_channel(gamma) * y),
            ("affine",),
        ),
        Misconception(
            "forgets-gamma",
            "Your output is what you get when beta is added and gamma does not multiply.",
            affine_by(lambda y, gamma, beta: y + per_channel(beta)),
            ("affine",),
        ),
        Misconception(
            "forgets-gamma-and-beta",
            "Your output is the standardised picture itself: gamma and beta have no effect on it.",
            affine_by(lambda y, gamma, beta: y),
            ("affine",),
        ),
        Misconception(
            "shifts-before-scaling",
            "Your output is what you get when beta is added first and gamma multiplies the sum. "
            "Then gamma rescales beta too. Which of the two should come last?",
            affine_by(lambda y, gamma, beta: per_channel(gamma) * (y + per_channel(beta))),
            ("affine",),
        ),
        Misconception(
            "swaps-gamma-and-beta",
            "Your output is what you get when beta multiplies and gamma is added. Gamma is the "
            "gain, beta the offset.",
            affine_by(lambda y, gamma, beta: per_channel(beta) * y + per_channel(gamma)),
            ALL,
        ),
        Misconception(
            "gamma-on-the-last-axis",
            "Your output is what you get when gamma and beta run along the last axis, the width. "
            "NumPy lines shapes up from the right: (C,) meets W first, which is an error when "
            "C and W differ and silently wrong when they don't. How can gamma keep its values and "
            "gain axes on the right?",
            affine_by(on_the_last_axis),
            ALL,
            raises=ValueError,
        ),
        Misconception(
            "gamma-per-image",
            "Your output is what you get when gamma and beta run along the first axis, so that "
            "each image has its own pair. They belong to the channels, the second axis.",
            affine_by(per_image),
            ALL,
            raises=ValueError,
        ),
    ),
    properties=IMAGE_PROPERTIES,
)
