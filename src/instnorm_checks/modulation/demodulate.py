"""The exercise "demodulate": weights that carry a style and still keep their output's spread."""

import numpy as np

from instnorm.demodulation import demodulate

from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property


def demodulate_reference(weight, style, eps=1e-8):
    return demodulate(weight, style, eps=eps)


def styled(weight, style):
    """(N, O, I, H, W)."""
    return style[:, None, :, None, None] * weight


def weights_by(
    power=lambda w: np.sum(w * w, (2, 3, 4), keepdims=True),
    root=lambda power, eps: np.sqrt(power + eps),
    before=styled,
    change=lambda weight, style: (weight, style),
):
    """The right answer with one step replaced."""

    def answer(weight, style, eps=1e-8):
        w = before(*change(weight, style))
        return w / root(power(w), eps)

    return answer


def power_of_the_weights_alone(weight, style, eps=1e-8):
    return styled(weight, style) / np.sqrt(np.sum(weight * weight, (1, 2, 3), keepdims=True) + eps)


def forgets_to_style(weight, style, eps=1e-8):
    return weights_by(change=lambda w, s: (w, np.ones_like(s)))(weight, style, eps)


def in_place(weight, style, eps=1e-8):
    result = demodulate_reference(weight, style, eps)
    weight[...] = result[0]
    return result


def some_weights(rng, spread=None):
    """(O, I, H, W), all sizes different; `spread` (O,) of each output's weights."""
    shape = tuple(int(size) for size in rng.permutation([2, 3, 4, 5]))
    spread = rng.uniform(0.5, 3, shape[0]) if spread is None else np.full(shape[0], spread)
    return spread[:, None, None, None] * rng.standard_normal(shape)


def some_style(rng, weight, images=None):
    images = int(rng.choice([6, 7])) if images is None else images
    return rng.uniform(0.3, 3, (images, weight.shape[1])) * rng.choice(
        [-1, 1], (images, weight.shape[1])
    )


def some_case(rng, images=None):
    weight = some_weights(rng)
    return {"weight": weight, "style": some_style(rng, weight, images)}


def plain_style(rng):
    weight = some_weights(rng)
    return {"weight": weight, "style": np.ones((1, weight.shape[1]))}


def faint(rng):
    """Weights whose power is within a factor of ten of eps, and an output that has none."""
    for eps in 10 ** rng.uniform(-8, -2, 2):
        weight = some_weights(rng, 1.0)
        weight *= np.sqrt(eps * 10 ** rng.uniform(-1, 1) / np.sum(weight[0] ** 2))
        yield {"weight": weight, "style": np.ones((1, weight.shape[1])), "eps": float(eps)}
    dead = plain_style(rng)
    dead["weight"][0] = 0
    yield dead


def a_positive_factor_of_the_style_changes_nothing(run, arguments):
    return agree(run(style=2 * arguments["style"], eps=0.0)[0], run(eps=0.0)[0])


def styles_do_not_meet(run, arguments):
    style = arguments["style"].copy()
    style[:1] += 1  # no common factor, which demodulation takes away
    return agree(run(style=style)[0][1:], run()[0][1:])


SMALL = np.array([[[[3.0, 0.0]], [[0.0, 4.0]]], [[[1.0, 2.0]], [[2.0, 0.0]]]])  # norms 5 and 3
FIXED = np.random.default_rng(11)
TALL = np.concatenate([SMALL, SMALL[:1, ::-1]])  # more outputs than inputs
DEAD = np.concatenate([np.zeros((1, 2, 1, 2)), SMALL[:1]])

DEMODULATE = Exercise(
    id="demodulate",
    signature="demodulate(weight, style, eps=1e-8)",
    returns=("weights",),
    reference=demodulate_reference,
    aspects=(
        Aspect(
            "outputs",
            2,
            "The squares of each output's weights, over all inputs and positions, have the sum 1.",
            public=(
                *({"weight": w, "style": np.ones((1, 2))} for w in (SMALL, TALL)),
                plain_style(FIXED),
            ),
            hidden=lambda rng: [plain_style(rng) for _ in range(3)],
        ),
        Aspect(
            "styles",
            3,
            "Each image's style multiplies the inputs first; each image gets weights of its own.",
            public=(
                {"weight": SMALL, "style": np.array([[1.0, 2.0], [-2.0, 0.5]])},
                some_case(FIXED),
            ),
            hidden=lambda rng: [some_case(rng) for _ in range(4)],
        ),
        Aspect(
            "eps",
            1,
            "eps is added to the sum of squares, inside the root; an output without weights is 0.",
            public=(
                {"weight": 0.01 * SMALL, "style": np.ones((1, 2)), "eps": 1e-3},
                {"weight": DEAD, "style": np.ones((1, 2))},
                {"weight": 1e-4 * SMALL[:1], "style": np.ones((1, 2))},
                {"weight": 0.01 * TALL, "style": np.ones((1, 2)), "eps": 1e-3},
            ),
            hidden=faint,
        ),
        Aspect(
            "array",
            1,
            "Right values, in a new float64 array (N, O, I, H, W); no argument is changed.",
            public=tuple({"weight": w, "style": np.ones((1, 2))} for w in (SMALL, TALL)),
            hidden=lambda rng: [plain_style(rng) for _ in range(2)],
            strict=True,
        ),
    ),
    misconceptions=(
        Misconception(
            "only-modulates",
            "Your weights carry the style and are not brought back to a norm of 1. A style of "
            "twice the size makes an output of twice the size, layer after layer.",
            weights_by(root=lambda power, eps: 1.0),
            ALL,
        ),
        Misconception(
            "forgets-the-style",
            "Your weights have a norm of 1 and carry no style: all images get the same.",
            forgets_to_style,
            ("styles",),
        ),
        Misconception(
            "measures-before-the-style",
            "Your norm is that of the weights before the style multiplied them. Modulate first, "
            "then see what has become of the norm.",
            power_of_the_weights_alone,
            ("styles",),
        ),
        Misconception(
            "positions-apart",
            "Your sum of squares runs over the inputs alone, once for each position of the kernel. "
            "An output collects from all positions.",
            weights_by(lambda w: np.sum(w * w, 2, keepdims=True)),
            ALL,
        ),
        Misconception(
            "inputs-apart",
            "Your sum of squares runs over the positions alone, once for each input. Then a style "
            "has no say: what it multiplies is divided out again.",
            weights_by(lambda w: np.sum(w * w, (3, 4), keepdims=True)),
            ALL,
        ),
        Misconception(
            "norm-of-each-input",
            "Your weights have a norm of 1 for each input, summed over the outputs. It is "
            "the output whose spread should be kept.",
            weights_by(lambda w: np.sum(w * w, (1, 3, 4), keepdims=True)),
            ALL,
        ),
        Misconception(
            "one-norm-for-all",
            "Your outputs share one norm. Each output has its own.",
            weights_by(lambda w: np.sum(w * w, (1, 2, 3, 4), keepdims=True)),
            ALL,
        ),
        Misconception(
            "mean-of-squares",
            "Your sum of squares is a mean. The variances of independent inputs add up, so their "
            "weights have to be summed.",
            weights_by(lambda w: np.mean(w * w, (2, 3, 4), keepdims=True)),
            ALL,
        ),
        Misconception(
            "divides-by-the-power",
            "You divide by the sum of squares, without a root.",
            weights_by(root=lambda power, eps: power + eps),
            ("styles", "outputs", "eps", "array"),
        ),
        Misconception(
            "variance-of-the-weights",
            "Your norm is measured from the mean of the weights. An output's spread comes from "
            "the squares of the weights themselves, whatever their mean.",
            weights_by(
                lambda w: np.sum(
                    (w - w.mean((2, 3, 4), keepdims=True)) ** 2, (2, 3, 4), keepdims=True
                )
            ),
            ALL,
        ),
        Misconception(
            "sum-of-sizes",
            "You divide by the sum of the absolute values. Spreads add as squares do.",
            weights_by(
                lambda w: np.sum(np.abs(w), (2, 3, 4), keepdims=True),
                root=lambda power, eps: power + eps,
            ),
            ALL,
        ),
        Misconception(
            "style-of-the-first-image",
            "All your images have the style of the first.",
            weights_by(change=lambda w, s: (w, np.broadcast_to(s[:1], s.shape))),
            ("styles",),
        ),
        Misconception(
            "eps-outside-the-root",
            "Your output is what you get when eps is added after the root. The definition adds "
            "it to the sum of squares.",
            weights_by(root=lambda power, eps: np.sqrt(power) + eps),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is what you get with eps = 0. An output whose weights are all 0 becomes "
            "0 / 0.",
            weights_by(root=lambda power, eps: np.sqrt(power)),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-8 whatever the caller asks for.",
            weights_by(root=lambda power, eps: np.sqrt(power + 1e-8)),
            ("eps",),
        ),
        Misconception(
            "one-plus-style",
            "Your weights are multiplied by 1 + style. The style multiplies as it is: a style of "
            "1 changes nothing.",
            weights_by(change=lambda weight, style: (weight, 1 + style)),
            ("styles", "eps"),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but the weights that you were given are changed. The next "
            "image needs them as they were.",
            in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "At eps = 0 a style twice as large gives other weights, though the norm should take "
            "the factor away again.",
            a_positive_factor_of_the_style_changes_nothing,
        ),
        Property("The style of one image changes the weights of another.", styles_do_not_meet),
    ),
)
