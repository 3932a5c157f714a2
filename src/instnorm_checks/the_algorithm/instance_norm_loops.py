"""The exercise "instance-norm-loops": instance norm with loops."""

from instnorm.norms import instance_norm

from ..cases import (
    BATCH,
    FAINT,
    FLAT,
    PAIR,
    PLANE,
    bright,
    counts,
    faint_pictures,
    lifted,
    some_shape,
)
from ..engine.exercise import ALL, Aspect, Exercise
from ..properties import IMAGE_PROPERTIES
from ..wrong import wrong_standardisations


def instance_norm_loops(x, eps=1e-5):
    return instance_norm(x, eps=eps)


LOOPS_ASPECTS = (
    Aspect(
        "one-plane",
        1,
        "A single plane loses its mean and is divided by its standard deviation.",
        public=({"x": PLANE[None, None]}, {"x": PLANE[None, None] / 4}),
        hidden=lambda rng: [{"x": counts(rng, (1, 1, *some_shape(rng)[2:]))} for _ in range(3)],
    ),
    Aspect(
        "every-plane",
        2,
        "Each plane, that is each channel of each image, is standardised by itself.",
        public=({"x": BATCH},),
        hidden=lambda rng: [{"x": counts(rng, some_shape(rng))} for _ in range(4)],
    ),
    Aspect(
        "eps",
        1,
        "eps is added to the variance, inside the root; a flat plane becomes 0.",
        public=({"x": FAINT, "eps": 1e-3}, {"x": FAINT}, {"x": FLAT}),
        hidden=faint_pictures,
    ),
    Aspect(
        "large-offset",
        1,
        "A mean a million times the spread costs no digits.",
        public=({"x": 3.7e9 + 1.1 * PAIR},),
        hidden=lambda rng: [{"x": lifted(rng, some_shape(rng))} for _ in range(3)],
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array of x's shape; x is unchanged.",
        public=({"x": PAIR},),
        hidden=lambda rng: [{"x": bright(rng, some_shape(rng))} for _ in range(2)],
        strict=True,
    ),
)

LOOPS = Exercise(
    id="instance-norm-loops",
    signature="instance_norm_loops(x, eps=1e-5)",
    returns=("y",),
    reference=instance_norm_loops,
    aspects=LOOPS_ASPECTS,
    misconceptions=wrong_standardisations(ALL),
    properties=IMAGE_PROPERTIES,
)
