"""The exercise "deep-stats": layer after layer."""

from functools import partial

import numpy as np

from instnorm.depth import deep_stats

from ..cases import a_digit, counts, shuffled, some_level
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import beside, fixed_eps, standardise, variance_itself, without_eps

relu = partial(np.maximum, 0)


normed_rows = partial(standardise, axes=-1)


def measured(after):
    return after.mean(), after.std()


def stack(
    norm=normed_rows,
    affine=lambda w, a, b: w @ a + b[:, None],
    activation=relu,
    normalises_input=lambda mode: mode != "none",
    after=None,
    stats=lambda before, z, active, after: measured(after),
    restarts=False,
    same_weights=False,
):
    """The right answer with one step replaced.

    `after(norm, z, active)` is what a layer hands on under "every"; `stats` chooses among the
    stations of a layer.
    """
    after = after or (lambda norm, z, active: norm(active))

    def answer(x, weights, biases, mode, eps=1e-5):
        norm_by = partial(norm, eps=eps)
        start = a = norm_by(x) if normalises_input(mode) else x
        rows = []
        for layer in range(len(weights)):
            k = 0 if same_weights else layer
            before = start if restarts else a
            z = affine(weights[k], before, biases[k])
            active = activation(z)
            a = after(norm_by, z, active) if mode == "every" else active
            rows.append(stats(before, z, active, a))
        means, stds = np.array(rows).T
        return means, stds, a

    return answer


def stack_by(**change):
    """An answer that standardises in another way, wherever it does."""
    return stack(norm=partial(standardise, **{"axes": -1, **change}))


def constants_of_a_normal_variable(norm, z, active):
    """The mean and deviation of max(0, Z), for a standard normal Z."""
    return (active - 1 / np.sqrt(2 * np.pi)) / np.sqrt(0.5 - 0.5 / np.pi)


def normalises_x_in_place(x, weights, biases, mode, eps=1e-5):
    if mode != "none":
        x[...] = standardise(x, eps, -1)
    return stack(normalises_input=lambda mode: False)(x, weights, biases, mode, eps)


def layers(rng, channels, depth, gain=1.0):
    """Random weights (L, C, C) and biases (L, C)."""
    weights = gain * rng.standard_normal((depth, channels, channels))
    return weights, gain * rng.choice([-1, 1], (depth, channels)) * rng.uniform(
        0.1, 0.6, (depth, channels)
    )


def channels_of(rng, channels, m):
    """Camera counts (C, m): each channel has its own brightness and contrast."""
    return counts(rng, (1, channels, 1, m))[0, :, 0]


def alike(rng, channels, m, level=0.0, spread=1.0):
    """Channels (C, m) with the same values in another order: pooling them changes nothing."""
    return level + spread * shuffled(rng, (1, channels, 1, m))[0, :, 0]


def some_size(rng):
    """C and m, apart from each other."""
    return int(rng.integers(3, 6)), int(rng.integers(12, 20))


def plain_stack(rng):
    channels, m = some_size(rng)
    weights, biases = layers(rng, channels, int(rng.integers(2, 5)))
    x = rng.uniform(-1, 1, (channels, 1)) + rng.standard_normal((channels, m))
    return {"x": x, "weights": weights, "biases": biases, "mode": "none"}


def input_stack(rng):
    return {**plain_stack_on_counts(rng), "mode": "input"}


def plain_stack_on_counts(rng, gain=1.0):
    channels, m = some_size(rng)
    weights, biases = layers(rng, channels, int(rng.integers(2, 5)), gain)
    return {"x": channels_of(rng, channels, m), "weights": weights, "biases": biases}


def every_stack(rng):
    """Every channel of every layer varies by a thousand or more before it is normalised."""
    while True:
        arguments = plain_stack_on_counts(rng, gain=5e3)
        a, alive = standardise(arguments["x"], axes=-1), True
        for w, b in zip(arguments["weights"], arguments["biases"], strict=True):
            active = relu(w @ a + b[:, None])
            alive = alive and active.std(-1).min() > 1e3
            a = standardise(active, axes=-1)
        if alive:
            return {**arguments, "mode": "every"}


def one_layer(rng, x, **rest):
    """x through a single layer; channels on both sides of 0, one bias of each sign."""
    weights, _ = layers(rng, len(x), 1)
    biases = rng.uniform(0.3, 0.6, (1, len(x))) * rng.permutation(np.resize([1, -1], len(x)))
    return {"x": x, "weights": weights, "biases": biases, "mode": "input", **rest}


def faint_stacks(rng):
    for _ in range(2):
        channels, m = some_size(rng)
        eps = 10 ** rng.uniform(-6, -1)
        contrast = np.sqrt(eps * 10 ** rng.uniform(-1, 1))
        yield one_layer(rng, alike(rng, channels, m, contrast * some_level(rng), contrast), eps=eps)
    channels, m = some_size(rng)
    yield one_layer(rng, alike(rng, channels, m, 0.0, np.sqrt(1e-5)))
    yield one_layer(rng, np.full((channels, m), a_digit(rng)))


def bright_stack(rng):
    return one_layer(rng, alike(rng, *some_size(rng), rng.uniform(8e3, 3e4), 5e3))


def ignores_the_print(run, arguments):
    x = arguments["x"]
    return agree(run(mode="input", x=2 * x + np.ptp(x), eps=0.0)[2], run(mode="input", eps=0.0)[2])


def ignores_a_louder_layer(run, arguments):
    louder = {name: arguments[name].copy() for name in ("weights", "biases")}
    for parameter in louder.values():
        parameter[-1] *= 2
    return agree(run(mode="every", eps=0.0, **louder)[2], run(mode="every", eps=0.0)[2])


def doubles_without_normalisation(run, arguments):
    doubled = {name: 2 * arguments[name] for name in ("x", "biases")}
    return agree(run(mode="none", **doubled)[2], 2 * run(mode="none")[2])


# Small enough to follow by hand: channels with the mean 3 and deviations of -2 and 2.
SMALL = np.array([[1.0, 1.0, 5.0, 5.0], [1.0, 5.0, 1.0, 5.0]])
ONE_LAYER = {
    "weights": np.array([[[1.0, -1.0], [2.0, 1.0]]]),
    "biases": np.array([[1.0, -2.0]]),
}
TWO_LAYERS = {
    "weights": np.array([[[1.0, -1.0], [2.0, 1.0]], [[1.0, 1.0], [3.0, -1.0]]]),
    "biases": np.array([[1.0, -2.0], [-3.0, 1.0]]),
}

STACK_ASPECTS = (
    Aspect(
        "none",
        1,
        '"none": a layer is max(0, W a + b); its mean and deviation are over all its values.',
        public=(
            {"x": SMALL, **TWO_LAYERS, "mode": "none"},
            plain_stack(np.random.default_rng(21)),
        ),
        hidden=lambda rng: [plain_stack(rng) for _ in range(3)],
        judges=(0, 1, 2),
    ),
    Aspect(
        "input",
        1,
        '"input": each channel of x is normalised first, and nothing after that.',
        public=(input_stack(np.random.default_rng(22)),),
        hidden=lambda rng: [input_stack(rng) for _ in range(3)],
        judges=(0, 1, 2),
    ),
    Aspect(
        "every",
        2,
        '"every": x is normalised, and so is what comes out of every ReLU.',
        public=(every_stack(np.random.default_rng(23)),),
        hidden=lambda rng: [every_stack(rng) for _ in range(3)],
        judges=(0, 1, 2),
    ),
    Aspect(
        "eps",
        1,
        "eps is added to the variance, inside the root; a flat channel becomes 0.",
        public=(
            {"x": 1e-3 * SMALL, **ONE_LAYER, "mode": "input", "eps": 1e-6},
            {"x": 1e-3 * SMALL, **ONE_LAYER, "mode": "input"},
            {"x": np.full((2, 4), 7.0), **ONE_LAYER, "mode": "input"},
        ),
        hidden=faint_stacks,
        judges=(0, 1, 2),
    ),
    Aspect(
        "array",
        1,
        "Right values, in three new float64 arrays; no argument is changed.",
        public=({"x": 1e4 * SMALL, **ONE_LAYER, "mode": "input"},),
        hidden=lambda rng: [bright_stack(rng) for _ in range(2)],
        judges=(0, 1, 2),
        strict=True,
    ),
)
STACK_NORMED = tuple(aspect.name for aspect in STACK_ASPECTS[1:])
DEEP = ("none", "input", "every")

LAYER_BY_LAYER = Exercise(
    id="deep-stats",
    signature="deep_stats(x, weights, biases, mode, eps=1e-5)",
    returns=("means", "stds", "a"),
    reference=deep_stats,
    aspects=STACK_ASPECTS,
    misconceptions=(
        Misconception(
            "never-normalises",
            'Your activations are those of "none" in every mode. Where does your function look at '
            "mode?",
            stack(normalises_input=lambda mode: False, after=lambda norm, z, active: active),
            STACK_NORMED,
        ),
        Misconception(
            "normalises-only-the-input",
            'Your "every" is what you get when x alone is normalised. Then the first ReLU undoes '
            "it, and nothing puts it right again: that is the other mode.",
            stack(after=lambda norm, z, active: active),
            ("every",),
        ),
        Misconception(
            "every-layer-but-the-input",
            'Your "every" normalises what each layer hands on, but not x. The first layer then '
            "still sees the brightness and the contrast of the print.",
            stack(normalises_input=lambda mode: mode == "input"),
            ("every",),
        ),
        Misconception(
            "normalises-before-the-relu",
            'Your "every" is what you get when a layer is normalised between W a + b and the '
            "ReLU. It is the usual order, but what the layer hands on is then cut off at 0: look "
            "at its mean. Here the norm comes last.",
            stack(after=lambda norm, z, active: relu(norm(z))),
            ("every",),
        ),
        Misconception(
            "fixed-constants",
            'Your "every" subtracts 0.399 and divides by 0.584 in every layer: the moments of a '
            "rectified standard normal variable. Those are right for one distribution. IN measures "
            "the channel that is there.",
            stack(after=constants_of_a_normal_variable),
            ("every",),
        ),
        Misconception(
            "measures-before-the-norm",
            'Under "every" your means and stds are taken before the layer is normalised. They are '
            "to describe what the next layer will see.",
            stack(stats=lambda before, z, active, after: measured(active)),
            ("every",),
        ),
        Misconception(
            "measures-before-the-relu",
            "Your means and stds are those of W a + b. The ReLU is part of the layer, and it is "
            "what moves the mean: measure after it.",
            stack(stats=lambda before, z, active, after: measured(z if after is active else after)),
            ("none", "input", "eps", "array"),
        ),
        Misconception(
            "measures-what-comes-in",
            "Your means and stds are one layer late: they describe what goes into each layer. "
            "Measure what comes out.",
            stack(stats=lambda before, z, active, after: measured(before)),
            ("none", "input", "eps", "array"),
        ),
        Misconception(
            "forgets-the-relu",
            "Your activations are what you get without max(0, ·). A stack of linear layers is one "
            "linear layer, and has a mean of its own making.",
            stack(activation=lambda z: 1.0 * z),
            ALL,
        ),
        Misconception(
            "absolute-value",
            "Your activations are what you get when negative values change their sign. A ReLU "
            "turns them to 0.",
            stack(activation=np.abs),
            ALL,
        ),
        Misconception(
            "forgets-the-bias",
            "Your activations are what you get without the biases.",
            stack(affine=lambda w, a, b: w @ a),
            ALL,
        ),
        Misconception(
            "transposed-weights",
            "Your activations are what you get with the transpose of W. Output channel i is the "
            "sum of W[i, j] times input channel j.",
            stack(affine=lambda w, a, b: w.T @ a + b[:, None]),
            ALL,
        ),
        Misconception(
            "one-matrix-for-all",
            "Your activations are what you get when every layer has the weights and the bias of "
            "the first.",
            stack(same_weights=True),
            DEEP,
        ),
        Misconception(
            "layers-side-by-side",
            "Your activations are what you get when every layer is given x. Layer 2 works on what "
            "layer 1 hands on.",
            stack(restarts=True),
            DEEP,
        ),
        Misconception(
            "normalises-in-every-mode",
            'Your "none" normalises x all the same. Does your function look at mode before it '
            "does so?",
            stack(normalises_input=lambda mode: True),
            ("none",),
        ),
        Misconception(
            "one-mean-for-all-channels",
            "Your activations are what you get when all channels share one mean and one variance. "
            "That is layer norm. In instance norm each row has its own.",
            stack_by(axes=None),
            ("input", "every"),
        ),
        Misconception(
            "over-the-channels",
            "Your activations are what you get when each position is standardised over the "
            "channels. A plane here is a row: its statistics run along the last axis.",
            stack_by(axes=0),
            STACK_NORMED,
        ),
        Misconception(
            "centres-only",
            "Your activations are what you get when the mean is subtracted and nothing else.",
            stack_by(scale=lambda var, eps: 1.0),
            STACK_NORMED,
        ),
        Misconception(
            "divides-by-the-variance",
            "Your activations are what you get when you normalise by the variance, where the "
            "standard deviation is meant.",
            stack_by(scale=variance_itself),
            STACK_NORMED,
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your activations are what you get when the variance inside the norm is divided by "
            "m - 1. Instance norm takes the plain mean of the squared deviations.",
            stack_by(ddof=1),
            STACK_NORMED,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your activations are what you get when eps is added to the standard deviation. The "
            "definition adds it to something else, one step earlier.",
            stack_by(scale=beside),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your activations are what you get with eps = 0. A faint channel is blown up too far, "
            "and a flat one becomes 0 / 0. Deep in a network flat channels are common: the ReLU "
            "makes them.",
            stack_by(scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your activations are what you get with eps = 1e-5 whatever the caller asks for. Is "
            "the number written out somewhere in your function?",
            stack_by(scale=fixed_eps),
            ("eps",),
        ),
        Misconception(
            "variance-for-deviation",
            "Your stds are variances: take the root.",
            stack(stats=lambda before, z, active, after: (after.mean(), after.var())),
            ("none", "input", "eps", "array"),
        ),
        Misconception(
            "deviation-by-m-minus-1",
            "Your stds divide by the number of values less one. Take the plain mean of the squared "
            "deviations, as NumPy does by itself.",
            stack(stats=lambda before, z, active, after: (after.mean(), after.std(ddof=1))),
            ALL,
        ),
        Misconception(
            "spread-within-the-channels",
            "Your stds are averages of the deviations of the channels. Channels that differ in "
            "their means spread too: take one deviation over all values of the layer.",
            stack(stats=lambda before, z, active, after: (after.mean(), after.std(-1).mean())),
            ("none", "input", "eps", "array"),
        ),
        Misconception(
            "swaps-means-and-stds",
            "Your means and stds are right and in the wrong order: return means, stds, a.",
            lambda *arguments: tuple(deep_stats(*arguments)[k] for k in (1, 0, 2)),
            ALL,
        ),
        Misconception(
            "bias-after-the-relu",
            "Your bias is added after the ReLU. A layer is max(0, W a + b): the ReLU sees the "
            "bias, which decides how much of the values it cuts.",
            stack(
                affine=lambda w, a, b: (w @ a, b[:, None]),
                activation=lambda parts: relu(parts[0]) + parts[1],
            ),
            ALL,
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but x is not what it was before the call. Let the name of "
            "the activations point to a new array.",
            normalises_x_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Another print of x, twice the contrast and brighter, gives another output under "
            '"input", though the first norm should take both away.',
            ignores_the_print,
        ),
        Property(
            "Doubling the weights and the bias of the last layer changes your output under "
            '"every", though the norm after that layer should take the factor away.',
            ignores_a_louder_layer,
        ),
        Property(
            'Under "none", doubling x and all biases should double every activation, and it does '
            "not.",
            doubles_without_normalisation,
        ),
    ),
)
