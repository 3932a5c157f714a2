"""The assignment "Depth": why the input alone won't do, which comes first, and a layer for PyTorch.

As everywhere, each aspect is about one idea (see `instnorm.checks.standardising`). In a stack of
layers that takes some care: where every layer is normalised the weights are in the thousands, so
that eps = 1e-5 can't be seen, and no channel is dead, so that nobody divides by 0.
"""

from functools import partial

import numpy as np

from ..depth import deep_stats, in_then_relu, rectified_moments, relu_then_in
from ..norms import (
    batch_norm,
    batch_norm_backward,
    instance_norm,
    instance_norm_backward,
    layer_norm,
    layer_norm_backward,
)
from .compare import agree
from .exercise import Aspect, Exercise, Misconception, Property
from .invariance import (
    BACKWARD,
    backward_by,
    beside,
    eps_beside_differentiated,
    hats,
    per_channel,
    picture,
    plane_mean,
    right_dx,
    root,
    sum_by_m_minus_1,
    with_gamma,
    without_eps,
)
from .standardising import counts, shuffled, some_shape, standardise

# --- Layer after layer ----------------------------------------------------------------------------

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
    """An answer with something else in one place.

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
        yield one_layer(rng, alike(rng, channels, m, rng.uniform(-1, 1), contrast), eps=eps)
    channels, m = some_size(rng)
    yield one_layer(rng, alike(rng, channels, m, 0.0, np.sqrt(1e-5)))
    yield one_layer(rng, np.full((channels, m), rng.uniform(1, 9)))


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
        '"every": so is x, and so is what comes out of every ReLU.',
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
STACK_ALL = tuple(aspect.name for aspect in STACK_ASPECTS)
STACK_NORMED = STACK_ALL[1:]
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
            STACK_ALL,
        ),
        Misconception(
            "absolute-value",
            "Your activations are what you get when negative values change their sign. A ReLU "
            "turns them to 0.",
            stack(activation=np.abs),
            STACK_ALL,
        ),
        Misconception(
            "forgets-the-bias",
            "Your activations are what you get without the biases.",
            stack(affine=lambda w, a, b: w @ a),
            STACK_ALL,
        ),
        Misconception(
            "transposed-weights",
            "Your activations are what you get with the transpose of W. Output channel i is the "
            "sum of W[i, j] times input channel j.",
            stack(affine=lambda w, a, b: w.T @ a + b[:, None]),
            STACK_ALL,
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
            stack_by(scale=lambda var, eps: var + eps),
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
            stack_by(scale=lambda var, eps: np.sqrt(var + 1e-5)),
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
            STACK_ALL,
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
            STACK_ALL,
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
            '"every", though the norm behind that layer should take the factor away.',
            ignores_a_louder_layer,
        ),
        Property(
            'Under "none", doubling x and all biases should double every activation, and it does '
            "not.",
            doubles_without_normalisation,
        ),
    ),
)


# --- What a ReLU leaves ---------------------------------------------------------------------------


def surviving(r):
    """The standard normal distribution function."""
    mean, _ = rectified_moments(r, np.ones_like(r))
    return np.where(r == 0, 0.5, (mean - density(r)) / np.where(r == 0, 1, r))


def density(r):
    return np.exp(-r * r / 2) / np.sqrt(2 * np.pi)


def ratio(mu, sigma):
    """mu / sigma, but a huge number of the sign of mu where there is no spread."""
    return np.where(sigma > 0, mu / np.where(sigma > 0, sigma, 1), np.sign(mu) * 100.0)


def moments_by(
    mean=lambda mu, sigma, r: mu * surviving(r) + sigma * density(r),
    square=lambda mu, sigma, r: (mu**2 + sigma**2) * surviving(r) + mu * sigma * density(r),
    ratio=ratio,
):
    """An answer with something else for the mean of the values or of their squares."""

    def answer(mu, sigma):
        r = ratio(mu, sigma)
        m = mean(mu, sigma, r)
        return m, square(mu, sigma, r) - m**2

    return answer


def variance_by(rule):
    """The right mean, and `rule(mu, sigma, mean, var)` for the variance."""

    def answer(mu, sigma):
        mean, var = rectified_moments(mu, sigma)
        return mean, rule(mu, sigma, mean, var)

    return answer


STANDARD = 1 / np.sqrt(2 * np.pi), 0.5 - 0.5 / np.pi


def survivors_only(mu, sigma):
    r = ratio(mu, sigma)
    pull = density(r) / surviving(r)
    return mu + sigma * pull, sigma**2 * (1 - r * pull - pull**2)


def folded(mu, sigma):
    r = ratio(mu, sigma)
    mean = mu * (2 * surviving(r) - 1) + 2 * sigma * density(r)
    return mean, mu**2 + sigma**2 - mean**2


def divides_mu_in_place(mu, sigma):
    result = rectified_moments(mu, sigma)
    mu /= sigma
    return result


def usual_moments(rng):
    sigma = rng.uniform(1.5, 3, int(rng.integers(3, 7)))
    return {"mu": sigma * rng.choice([-1, 1], sigma.size) * rng.uniform(0.3, 2, sigma.size)} | {
        "sigma": sigma
    }


def centred_moments(rng):
    sigma = rng.uniform(1.5, 3, int(rng.integers(2, 5)))
    return {"mu": np.zeros_like(sigma), "sigma": sigma}


def without_spread(rng):
    mu = np.array([*(rng.uniform(1.5, 5, 2) * [1, -1]), 0.0])
    return {"mu": rng.permutation(mu), "sigma": np.zeros(3)}


def untouched(rng):
    """So far above 0 that the ReLU has nothing to cut."""
    sigma = rng.uniform(1.5, 3, int(rng.integers(2, 5)))
    return {"mu": 40 * sigma, "sigma": sigma}


def follows_the_units(run, arguments):
    mean, var = run()
    doubled = run(mu=2 * arguments["mu"], sigma=2 * arguments["sigma"])
    return agree(doubled[0], 2 * mean) and agree(doubled[1], 4 * var)


def is_at_least_the_clipped_mean(run, arguments):
    return not np.any(run()[0] < np.maximum(arguments["mu"], 0) - 1e-9)


USUAL = {"mu": np.array([1.0, -1.0, 2.0, -3.0]), "sigma": np.array([2.0, 2.0, 3.0, 2.0])}

MOMENTS_ASPECTS = (
    Aspect(
        "standard",
        1,
        "Where mu is 0, for any sigma.",
        public=({"mu": np.zeros(2), "sigma": np.array([1.0, 2.0])},),
        hidden=lambda rng: [centred_moments(rng) for _ in range(2)],
        judges=(0, 1),
    ),
    Aspect(
        "mean",
        2,
        "The mean of max(0, X).",
        public=(USUAL,),
        hidden=lambda rng: [usual_moments(rng) for _ in range(3)],
    ),
    Aspect(
        "variance",
        2,
        "The variance of max(0, X).",
        public=(USUAL,),
        hidden=lambda rng: [usual_moments(rng) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "no-spread",
        1,
        "Where sigma is 0 the value is certain: max(0, mu), with variance 0.",
        public=({"mu": np.array([3.0, -2.0, 0.0]), "sigma": np.zeros(3)},),
        hidden=lambda rng: [without_spread(rng) for _ in range(2)],
        judges=(0, 1),
    ),
    Aspect(
        "array",
        1,
        "Right values, in two new float64 arrays; mu and sigma are unchanged.",
        public=({"mu": np.array([80.0]), "sigma": np.array([2.0])},),
        hidden=lambda rng: [untouched(rng) for _ in range(2)],
        judges=(0, 1),
        strict=True,
    ),
)
MOMENTS_ALL = tuple(aspect.name for aspect in MOMENTS_ASPECTS)
ORDINARY = ("standard", "mean", "variance")

MOMENTS = Exercise(
    id="rectified-moments",
    signature="rectified_moments(mu, sigma)",
    returns=("mean", "var"),
    reference=rectified_moments,
    aspects=MOMENTS_ASPECTS,
    misconceptions=(
        Misconception(
            "clips-the-moments",
            "Your mean is max(0, mu) and your variance sigma²: as though the ReLU acted on the "
            "mean. It acts on the values. Half of those of a centred X are above 0, and they have "
            "a mean that is not 0.",
            lambda mu, sigma: (np.maximum(mu, 0), sigma**2),
            ORDINARY,
        ),
        Misconception(
            "standard-constants",
            "Your moments are 0.399 sigma and 0.341 sigma², whatever mu is. They are right for "
            "mu = 0, where half of the values are cut. How many are cut depends on mu.",
            lambda mu, sigma: (STANDARD[0] * sigma, STANDARD[1] * sigma**2),
            ("mean", "variance", "no-spread", "array"),
        ),
        Misconception(
            "standard-constants-shifted",
            "Your moments are mu + 0.399 sigma and 0.341 sigma²: those for mu = 0, moved along by "
            "mu. But the ReLU cuts at 0, wherever mu is, and so the shape changes.",
            lambda mu, sigma: (mu + STANDARD[0] * sigma, STANDARD[1] * sigma**2),
            ("mean", "variance", "no-spread", "array"),
        ),
        Misconception(
            "survivors-only",
            "Your moments are those of the values above 0. The ReLU does not throw the others "
            "away: it turns them into zeros, and they count.",
            survivors_only,
            (*ORDINARY, "no-spread"),
        ),
        Misconception(
            "absolute-value",
            "Your moments are those of |X|. The ReLU does not fold the negative values over, it "
            "turns them into zeros.",
            folded,
            (*ORDINARY, "no-spread"),
        ),
        Misconception(
            "second-moment",
            "Your variance is the mean of the squares. Subtract the square of the mean.",
            variance_by(lambda mu, sigma, mean, var: var + mean**2),
            ("standard", "variance", "no-spread", "array"),
        ),
        Misconception(
            "spread-about-mu",
            "Your variance is the mean squared distance from mu. The values have a new mean after "
            "the ReLU, and it is from that one that their distance counts.",
            variance_by(lambda mu, sigma, mean, var: var + (mean - mu) ** 2),
            ("standard", "variance", "no-spread"),
        ),
        Misconception(
            "share-of-the-variance",
            "Your variance is sigma² times the probability of being above 0, as though the zeros "
            "had no distance from the mean.",
            variance_by(lambda mu, sigma, mean, var: sigma**2 * surviving(ratio(mu, sigma))),
            ("standard", "variance"),
        ),
        Misconception(
            "variance-kept",
            "Your variance is sigma², as before the ReLU. It pushes all negative values together "
            "into one point: the spread must shrink.",
            variance_by(lambda mu, sigma, mean, var: sigma**2),
            ("standard", "variance"),
        ),
        Misconception(
            "returns-the-deviation",
            "Your second result is the standard deviation. The variance was asked for.",
            variance_by(lambda mu, sigma, mean, var: np.sqrt(var)),
            ("standard", "variance", "array"),
        ),
        Misconception(
            "no-density-term",
            "Your mean is mu times the probability of being above 0. Those that are above 0 do not "
            "have the mean mu, though: a term with the density is missing.",
            moments_by(mean=lambda mu, sigma, r: mu * surviving(r)),
            ORDINARY,
        ),
        Misconception(
            "density-without-sigma",
            "Your mean adds the density itself. Think of units: mu is in counts, a density of "
            "mu / sigma has none, so something must multiply it.",
            moments_by(mean=lambda mu, sigma, r: mu * surviving(r) + density(r)),
            (*ORDINARY, "no-spread"),
        ),
        Misconception(
            "sigma-taken-for-a-variance",
            "Your moments are those of a normal variable whose variance is sigma. Here sigma is "
            "the standard deviation: X = mu + sigma Z.",
            lambda mu, sigma: rectified_moments(mu, np.sqrt(sigma)),
            (*ORDINARY, "array"),
        ),
        Misconception(
            "wrong-tail",
            "Your formulas take the probability of being below 0 for that of being above. For a "
            "mu far above 0 nothing is cut: which of the two is then near 1?",
            moments_by(
                lambda mu, sigma, r: mu * surviving(-r) + sigma * density(r),
                lambda mu, sigma, r: (mu**2 + sigma**2) * surviving(-r) + mu * sigma * density(r),
            ),
            ("mean", "variance", "no-spread", "array"),
        ),
        Misconception(
            "mu-not-in-units-of-sigma",
            "Your formulas put mu itself into the standard normal distribution. It wants to know "
            "how many sigmas mu is away from 0.",
            moments_by(ratio=lambda mu, sigma: mu),
            ("mean", "variance", "no-spread"),
        ),
        Misconception(
            "swaps-mean-and-variance",
            "Your results are right and in the wrong order: return mean, var.",
            lambda mu, sigma: rectified_moments(mu, sigma)[::-1],
            MOMENTS_ALL,
        ),
        Misconception(
            "nought-over-nought",
            "Your formulas are right, and where mu and sigma are both 0 they say 0 / 0. A channel "
            "that is 0 everywhere is nothing rare behind a ReLU: treat sigma = 0 by itself.",
            moments_by(ratio=lambda mu, sigma: np.clip(mu / sigma, -100, 100)),
            ("no-spread",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but an array that you were given is changed on the way, as in "
            "`mu /= sigma`. Make a new array.",
            divides_mu_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Counted in half units, with mu and sigma twice as large, the mean should double and "
            "the variance should be four times as large. Yours are not.",
            follows_the_units,
        ),
        Property(
            "max(0, X) is never below 0 and never below X, so its mean is at least 0 and at least "
            "mu. Yours is not.",
            is_at_least_the_clipped_mean,
        ),
    ),
)


# --- Which comes first? ---------------------------------------------------------------------------


def in_relu_order(z, gamma, beta, eps=1e-5):
    return in_then_relu(z, gamma, beta, eps=eps), relu_then_in(z, gamma, beta, eps=eps)


def both_by(first=None, second=None, **change):
    """An answer from rules (z, norm, affine); `change` is another way to standardise."""

    def answer(z, gamma, beta, eps=1e-5):
        norm = partial(standardise, eps=eps, **change)

        def affine(y):
            return per_channel(gamma) * y + per_channel(beta)

        return (
            (first or right_first)(z, norm, affine),
            (second or right_second)(z, norm, affine),
        )

    return answer


def right_first(z, norm, affine):
    return relu(affine(norm(z)))


def right_second(z, norm, affine):
    return affine(norm(relu(z)))


def no_relu(z, norm, affine):
    return affine(norm(z))


def by_the_survivors(z, norm, affine):
    """Mean and variance over the values above 0, applied to all."""
    y = np.empty_like(z)
    for place in np.ndindex(z.shape[:2]):
        alive = z[place][z[place] > 0]
        y[place] = (relu(z[place]) - alive.mean()) / alive.std()
    return affine(y)


def by_what_went_in(z, norm, affine):
    return affine((relu(z) - plane_mean(z)) / z.std((2, 3), keepdims=True))


def clips_in_place(z, gamma, beta, eps=1e-5):
    result = in_relu_order(z, gamma, beta, eps)
    z[z < 0] = 0
    return result


def unscaled(z, **rest):
    """Put gamma = 1 and beta = 0 between z and eps."""
    channels = z.shape[1]
    return {"z": z, "gamma": np.ones(channels), "beta": np.zeros(channels), **rest}


def scaled(rng, z):
    """gamma and beta of either sign, and never near the 1 and 0 that change nothing."""
    gamma = rng.uniform(1.5, 3, z.shape[1]) * rng.choice([-1, 1], z.shape[1])
    signs = rng.permutation(np.resize([1, -1], z.shape[1]))
    return {"z": z, "gamma": gamma, "beta": signs * rng.uniform(0.3, 0.9, z.shape[1])}


def straddling(rng, shape=None):
    """Planes in thousands, each with its own mean and spread, on both sides of 0."""
    shape = shape or some_shape(rng)
    planes = (*shape[:2], 1, 1)
    spread = rng.uniform(2e3, 6e3, planes)
    alike = shuffled(rng, shape)
    return spread * (rng.uniform(0.2, 0.5, planes) * rng.choice([-1, 1], planes) + alike)


def straddling_alike(rng, contrast=4e3):
    """The same with equal statistics in all planes."""
    return contrast * (rng.uniform(0.2, 0.5) + shuffled(rng, some_shape(rng)))


def faint_straddling(rng):
    for _ in range(2):
        eps = 10 ** rng.uniform(-6, -1)
        contrast = np.sqrt(eps * 10 ** rng.uniform(-0.5, 1))
        yield unscaled(straddling_alike(rng, contrast), eps=eps)
    yield unscaled(straddling_alike(rng, np.sqrt(1e-5)))


def dead(rng):
    return scaled(rng, -counts(rng, (int(rng.integers(1, 3)), 2, *some_shape(rng)[2:])) - 1e5)


def is_not_negative(run, arguments):
    return bool((run()[0] >= 0).all())


def is_centred_on_beta(run, arguments):
    means = run(beta=np.zeros_like(arguments["beta"]))[1].mean((2, 3))
    return agree(means, np.zeros_like(means))


def the_first_ignores_a_shift(run, arguments):
    z = arguments["z"]
    return agree(run(z=z + np.ptp(z))[0], run()[0])


def both_ignore_a_gain(run, arguments):
    eps = arguments.get("eps", 1e-5)
    louder = run(z=2 * arguments["z"], eps=4 * eps)
    return all(agree(a, b) for a, b in zip(louder, run(eps=eps), strict=True))


CHANNELS = np.array([[[[-3.0, -1.0], [1.0, 7.0]], [[9.0, -7.0], [-5.0, -1.0]]]]) * 1e3
STRADDLING = straddling(np.random.default_rng(24), (2, 3, 2, 5))
DEAD = {
    "z": np.array([[[[-1.0, -2.0], [-3.0, -1.0]], [[-5.0, -4.0], [-2.0, -9.0]]]]),
    "gamma": np.array([2.0, -3.0]),
    "beta": np.array([0.5, -0.5]),
}
ALIKE = np.array([[[[-3.0, -1.0], [1.0, 7.0]], [[7.0, 1.0], [-3.0, -1.0]]]])

ORDER_ASPECTS = (
    Aspect(
        "in-then-relu",
        1,
        "The first result: normalise, then cut at 0.",
        public=(unscaled(CHANNELS), unscaled(STRADDLING)),
        hidden=lambda rng: [unscaled(straddling(rng)) for _ in range(3)],
    ),
    Aspect(
        "relu-then-in",
        1,
        "The second result: cut at 0, then normalise what is left.",
        public=(unscaled(CHANNELS), unscaled(STRADDLING)),
        hidden=lambda rng: [unscaled(straddling(rng)) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "affine",
        1,
        "gamma and beta belong to the norm: they follow it at once, in either order.",
        public=({"z": 1e3 * ALIKE, "gamma": DEAD["gamma"], "beta": DEAD["beta"]},),
        hidden=lambda rng: [scaled(rng, straddling_alike(rng)) for _ in range(3)],
        judges=(0, 1),
    ),
    Aspect(
        "dead",
        1,
        "A plane with no value above 0 becomes beta in the second order.",
        public=(DEAD,),
        hidden=lambda rng: [dead(rng) for _ in range(2)],
        judges=(1,),
    ),
    Aspect(
        "eps",
        1,
        "eps is added to the variance, inside the root, in both orders.",
        public=(unscaled(1e-3 * ALIKE, eps=1e-6), unscaled(1e-3 * ALIKE)),
        hidden=faint_straddling,
        judges=(0, 1),
    ),
    Aspect(
        "array",
        1,
        "Right values, in two new float64 arrays of z's shape; no argument is changed.",
        public=(unscaled(1e3 * ALIKE),),
        hidden=lambda rng: [unscaled(straddling_alike(rng)) for _ in range(2)],
        judges=(0, 1),
        strict=True,
    ),
)
ORDER_ALL = tuple(aspect.name for aspect in ORDER_ASPECTS)
FIRST = ("in-then-relu", "affine", "eps", "array")
SECOND = ("relu-then-in", "affine", "eps", "array")
BOTH = ("in-then-relu", *SECOND)

ORDER = Exercise(
    id="in-relu-order",
    signature="in_relu_order(z, gamma, beta, eps=1e-5)",
    returns=("in_then_relu", "relu_then_in"),
    reference=in_relu_order,
    aspects=ORDER_ASPECTS,
    misconceptions=(
        Misconception(
            "swaps-the-orders",
            "Your two results are right and in the wrong order: the one that ends with the ReLU "
            "comes first. Which of the two can be negative?",
            lambda *arguments: in_relu_order(*arguments)[::-1],
            ORDER_ALL,
        ),
        Misconception(
            "one-order-twice",
            "Both your results are normalised after the ReLU. In the first, the norm sees all of "
            "z, and the ReLU comes last.",
            both_by(first=right_second),
            FIRST,
        ),
        Misconception(
            "the-usual-order-twice",
            "Both your results end with the ReLU. In the second the norm comes last, so its mean "
            "is beta and it has values on both sides.",
            both_by(second=right_first),
            (*SECOND, "dead"),
        ),
        Misconception(
            "no-relu-in-the-first",
            "Your first result is IN(z): its ReLU is missing. Without it half of the values would "
            "be negative.",
            both_by(first=no_relu),
            FIRST,
        ),
        Misconception(
            "no-relu-in-the-second",
            "Your second result is IN(z): its ReLU is missing. The norm is to see z after it has "
            "been cut.",
            both_by(second=no_relu),
            (*SECOND, "dead"),
        ),
        Misconception(
            "clipped-too-early",
            "Your first result is what you get when z has been cut at 0 before it is normalised "
            "and cut again. Has an earlier line changed z?",
            both_by(first=lambda z, norm, affine: right_first(relu(z), norm, affine)),
            FIRST,
        ),
        Misconception(
            "clipped-again",
            "Your second result is cut at 0 once more at its end. The norm comes last there, and "
            "what it makes negative stays negative.",
            both_by(second=lambda z, norm, affine: right_first(relu(z), norm, affine)),
            (*SECOND, "dead"),
        ),
        Misconception(
            "first-centred-again",
            "Your first result is normalised a second time, behind the ReLU. max(0, IN(z)) is not "
            "centred: that is the price of the usual order.",
            both_by(first=lambda z, norm, affine: affine(norm(relu(norm(z))))),
            FIRST,
        ),
        Misconception(
            "statistics-of-the-survivors",
            "Your second result takes the mean and the variance over the values above 0. The zeros "
            "are values like any others: they belong to the plane.",
            both_by(second=by_the_survivors),
            (*SECOND, "dead"),
        ),
        Misconception(
            "statistics-before-the-relu",
            "Your second result subtracts the mean of z and divides by the deviation of z, where "
            "those of max(0, z) are meant.",
            both_by(second=by_what_went_in),
            (*SECOND, "dead"),
        ),
        Misconception(
            "affine-after-the-relu",
            "Your first result applies gamma and beta after the ReLU. They belong to the norm, so "
            "the ReLU sees them: that is how beta chooses which share of the values survives.",
            both_by(first=lambda z, norm, affine: affine(relu(norm(z)))),
            ("affine",),
        ),
        Misconception(
            "affine-before-the-norm",
            "Your second result applies gamma and beta before the norm, which takes both away "
            "again, but for the sign of gamma.",
            both_by(second=lambda z, norm, affine: norm(affine(relu(z)))),
            ("affine", "dead"),
        ),
        Misconception(
            "forgets-gamma-and-beta",
            "Your results do not depend on gamma and beta.",
            both_by(
                lambda z, norm, affine: relu(norm(z)),
                lambda z, norm, affine: norm(relu(z)),
            ),
            ("affine", "dead"),
        ),
        Misconception(
            "statistics-of-the-batch",
            "Your results are what you get when the images of a batch share one mean and one "
            "variance per channel. That is batch norm.",
            both_by(axes=(0, 2, 3)),
            ("in-then-relu", "relu-then-in"),
        ),
        Misconception(
            "statistics-of-the-image",
            "Your results are what you get when all channels of an image share one mean and one "
            "variance. That is layer norm.",
            both_by(axes=(1, 2, 3)),
            ("in-then-relu", "relu-then-in"),
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your results are what you get when the variance is divided by m - 1. Instance norm "
            "takes the plain mean of the squared deviations.",
            both_by(ddof=1),
            BOTH,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your results are what you get when eps is added to the standard deviation. The "
            "definition adds it to something else, one step earlier.",
            both_by(scale=beside),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your results are what you get with eps = 0. A faint plane is blown up too far, and a "
            "dead one, which the ReLU has made all zeros, becomes 0 / 0.",
            both_by(scale=without_eps),
            ("eps", "dead"),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your results are what you get with eps = 1e-5 whatever the caller asks for. Is the "
            "number written out somewhere in your function?",
            both_by(scale=lambda var, eps: np.sqrt(var + 1e-5)),
            ("eps",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but z is changed on the way, as in `z[z < 0] = 0`. The other "
            "order needs it whole, and so does the caller. Make a new array.",
            clips_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Your first result holds negative values. A ReLU that comes last leaves none.",
            is_not_negative,
        ),
        Property(
            "With beta = 0 each plane of your second result should have the mean 0, since the norm "
            "comes last. It has not.",
            is_centred_on_beta,
        ),
        Property(
            "Adding one number to every value of z changes your first result, though the norm, "
            "which comes first, should take that number away.",
            the_first_ignores_a_shift,
        ),
        Property(
            "Doubling z (and eps fourfold, in step with the variance) changes your results, though "
            "a ReLU doubles along and the norm takes the factor away.",
            both_ignore_a_gain,
        ),
    ),
)


# --- A layer for PyTorch --------------------------------------------------------------------------


def in_function(x, gamma, beta, dy, eps):
    dx, dgamma, dbeta = instance_norm_backward(dy, x, gamma, eps=eps)
    return instance_norm(x, gamma, beta, eps=eps), dx, dgamma, dbeta


def function_by(y=instance_norm, gradients=instance_norm_backward):
    """An answer from another kernel for the way forth, the way back, or both."""

    def answer(x, gamma, beta, dy, eps):
        return y(x, gamma, beta, eps=eps), *gradients(dy, x, gamma, eps=eps)

    return answer


def standardised_by(**change):
    """The way forth, standardised in another way."""

    def y(x, gamma, beta, eps):
        return per_channel(gamma) * standardise(x, eps, **change) + per_channel(beta)

    return y


def keeps_the_output(x, gamma, beta, dy, eps):
    """The way back with y in the place of x̂."""
    y, s = instance_norm(x, gamma, beta, eps=eps), root(x.var((2, 3), keepdims=True), eps)
    dx = right_dx(per_channel(gamma) * dy, y, s)
    return y, dx, np.sum(dy * y, (0, 2, 3)), dy.sum((0, 2, 3))


def recognised_before(*names):
    """Misconceptions of the exercise "in-backward", in the aspects of this one."""
    here = {"one-plane": "dx", "every-plane": "dx"}
    for wrong in map(BACKWARD.misconception, names):
        loses = tuple(dict.fromkeys(here.get(aspect, aspect) for aspect in wrong.loses))
        yield Misconception(
            wrong.name, wrong.says, function_by(gradients=wrong.implementation), loses
        )


def forth_and_back(rng, x):
    """gamma of either sign, beta, and a random gradient above."""
    arguments = with_gamma(rng, x)
    beta = rng.uniform(1, 2, x.shape[1]) * rng.choice([-1, 1], x.shape[1])
    gamma, dy = arguments["gamma"], arguments["dy"]
    return {"x": x, "gamma": gamma, "beta": beta, "dy": dy, "eps": 0.0}


def plain_affine(arguments, eps):
    gamma, beta = np.ones_like(arguments["gamma"]), np.zeros_like(arguments["beta"])
    return {**arguments, "gamma": gamma, "beta": beta, "eps": float(eps)}


def faint_planes(rng):
    for _ in range(2):
        x = picture(rng, 1, 1)
        yield plain_affine(forth_and_back(rng, x), x.var() * 10 ** rng.uniform(-1, 1))


def own_planes(rng):
    """Planes with a mean and a spread of their own."""
    return forth_and_back(rng, counts(rng, some_shape(rng)) / 4e3)


def dx_sums_to_nothing(run, arguments):
    total = run()[1].sum((2, 3))
    return agree(total, np.zeros_like(total))


def gradients_follow_dy(run, arguments):
    twice = run(dy=2 * arguments["dy"])
    return all(agree(a, 2 * b) for a, b in zip(twice[1:], run()[1:], strict=True))


EVEN_PLANE = {
    "x": np.array([[[[1.0, 5.0], [5.0, 1.0]]]]),
    "gamma": np.array([-2.0]),
    "beta": np.array([0.5]),
    "dy": np.array([[[[1.0, -2.0], [3.0, 0.5]]]]),
    "eps": 0.0,
}
TWO_IMAGES = forth_and_back(
    np.random.default_rng(25), 0.3 + 1.7 * shuffled(np.random.default_rng(26), (2, 3, 4, 5))
)

FUNCTION_ASPECTS = (
    Aspect(
        "forward",
        1,
        "y: instance norm with gamma and beta.",
        public=(EVEN_PLANE, own_planes(np.random.default_rng(27))),
        hidden=lambda rng: [own_planes(rng) for _ in range(3)],
    ),
    Aspect(
        "dx",
        2,
        "dx: the gradient at x, by all the ways that lead from x to y.",
        public=(TWO_IMAGES,),
        hidden=lambda rng: [forth_and_back(rng, picture(rng)) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "dgamma",
        1,
        "dgamma: the gradient at gamma, summed over images and positions.",
        public=(TWO_IMAGES,),
        hidden=lambda rng: [forth_and_back(rng, picture(rng)) for _ in range(3)],
        judges=(2,),
    ),
    Aspect(
        "dbeta",
        1,
        "dbeta: the gradient at beta, likewise.",
        public=(TWO_IMAGES,),
        hidden=lambda rng: [forth_and_back(rng, picture(rng)) for _ in range(3)],
        judges=(3,),
    ),
    Aspect(
        "eps",
        1,
        "The same where eps counts, forth and back.",
        public=(plain_affine(EVEN_PLANE, 5.0),),
        hidden=faint_planes,
        judges=(0, 1, 2),
    ),
    Aspect(
        "array",
        1,
        "Right values, all in float64.",
        public=(EVEN_PLANE,),
        hidden=lambda rng: [forth_and_back(rng, picture(rng, 1, 1)) for _ in range(2)],
        judges=(0, 1, 2, 3),
        strict=True,
    ),
)

FUNCTION = Exercise(
    id="in-function",
    signature="in_function(x, gamma, beta, dy, eps)",
    returns=("y", "dx", "dgamma", "dbeta"),
    reference=in_function,
    aspects=FUNCTION_ASPECTS,
    misconceptions=(
        Misconception(
            "divides-by-m-minus-1",
            "Your variance is divided by m - 1, forth and back. gradcheck is content: both "
            "agree. In PyTorch `var` does that unless you say `correction=0`.",
            function_by(standardised_by(ddof=1), backward_by(sum_by_m_minus_1, ddof=1)),
            ("forward", "dx", "dgamma", "eps", "array"),
        ),
        Misconception(
            "m-minus-1-in-the-spread",
            "Your formulas are right, but the s in them comes from a variance divided by m - 1. In "
            "PyTorch `var` does that unless you say `correction=0`.",
            function_by(standardised_by(ddof=1), backward_by(ddof=1)),
            ("forward", "dx", "dgamma", "eps", "array"),
        ),
        Misconception(
            "eps-outside-the-root",
            "Your layer divides by the deviation plus eps, and its gradients are right for that: "
            "gradcheck is content. The definition adds eps one step earlier.",
            function_by(standardised_by(scale=beside), eps_beside_differentiated),
            ("eps",),
        ),
        Misconception(
            "deviation-plus-eps-for-s",
            "Your formulas have the deviation plus eps for s, forth and back. The definition adds "
            "eps one step earlier.",
            function_by(standardised_by(scale=beside), backward_by(scale=beside)),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your layer does not depend on eps, neither forth nor back.",
            function_by(standardised_by(scale=without_eps), backward_by(scale=without_eps)),
            ("eps",),
        ),
        Misconception(
            "forgets-gamma-and-beta",
            "Your forward returns x̂. gamma and beta come after it.",
            function_by(lambda x, gamma, beta, eps: hats(x, eps)),
            ("forward", "array"),
        ),
        Misconception(
            "statistics-of-the-batch",
            "Your layer is batch norm: its statistics run over the images too, forth and back.",
            function_by(
                lambda x, gamma, beta, eps: batch_norm(x, gamma, beta, eps=eps),
                batch_norm_backward,
            ),
            ("forward", "dx"),
        ),
        Misconception(
            "statistics-of-the-image",
            "Your layer is layer norm: its statistics run over the channels too, forth and back.",
            function_by(layer_norm, layer_norm_backward),
            ("forward", "dx"),
        ),
        Misconception(
            "keeps-the-output",
            "Your way back has y where the formula has x̂. They differ by gamma and beta: which of "
            "the two did you save for the way back?",
            keeps_the_output,
            ("dx", "dgamma", "array"),
        ),
        *recognised_before(
            "statistics-held-constant",
            "mean-held-constant",
            "spread-held-constant",
            "sums-instead-of-means",
            "projection-without-direction",
            "projection-added",
            "not-divided-by-the-spread",
            "forgets-gamma",
            "upstream-of-ones",
            "dgamma-averaged",
            "dgamma-of-the-input",
            "dgamma-through-gamma",
            "swaps-dgamma-and-dbeta",
        ),
    ),
    properties=(
        Property(
            "A shift of a plane changes nothing downstream, so each plane of dx must sum to 0, "
            "for every eps. Yours does not.",
            dx_sums_to_nothing,
        ),
        Property(
            "Twice the upstream gradient must give twice the gradients. Yours do not follow dy.",
            gradients_follow_dy,
        ),
    ),
)

EXERCISES = (MOMENTS, LAYER_BY_LAYER, ORDER, FUNCTION)
