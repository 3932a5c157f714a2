"""The exercise "adaln-zero": a gated branch after a modulated layer norm of tokens."""

import numpy as np

from instnorm.modulation import ada_layer_norm_zero

from ..cases import a_digit
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import beside, standardise, variance_itself

EPS = 1e-6  # of this layer in transformers


def adaln_zero_reference(x, scale, shift, gate, weight, eps=EPS):
    return ada_layer_norm_zero(x, scale, shift, gate, lambda h: h @ weight, eps=eps)


def block_by(
    axes=-1,
    modulate=lambda y, scale, shift: (1 + scale) * y + shift,
    add=lambda x, gate, h, weight, y: x + gate * (h @ weight),
    **change,
):
    """An answer with another norm, another modulation, or another way to add the branch."""

    def answer(x, scale, shift, gate, weight, eps=EPS):
        y = standardise(x, eps, axes, **change)
        h = modulate(y, scale[:, None], shift[:, None])
        return add(x, gate[:, None], h, weight, y)

    return answer


def fixed(var, eps):
    return np.sqrt(var + EPS)


def no_eps(var, eps):
    return np.sqrt(var)


def told_behind_the_weight(x, scale, shift, gate, weight, eps=EPS):
    h = (1 + scale[:, None]) * (standardise(x, eps, -1) @ weight) + shift[:, None]
    return x + gate[:, None] * h


def in_place(x, scale, shift, gate, weight, eps=EPS):
    x += adaln_zero_reference(x, scale, shift, gate, weight, eps) - x
    return x


def some_sizes(rng):
    """(N, T, D), all different, so that no axis can be taken for another."""
    return tuple(int(size) for size in rng.choice(np.arange(3, 8), 3, replace=False))


def alike(rng, shape):
    """Tokens with the same values in another order, mean 0 and variance 1."""
    values = rng.standard_normal(shape[-1])
    values = (values - values.mean()) / values.std()
    return rng.permuted(np.broadcast_to(values, shape), axis=-1)


def strong(rng, shape):
    """The same, with a spread in the thousands, where eps cannot be seen."""
    return rng.uniform(2e3, 6e3) * alike(rng, shape)


def tokens(rng, shape):
    """Each token with a level and a spread of its own."""
    level, spread = rng.uniform(-3e3, 3e3, (*shape[:2], 1)), rng.uniform(5e2, 4e3, (*shape[:2], 1))
    return level + spread * rng.standard_normal(shape)


def away_from_0(rng, shape):
    return rng.uniform(0.5, 2, shape) * rng.choice([-3, 1], shape)


def plainly(x, eps=None, **rest):
    """A branch that hands on what it gets, fully open, and nothing told: y = x + LN(x)."""
    width = x.shape[-1]
    nothing = np.zeros((len(x), width))
    given = {
        "x": x,
        "scale": nothing,
        "shift": nothing.copy(),
        "gate": nothing + 1,
        "weight": np.eye(width),
        **rest,
    }
    return given if eps is None else {**given, "eps": eps}


def begins(rng):
    """As training begins: the last layer before scale, shift and gate is zero."""
    x = tokens(rng, some_sizes(rng))
    return plainly(x, gate=np.zeros((len(x), x.shape[-1])), weight=mixing(rng, x))


def mixing(rng, x):
    return rng.standard_normal((x.shape[-1],) * 2)


def told(rng):
    x = strong(rng, some_sizes(rng))
    scale, shift = away_from_0(rng, (2, len(x), x.shape[-1]))
    return plainly(x, scale=scale, shift=shift, weight=mixing(rng, x))


def gated(rng):
    x = strong(rng, some_sizes(rng))
    return plainly(x, gate=away_from_0(rng, (len(x), x.shape[-1])), weight=mixing(rng, x))


def faint(rng):
    """Tokens whose variance is within a factor of ten of eps, and one that is flat."""
    for eps in 10 ** rng.uniform(-6, -2, 2):
        contrast = np.sqrt(eps * 10 ** rng.uniform(-1, 1))
        yield plainly(contrast * alike(rng, some_sizes(rng)), eps=float(eps))
    yield plainly(1e-3 * alike(rng, some_sizes(rng)))
    yield plainly(np.full(some_sizes(rng), a_digit(rng)))


def one_gate_moves_one_image(run, arguments):
    gate = arguments["gate"].copy()
    gate[:1] += 1
    return agree(run(gate=gate)[0][1:], run()[0][1:])


TOKENS = np.array([[[1e3, 5e3], [6e3, 2e3], [-1e3, 1e3]]])
TURNED = np.array([[[3.0, -3.0], [-3.0, 3.0], [-3.0, 3.0]]])
FIXED = np.random.default_rng(3)

ADALN_ZERO = Exercise(
    id="adaln-zero",
    signature="adaln_zero(x, scale, shift, gate, weight, eps=1e-6)",
    returns=("y",),
    reference=adaln_zero_reference,
    aspects=(
        Aspect(
            "tokens",
            2,
            "Each token of each image is standardised over its own D numbers.",
            public=(plainly(TOKENS), plainly(tokens(FIXED, (2, 3, 4)))),
            hidden=lambda rng: [plainly(tokens(rng, some_sizes(rng))) for _ in range(3)],
        ),
        Aspect(
            "told",
            1,
            "The tokens of image n are multiplied by 1 + scale[n]; then shift[n] is added.",
            public=(told(FIXED),),
            hidden=lambda rng: [told(rng) for _ in range(3)],
        ),
        Aspect(
            "gate",
            3,
            "What the branch gives, h @ weight, is multiplied by gate[n] and added to x: with "
            "a gate of 0, x comes out.",
            public=(begins(FIXED), gated(FIXED)),
            hidden=lambda rng: [begins(rng), *(gated(rng) for _ in range(3))],
        ),
        Aspect(
            "eps",
            1,
            "eps is added to the variance, inside the root.",
            public=(plainly(1e-3 * TURNED, eps=1e-5), plainly(np.full((1, 2, 3), 7.0))),
            hidden=faint,
        ),
        Aspect(
            "array",
            1,
            "Right values, in a new float64 array of x's shape; no argument is changed.",
            public=(plainly(1e3 * TURNED), plainly(1e4 * TURNED / 7)),
            hidden=lambda rng: [plainly(strong(rng, some_sizes(rng))) for _ in range(2)],
            strict=True,
        ),
    ),
    misconceptions=(
        Misconception(
            "nothing-goes-past-the-branch",
            "Your output is the gated branch alone. x itself goes past it and is added: that is "
            "what makes a closed gate harmless.",
            block_by(add=lambda x, gate, h, weight, y: gate * (h @ weight)),
            ALL,
        ),
        Misconception(
            "forgets-the-gate",
            "Your branch is added whole: gate has no effect on it.",
            block_by(add=lambda x, gate, h, weight, y: x + h @ weight),
            ("gate",),
        ),
        Misconception(
            "gates-as-the-first-image",
            "All your images have the gate of the first one. `gate` has a row for each image.",
            block_by(add=lambda x, gate, h, weight, y: x + gate[:1] * (h @ weight)),
            ("gate",),
        ),
        Misconception(
            "gates-what-goes-in",
            "Your gate is applied to what goes into the branch. With a gate for each feature that "
            "is not the same as on what comes out.",
            block_by(add=lambda x, gate, h, weight, y: x + (gate * h) @ weight),
            ("gate",),
        ),
        Misconception(
            "gates-with-1-plus-gate",
            "Your branch is multiplied by 1 + gate. Scale has the 1, so that nothing told leaves "
            "the norm as it is; the gate has none, so that a gate of 0 is closed.",
            block_by(add=lambda x, gate, h, weight, y: x + (1 + gate) * (h @ weight)),
            ALL,
        ),
        Misconception(
            "gates-both-ways",
            "Your output is a blend: the more of the branch, the less of x. Here x is added whole.",
            block_by(add=lambda x, gate, h, weight, y: (1 - gate) * x + gate * (h @ weight)),
            ALL,
        ),
        Misconception(
            "adds-to-the-normed-tokens",
            "Your branch is added to the standardised tokens. What goes past the branch is x as it "
            "came.",
            block_by(add=lambda x, gate, h, weight, y: y + gate * (h @ weight)),
            ALL,
        ),
        Misconception(
            "weight-transposed",
            "Your branch is h @ weight.T. The numbers of a token are a row, and multiply the "
            "weight from the left.",
            block_by(add=lambda x, gate, h, weight, y: x + gate * (h @ weight.T)),
            ("told", "gate"),
        ),
        Misconception(
            "told-after-the-weight",
            "Your branch multiplies the normed tokens by the weight, and is told scale and shift "
            "after that. They belong to the norm, in front of the weight.",
            told_behind_the_weight,
            ("told",),
        ),
        Misconception(
            "forgets-the-1",
            "Your gain is scale, where it should be 1 + scale. A block that is told nothing would "
            "see nothing.",
            block_by(modulate=lambda y, scale, shift: scale * y + shift),
            ALL,
        ),
        Misconception(
            "shifts-before-scaling",
            "Your output is what you get when the shift is added first and then multiplied as "
            "well.",
            block_by(modulate=lambda y, scale, shift: (1 + scale) * (y + shift)),
            ("told",),
        ),
        Misconception(
            "forgets-the-shift",
            "Your output is what you get without the shift.",
            block_by(modulate=lambda y, scale, shift: (1 + scale) * y),
            ("told",),
        ),
        Misconception(
            "forgets-the-scale",
            "Your output is what you get without the scale.",
            block_by(modulate=lambda y, scale, shift: y + shift),
            ("told",),
        ),
        Misconception(
            "swaps-scale-and-shift",
            "Your output is what you get when the shift multiplies and the scale is added.",
            block_by(modulate=lambda y, scale, shift: (1 + shift) * y + scale),
            ("told",),
        ),
        Misconception(
            "one-feature-at-a-time",
            "Your output is what you get when each feature is standardised over the tokens. That "
            "is instance norm; a token's layer norm runs over its own numbers.",
            block_by(1),
            ALL,
        ),
        Misconception(
            "one-image-at-a-time",
            "Your output is what you get when all tokens of an image share one mean and one "
            "variance. Each token has its own.",
            block_by((1, 2)),
            ("tokens",),
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your output is what you get when the variance is divided by D - 1. To normalise, take "
            "the plain mean of the squared deviations.",
            block_by(ddof=1),
            ALL,
        ),
        Misconception(
            "divides-by-the-variance",
            "Your output is what you get when you divide by the variance, without a root.",
            block_by(scale=variance_itself),
            ALL,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your output is what you get when eps is added to the standard deviation.",
            block_by(scale=beside),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is what you get with eps = 0. A flat token becomes 0 / 0.",
            block_by(scale=no_eps),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-6 whatever the caller asks for.",
            block_by(scale=fixed),
            ("eps",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are added into the array that you were given. Make "
            "a new array for the result.",
            in_place,
            ("array",),
        ),
    ),
    properties=(
        Property("The gate of one image changes another image.", one_gate_moves_one_image),
    ),
)
